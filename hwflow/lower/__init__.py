"""From integers to hardware: every operation becomes units, joined by streams, under a folding.

Stands on net, ops and units. The only switch on kinds of operations is here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import assert_never

from hwflow import ops
from hwflow import units as hw
from hwflow.bits import Array
from hwflow.errors import Finding, ModelError, RecipeError
from hwflow.lower.folding import Folding, check_folding, fold_units, folding_of, load_folding, match_rates, save_folding
from hwflow.lower.join import Names, join
from hwflow.net import INPUT, Net
from hwflow.ops import Op, Port
from hwflow.units.kit.base import SOURCE, Dataflow, Unit

__all__ = ["cores", "folding_of", "load_folding", "lower", "save_folding"]


def lower(net: Net, folding: Folding | None = None, reload: bool = False) -> Dataflow:
    """The hardware of a network under a folding; units the folding leaves out stay at one element a cycle.

    A window nobody folds keeps pace with the unit it feeds. Fifos are those the folding names; without any, each
    input of a unit with several inputs gets one that holds an image, which never deadlocks (`plan` sizes them).
    `reload`: weights, thresholds and scales can be loaded while the hardware runs (`lower.reload`).
    RecipeError for a unit that is not there and for a value that does not divide.
    """
    folding = check_folding(folding or {})
    units = match_rates(fold_units(cores(net, reload), folding), folding)
    depths = {name: int(entry["depth"]) for name, entry in folding.items() if "depth" in entry}
    if unknown := sorted(set(folding) - {u.name for u in units} - set(depths)):
        known = ", ".join(u.name for u in units)
        raise RecipeError(f"{unknown[0]}: is no unit of {net.name}; its units are {known}")
    return join(net.name, net.input, units, depths or None)


def cores(net: Net, reload: bool = False) -> tuple[Unit, ...]:
    """Every unit that computes, at its smallest folding, reading the units it depends on by name.

    A rising threshold is fused into the matrix unit before it, when nothing else reads the sums; `passes.canonical`
    has brought those of a folded network there. ModelError, with a remedy, for what no unit can do.
    """
    readers = Counter(i for op in net.ops for i in op.inputs)
    by_input = {op.inputs[0]: op for op in net.ops if isinstance(op, ops.Threshold) and not op.falling.any()}
    built = _Built({INPUT: SOURCE}, {INPUT: net.input}, [], Names({SOURCE}), reload)
    fused: set[str] = set()
    for op in net.ops:
        if op.name in fused:
            continue
        after = by_input.get(op.name) if readers[op.name] == 1 and isinstance(op, ops.Dense | ops.Conv) else None
        built.add(op, after)
        fused |= {after.name} if after else set()
    if not built.units:
        raise ModelError(Finding(net.name, "", "only reshapes its input", "leave it to software, or add a layer"))
    return tuple(built.units)


@dataclass
class _Built:
    """Units so far, and where each operation's result comes out of them."""

    edges: dict[str, str]
    ports: dict[str, Port]
    units: list[Unit]
    names: Names
    reload: bool = False

    def put(self, unit: type[Unit], name: str, /, *edges: str, **fields: Any) -> str:
        """One more unit; its own refusals become findings about the network."""
        try:
            made = unit(name=name, inputs=edges, **fields)
            self.units.append(made.reloadable() if self.reload else made)
        except RecipeError as e:
            reason, _, remedy = str(e).removeprefix(f"{name}: ").partition("; ")
            raise ModelError(Finding(name, "", reason, remedy or "change the layer")) from e
        return name

    @property
    def port(self) -> Port:
        """What the latest unit gives."""
        return self.units[-1].outs[0].port

    def add(self, op: Op, after: ops.Threshold | None) -> None:
        """The units of one operation, and of the threshold that fuses into it."""
        if ops.only_reshapes(op):
            (source,) = op.inputs
            x = self.ports[source]
            self.edges[op.name] = self.edges[source]
            self.ports[op.name] = op.port(x) if isinstance(op, ops.Flatten | ops.Reshape) else x
            return
        end = self._unit(
            op,
            after,
            self.names.new(op.name, len(op.inputs)),
            [self.ports[i] for i in op.inputs],
            [self.edges[i] for i in op.inputs],
        )
        for done in (op, after) if after else (op,):
            self.edges[done.name], self.ports[done.name] = end, self.port

    def _unit(self, op: Op, after: ops.Threshold | None, name: str, xs: list[Port], edges: list[str]) -> str:
        x, edge = xs[0], edges[0]
        match op:
            case ops.Dense():
                return self._matrix(name, edge, x, op.weights, after)
            case ops.Conv():
                return self._conv(op, after, name, x, edge)
            case ops.MaxPool():
                return self._pool(op, "max", op.minimum, op.dilation, name, x, edge)
            case ops.SumPool():
                return self._pool(op, "sum", np.zeros(x.channels, bool), (1, 1), name, x, edge)
            case ops.Threshold():
                return self.put(
                    hw.ThresholdUnit,
                    name,
                    edge,
                    x=x,
                    thresholds=op.thresholds,
                    falling=op.falling,
                    base=op.base,
                    bipolar=op.bipolar,
                )
            case ops.Rescale():
                return self.put(
                    hw.RescaleUnit, name, edge, x=x, mul=op.mul, add=op.add, shift=op.shift, lo=op.lo, hi=op.hi
                )
            case ops.Add():
                return self._chain(hw.AddUnit, name, xs, edges, op.scales)
            case ops.Maximum():
                return self._maximum(name, xs, edges)
            case ops.Multiply():
                return self.put(hw.MultiplyUnit, name, *edges, xs=tuple(xs))
            case ops.Concat():
                return self._chain(hw.ConcatUnit, name, xs, edges, op.scales)
            case ops.Upsample():
                return self.put(hw.UpsampleUnit, name, edge, x=x, factor=op.factor)
            case ops.Pad():
                return self.put(hw.PadUnit, name, edge, x=x, pads=op.pads, channels=op.channels)
            case ops.Recurrent():
                return self.put(
                    hw.Recur, name, *edges, x=x, mask=xs[1] if op.inputs[1:] else None, weights=op.weights, thresholds=op.thresholds, start=op.start,
                    gates=op.gates, base=op.base, bipolar=op.bipolar, every=op.every,
                )  # fmt: skip
            case ops.TopK():
                return self.put(hw.TopKUnit, name, edge, x=x, k=op.k)
            case ops.Flatten() | ops.Reshape():
                raise AssertionError("a reshape is no unit")
            case _:
                assert_never(op)

    def _matrix(self, name: str, edge: str, x: Port, weights: Array, after: ops.Threshold | None) -> str:
        return self.put(hw.Mvu, name, edge, x=x, weights=weights, **_threshold_fields(after))

    def _chain(self, kind: type[Unit], name: str, xs: list[Port], edges: list[str], scales: tuple[int, ...]) -> str:
        """A unit of several inputs; more than it can take are taken in turn, the result so far always first."""
        most = 4
        while len(xs) > most:
            part = self.put(
                kind, self.names.new(f"{name}_part", most), *edges[:most], xs=tuple(xs[:most]), scales=scales[:most]
            )
            xs, edges, scales = [self.port, *xs[most:]], [part, *edges[most:]], (1, *scales[most:])
        return self.put(kind, name, *edges, xs=tuple(xs), scales=scales)

    def _maximum(self, name: str, xs: list[Port], edges: list[str]) -> str:
        """A chain of units of two inputs, in an encoding that holds both."""
        edge, x = edges[0], xs[0]
        for k, (other, port) in enumerate(zip(edges[1:], xs[1:], strict=True)):
            x = Port(x.shape, x.ints.join(port.ints))
            last = k == len(edges) - 2
            edge = self.put(hw.MaximumUnit, name if last else self.names.new(f"{name}_part", 2), edge, other, x=x)
        return edge

    def _conv(self, op: ops.Conv, after: ops.Threshold | None, name: str, x: Port, edge: str) -> str:
        """Window and matrix unit; depthwise its own unit; other groups a matrix with zeros outside its blocks."""
        rows, kh, kw, _ = op.weights.shape
        depthwise = op.groups == x.channels == rows > 1
        if (kh, kw) != (1, 1) or op.stride != (1, 1) or op.padded:
            order = "depthwise" if depthwise else "conv"
            edge = self._window(op, op.dilation, op.pad, order, name, self.names.new(f"{name}_window"), x, edge)
            x = self.port
        if depthwise:
            return self.put(
                hw.Vvu, name, edge, x=x, weights=op.weights.reshape(rows, kh * kw), **_threshold_fields(after)
            )
        return self._matrix(name, edge, x, _dense_groups(op), after)

    def _pool(
        self,
        op: ops.MaxPool | ops.SumPool,
        kind: str,
        minimum: Array,
        dilation: tuple[int, int],
        name: str,
        x: Port,
        edge: str,
    ) -> str:
        """Accumulators where windows tile the image, else a window and a reduction; subsampling needs the window only."""
        if op.kernel == (1, 1):
            return self._window(op, (1, 1), np.zeros(1, np.int64), "conv", name, name, x, edge)
        if op.stride == op.kernel and not any(op.pads) and dilation == (1, 1):
            return self.put(hw.Pool, name, edge, x=x, kernel=op.kernel, kind=kind, minimum=minimum)
        # a tap outside the image must never win (max) and adds nothing (sum)
        pad = np.where(minimum, x.ints.hi, x.ints.lo) if kind == "max" else np.zeros(1, np.int64)
        edge = self._window(op, dilation, pad, "depthwise", name, self.names.new(f"{name}_window"), x, edge)
        return self.put(hw.Reduce, name, edge, x=self.port, kind=kind, minimum=minimum)

    def _window(
        self,
        op: ops.Conv | ops.MaxPool | ops.SumPool,
        dilation: tuple[int, int],
        pad: Array,
        order: str,
        layer: str,
        name: str,
        x: Port,
        edge: str,
    ) -> str:
        """A window; padding beyond its own reach is a unit before it, which pads with zeros."""
        spans = tuple((k - 1) * d + 1 for k, d in zip(op.kernel, dilation, strict=True)) * 2
        inside = tuple(min(p, s - 1) for p, s in zip(op.pads, spans, strict=True))
        outside = tuple(p - q for p, q in zip(op.pads, inside, strict=True))
        if any(outside):
            if isinstance(op, ops.MaxPool) or pad.any():
                reason = f"pads {op.pads} beyond its window of {spans[:2]} with something else than zeros"
                raise ModelError(
                    Finding(layer, "pads", reason, f"pad less than {min(spans)}, or with zeros in a layer of its own")
                )
            edge = self.put(hw.PadUnit, self.names.new(f"{layer}_pad"), edge, x=x, pads=outside)
            x = self.port
        return self.put(
            hw.Window,
            name,
            edge,
            x=x,
            kernel=op.kernel,
            stride=op.stride,
            pads=inside,
            dilation=dilation,
            pad=pad,
            order=order,
        )


def _threshold_fields(after: ops.Threshold | None) -> dict[str, Any]:
    """The threshold arguments of a matrix unit; no thresholds where none follows."""
    if after is None:
        return {"thresholds": None, "base": 0, "bipolar": False}
    return {"thresholds": after.thresholds, "base": after.base, "bipolar": after.bipolar}


def _dense_groups(op: ops.Conv) -> Array:
    """(rows, kh * kw * channels) weights of a convolution, zero outside each row's group."""
    rows, kh, kw, depth = op.weights.shape
    out = np.zeros((rows, kh, kw, depth * op.groups), op.weights.dtype)
    per = rows // op.groups
    for g in range(op.groups):
        block = slice(g * per, (g + 1) * per)
        out[block, :, :, g * depth : (g + 1) * depth] = op.weights[block]
    return out.reshape(rows, -1)
