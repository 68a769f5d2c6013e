"""The float32 network of the same shapes as an integer one, in PyTorch, for timing.

Stands on net and torch; `bench.float_twin` says what such a network is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from hwflow.net import INPUT, Net
from hwflow.ops import Add, Conv, Dense, Flatten, MaxPool, Op, Pad, Rescale, SumPool, Threshold


class FloatTwin(torch.nn.Module):
    """Batch first, NCHW images; random weights. `activates(op, net)` says where the ReLUs are."""

    def __init__(self, net: Net, relu_after: frozenset[str]):
        super().__init__()
        self.ops = net.ops
        self.relu_after = relu_after
        self.layers = torch.nn.ModuleDict()
        for op in net.ops:
            if isinstance(op, Conv):
                rows, kh, kw, depth = op.weights.shape
                own = torch.nn.Conv2d(depth * op.groups, rows, (kh, kw), op.stride, op.pads[:2], op.dilation, op.groups)
                self.layers[op.name] = own
            elif isinstance(op, Dense):
                self.layers[op.name] = torch.nn.Linear(op.weights.shape[1], op.weights.shape[0])
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {INPUT: x}
        for op in self.ops:
            values[op.name] = x = self.one(op, [values[i] for i in op.inputs])
        return x

    def one(self, op: Op, xs: list[torch.Tensor]) -> torch.Tensor:
        match op:
            case Conv() | Dense():
                return self.layers[op.name](xs[0])  # type: ignore[no-any-return]
            case MaxPool():
                return F.max_pool2d(xs[0], op.kernel, op.stride)
            case SumPool():
                return F.avg_pool2d(xs[0], op.kernel, op.stride)
            case Add():
                return xs[0] + xs[1]
            case Pad():
                t, left, b, r = op.pads
                return F.pad(xs[0], (left, r, t, b, *op.channels))
            case Flatten():
                return xs[0].flatten(1)
            case Threshold() | Rescale():
                return F.relu(xs[0]) if op.name in self.relu_after else xs[0]
            case _:
                raise NotImplementedError(f"{op.name}: a float twin of {type(op).__name__} is not written")


def timed(net: Net, relu_after: frozenset[str]) -> object:
    """A function of a NCHW numpy batch that runs the twin on one thread."""
    torch.set_num_threads(1)
    twin = FloatTwin(net, relu_after)

    def run(x: object) -> None:
        with torch.inference_mode():
            twin(torch.from_numpy(x))

    return run
