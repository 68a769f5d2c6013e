"""A dataflow as SystemVerilog: network.sv with instances and numbers, top.sv around it, memory files, the modules used.

Stands on units. The logic is in `hls/units and hls/parts`; nothing here writes any.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from hwflow.emit.hls import to_beats
from hwflow.emit.names import plain
from hwflow.emit.names import signal as label
from hwflow.errors import RecipeError
from hwflow.places import HLS
from hwflow.units.kit.base import SOURCE, Dataflow, Feed, Unit

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
)

SHELL = "stream_top"  # the module that `top` is an instance of
LOAD = (
    "load"  # the chain by which memories are loaded: load_0, load_1, ..; a stream's wires end in _valid, _ready, _data
)
WEIGHTS = "weights"  # what is streamed to a unit: s_axis_weights_<unit>, and <unit>_weights.bin
INSTANCE = "u_"  # before every instance's name, so that a unit may be called `reg` or `table`


def emit(dataflow: Dataflow, folder: Path) -> Path:
    """Write network.sv, top.sv, the memory files, what is streamed (.bin) and copies of the modules used; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (*folder.glob("*.sv"), *folder.glob("*.mem"), *folder.glob("*.bin")):
        stale.unlink()
    (folder / "network.sv").write_text(network(dataflow))
    (folder / "top.sv").write_text(top(dataflow))
    for unit in dataflow.units:
        write_memories(unit, folder)
    for file in sources([*(module(u) for u in dataflow.units), SHELL]):
        shutil.copyfile(file, folder / file.name)
    return folder


def network(dataflow: Dataflow, module: str = "network", prefix: str = "") -> str:
    """The text of the module that joins the units, with the eight ports of a unit; memory file names start with `prefix`.

    What is streamed to units comes as further streams of x, behind the images.
    """
    for unit in dataflow.units:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", unit.name):
            raise RecipeError(f"{unit.name!r} cannot name an instance; use letters, digits and _ in unit names")
    edges = [Wires(label(SOURCE), dataflow.input.bits)]
    edges += [Wires(label(u.name, i), s.bits) for u in dataflow.units for i, s in enumerate(u.outs)]
    chained = [u for u in dataflow.units if u.load_ports]
    loads = [f"{LOAD}_{i}" for i in range(len(chained) + 1)] if chained else []
    places = {u.name: (loads[i], loads[i + 1]) for i, u in enumerate(chained)}
    feeds = list_ports(dataflow)
    units = [instance(u, prefix, places.get(u.name, ("'0", ""))) for u in dataflow.units]
    return TEMPLATES.get_template("network.sv.j2").render(
        name=plain(dataflow.name), module=module, cycles=dataflow.cycles, source=dataflow.input, sink=dataflow.output,
        edges=edges, answer=label(dataflow.units[-1].name), units=units, loads=loads, loaded=any(u.loads for u in dataflow.units),
        feeds=feeds, in_bits=dataflow.input.bits + sum(f.bits for f in feeds),
    )  # fmt: skip


def top(dataflow: Dataflow) -> str:
    """The text of module `top`: the network between two AXI4-Stream ports (hls/stream_top.sv)."""
    return TEMPLATES.get_template("top.sv.j2").render(
        name=plain(dataflow.name), source=dataflow.input, sink=dataflow.output, feeds=list_ports(dataflow)
    )


@dataclass(frozen=True)
class FeedPort:
    """A stream of weights from outside: the unit that takes it, its wires within the network, its place among the inputs."""

    unit: str
    wires: str
    feed: Feed
    place: int  # stream of x
    low: int  # its lowest bit in x_data

    @property
    def bits(self) -> int:
        return self.feed.stream.bits

    @property
    def bytes(self) -> int:
        return self.feed.word_bytes

    @property
    def words(self) -> int:
        """Words until they begin again."""
        return self.feed.stream.words


