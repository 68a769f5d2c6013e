"""The SystemVerilog of a dataflow, or of single units, run by Verilator: answers and everything measured on the way.

Stands on emit.rtl and verilate. Images enter and answers leave through files of words; stalls are random by seed.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hwflow.bits import Array
from hwflow.emit.names import signal as label
from hwflow.emit.rtl import TEMPLATES, emit, feed_file, instance, list_ports, module, network, sources, write_memories
from hwflow.errors import ToolError
from hwflow.simulate.base import Run
from hwflow.simulate.verilate import build
from hwflow.simulate.verilate import waves as wave_format
from hwflow.simulate.words import pack, unpack, widen
from hwflow.units.kit.base import SOURCE, Dataflow, Feed, Unit
from hwflow.units.kit.streams import Stream

TOP = "top"
IDLE = 10_000  # cycles, beyond those of four images, without a handshake at either end: is there one anywhere else?


@dataclass(frozen=True)
class End:
    """A stream that a bench feeds, drains or listens to: its number in the plan, its place in a joined port."""

    kind: str  # source, feed (a source whose file comes over and over), sink, tap, level
    id: int
    stream: Stream
    low: int = 0
    label: str = ""
    edge: str = ""  # of a tap: the stream by the name Dataflow gives it
    into: str = ""
    out: str = ""
    capture: int = 0
    feed: Feed | None = None
    file: str = ""  # of a feed: where its words lie

    @property
    def bits(self) -> int:
        return self.stream.bits


@dataclass(frozen=True)
class Design:
    """One instance of a bench: a top or a single unit, and the ends it hangs between."""

    name: str
    module: str
    is_top: bool
    params: list[tuple[str, str]]
    ins: list[End]
    outs: list[End]
    taps: list[End] = field(default_factory=list)
    levels: list[End] = field(default_factory=list)
    cycles: int = 0
    load_i: bool = False  # it has the port by which memories are loaded,
    load_o: bool = False  # and the one by which the next is

    @property
    def core(self) -> str:
        """The instance that holds the units, as the bench sees it."""
        return f"{self.name}.axis.core" if self.is_top else self.name

    @property
    def feeds(self) -> list[End]:
        """Those of its `ins` that are weights."""
        return [e for e in self.ins if e.feed]

    @property
    def in_bits(self) -> int:
        return sum(e.bits for e in self.ins)

    @property
    def out_bits(self) -> int:
        return sum(e.bits for e in self.outs)

    @property
    def ends(self) -> list[End]:
        return [*self.ins, *self.outs, *self.taps, *self.levels]


@dataclass(frozen=True)
class StreamState:
    """What a simulation saw of one stream: handshakes, the cycles of the first and the latest, ends of images."""

    moved: int
    first: int
    latest: int
    bad_last: bool
    valid: bool
    ready: bool
    words: int  # past a tap, or the most in a fifo
    toggles: int  # bits that changed from word to word at a tap
    image_ends: tuple[int, ...]


def run(
    dataflow: Dataflow,
    folder: Path,
    x: Array,
    *,
    stalls: int | None = None,
    trace: bool = False,
    progress: Callable[[int], None] | None = None,
    reset_at: int = 0,
    program: Path | None = None,
) -> Run:
    """Answers (n, outputs) of the RTL for input integers (n, *shape), with cycles, latency and fifo occupancy.

    `folder` holds the emitted design (written when it is not there or not this dataflow's). `stalls` seeds random
    gaps at both ends; `trace` leaves waves.fst (waves.vcd where lz4's headers are missing) in `folder`; `progress` hears the images that are through;
    `reset_at` resets everything in that cycle, after which the images start again; `program` is what `prepare` gave for
    the same dataflow and folder, and leaves no waves. ToolError names the stream that is stuck when nothing moves any
    more.
    """
    assert not (program and trace), "a program that was prepared records no waves"
    design, waves = of_dataflow(dataflow, "dut"), wave_format() if trace else ""
    program = program or _build([design], _emit(dataflow, folder), waves)
    runs, _ = _simulate([design], [(x,)], program, folder, stalls, waves, progress, reset_at)
    return runs[0][0]


def prepare(dataflow: Dataflow, folder: Path) -> Path:
    """The program that `run` runs, emitted and built unless that was done before."""
    return _build([of_dataflow(dataflow, "dut")], _emit(dataflow, folder))


def values(dataflow: Dataflow, folder: Path, x: Array, *, stalls: int | None = None) -> dict[str, Array]:
    """Every stream's values by edge name, as `Dataflow.values` gives them, out of one run of the RTL."""
    design = of_dataflow(dataflow, "dut", capture=True)
    _, heard = _simulate([design], [(x,)], _build([design], _emit(dataflow, folder)), folder, stalls)
    return {
        edge: heard[end.id].reshape(len(x), *end.stream.port.shape)
        for edge, end in zip(_edges(dataflow), design.taps, strict=True)
    }


def run_many(
    dataflows: Sequence[Dataflow],
    xs: Sequence[Array],
    *,
    stalls: int | None = None,
    reset_at: int = 0,
    listen: bool = True,
) -> list[Run]:
    """`run` of many independent dataflows in one program, each with images of its own.

    Without `listen` nothing is measured between the units, which compiles in less time.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder, designs, count = Path(scratch), [], 0
        for k, dataflow in enumerate(dataflows):
            (folder / f"network_{k}.sv").write_text(network(dataflow, f"network_{k}", f"d{k}_"))
            for unit in dataflow.units:
                write_memories(unit, folder, f"d{k}_")
            design = of_dataflow(dataflow, f"d{k}", f"network_{k}", first=count, prefix=f"d{k}_")
            designs.append(design if listen else replace(design, taps=[], levels=[]))
            count += len(designs[-1].ends)
        files = [*sources(module(u) for d in dataflows for u in d.units), *sorted(folder.glob("*.sv"))]
        program = _build(designs, files, once=not listen)
        runs, _ = _simulate(designs, [(x,) for x in xs], program, folder, stalls, reset_at=reset_at)
    return [r[0] for r in runs]


def run_units(
    units: Sequence[Unit],
    xs: Sequence[tuple[Array, ...]],
    *,
    stalls: int | None = None,
    reset_at: int = 0,
    by_word: bool = False,
) -> list[tuple[Run, ...]]:
    """Single units in one program, without a dataflow around them: for each, one Run for each of its `outs`.
    Popcounts are the trees that synthesis sees unless `by_word`.

    `xs` holds one array (n, ...) for each of a unit's `ins`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder, designs, count = Path(scratch), [], 0
        for k, unit in enumerate(units):
            write_memories(unit, folder, f"u{k}_")
            designs.append(of_unit(unit, f"u{k}", first=count))
            count += len(designs[-1].ends)
        program = _build(designs, sources(module(u) for u in units), by_word=by_word)
        runs, _ = _simulate(designs, xs, program, folder, stalls, reset_at=reset_at)
    return runs


def of_dataflow(
    dataflow: Dataflow, name: str, module: str = TOP, first: int = 0, capture: bool = False, prefix: str = ""
) -> Design:
    """A network, or its top, between a source and a sink, with a tap on every stream and a level at every fifo.

    What is streamed to it lies in files whose names start with `prefix`.
    """
    edges = _edges(dataflow)
    feeds = [
        End("feed", first + f.place, f.feed.stream, f.low, label=f.unit, feed=f.feed, file=feed_file(f.unit, prefix))
        for f in list_ports(dataflow)
    ]
    sink = first + 1 + len(feeds)
    taps = [
        End("tap", sink + 1 + i, dataflow.stream(e), label=label(e), edge=e, capture=int(capture))
        for i, e in enumerate(edges)
    ]
    fifos = dataflow.fifos
    levels = [
        End("level", sink + 1 + len(taps) + i, u.ins[0], label=u.name, into=label(u.inputs[0]), out=label(u.name))
        for i, u in enumerate(fifos)
    ]
    ins, outs = (
        [End("source", first, dataflow.input, label=SOURCE), *feeds],
        [End("sink", sink, dataflow.output, label="output")],
    )
    return Design(
        name,
        module,
        module == TOP,
        [],
        ins,
        outs,
        taps,
        levels,
        dataflow.cycles,
        load_i=any(u.loads for u in dataflow.units),
    )


def of_unit(unit: Unit, name: str, first: int = 0) -> Design:
    """A single unit between as many sources and sinks as it has streams."""
    ends: list[End] = []
    low = {"source": 0, "sink": 0}
    for kind, stream in [*(("source", s) for s in unit.ins), *(("sink", s) for s in unit.outs)]:
        if kind == "sink" and unit.feed and not low["sink"]:
            file = feed_file(unit.name, f"{name}_")
            ends.append(
                End(
                    "feed",
                    first + len(ends),
                    unit.feed.stream,
                    low["source"],
                    f"{unit.name} weights",
                    feed=unit.feed,
                    file=file,
                )
            )
        ends.append(End(kind, first + len(ends), stream, low[kind], label=f"{unit.name} {kind}"))
        low[kind] += stream.bits
    ins, outs = ends[: -len(unit.outs)], ends[-len(unit.outs) :]
    return Design(
        name,
        module(unit),
        False,
        instance(unit, f"{name}_").params,
        ins,
        outs,
        cycles=unit.cycles,
        load_i=unit.load_ports,
        load_o=unit.load_ports,
    )


def _edges(dataflow: Dataflow) -> list[str]:
    """Every stream by the name `Dataflow.values` gives it."""
    named = [f"{u.name}:{i}" if i else u.name for u in dataflow.units for i in range(len(u.outs))]
    return [SOURCE, *named]


def _emit(dataflow: Dataflow, folder: Path) -> list[Path]:
    written = folder / "network.sv"
    if not written.is_file() or written.read_text() != network(dataflow):
        emit(dataflow, folder)
    return sorted(folder.resolve().glob("*.sv"))  # Verilator runs in a folder of its own


def _build(
    designs: Sequence[Design], files: Sequence[Path], waves: str = "", by_word: bool = True, once: bool = False
) -> Path:
    bench = TEMPLATES.get_template("bench.sv.j2").render(designs=designs)
    return build(bench, files, trace=waves, by_word=by_word, once=once)


def _simulate(
    designs: Sequence[Design],
    xs: Sequence[tuple[Array, ...]],
    program: Path,
    folder: Path,
    stalls: int | None,
    waves: str = "",
    progress: Callable[[int], None] | None = None,
    reset_at: int = 0,
) -> tuple[list[tuple[Run, ...]], dict[int, Array]]:
    """Runs by design and output, and what every recording tap heard by its number; `waves`: the format the program writes."""
    idle = IDLE + 4 * max(d.cycles for d in designs)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        plan = [_plan(end, d, x, work, stalls, folder) for d, x in zip(designs, xs, strict=True) for end in d.ends]
        (work / "plan").write_text("".join(plan))
        written = [folder.resolve() / f"waves.{waves}"] if waves else []
        start = time.perf_counter()
        status = _watch([program, work / "plan", work / "result", idle, reset_at, *written], folder, progress)
        seconds = time.perf_counter() - start
        total, states = _read_result(work / "result")
        if status:
            raise ToolError(_stuck(designs, xs, states, idle))
        runs = [
            tuple(_run(d, e, len(x[0]), states, total, seconds, work, program) for e in d.outs)
            for d, x in zip(designs, xs, strict=True)
        ]
        heard = {e.id: unpack(work / str(e.id), e.stream) for d in designs for e in d.taps if e.capture}
    return runs, heard


def _plan(end: End, design: Design, xs: tuple[Array, ...], work: Path, stalls: int | None, folder: Path) -> str:
    """One line of the plan; a source's words are written on the way, those of a feed are in `folder`."""
    n = len(xs[0])
    file = work / str(end.id) if end.kind in ("source", "feed", "sink") or end.capture else ""
    many = n * end.stream.words
    if end.feed:
        assert isinstance(file, Path)
        file.write_bytes(widen((folder / end.file).read_bytes(), end.bits))
        many *= end.feed.times
    if end.kind == "source":
        assert isinstance(file, Path)
        file.write_bytes(pack(xs[design.ins.index(end)], end.stream))
    random, patience = 0, 256
    if stalls is not None and end.kind in ("source", "feed", "sink"):
        rng = np.random.default_rng([stalls, end.id])
        random, patience = int(rng.integers(1, 1 << 62)), int(rng.choice([40, 128, 200, 250]))
    return f"{end.kind} {-(-end.bits // 32)} {end.stream.words} {many} {random} {patience} {file}\n"


def _watch(command: Sequence[object], folder: Path, progress: Callable[[int], None] | None) -> int:
    """Run a simulation in `folder`; 0 when it finished, 3 when it stands still; ToolError when it broke."""
    words = [str(c) for c in command]
    with subprocess.Popen(
        words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        said: list[str] = []
        try:
            for line in process.stdout:
                first = line.split(" ")[0]
                if first.isdigit():
                    if progress:
                        progress(int(first))
                else:
                    said.append(line)
        except BaseException:
            process.kill()
            raise
    if process.returncode not in (0, 3):
        raise ToolError(
            f"simulation failed with exit {process.returncode}: {' '.join(words)}\n{''.join(said[-8:]).strip()}"
        )
    return process.returncode


def _read_result(path: Path) -> tuple[int, list[StreamState]]:
    lines = path.read_text().splitlines()
    states = []
    for line in lines[1:]:
        moved, first, latest, bad, valid, ready, more, toggles, *ends = (int(v) for v in line.split())
        states.append(
            StreamState(moved, first, latest, bool(bad), bool(valid), bool(ready), more, toggles, tuple(ends))
        )
    return int(lines[0]), states


def _run(
    design: Design, end: End, n: int, states: list[StreamState], total: int, seconds: float, work: Path, program: Path
) -> Run:
    sink, source = states[end.id], states[design.ins[0].id]
    if sink.bad_last:
        raise ToolError(f"{design.module}: tlast does not mark the last word of each image")
    ends = sink.image_ends
    start = (n - 1) // 2  # the first half fills the pipeline
    rate = -(-(ends[-1] - ends[start]) // (n - 1 - start)) if n > 1 else None
    log = {"program": str(program), "first_word": sink.first - source.first, "image_ends": ends}
    return Run(
        "rtl", unpack(work / str(end.id), end.stream).reshape(n, -1), seconds, cycles_per_image=rate,
        latency=ends[0] - source.first + 1, cycles=total, occupancy={e.label: states[e.id].words for e in design.levels}, log=log,
        toggles={e.edge: states[e.id].toggles / n for e in design.taps},
    )  # fmt: skip


def _stuck(designs: Sequence[Design], xs: Sequence[tuple[Array, ...]], states: list[StreamState], idle: int) -> str:
    """Which stream holds everything up: the last one that offers a word nobody takes, else the first that is empty."""
    reasons = []
    for design, x in zip(designs, xs, strict=True):
        late = [e for e in design.outs if states[e.id].moved < len(x[0]) * e.stream.words]
        for sink in late:
            where = _where(design, states, len(x[0]))
            counts = ", ".join(
                f"{e.label} {states[e.id].words}/{len(x[0]) * e.stream.words}" for e in design.taps[-40:]
            )
            moved = f"{states[sink.id].moved} of {len(x[0]) * sink.stream.words} words left through {sink.label}"
            reasons.append(
                f"{design.module} is stuck, nothing moved for {idle} cycles: {where}; {moved}"
                + (f"; words by stream: {counts}" if counts else "")
            )
    return "\n".join(reasons) + "\nenlarge the fifo before that stream, or report a defect of the unit behind it"


def _where(design: Design, states: list[StreamState], images: int) -> str:
    """The stream at fault: the last that offers a word in vain, else the first that gives too few words."""
    refused = [e for e in design.taps if states[e.id].valid and not states[e.id].ready]
    silent = [e for e in design.taps if states[e.id].words < images * e.stream.words]
    if refused:
        return f"{refused[-1].label} offers a word that is not taken"
    if silent:
        return f"{silent[0].label} gives no more words after {states[silent[0].id].words} of {images * silent[0].stream.words}"
    return "words are lost at the end"
