"""Scan: a network that steps over time with a state, each step one small graph that is read once.

Stands on reader. A step reads its input and the state side by side; what it makes of them is a real.Recurrent node. A
Where at the end of a step, between a new value and the state as it was, is a gate; one that a second scanned input opens
is a mask, which ends a sequence before its last step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hwflow import real
from hwflow.bits import Array, Ints
from hwflow.errors import ModelError
from hwflow.qonnx.model import Body, Call, File, body_of
from hwflow.qonnx.operators import ANY, Refused, operator
from hwflow.qonnx.reader import Reader
from hwflow.qonnx.values import Const, Ref, Unknown, Value, dims_of, shown
from hwflow.real import INPUT, Input, RealOp, Weights

FORWARD = (None, [0], (0,), [0, 0], (0, 0))
ONE_STATE = "keep one state of one vector, and scan one input with it, and a mask where sequences differ in length"
MASKED = "end the step with Where(Greater(mask, 0), new, state), the mask one scanned element"
VALUES = ("inputs", "state")  # names of a step's own two values, as choices of what it reads


@operator(
    "Scan", versions=(9, 11, 16, 19, 21, 23, 24, 25),
    attributes={
        "body": ANY, "num_scan_inputs": (1, 2), "scan_input_axes": ANY, "scan_output_axes": ANY,
        "scan_input_directions": FORWARD, "scan_output_directions": FORWARD[:3],
    },
)  # fmt: skip
def scan(reader: Reader, call: Call) -> tuple[Value, ...]:
    """A recurrent network of one state: its last state, and the state behind every step; steps may be masked."""
    scanned = int(call.attrs["num_scan_inputs"])
    if len(call.inputs) != 1 + scanned:
        raise Refused("input", f"Scan with {len(call.inputs) - scanned} states", ONE_STATE)
    x, time = _sequence(reader, call, 0)
    masks = [_mask(reader, call, x)] if scanned == 2 else []
    start = reader.const(call, 0).value
    if start.ndim < 1 or start.size != start.shape[-1]:
        raise Refused("input", f"starts from a state of shape {start.shape}", "start every sequence from one vector")
    body = body_of(call, {k: v.value for k, v in reader.values.items() if isinstance(v, Const)})
    if body is None or len(body.inputs) != 1 + scanned or len(body.outputs) not in (1, 2):
        raise Refused("body", "is no step of one state and its scanned inputs", ONE_STATE)
    if body.outside:
        raise Refused("body", f"reads {body.outside[0]!r}, a value of the graph around it", "pass it as a scan input")
    if len(body.outputs) == 2 and _made_of(body, body.outputs[1]) != _made_of(body, body.outputs[0]):
        raise Refused(
            "body",
            "gives something else than its state in every step",
            "put what comes behind the state behind the Scan",
        )
    step = _step(reader, body, x.shape[-1], len(start.reshape(-1)))
    out: list[Value] = []
    for k, name in enumerate(call.outputs):
        if not name:
            out.append(Unknown())
            continue
        node = real.Recurrent(
            name=reader.name(call, "_each" if k else ""), inputs=(x.name, *masks), body=step.nodes, new=step.new, gate=step.gate,
            start=start.reshape(-1), every=bool(k),
        )  # fmt: skip
        shape = reader.add(node)
        out.append(_every(call, node.name, shape, time) if k else Ref(node.name, shape, dims_of("NC")))
    return tuple(out)


def _sequence(reader: Reader, call: Call, k: int) -> tuple[Ref, str]:
    """Scanned input k, and which axis of it is time."""
    x = reader.ref(call, 1 + k)
    if x.view is not None or x.order is not None or len(x.shape) != 3:
        raise Refused("input", f"scans {shown(x)}", "scan (batch, channels, time) or (batch, time, channels)")
    axis = int((call.attrs.get("scan_input_axes") or [0, 0])[k])
    time = x.dims[axis] if -len(x.dims) <= axis < len(x.dims) else ()
    others = [d for d in x.dims if d not in (("N",), ("C",), time)]
    letter = time[0] if len(time) == 1 else "H" if not time and x.shape[0] == 1 else ""
    other = x.sizes["W" if letter == "H" else "H"]
    if letter not in ("H", "W") or others or other != 1 or (x.dims[0] != ("N",) and axis % len(x.dims) != 0):
        raise Refused(
            "scan_input_axes",
            f"scans axis {axis} of {shown(x)}",
            "scan the time of (batch, channels, time) or (batch, time, channels)",
        )
    return x, letter


def _mask(reader: Reader, call: Call, x: Ref) -> str:
    """The node of the second scanned input, in the shape of the steps of the first."""
    mask, _ = _sequence(reader, call, 1)
    steps = (*x.shape[:2], 1)
    if mask.shape == steps:
        return mask.name
    if int(np.prod(mask.shape)) != int(np.prod(steps)):
        raise Refused("input", f"scans {shown(mask)} as a mask beside {shown(x)}", MASKED)
    node = real.Reshape(name=reader.name(call, "_mask"), inputs=(mask.name,), to=steps)  # time is its only axis
    reader.add(node)
    return node.name


def _every(call: Call, name: str, shape: tuple[int, ...], letter: str) -> Ref:
    """The states behind every step, stacked along the axis that the call says."""
    axis = int((call.attrs.get("scan_output_axes") or [0])[0]) % 3
    return Ref(name, shape, dims_of({0: f"{letter}NC", 1: f"N{letter}C", 2: f"NC{letter}"}[axis]))


@dataclass(frozen=True)
class _TimeStep:
    """The nodes of a step, which read `input`, and the names of those that are its new state and its gate."""

    nodes: tuple[RealOp, ...]
    new: str
    gate: str


def _step(reader: Reader, body: Body, channels: int, states: int) -> _TimeStep:
    """One step read as a network of its own."""
    state, given = body.inputs[:2]
    end = _made_of(body, body.outputs[0])
    calls = body.calls
    if body.inputs[2:]:
        calls, end = _strip_mask(body, end, state, body.inputs[2])
    calls, new, gate, turned = _find_gate(body, calls, end, state)
    outputs = tuple(dict.fromkeys(n for n in (new, gate) if n))
    file = File("step", calls, body.constants, "", (1, channels + states), outputs, findings=body.findings)
    inner = Reader(file, Input(Ints(0, 1)))
    eye = np.eye(channels + states, dtype=np.int32)
    parts = {given: (VALUES[0], eye[:channels]), state: (VALUES[1], eye[channels:])}
    picked: dict[str, Array] = {}
    for tensor, (wanted, rows) in parts.items():
        node = real.Dense(name=inner.fresh(wanted), inputs=(INPUT,), weights=Weights(rows, np.ones(1)))
        inner.values[tensor] = Ref(node.name, inner.add(node), dims_of("NC"))
        picked[node.name] = rows
    graph = inner.read()
    if inner.findings:
        raise ModelError(*inner.findings)
    if inner.heads or graph is None:
        raise Refused("body", "ends its step in a function that nothing quantises", "put a quantizer behind it")
    names = []
    for tensor in (new, gate):
        ref = inner.values.get(tensor)
        if tensor and not (isinstance(ref, Ref) and ref.shape == (states,) and ref.order is None and ref.view is None):
            raise Refused("body", "makes a state of another shape", "give the state as (batch, states)")
        names.append(ref.name if isinstance(ref, Ref) and tensor else "")
    nodes, renamed = _merge(tuple(inner.nodes.values()), picked)
    new, gate = (renamed.get(n, n) for n in names)
    if turned:
        closed = inner.fresh("open")
        nodes += (
            real.Pointwise(
                name=closed, inputs=(gate,), steps=(real.Step("mul", np.array([-1])), real.Step("add", np.array([1])))
            ),
        )
        gate = closed
    reader.notes += inner.notes
    return _TimeStep(nodes, new, gate)


def _strip_mask(body: Body, end: str, state: str, mask: str) -> tuple[tuple[Call, ...], str]:
    """The calls of a step without its mask, and the value that the mask lets through; Refused for any other use of it."""
    by_output = {c.outputs[0]: c for c in body.calls if c.outputs}
    last = by_output.get(end)
    above = by_output.get(_made_of(body, last.inputs[0])) if last is not None and last.op == "Where" else None
    others = [c for c in body.calls if c is not last and c is not above]
    if last is None or above is None or above.op != "Greater" or any(mask in c.inputs for c in others):
        raise Refused("body", "uses its second scanned input otherwise than as a mask", MASKED)
    zero = body.constants.get(above.inputs[1])
    if above.inputs[0] != mask or zero is None or zero.any() or _made_of(body, last.inputs[2]) != state:
        raise Refused("body", "uses its second scanned input otherwise than as a mask", MASKED)
    return tuple(others), _made_of(body, last.inputs[1])


def _find_gate(body: Body, calls: tuple[Call, ...], end: str, state: str) -> tuple[tuple[Call, ...], str, str, bool]:
    """The calls of a step, its new value, its gate (or none), and whether the gate is open where it is 0."""
    last = next((c for c in calls if end in c.outputs), None)
    if last is None or last.op != "Where" or last.domain not in ("", "ai.onnx"):
        return calls, end, "", False
    condition, yes, no = last.inputs
    kept = [_made_of(body, name) == state for name in (yes, no)]
    if kept == [False, True] or kept == [True, False]:
        return tuple(c for c in calls if c is not last), no if kept[0] else yes, condition, kept[0]
    return calls, end, "", False


def _made_of(body: Body, name: str) -> str:
    """The tensor that a name stands for, behind calls that change nothing."""
    by_output = {c.outputs[0]: c for c in body.calls if c.outputs}
    while name in by_output and by_output[name].op == "Identity":
        name = by_output[name].inputs[0]
    return name


def _merge(nodes: tuple[RealOp, ...], picked: dict[str, Array]) -> tuple[tuple[RealOp, ...], dict[str, str]]:
    """The nodes with what only picks from the step's two values joined into the layers behind; new names of such values."""
    rows, renamed = dict(picked), dict[str, str]()
    out: list[RealOp] = []
    size = next(iter(picked.values())).shape[1]
    for node in nodes:
        if isinstance(node, real.Concat) and all(i in rows for i in node.inputs):
            rows[node.name] = np.concatenate([rows[i] for i in node.inputs])
            weights = Weights(rows[node.name], np.ones(1))
            if np.array_equal(rows[node.name], np.eye(size)):
                renamed[node.name] = INPUT
            else:
                out.append(real.Dense(name=node.name, inputs=(INPUT,), weights=weights))
        elif isinstance(node, real.Dense) and node.inputs[0] in rows:
            ints = node.weights.ints.astype(np.int64) @ rows[node.inputs[0]]
            out.append(replace(node, inputs=(INPUT,), weights=Weights(ints, node.weights.scale)))
        else:
            out.append(replace(node, inputs=tuple(renamed.get(i, i) for i in node.inputs)))
    return tuple(out), renamed
