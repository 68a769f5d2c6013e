"""Whether few bits help a network to generalise: full precision beside 8, 4, 2 and 1 bit, at equal training.

Stands on experiment, whose runs, rates, seeds and tests it takes. Four kinds of networks, each small and trained on few
images, so that full precision has something to overfit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwflow.bench.experiment import Contender, Setting, compare, verdict
from hwflow.bench.tables import FOLLOWS
from hwflow.places import MODELS
from hwflow.recipe import Method
from hwflow.train import load_recipe
from hwflow.train.tasks import task_of

BITS = (8, 4, 2, 1)  # of weights and of what goes from layer to layer
FULL = "full precision"


@dataclass(frozen=True)
class Study:
    """One kind of network: its setting, and what its network is given for a number of bits."""

    kind: str
    setting: Setting
    given: Callable[[int], dict[str, Any]]


def _setting(spec: str, file: str, epochs: int, batch: int, limit: int) -> Setting:
    rates = (0.002, 0.008, 0.032)
    return Setting(spec, file, epochs, batch, rates, limit=limit, base=FULL, command="hwflow bench bits")


STUDIES = (
    Study("MLP", _setting("mlp:tfc", "bits-mlp.json", 30, 50, 1000), lambda _: {"threshold": None}),
    Study(
        "recurrent",
        _setting("rnn:rnn-digits", "bits-rnn.json", 15, 25, 500),
        lambda bits: {"width": 16, "states": 32, "bits": bits},
    ),
    Study("CNN", _setting("cnv:cnv-tiny", "bits-cnn.json", 10, 50, 1000), lambda _: {}),
    Study(
        "segmentation",
        _setting("unet:unet-digits", "bits-unet.json", 24, 5, 100),
        lambda bits: {"channels": (6, 12, 24), "feature_bits": max(bits, 4)},
    ),
)


def contenders(study: Study) -> tuple[Contender, ...]:
    """Full precision, which has no quantizer at all, and each of BITS."""
    few = (
        Contender(
            f"{bits} bit{'s' * (bits > 1)}",
            Method(weights="sign", estimator="ste", weight_bits=bits, act_bits=bits),
            network=study.given(bits),
        )
        for bits in BITS
    )
    return (Contender(FULL, Method(weights="sign", estimator="ste", full=True), network=study.given(BITS[0])), *few)


def study_rows(study: Study, path: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of one kind of network and a sentence that says which differences are shown; `path` keeps its runs."""
    setting = study.setting
    found = compare(setting, path, contenders(study), say)
    measure = task_of(load_recipe(setting.spec).task).measure
    text = f"{study.kind}: {verdict(found, against=FULL)}"
    say(text)
    return [
        {
            "network": study.kind, "recipe": setting.spec, "bits": row["name"], "rate": row["rate"], "measure": measure,
            "held out [%]": f"{100 * row['mean']:.2f} ± {100 * row['deviation']:.2f}",
            "right in the last epoch of training [%]": f"{100 * row['learned']:.2f}",
            f"gain over {FULL}": f"{row['gain']:+.2f}", "p": f"{row['p']:.3f}",
            "budget": f"{setting.limit} images, {setting.epochs} epochs, batch {setting.batch}, {len(setting.seeds)} seeds",
        }
        for row in found
    ] + [{FOLLOWS: text}]  # fmt: skip


def rows(say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The rows of `hwflow bench bits`, one kind of network after the other; runs that are kept are not trained again."""
    for study in STUDIES:
        yield from study_rows(study, MODELS / "trained" / study.setting.file, say)
