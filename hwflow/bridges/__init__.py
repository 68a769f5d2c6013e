"""Doors to the neighbours: hls4ml and FINN take a network, QKeras gives one. Each is opened only when used.

Stands on net and units; the neighbours themselves are imported inside their own modules.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.fold import raw
from hwflow.net import Net
from hwflow.units.kit.base import Dataflow

TARGETS = ("hls4ml", "finn")


def bridge(
    model: Path,
    net: Net,
    dataflow: Dataflow,
    to: str,
    x: Array,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Take a network to a neighbour and compare on input integers `x`; the result says `equal`."""
    say(f"through {to}: {len(x)} images")
    match to:
        case "hls4ml":
            from hwflow.bridges.hls4ml import bridge as through_hls4ml

            return through_hls4ml(model, net, x, folder)
        case "finn":
            from hwflow.bridges.finn import bridge as through_finn

            return through_finn(raw(net), dataflow, x, folder)
        case _:
            raise RecipeError(f"--to {to}: is not a neighbour; choose one of {', '.join(TARGETS)}")