def list_ports(dataflow: Dataflow) -> list[FeedPort]:
    """The streams of weights that a dataflow takes, in the order in which they lie behind the images in x."""
    out, low = list[FeedPort](), dataflow.input.bits
    for place, (unit, feed) in enumerate(dataflow.feeds.items(), 1):
        out.append(FeedPort(unit, weights_label(unit), feed, place, low))
        low += feed.stream.bits
    return out


def weights_label(unit: str) -> str:
    """What the wires of the weights streamed to a unit are called within the network."""
    return f"s_{unit}_w"


def feed_file(unit: str, prefix: str = "") -> str:
    """The file of what is streamed to a unit: word after word in whole bytes, the low byte first."""
    return f"{prefix}{unit}_{WEIGHTS}.bin"


@dataclass(frozen=True)
class Wires:
    """The three signals of one stream, `<label>_valid`, `_ready` and `_data`, and the bits of its word."""

    label: str
    bits: int


@dataclass(frozen=True)
class Bundle:
    """Port expressions of all the streams on one side of a unit, stream 0 in the low bits."""

    valid: str
    ready: str
    data: str


@dataclass(frozen=True)
class Instance:
    """One unit as the template writes it."""

    module: str
    name: str
    params: list[tuple[str, str]]
    ins: Bundle
    outs: Bundle
    load: tuple[str, str] | None = None  # what its ports load_i and load_o are joined to, where its module has them


def bundle(labels: Sequence[str]) -> Bundle:
    """Streams joined for a unit's ports; a single stream needs no braces."""

    def join(part: str) -> str:
        wires = [f"{name}_{part}" for name in reversed(labels)]
        return wires[0] if len(wires) == 1 else "{" + ", ".join(wires) + "}"

    return Bundle(join("valid"), join("ready"), join("data"))


def instance(unit: Unit, prefix: str = "", load: tuple[str, str] = ("'0", "")) -> Instance:
    """A unit with its parameters as SystemVerilog literals and the signals on its ports."""
    module, params = unit.rtl()
    texts = [(k, _literal(v, prefix)) for k, v in params.items()]
    ins = bundle([*(label(i) for i in unit.inputs), *([weights_label(unit.name)] if unit.feed else [])])
    outs = bundle([label(unit.name, i) for i in range(len(unit.outs))])
    return Instance(module, INSTANCE + unit.name, texts, ins, outs, load if unit.load_ports else None)


def module(unit: Unit) -> str:
    """The SystemVerilog module that a unit is an instance of."""
    return unit.rtl()[0]


def _literal(value: int | str, prefix: str) -> str:
    """A number, a sized constant as it is, or a file name in quotes."""
    if isinstance(value, int):
        return str(value)
    if re.fullmatch(r"\d+'h[0-9a-f]+", value):
        return value
    return f'"{prefix}{value}"' if value else '""'


def write_memories(unit: Unit, folder: Path, prefix: str = "") -> None:
    """A unit's $readmemh files: one word a line, hexadecimal, in address order; and the file of what is streamed to it."""
    for name, memory in unit.memories().items():
        digits = (memory.bits + 3) // 4
        (folder / (prefix + name)).write_text("".join(f"{w:0{digits}x}\n" for w in memory.words))
    if unit.feed:
        (folder / feed_file(unit.name, prefix)).write_bytes(to_beats(unit.feed.values, unit.feed.stream))


def sources(modules: Iterable[str]) -> list[Path]:
    """The files of `hls/` that hold these modules and whatever those stand on, sorted by path."""
    known = {file.stem: file for folder in ("units", "parts", "board") for file in (HLS / folder).glob("*.sv")}
    todo, found = [*modules], dict[str, Path]()
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = known[name]
        used = re.findall(r"^\s*(\w+)\s+(?:#\(|\w+\s*\()", known[name].read_text(), re.MULTILINE)
        todo += [u for u in used if u in known and u != name]
    return sorted(found.values())
