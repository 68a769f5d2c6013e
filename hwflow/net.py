"""A network of integers only: its operations, what it takes, what its answer means; net.npz on disk.

Stands on ops. Made by `fold`, consumed by `lower`, the C engine and the reference `run`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.answers import Answer, Answers, Finish, Output, Unit
from hwflow.bits import Array, Ints, ints_of
from hwflow.errors import ModelError
from hwflow.files import brief, read_arrays, write_arrays
from hwflow.graph import INPUT as INPUT
from hwflow.graph import Nodes
from hwflow.inputs import Takes
from hwflow.ops import OPS, Flatten, Op, Port, TopK

FORMAT = 3  # of several outputs, and of labels of each pixel
PLAIN = 2  # of every other network; 1 kept raw sums and `finish`
REMEDY = "compile the model again"
MOST_ELEMENTS = 1 << 28  # of one value of one image
MOST_SEEN = 1 << 24  # integers of an older file's answer at which its scores are evaluated


@dataclass(frozen=True, eq=False)
class Net:
    """Integer operations in topological order; each reads `input` or an earlier one.

    `input` is what the hardware receives; one step of it is worth 1/denominator in the trained network.
    The last operation is the answer, and `answer` says what its integers mean. Several outputs are one answer: the last
    operation joins them, each flattened, one after the other.
    """

    name: str
    input: Port
    ops: tuple[Op, ...]
    denominator: int = 1
    answer: Answer | Answers = field(default_factory=Answer)

    def __post_init__(self) -> None:
        if not self.ops:
            raise ModelError(f"{self.name}: has no operations; export a network with at least one layer")
        self.ports  # noqa: B018  shapes and ranges are checked here, once
        told = sum(part.size for part in self.outputs)
        assert told == self.output.size, f"{self.name}: its outputs have {told} integers, not {self.output.size}"

    @cached_property
    def nodes(self) -> Nodes[Op]:
        return Nodes(INPUT, self.ops)

    @cached_property
    def ports(self) -> dict[str, Port]:
        """Shape and range of `input` and of every operation's result."""
        out = {INPUT: self.input}
        for op in self.nodes:
            port = op.port(*(out[i] for i in op.inputs))
            if port.size > MOST_ELEMENTS:
                raise ModelError(f"{self.name}.{op.name}: has {port.size} elements an image; make the network smaller")
            out[op.name] = port
        return out

    @property
    def output(self) -> Port:
        return self.ports[self.ops[-1].name]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Every output: its name (none where there is one), how many integers of an answer are its own, what they mean."""
        answer = self.answer
        return answer.outputs if isinstance(answer, Answers) else (Output("", self.output.size, answer),)

    @property
    def only(self) -> Answer:
        """What the one output means; ModelError, for those who serve one, where there are several."""
        if isinstance(self.answer, Answers):
            names = ", ".join(part.name for part in self.outputs)
            raise ModelError(f"{self.name}: has several outputs ({names}), and this takes a network of one")
        return self.answer

    def values(self, x: Array) -> dict[str, Array]:
        """Every operation's result by name."""
        out: dict[str, Array] = {}
        self.run(x, out.__setitem__)
        return out

    def run(self, x: Array, keep: Callable[[str, Array], None] | None = None) -> Array:
        """The answer (n, outputs) as int64 for inputs (n, *shape); `keep(name, values)` sees every result."""
        live = {INPUT: self.check_input(x)}
        last_use = {i: op.name for op in self.ops for i in op.inputs}
        for op in self.nodes:
            live[op.name] = op.run(*(live[i] for i in op.inputs))
            if keep:
                keep(op.name, live[op.name])
            for i in op.inputs:
                if last_use[i] == op.name and i in live:
                    del live[i]
        return live[self.ops[-1].name].reshape(len(x), -1)

    @property
    def takes(self) -> Takes:
        """What the network takes: shape, integers, the real value of one."""
        ints = self.input.ints
        return Takes(self.input.shape, ints.lo, ints.hi, ints.step, self.denominator)

    def check_input(self, x: Array) -> Array:
        """Hardware integers as int64 (n, *shape); ModelError for what the hardware could not receive.

        Real values come in through `inputs.integers`.
        """
        x = np.asarray(x)
        if x.dtype.kind not in "iub" or x.shape[1:] != self.input.shape or not x.ndim:
            raise ModelError(
                f"{self.name}: takes {self.takes} of shape {self.input.shape}, not {x.dtype} of shape {x.shape[1:]}; "
                f"give an integer array (n, {', '.join(map(str, self.input.shape))})"
            )
        if x not in self.input.ints:
            raise ModelError(
                f"{self.name}: takes {self.takes}, got {int(x.min())} .. {int(x.max())}; clip or rescale the inputs"
            )
        return x.astype(np.int64)

    @property
    def finish(self) -> tuple[Finish, ...]:
        """The float32 steps from sums to real scores, of a network with one output."""
        return self.only.finish

    @property
    def gives_labels(self) -> bool:
        """True where the hardware sends labels and nothing else."""
        return all(part.answer.labels for part in self.outputs) or isinstance(self.ops[-1], TopK)

    def scores(self, answers: Array) -> Array:
        """Real scores (n, outputs) float32 of integer answers, in front of a head, by the trained network's arithmetic."""
        return self.answer.scores(answers)

    def labels(self, answers: Array) -> Any:
        """The most likely class (n,) of integer answers, the first of equal ones; see `Answer.label`.

        Of several outputs, a dict of them by name.
        """
        return self.answer.label(answers)

    def split(self, answers: Array) -> Any:
        """The integers as they are; of several outputs, a dict (n, size) of them by name."""
        return self.answer.split(answers) if isinstance(self.answer, Answers) else answers

    def accuracy(self, answers: Array, labels: Array) -> float:
        """Share of the labels that integer answers get right; ModelError where several outputs have labels of their own."""
        said = self.only.label(answers)
        if np.size(labels) != said.size:
            raise ModelError(f"{self.name}: answers {said.shape} labels, not {np.shape(labels)}; give one for each")
        return float((said.reshape(len(said), -1) == np.asarray(labels).reshape(len(said), -1)).mean())

    def real(self, answers: Array) -> Any:
        """The trained network's own answers (n, ...) of integer answers, its head applied; ModelError where labels hide them.

        Of several outputs, a dict of them by name.
        """
        try:
            return self.answer.real(answers)
        except ValueError as e:
            raise ModelError(f"{self.name}: {e}") from e

    def save(self, path: Path | str) -> None:
        """Write net.npz: one JSON header, arrays beside it, -1/+1 weights one bit each. Never half-written."""
        head, arrays = self._parts()
        arrays["header"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
        write_arrays(Path(path), **arrays)

    @cached_property
    def hash(self) -> str:
        """What this network is, in 32 hexadecimal digits: equal where operations, weights, input and finish are."""
        head, arrays = self._parts()
        state = hashlib.sha256(json.dumps({k: v for k, v in head.items() if k != "name"}).encode())
        for key in sorted(arrays):
            state.update(f"{key} {arrays[key].dtype} {arrays[key].shape}".encode() + arrays[key].tobytes())
        return state.hexdigest()[:32]

    def _parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What net.npz holds: a header for JSON, and the arrays it names."""
        arrays: dict[str, Array] = {}
        head = {
            "format": FORMAT if self._is_new else PLAIN, "name": self.name, "denominator": self.denominator,
            "input": {"shape": self.input.shape, "ints": _ints(self.input.ints)},
            "ops": [_pack(op, arrays) for op in self.ops],
            "answer": _pack_meaning(self.answer, arrays),
        }  # fmt: skip
        return head, arrays

    @property
    def _is_new(self) -> bool:
        """True for what no reader of format 2 understands; every other file stays as it was, with its hash."""
        tops = (op for op in self.ops if isinstance(op, TopK))
        return isinstance(self.answer, Answers) or any(len(self.ports[op.inputs[0]].shape) > 1 for op in tops)

    @staticmethod
    def load(path: Path | str) -> Net:
        """Read net.npz; a file that is not one is a ModelError."""
        arrays = read_arrays(Path(path), REMEDY, ModelError, names=("header",))
        try:
            head = json.loads(arrays["header"].tobytes())
            form = head["format"]
            if form not in range(1, FORMAT + 1):
                raise ModelError(f"{path}: is of format {form}, this hwflow reads 1 to {FORMAT}; {REMEDY}")
            shape, ints = tuple(head["input"]["shape"]), Ints(*head["input"]["ints"])
            ops = tuple(_unpack(op, arrays) for op in head["ops"])
            net = Net(
                name=head["name"], denominator=head["denominator"], input=Port(shape, ints),
                ops=ops if form == FORMAT else _one_choice(ops, Port(shape, ints)),
                answer=_unpack_meaning(head["answer"], arrays) if "answer" in head else Answer(),
            )  # fmt: skip
            return _migrate(net, _steps(head["finish"], arrays)) if form == 1 else net
        except ModelError:
            raise
        except Exception as e:  # a damaged header can fail in any check of any operation
            raise ModelError(f"{path}: is not a whole net.npz ({brief(e)}); {REMEDY}") from e


def _migrate(net: Net, finish: tuple[Finish, ...]) -> Net:
    """A network of format 1, which kept raw sums and `finish`: their order is claimed where it is seen at every integer."""
    ints, shared = net.output.ints, all(s.value.size == 1 for s in finish)
    top = isinstance(net.ops[-1], TopK)
    ordered = not finish
    if finish and shared and ints.hi - ints.lo <= MOST_SEEN:
        scores = Answer(finish).scores(np.arange(ints.lo, ints.hi + 1))
        ordered = bool((np.diff(scores) > 0).all())
    return replace(net, answer=Answer(finish, ordered=ordered, labels=top, k=getattr(net.ops[-1], "k", 0)))


def _one_choice(ops: tuple[Op, ...], source: Port) -> tuple[Op, ...]:
    """Operations of a format whose TopK chose among all elements of an image: behind a Flatten, that is still so."""
    ports, out = {INPUT: source}, list[Op]()
    for op in ops:
        if isinstance(op, TopK) and len(ports[op.inputs[0]].shape) > 1:
            flat = Flatten(name=f"{op.name}_flat", inputs=op.inputs)
            ports[flat.name] = flat.port(ports[op.inputs[0]])
            out.append(flat)
            op = replace(op, inputs=(flat.name,))
        ports[op.name] = op.port(*(ports[i] for i in op.inputs))
        out.append(op)
    return tuple(out)


def _pack_meaning(answer: Answer | Answers, arrays: dict[str, Array]) -> dict[str, Any]:
    if isinstance(answer, Answer):
        return _pack_answer(answer, arrays)
    outputs = []
    for k, part in enumerate(answer.outputs):
        entry = _pack_answer(part.answer, arrays, f"outputs.{k}.")
        outputs.append({"name": part.name, "size": part.size, "answer": entry})
    return {"outputs": outputs}


def _unpack_meaning(entry: dict[str, Any], arrays: dict[str, Array]) -> Answer | Answers:
    if "outputs" not in entry:
        return _unpack_answer(entry, arrays)
    parts = entry["outputs"]
    return Answers(tuple(Output(p["name"], p["size"], _unpack_answer(p["answer"], arrays)) for p in parts))


def _pack_answer(answer: Answer, arrays: dict[str, Array], at: str = "") -> dict[str, Any]:
    out = answer.plain()
    unit = answer.unit
    out["places"] = _store(f"{at}answer.places", answer.places, arrays)
    out["finish"] = [
        {"op": s.op, "value": _store(f"{at}finish.{i}", s.value, arrays)} for i, s in enumerate(answer.finish)
    ]
    if unit is not None:
        out["unit"] |= {key: _store(f"{at}answer.{key}", getattr(unit, key), arrays) for key in ("mul", "add")}
    return out


def _unpack_answer(entry: dict[str, Any], arrays: dict[str, Array]) -> Answer:
    unit = entry["unit"]
    if unit is not None:
        unit = Unit(_fetch(unit["mul"], arrays), _fetch(unit["add"], arrays), unit["lo"], unit["hi"])
    rest = {"unit": unit, "finish": _steps(entry["finish"], arrays), "places": _fetch(entry["places"], arrays)}
    return Answer(**{**entry, **rest, "shape": tuple(entry["shape"])})


def _steps(entries: list[dict[str, Any]], arrays: dict[str, Array]) -> tuple[Finish, ...]:
    return tuple(Finish(s["op"], _fetch(s["value"], arrays)) for s in entries)


def _ints(ints: Ints) -> list[int]:
    return [ints.lo, ints.hi, ints.step]


def _pack(op: Op, arrays: dict[str, Array]) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": type(op).__name__}
    for f in fields(op):
        value = getattr(op, f.name)
        out[f.name] = _store(f"{op.name}.{f.name}", value, arrays) if isinstance(value, np.ndarray) else value
    return out


def _unpack(entry: dict[str, Any], arrays: dict[str, Array]) -> Op:
    kinds = {kind.__name__: kind for kind in OPS}
    kind = kinds[entry["kind"]]
    values = {k: v for k, v in entry.items() if k != "kind"}
    for key, value in values.items():
        if isinstance(value, dict):
            values[key] = _fetch(value, arrays)
        elif isinstance(value, list):
            values[key] = tuple(value)
    return kind(**values)


def _store(key: str, values: Array, arrays: dict[str, Array]) -> dict[str, Any]:
    """Keep an array at its least width under `key`; -1/+1 as packed bits."""
    if values.dtype.kind == "i" and values.size and ints_of(values).is_bipolar:
        arrays[key] = np.packbits(values.ravel() > 0)
        return {"array": key, "shape": values.shape, "bipolar": True}
    if values.dtype == bool:
        arrays[key] = np.packbits(values.ravel())
        return {"array": key, "shape": values.shape, "bool": True}
    arrays[key] = values.astype(least_dtype(values)) if values.dtype.kind == "i" else values
    return {"array": key, "shape": values.shape}


def _fetch(entry: dict[str, Any], arrays: dict[str, Array]) -> Array:
    shape, values = tuple(entry["shape"]), arrays[entry["array"]]
    if min(shape, default=0) < 0 or int(np.prod(shape, dtype=object)) > 8 * values.size:
        raise ValueError(f"{entry['array']} cannot have the shape {shape}")
    if entry.get("bipolar") or entry.get("bool"):
        flags = np.unpackbits(values, count=int(np.prod(shape))).reshape(shape)
        return flags.astype(bool) if entry.get("bool") else 2 * flags.astype(np.int64) - 1
    return values.reshape(shape)


def least_dtype(values: Array) -> np.dtype:
    """The narrowest signed integer type that holds every value."""
    ends: Sequence[int] = (int(values.min(initial=0)), int(values.max(initial=0)))
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= ends[0] and ends[1] <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int64)
