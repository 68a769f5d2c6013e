"""Recurrent networks of random files: ONNX Scan over the time of a sequence, its state quantised in every step.

Stands on drawing and quantize. Only files of exact sums have one: a state that float32 rounds one step, all later steps see.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from hwflow.bits import Array
from hwflow.generate.drawing import Drawing, Grid, grid_of, plus, product
from hwflow.generate.quantize import ready

MOST_BITS = 8  # of what is scanned


class ScanBody:
    """The body of a Scan in the making: tensors `given` (batch, inputs) and `state` (batch, states), nodes, constants."""

    def __init__(self, d: Drawing, inputs: int, states: int):
        self.d, self.inputs, self.states = d, inputs, states
        self.at = f"step{len(d.b.nodes)}"
        self.given, self.state = f"{self.at}_x", f"{self.at}_h"
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def const(self, value: Any) -> str:
        name = f"{self.at}_c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, op: str, *names: str, domain: str = "", **attrs: Any) -> str:
        out = f"{self.at}_t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, list(names), [out], f"{self.at}_{op}_{len(self.nodes)}", domain=domain, **attrs)
        )
        return out

    def sums(self, x: Grid, h: Grid) -> tuple[str, Grid]:
        """Sums of input and state: of both side by side, or of two products; perhaps scaled and shifted."""
        d, n = self.d, self.states
        w = d.rng.choice([-1.0, 1.0], (self.inputs + n, n)) * 2.0 ** d.choose(-2, 0)
        if d.chance(50):
            both = self.node("Concat", self.given, self.state, axis=d.pick((1, -1)) if d.opset >= 11 else 1)
            y = self.node("MatMul", both, self.const(w))
        else:
            parts = [self.node("MatMul", self.given, self.const(w[: self.inputs])), self.node("MatMul", self.state, self.const(w[self.inputs :]))]  # fmt: skip
            y = self.node("Add", *d.pick((parts, parts[::-1])))
        grid = d.summed(plus(product(x, grid_of(w), self.inputs), product(h, grid_of(w), n)))
        for op, together in (("Mul", product), ("Add", plus)):
            if d.chance(50):
                v = d.number(d.pick(((), (n,), (1, n))), True)
                y, grid = self.node(op, y, self.const(v)), d.summed(together(grid, grid_of(v)))
        return y, grid

    def graph(self, end: str, each: bool, masked: bool) -> GraphProto:
        """The body, whose new state is `end`; with `each` it is what a step gives, too; a mask may keep the state."""
        value = helper.make_tensor_value_info
        sizes = [(self.state, self.states), (self.given, self.inputs)]
        if masked:
            mask = f"{self.at}_mask"
            sizes.append((mask, 1))
            end = self.node("Where", self.node("Greater", mask, self.const(0.0)), end, self.state)
        ends = [end, self.node("Identity", end)] if each else [end]
        ins = [value(name, TensorProto.FLOAT, [None, n]) for name, n in sizes]
        outs = [value(name, TensorProto.FLOAT, [None, self.states]) for name in ends]
        return helper.make_graph(self.nodes, self.at, ins, outs, self.constants)


def channel(d: Drawing) -> str:
    """One channel of the last tensor: a mask of its steps."""
    axis, k = d.at.axis, d.choose(0, d.at.size("C") - 1)
    if d.opset < 10:
        return d.node("Slice", d.at.name, starts=[k], ends=[k + 1], axes=[axis])
    return d.node("Slice", d.at.name, *(d.const(v, np.int64) for v in ([k], [k + 1], [axis])))


def scanned(d: Drawing) -> None:
    """A sequence scanned by one step, for the last state or for every one."""
    if d.at.letters not in ("NCW", "NWC") or not d.dyadic:
        return
    x = ready(d, MOST_BITS)
    at, states = d.at, d.choose(1, 6)
    step = ScanBody(d, at.size("C"), states)
    scale, bits, signed = 2.0 ** d.choose(-3, 1), d.choose(1, 4), d.choose(0, 1)
    h = Grid(scale, scale * 2.0**bits, True)
    y, _ = step.sums(x, h)
    domain = d.general
    if bits == 1:
        new = step.node("BipolarQuant", y, step.const(scale), domain=domain)
        start: Array = d.rng.choice([-scale, scale], (1, states))
    else:
        ends = (step.const(scale), step.const(0.0), step.const(float(bits)))
        new = step.node("Quant", y, *ends, domain=domain, signed=signed, narrow=0, rounding_mode="ROUND")
        start = np.full((1, states), scale * d.choose(0, 1))
    if d.chance(40):
        about, _ = step.sums(x, h)
        op = d.pick(("Greater", "Less", "GreaterOrEqual", "LessOrEqual") if d.opset >= 12 else ("Greater", "Less"))
        names = [new, step.state]
        new = step.node(
            "Where", step.node(op, about, step.const(float(d.number((), True)))), *d.pick((names, names[::-1]))
        )
    each = d.chance(50)
    axis, out = at.letters.index("W"), d.pick((1, 2))
    given = [at.name, *([channel(d)] if d.chance(30) else [])]
    attrs: dict[str, Any] = {"scan_input_axes": [axis - 3 if d.opset >= 11 and d.chance(30) else axis for _ in given]}
    if each:
        attrs["scan_output_axes"] = [out - 3 if d.opset >= 11 and d.chance(30) else out]
    for side in ("input", "output") if each else ("input",):
        if d.chance(10):
            # forwards, as when it is left out
            attrs[f"scan_{side}_directions"] = [0] * (len(given) if side == "input" else 1)
    name = d.node(
        "Scan", d.b.const(start), *given, outputs=1 + each, body=step.graph(new, each, len(given) == 2),
        num_scan_inputs=len(given), **attrs,
    )  # fmt: skip
    if not each:
        d.to(name, h, "NC", (at.shape[0], states))
        return
    sizes = {"N": at.shape[0], "W": at.size("W"), "C": states}
    letters = "NWC" if out == 1 else "NCW"
    d.to(f"{name}_1", h, letters, tuple(sizes[a] for a in letters))
