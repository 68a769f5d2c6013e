"""Every unit in HLS C++ against its own meaning, under g++'s fast types and under AMD's ap_uint.

A unit that takes several streams is fed through a fork, one branch for each; copies of a fork are joined again.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwflow import tools
from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.emit.hls import call, from_beats, sources, to_beats
from hwflow.ops import Port
from hwflow.places import HLS, hardware
from hwflow.simulate import hls
from hwflow.units import UNITS, ConcatUnit, Fork, Mvu, RescaleUnit, ThresholdUnit, Width, samples
from hwflow.units.kit.base import SOURCE, Dataflow, Unit
from hwflow.units.kit.streams import Stream

needs_gxx = pytest.mark.skipif(tools.find("g++") is None, reason="g++ is not on PATH")
SAMPLES = {u.name: u for u in samples()}
ONE_EACH = {type(u): u.name for u in reversed(list(SAMPLES.values()))}  # the first sample of every unit
WITH_AP_UINT = {
    *ONE_EACH.values(),
    "mvu_pad",
    "mvu_w4",
    "window_mean",
    "vvu_w4",
    "pool_odd",
    "width_13_11",
    "rescale_wide",
}
IMAGES = 5


def ap_types() -> Path:
    """AMD's ap_int headers as hls4ml brings them, or a skip that says how to get them."""
    hls4ml = pytest.importorskip("importlib.util").find_spec("hls4ml")
    if hls4ml is None:
        pytest.skip("ap_int.h is not here: pip install hls4ml")
    return Path(hls4ml.origin).parent / "templates" / "vivado" / "ap_types"


def images(stream: Stream, seed: int, n: int = IMAGES) -> Array:
    """Seeded images of a stream's own range, its two ends among them."""
    rng, ints = np.random.default_rng(seed), stream.ints
    x = rng.integers(ints.lo, ints.hi + 1, (n, *stream.port.shape))
    x[0], x[1] = ints.lo, ints.hi
    return np.where(x > 0, 1, -1) if ints.is_bipolar else x


def alone(unit: Unit) -> Dataflow:
    """A dataflow around one unit."""
    units: list[Unit] = []

    def put(u: Unit) -> str:
        units.append(u)
        return u.name

    if len(unit.ins) == 1:
        source = unit.ins[0]
        put(_reading(unit, (SOURCE,)))
    else:
        source, feeds = _feeds(unit.ins, put)
        put(_reading(unit, feeds))
    if len(unit.outs) > 1:
        _join(unit, put)
    return Dataflow(unit.name, source, tuple(units))


def _reading(unit: Unit, inputs: tuple[str, ...]) -> Unit:

    return replace(unit, inputs=inputs)


def _feeds(ins: tuple[Stream, ...], put: Callable[[Unit], str]) -> tuple[Stream, tuple[str, ...]]:
    """One byte image, a branch for each stream: a random matrix, then exactly the range the stream has."""
    rng = np.random.default_rng(17)
    by_row = ins[0].by_row  # then every unit before takes as many pixels a word
    n = ins[0].par // ins[0].port.channels if by_row else 1
    source = Stream(Port((*ins[0].port.shape[:-1], 3), Ints(0, 255)), 3 * n, by_row)
    put(Fork(name="fork", inputs=(SOURCE,), x=source.port, copies=len(ins), par=3 * n, by_row=by_row))
    feeds = []
    for i, want in enumerate(ins):
        from_fork, ints = f"fork:{i}" if i else "fork", want.ints
        mix = Mvu(name=f"mix{i}", inputs=(from_fork,), x=source.port, weights=rng.choice((-1, 1), (want.port.channels, 3)), pe=want.port.channels, simd=3)  # fmt: skip
        put(mix.folded(pe=n * want.port.channels, simd=3 * n))
        port, channels = mix.outs[0].port, want.port.channels
        if ints.is_bipolar:
            put(ThresholdUnit(name=f"range{i}", inputs=(mix.name,), x=port, thresholds=np.zeros((channels, 1), int), falling=np.zeros(channels, bool), bipolar=True, pe=n * channels))  # fmt: skip
        else:
            put(RescaleUnit(name=f"range{i}", inputs=(mix.name,), x=port, mul=np.ones(channels, int), add=np.zeros(channels, int), shift=1, lo=ints.lo, hi=ints.hi, pe=n * channels))  # fmt: skip
        if want.par == n * channels:
            feeds.append(f"range{i}")
            continue
        feeds.append(
            put(Width(name=f"width{i}", inputs=(f"range{i}",), x=want.port, par_in=channels, par_out=want.par))
        )
    return source, tuple(feeds)


