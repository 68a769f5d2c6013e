"""Why hls4ml's answer departs: its stored weights and thresholds held against the integer network's.

Stands on net. Each cause is measured on the model at hand, never assumed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwflow.bits import Array
from hwflow.net import Net
from hwflow.ops import Conv, Dense, Threshold


def why(net: Net, layer: str, what: str, theirs: Any) -> str:
    """What differs between the two at the first place whose values do, in one line."""
    op = next(op for op in net.ops if op.name == layer)
    sums = [o.name for o in net.ops if isinstance(o, Dense | Conv)]
    mates = [
        node for node in theirs.get_layers() if "weight" in node.weights and node.class_name not in ("ApplyAlpha",)
    ]
    mate = mates[sums.index(layer)] if len(mates) == len(sums) else None
    if what == "sums":
        return _weights(op, mate) if mate is not None and isinstance(op, Dense | Conv) else "its sums differ"
    before = next((o for o in net.ops if o.name == op.inputs[0]), None)
    node = mate.get_input_node() if mate is not None else None
    if isinstance(before, Threshold) and node is not None and "threshold" in node.weights:
        return _thresholds(before, np.asarray(node.weights["threshold"].data, np.float64).ravel())
    return "its activation differs while the sums in front of it are equal"


def _weights(op: Dense | Conv, mate: Any) -> str:
    """The weights hls4ml stored for a layer, as -1/+1 where it keeps them as 0/1, against ours."""
    stored = np.asarray(mate.weights["weight"].data, np.float64)
    ours = op.weights.reshape(len(op.weights), -1).T if isinstance(op, Dense) else op.weights.transpose(1, 2, 3, 0)
    if stored.size != ours.size:
        return f"its layer holds {stored.size} weights, ours {ours.size}"
    stored, ours = stored.reshape(-1, len(op.weights)), ours.reshape(-1, len(op.weights))  # a column for each row
    if np.isin(stored, (0, 1)).all() and np.isin(ours, (-1, 1)).all():
        if (stored == 1).all():
            return "every weight has become +1: its binary quantizer is applied a second time, to weights already stored as 0 and 1"
        stored = 2 * stored - 1
    wrong = int(np.minimum((stored != ours).sum(0), (stored != -ours).sum(0)).sum())  # fold may negate a row
    return (
        f"{wrong} of {ours.size} weights differ"
        if wrong
        else "its weights are equal and its sums are not: the C++ differs"
    )


def _thresholds(op: Threshold, stored: Array) -> str:
    """The thresholds hls4ml compares with, against ours."""
    ours, falling = op.thresholds[:, 0].astype(np.float64), op.falling
    if len(stored) != len(ours):
        stored = np.resize(stored, len(ours))
    below = int((stored < ours)[~falling].sum())
    parts = []
    if falling.any():
        parts.append(
            f"{int(falling.sum())} of {len(ours)} channels fall (negative scale of the norm), which its thresholds ignore"
        )
    if below:
        parts.append(f"{below} thresholds are rounded down and then compared with >=")
    return "; ".join(parts) or f"{int((stored != ours).sum())} of {len(ours)} thresholds differ"
