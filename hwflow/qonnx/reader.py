"""From the calls of a file to a Graph: every tensor is followed as a constant or as a value with a layout.

Stands on model, values and the tables of operators; collects every finding before it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np

from hwflow.errors import Finding, HwflowError, ModelError
from hwflow.qonnx.constants import evaluate
from hwflow.qonnx.ends import finish
from hwflow.qonnx.layout import input_of
from hwflow.qonnx.model import Call, File
from hwflow.qonnx.operators import DOMAINS, Refused, check, operator_of
from hwflow.qonnx.sentences import SENTENCES
from hwflow.qonnx.values import Const, Ref, Unknown, Value, dims_of, raster_order
from hwflow.qonnx.views import behind_view, in_order
from hwflow.real import INPUT, Flatten, Graph, Input, Pad, Pointwise, RealOp, Reshape, Step
from hwflow.real.steps import INTEGRAL, Both, tidy

Handler = Callable[["Reader", Call], "Value | tuple[Value, ...]"]
Head: TypeAlias = tuple[str, str, int]  # the tensor in front of it, what it is, its channels


class Reader:
    """Builds a Graph call by call. Handlers ask it for inputs and attributes, and tell it the nodes they become."""

    def __init__(self, file: File, takes: Input):
        self.file, self.takes = file, takes
        self.values: dict[str, Value] = {k: Const(v) for k, v in file.constants.items()}
        self.nodes: dict[str, RealOp] = {}
        self.findings: list[Finding] = list(file.findings)
        self.notes: list[str] = []
        self.heads: dict[str, Head] = {}  # what is left to the host, by the tensor behind it
        self.static_batch = file.input_dims[0] if file.input_dims else None
        first = input_of(file)
        self.values[file.input] = first
        self.shapes = {INPUT: first.shape}

    # -- driving -------------------------------------------------------------------------------------------------

    @np.errstate(all="ignore")  # what float32 cannot hold becomes a finding of the graph
    def read(self) -> Graph | None:
        """The graph, or None with `findings`."""
        for call in self.file.calls:
            try:
                out = self._value_of(call)
            except Refused as r:
                if r.reason:
                    self.findings.append(Finding(call.name, r.attribute, r.reason, r.remedy))
                out = self._unknown(call)
            except ModelError as e:
                self.findings += [Finding(call.name, f.attribute, f.reason, f.remedy) for f in e.findings]
                out = self._unknown(call)
            except (
                HwflowError,
                ValueError,
                TypeError,
                IndexError,
                KeyError,
                ZeroDivisionError,
                OverflowError,
                AssertionError,
                RuntimeError,
                NotImplementedError,
                MemoryError,
            ) as e:
                text = str(e).splitlines()[0] if str(e) else type(e).__name__
                self.findings.append(
                    Finding(
                        call.name,
                        "",
                        f"{call.op} is malformed ({text})",
                        "export the network again, and report this file if it runs elsewhere",
                    )
                )
                out = self._unknown(call)
            outs = out if isinstance(out, tuple) else (out,) + (out,) * (len(call.outputs) - 1)
            self.values.update({name: value for name, value in zip(call.outputs, outs, strict=False) if name})
        return finish(self)

    def _value_of(self, call: Call) -> Value | tuple[Value, ...]:
        """What a call writes: evaluated where it reads constants alone, else by its handler."""
        inputs = [self.values.get(name, Unknown()) if name else None for name in call.inputs]
        op = operator_of(call)
        if (DOMAINS.get(call.domain), call.op) == ("", "MatMul") and not any(map(_constant, inputs)):
            reason, remedy = SENTENCES["Attention"]  # said once, whatever else is refused in front of it
            raise Silent if any(f.reason == reason for f in self.findings) else Refused("input", reason, remedy)
        if any(isinstance(v, Unknown) and (v.constant or op is not None) for v in inputs):
            raise Silent
        if call.domain in DOMAINS and inputs and all(v is None or isinstance(v, Const) for v in inputs):
            return evaluate(self, call)
        if op is None:
            where = f" of domain {call.domain}" if call.domain else ""
            if call.op in SENTENCES:
                reason, remedy = SENTENCES[call.op]
                raise Refused("", f"{call.op} {reason}", remedy)
            remedy = "replace it by supported operators, or keep it outside the exported network"
            raise Refused("", f"operator {call.op}{where} is not supported", remedy)
        kinds = [
            "" if v is None else v.kind if isinstance(v, Ref) else v.value.dtype.name if isinstance(v, Const) else ""
            for v in inputs
        ]
        check(op, call, kinds)
        if (done := behind_view(self, call, inputs)) is not None:
            return done
        for name, value in zip(call.inputs, inputs, strict=True):
            if isinstance(value, Ref) and not value.named and call.op not in MOVES:
                self.values[name] = self.ordered(call, value, [v for v in inputs if v is not value])
        out: Value | tuple[Value, ...] = op.handler(self, call)
        if isinstance(out, tuple):
            return out
        for name in filter(None, call.outputs[1:]):
            if name in self.file.outputs or any(name in c.inputs for c in self.file.calls):
                raise Refused("output", f"output {name} of {call.op} is read", "only its first output is supported")
        return (out, *(Unknown() for _ in call.outputs[1:]))

    def ordered(self, call: Call, ref: Ref, others: Sequence[Value | None] = ()) -> Ref:
        """A value with named axes, channels last where the call or one of the `others` that it meets has them so."""
        last = any(isinstance(v, Ref) and (v.laid("NHWC") or v.laid("NWC")) for v in others)
        return in_order(self, call, ref, last or DOMAINS.get(call.domain) == "last")

    def _unknown(self, call: Call) -> Unknown:
        """What a refused call writes: a constant where it reads nothing else."""
        read = [self.values.get(name, Unknown()) for name in call.inputs if name]
        return Unknown(all(map(_constant, read)))

    def maker(self, tensor: str) -> Call | None:
        """The call that writes a tensor."""
        return next((call for call in self.file.calls if tensor in call.outputs), None)

    def head_of(self, tensor: str) -> Head | None:
        """What is left to the host of a tensor, behind which only elements move or a class is chosen."""
        while tensor not in self.heads:
            call = self.maker(tensor)
            if call is None or call.op not in BEHIND_HEADS:
                return None
            tensor = call.inputs[0]
        return self.heads[tensor]

    def take_head(self, call: Call, head: str, channels: int) -> None:
        """Leave an operation at the end to the host; an output has one."""
        if self.head_of(call.inputs[0]) is not None:
            raise Refused("", f"{call.op} behind another such head", "end with one of them")
        self.heads[call.outputs[0]] = (call.inputs[0], head, channels)
        self.notes.append(f"{call.name}: {call.op} is left to the host; the integers are the scores in front of it")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.shapes[INPUT]

    # -- what handlers ask ---------------------------------------------------------------------------------------

    def value(self, call: Call, i: int) -> Value:
        """Input `i` as it is; Unknown where it is absent."""
        if i >= len(call.inputs) or not call.inputs[i]:
            raise Refused("input", f"{call.op} has no input {i}", "export the network again")
        return self.values.get(call.inputs[i], Unknown())

    def has(self, call: Call, i: int) -> bool:
        return i < len(call.inputs) and bool(call.inputs[i])

    def ref(self, call: Call, i: int) -> Ref:
        """Input `i`, which must be a value of the graph, with its border put there."""
        return self.settled(self.raw_ref(call, i))

    def raw_ref(self, call: Call, i: int) -> Ref:
        value = self.value(call, i)
        if isinstance(value, Unknown):
            raise Silent
        if isinstance(value, Const):
            raise Refused("input", f"takes a constant as input {i}", "fold constants before the export")
        return value

    def const(self, call: Call, i: int) -> Const:
        """Input `i`, which must be a finite constant."""
        value = self.value(call, i)
        if isinstance(value, Unknown):
            raise Silent
        if isinstance(value, Ref):
            raise Refused(
                "input",
                f"input {i} of {call.op} depends on the network's input",
                "make it a constant, or keep the operator outside the exported network",
            )
        if value.value.dtype.kind == "f" and not np.isfinite(value.value).all():
            bad = value.value[~np.isfinite(value.value)].flat[0]
            raise Refused(
                "input",
                f"input {i} of {call.op} ({call.inputs[i]}) holds {bad}",
                "retrain or correct the constant: every number must be finite",
            )
        return value

    def number(self, call: Call, i: int) -> float:
        value = self.const(call, i).value
        if value.size != 1:
            raise Refused(
                "input",
                f"input {i} of {call.op} must be one number, not shape {value.shape}",
                "use one number for the whole tensor",
            )
        return float(value.reshape(-1)[0])

    def axes(self, call: Call) -> list[int] | None:
        """The axes of a call: an attribute in old opsets, an input in new ones; None where it names none."""
        if "axes" in call.attrs:
            return [int(a) for a in call.attrs["axes"]]
        if self.has(call, 1):
            return [int(a) for a in self.const(call, 1).value.reshape(-1)]
        return None

    def unsupported(self, call: Call, attribute: str, value: Any, remedy: str) -> NoReturn:
        raise Refused(attribute, f"{call.op} with {attribute} = {value} is not supported", remedy)

    # -- what handlers tell --------------------------------------------------------------------------------------

    def name(self, call: Call, suffix: str = "") -> str:
        """A name for a node: the call's, in letters that every language takes, not used before."""
        base = re.sub(r"[^A-Za-z0-9]+", "_", call.name).strip("_") or call.op
        return self.fresh((base if base[0].isalpha() else f"{call.op}_{base}") + suffix)

    def fresh(self, base: str) -> str:
        """A name that no node has yet."""
        name, k = base, 2
        while name in self.nodes or name == INPUT:
            name, k = f"{base}_{k}", k + 1
        return name

    def add(self, node: RealOp) -> tuple[int, ...]:
        """Take a node into the graph; the shape of what it gives."""
        shape = node.shape(*(self.shapes[i] for i in node.inputs))
        self.nodes[node.name], self.shapes[node.name] = node, shape
        return shape

    def emit(self, node: RealOp, like: Ref) -> Ref:
        """Take a node into the graph; the value it gives, with the axes of `like`."""
        return like.like(node.name, self.add(node))

    def pointwise(self, call: Call, ref: Ref, *steps: Step) -> Ref:
        """A chain of steps behind a value; nothing where they change nothing."""
        kept = tidy(steps)
        if not kept:
            return ref
        return self.emit(Pointwise(name=self.name(call), inputs=(ref.name,), steps=kept), ref)

    def by_pixel(self, call: Call, ref: Ref, steps: tuple[Step, ...]) -> Ref:
        """A chain whose constants differ from pixel to pixel: done on the image as a vector, in raster order."""
        flat = Flatten(name=self.name(call, "_flat"), inputs=(ref.name,))
        self.add(flat)
        node = Pointwise(name=self.name(call, "_pixels"), inputs=(flat.name,), steps=steps)
        self.add(node)
        return self.emit(Reshape(name=self.name(call), inputs=(node.name,), to=ref.shape), ref)

    def meet(self, call: Call, op: str, left: Ref, right: Ref) -> Ref:
        """op of two chains of one value, as one function of it; refused where they are of different values."""
        met = self.meet_if_one(call, op, left, right)
        if met is None:
            raise Refused(
                "input", f"{call.op} of two values that are no functions of one value", "only such are supported"
            )
        return met

    def meet_if_one(self, call: Call, op: str, left: Ref, right: Ref) -> Ref | None:
        """op of two chains of steps of one value, or None."""
        if left.dims != right.dims or left.shape != right.shape or left.order is not right.order:
            return None
        chains = self._chain_of(left.name), self._chain_of(right.name)
        shared = [name for name in chains[0] if name in chains[1]]
        if not shared or self.shapes[shared[0]] != left.shape:
            return None
        root = shared[0]  # the nearest
        both = Both(op, left=chains[0][root], right=chains[1][root])
        name = self.name(call)
        return self.emit(Pointwise(name=name, inputs=(root,), steps=(both,)), left)

    def on_grid(self, ref: Ref) -> bool:
        """True where nothing but scales and offsets lies between the value and its last sum or rounding."""
        node = self.nodes.get(ref.name)
        while isinstance(node, Pointwise):
            for step in reversed(node.steps):
                if step.op in INTEGRAL:
                    return True
                if not step.affine and step.op not in ("max", "min"):
                    return False
            node = self.nodes.get(node.inputs[0])
        return True

    def _chain_of(self, name: str) -> dict[str, tuple[Step, ...]]:
        """The values of which `name` is a function, nearest first, with the steps from each to it."""
        found: dict[str, tuple[Step, ...]] = {name: ()}
        node = self.nodes.get(name)
        while isinstance(node, Pointwise):
            found[node.inputs[0]] = (*node.steps, *found[node.name])
            node = self.nodes.get(node.inputs[0])
        return found

    def settled(self, ref: Ref) -> Ref:
        """The value with its border really around it."""
        if ref.border is None:
            return ref
        if ref.border.value != 0:
            raise Refused(
                "value",
                f"padding with {ref.border.value:g} is supported in front of a convolution only",
                "pad with 0, or pad in the convolution",
            )
        name = f"{ref.name}_padded"
        if name in self.nodes:
            return ref.like(name, self.shapes[name])
        return self.emit(Pad(name=name, inputs=(ref.name,), pads=ref.border.pads), ref)

    def flat(self, call: Call, ref: Ref) -> Ref:
        """The value as a vector in raster order, channel fastest; its `order` says where the file has each element."""
        if len(ref.shape) == 1:
            return ref
        places = raster_order(ref)
        order = None if (places == np.arange(len(places))).all() else places
        for node in self.nodes.values():
            if isinstance(node, Flatten) and node.inputs == (ref.name,):
                return Ref(node.name, node.shape(ref.shape), dims_of("NC"), order=order)
        node = Flatten(name=self.name(call, "_flatten"), inputs=(ref.name,))
        return Ref(node.name, self.add(node), dims_of("NC"), order=order)


def _constant(value: Value | None) -> bool:
    """True for a constant, one that could not be evaluated too."""
    return value is None or isinstance(value, Const) or (isinstance(value, Unknown) and value.constant)


class Silent(Refused):
    """A call whose input was refused already."""

    def __init__(self) -> None:
        super().__init__("", "", "")


# what may stand between a head and an output
BEHIND_HEADS = ("Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "ArgMax", "TopK")

# operators that take elements in any order, as they only move them or see to it themselves
MOVES = (
    "Identity", "Dropout", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Gather",
    "Shape", "Concat", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin",
)  # fmt: skip