def _join(fork: Unit, put: Callable[[Unit], str]) -> None:
    """The copies of a fork side by side as channels, three at a time."""
    port, par = fork.outs[0].port, fork.outs[0].par
    names = [f"{fork.name}:{i}" if i else fork.name for i in range(len(fork.outs))]
    simd = par if port.channels % par == 0 else 1
    left, size = names[0], port.channels
    for k, name in enumerate(names[1:]):
        xs = (Port((*port.shape[:-1], size), port.ints), port)
        left = put(ConcatUnit(name=f"join{k}", inputs=(left, name), xs=xs, scales=(1, 1), simd=simd))
        size += port.channels


def check(name: str, folder: Path, headers: Path | None = None) -> None:
    dataflow = alone(SAMPLES[name])
    x = images(dataflow.input, seed=len(name))
    run = hls.run(dataflow, folder, x, ap_types=headers)
    want = dataflow.run(x)
    assert want.shape == run.outputs.shape
    np.testing.assert_array_equal(run.outputs, want)
    log = (Path(str(run.log["program"])).parent / "g++.log").read_text()
    assert log == "", f"{name} does not compile cleanly: {log[:2000]}"


@needs_gxx
@pytest.mark.parametrize("name", sorted(ONE_EACH.values()))
def test_one_sample_of_each_unit_equals_its_meaning(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@needs_gxx
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - set(ONE_EACH.values())))
def test_every_sample_equals_its_meaning(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@needs_gxx
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WITH_AP_UINT))
def test_a_sample_equals_its_meaning_with_ap_uint(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, ap_types())


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.module)
def test_a_template_has_the_parameters_of_its_unit_in_order(unit: type[Unit]) -> None:
    text = (HLS / "units" / f"{unit.module}.hpp").read_text()
    heads = re.findall(rf"template <([^<>]*)>\s*void {unit.module}\(([^{{]*)\)", text)
    assert heads, f"{unit.module}.hpp has no function {unit.module}"
    for sample in (u for u in SAMPLES.values() if type(u) is unit):
        numbers, memories = call(sample).params, [v for v in sample.params().values() if isinstance(v, str)]
        for params, args in heads:
            ints = [p.split()[-1] for p in params.split(",") if p.split()[0] == "int"]
            assert ints == list(numbers), f"{unit.module}.hpp has {ints}, the unit has {list(numbers)}"
            assert args.count("const ") == len(memories), f"{unit.module}.hpp takes {args}, the unit has {memories}"


@needs_gxx
@pytest.mark.parametrize("ap", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_words_streams_and_memories_mean_the_same_bits(ap: bool, tmp_path: Path) -> None:
    flags = [*hls.FLAGS, *(hls.AP_TYPES_FLAGS if ap else ()), *(["-isystem", str(ap_types())] if ap else [])]
    program = tmp_path / "tb_stream"
    built = tools.run(
        "g++",
        [*flags, *(f"-I{HLS / room}" for room in ("units", "parts")), "-o", program, hardware("tb_stream.cpp")],
        cwd=tmp_path,
    )
    assert built == "", built
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "0 failures\n")


def test_a_header_brings_every_header_it_stands_on() -> None:
    assert {p.name for p in sources(["pool.hpp"])} == {"pool.hpp", "reduce.hpp", "stream.hpp"}


@pytest.mark.parametrize("ints", [BIPOLAR, Ints(0, 255), Ints(-1, 1), Ints(-70000, 70000), Ints(0, 6)])
def test_beats_hold_every_element_and_give_it_back(ints: Ints) -> None:
    for par in (1, 3, 64):
        stream = Stream(Port((64 * 3,), ints), par)
        x = images(stream, seed=par)
        beats = to_beats(x, stream)
        assert len(beats) == len(x) * stream.words * ((stream.bits + 7) // 8)
        np.testing.assert_array_equal(from_beats(beats, stream).reshape(x.shape), x)
