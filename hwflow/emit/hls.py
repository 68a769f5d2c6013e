"""The HLS C++ project of a dataflow: instances and numbers around the templates of `hls/`.

Stands on units and the C++ room. Vitis HLS and a plain C++ compiler take the same files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np

from hwflow.bits import Array, sign
from hwflow.emit.names import memory, plain, signal
from hwflow.places import hardware, hardware_files
from hwflow.units.kit.base import SOURCE, Dataflow, Memory, Unit
from hwflow.units.kit.streams import Stream

STREAM_DEPTH = 2  # words between two units that no fifo joins
ALWAYS = ("axis.hpp", "tb.cpp", "run_hls.tcl")
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), trim_blocks=True, lstrip_blocks=True,
    undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
)  # fmt: skip


@dataclass(frozen=True)
class Edge:
    """One stream variable of the top: its name, the bits of a word, the words it may hold."""

    name: str
    bits: int
    depth: int


@dataclass(frozen=True)
class UnitCall:
    """One unit of the top: its template, template arguments by name, function arguments."""

    module: str
    params: dict[str, int]
    args: tuple[str, ...]


def emit(
    dataflow: Dataflow, folder: Path, *, part: str = "xc7z020clg400-1", clock_mhz: float = 100.0, images: int = 4
) -> Path:
    """Write top.hpp, top.cpp, memories.hpp, the testbench, run_hls.tcl and the templates used; gives the folder.

    `images` seeded random ones lie in input.bin with their answers in expected.bin, for the testbench under Vitis.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "name": plain(dataflow.name),
        "ins": dataflow.input, "outs": dataflow.output,
        "in_bytes": axis_bytes(dataflow.input), "out_bytes": axis_bytes(dataflow.output),
        "modules": sorted({u.module for u in dataflow.units}),
        "edges": [edge(dataflow, e) for e in edges(dataflow)],
        "calls": [call(u) for u in dataflow.units],
        "memories": [(memory(name), m) for u in dataflow.units for name, m in u.memories().items()],
        "rows": rows, "source": signal(SOURCE), "answer": signal(dataflow.units[-1].name),
        "part": part, "period_ns": 1000 / clock_mhz,
    }  # fmt: skip
    for name in ("top.hpp", "top.cpp", "memories.hpp", "project.tcl"):
        _write(folder / name, _TEMPLATES.get_template(f"{name}.j2").render(facts))
    for source in sources([*ALWAYS, *(f"{u.module}.hpp" for u in dataflow.units)]):
        _write(folder / source.name, source.read_text())
    if images:
        x = sample_images(dataflow.input, images)
        (folder / "input.bin").write_bytes(to_beats(x, dataflow.input))
        (folder / "expected.bin").write_bytes(to_beats(dataflow.run(x), dataflow.output))
    return folder


def refuse(dataflow: Dataflow) -> str:
    """Why there is no HLS C++ of a dataflow; empty where there is."""
    fed = ", ".join(dataflow.feeds)
    return f"weights of {fed} are streamed, and units in HLS C++ hold theirs in memories" if fed else ""


def sources(names: Iterable[str]) -> list[Path]:
    """Files of the hardware room by name, and every header of the room that they include."""
    found: dict[str, Path] = {}
    wanted = list(names)
    for name in wanted:
        if name not in found and name in hardware_files():
            found[name] = hardware(name)
            wanted += re.findall(r'^#include "(\w+\.hpp)"', found[name].read_text(), re.MULTILINE)
    return list(found.values())


def edges(dataflow: Dataflow) -> Iterator[str]:
    """Every stream of a dataflow by edge name, the answer's included."""
    yield SOURCE
    for unit in dataflow.units:
        for port in range(len(unit.outs)):
            yield f"{unit.name}:{port}" if port else unit.name


def edge(dataflow: Dataflow, name: str) -> Edge:
    """The stream variable of an edge. A fifo's depth is that of the stream it reads."""
    depth = STREAM_DEPTH
    for unit in dataflow.units:
        if name in unit.inputs:
            depth = max(depth, unit.capacity)
    return Edge(signal(name), dataflow.stream(name).bits, depth)


def call(unit: Unit) -> UnitCall:
    """One line of the top. Numbers are template arguments, memories are function arguments behind the streams.

    A template has one parameter more than its module: `Words`, the input words of one image, which a clocked
    module need not know and a C++ function must.
    """
    params = unit.params()
    numbers = {k: v for k, v in params.items() if isinstance(v, int)} | {"Words": unit.ins[0].words}
    outs = [f"{unit.name}:{port}" if port else unit.name for port in range(len(unit.outs))]
    memories = [memory(v) if v else "no_memory" for v in params.values() if isinstance(v, str)]
    return UnitCall(unit.module, numbers, (*(signal(e) for e in (*unit.inputs, *outs)), *memories))


def axis_bytes(stream: Stream) -> int:
    """Bytes of one AXI-Stream beat that carries one word."""
    return (stream.bits + 7) // 8


def sample_images(stream: Stream, n: int) -> Array:
    """Seeded random images (n, *shape) over the whole range of a stream."""
    x = np.random.default_rng(0).integers(stream.ints.lo, stream.ints.hi + 1, (n, *stream.port.shape))
    return sign(x) if stream.ints.is_bipolar else x


def to_beats(x: Array, stream: Stream) -> bytes:
    """Images (n, *shape) as the bytes of AXI-Stream beats, one word in whole bytes each."""
    ints = stream.ints
    codes = ints.encode(stream.words_of(x))
    if ints.bits == 8:
        return codes.astype(np.uint8).tobytes()
    flags = (codes[..., None] >> np.arange(ints.bits, dtype=np.uint64)).astype(np.uint8) & np.uint8(1)
    return np.packbits(flags.reshape(len(codes), -1), axis=1, bitorder="little").tobytes()


def from_beats(data: bytes, stream: Stream) -> Array:
    """Images (n, elements) as int64 of the bytes of AXI-Stream beats; the inverse of `to_beats`."""
    ints = stream.ints
    beats = np.frombuffer(data, np.uint8).reshape(-1, axis_bytes(stream))
    flags = np.unpackbits(beats, axis=1, bitorder="little")[:, : stream.bits].reshape(len(beats), stream.par, ints.bits)
    place = np.uint64(1) << np.arange(ints.bits, dtype=np.uint64)
    return stream.values_of(ints.decode((flags.astype(np.uint64) * place).sum(-1, dtype=np.uint64)))


def rows(memory: Memory) -> str:
    """The words of a memory as lines of C++ literals of at most 64 bits, bit 0 in the low bit of a word's first."""
    places, mask = range(0, memory.bits, 64), (1 << 64) - 1
    mark = "u" if memory.bits > 31 else ""
    words = ["{" + ", ".join(f"{(word >> at) & mask:#x}{mark}" for at in places) + "}" for word in memory.words]
    per_line = max(1, 100 // (len(words[0]) + 2))
    return ",\n".join("  " + ", ".join(words[at : at + per_line]) for at in range(0, len(words), per_line))


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:  # unchanged files keep their time
        path.write_text(text)
