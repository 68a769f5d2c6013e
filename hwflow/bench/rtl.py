"""What the SystemVerilog units cost, and whether whole networks of them compute what they mean at the rate they claim.

Stands on plan, emit, synth and the simulator. `lut` is counted as `hwflow synth` counts it, `lut6_paired` where two
functions of the same five inputs at most share a LUT6 (bench/pairs.py); nothing is quoted. The units of a design are
synthesised apart and added. What was measured of the very same texts by the same tool is not measured again, so a
bench that was stopped goes on.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree
from typing import Any, cast

import numpy as np

from hwflow import tools
from hwflow.bench import pairs
from hwflow.bench.measure import total
from hwflow.bits import BIPOLAR, Array
from hwflow.board import load_board
from hwflow.emit.rtl import TEMPLATES, emit
from hwflow.errors import ToolError
from hwflow.generate import nets as drawn_nets
from hwflow.net import Net
from hwflow.ops import Port
from hwflow.places import MODELS, contents, measure_once
from hwflow.plan import plan
from hwflow.plan.fifos import first_latency
from hwflow.simulate import rtl, shares, verilate
from hwflow.synth import TIMEOUT, cells, improve, yosys
from hwflow.units import Mvu
from hwflow.units.kit.base import SOURCE, Dataflow

CLOCK_MHZ = 200.0
MATRICES = (64, 128, 256)  # columns a cycle
BOARD = "pynq_z1"  # FINN's
# network, cycles an image, the share of the board it may take; None: what is cheapest by a typical part
NETWORKS = (("tfc", 64, None), ("sfc", 16, None), ("cnv", 32_768, None), ("cnv", 9_132, 0.5))
# network, cycles an image, images: those of MNIST's test set where there are as many
RUNS = (
    ("tfc", 64, 10_000),
    ("sfc", 16, 1_000),
    ("depthwise", 8_192, 16),
    ("resnet20", 36_864, 16),
    ("cnv", 32_768, 32),
    ("vgg_small", 65_536, 16),
)
WIDE = (("cnv", 400, 16), ("resnet20", 512, 16))  # the like, with words of several pixels
WIDE_BOARD = "vcu118"  # they are larger than the other boards
SEEDS = (1, 2, 3)  # of placements, the best of which counts
STALLED = 1  # images that enter and leave with random gaps

Row = dict[str, Any]


def rows(say: Callable[[str], None]) -> Iterator[Row]:
    """One row for each matrix unit and each network: folding, LUT, FF, BRAM18, cycles."""
    yield from (cost(name, make, say) for name, make in designs())
    yield from constant_rows(say)
    yield clock_row(say)


def designs() -> Iterator[tuple[str, Callable[[], Dataflow]]]:
    """What is synthesised, by name."""
    for simd in MATRICES:
        yield f"mvu {simd}x8, weights in block RAM", partial(matrix, 128, 4 * simd, 8, simd, "block")
    for name, cycles, share in NETWORKS:
        within = f" in {share:.0%} of a {load_board(BOARD).title}" if share else ""
        board = BOARD if share else None
        make = partial(at_rate, drawn_nets.NETS[name](0), cycles, board, share or 1.0)
        yield f"{name} at {cycles} cycles{within}", make


def at_rate(net: Net, cycles: int, board: str | None = None, share: float = 1.0) -> Dataflow:
    """The cheapest hardware of a network for an image every so many cycles, within a share of a board where one is named."""
    part = load_board(board) if board else None
    return plan(net, board=part, clock_mhz=CLOCK_MHZ, fps=CLOCK_MHZ * 1e6 / cycles, max_util=share)


def matrix(rows: int, cols: int, pe: int, simd: int, style: str) -> Dataflow:
    """One binary matrix unit of random weights and thresholds."""
    rng = np.random.default_rng(0)
    weights, limits = rng.choice((-1, 1), (rows, cols)), rng.integers(-8, 9, (rows, 1))
    unit = Mvu(
        name="matrix", inputs=(SOURCE,), x=Port((cols,), BIPOLAR), weights=weights, thresholds=limits, bipolar=True,
        pe=pe, simd=simd, style=style,
    )  # fmt: skip
    return Dataflow("matrix", unit.ins[0], (unit,))


def cost(name: str, make: Callable[[], Dataflow], say: Callable[[str], None], family: str = "xc7") -> Row:
    """One design, its units synthesised apart and added, where `hwflow synth` keeps their boundaries; see measure.total."""
    flow = make()
    facts = total(flow.units, family, lambda line: say(f"{name}: {line}"), TIMEOUT, paired=True)
    out: Row = {"design": name, "family": family, "cycles": flow.cycles}
    if facts is None:
        return {**out, "note": f"Yosys does not finish one of its units in {TIMEOUT:.0f} s"}
    out |= {key: facts[key] for key in ("lut", "lut6_paired", "ff", "bram", "dsp")}
    if len(flow.units) == 1:
        out["lut_per_mac"] = round(facts["lut"] / flow.units[0].macs, 2)
    return out


def constant_rows(say: Callable[[str], None]) -> list[Row]:
    """TFC's trained second layer with its weights as wiring, and da4ml's Verilog of it in the same shell, in one run of Yosys.

    Both are mapped by ABC: ABC9, which `synth_xilinx` calls, does not come to an end on either within minutes.
    """
    net = Net.load(MODELS / "trained" / "tfc" / "net.npz")
    layer = cast(Mvu, [u for u in plan(net, clock_mhz=CLOCK_MHZ).units if u.macs][1])
    unit = replace(layer, inputs=(SOURCE,), pe=layer.rows, simd=layer.cols, style="const")
    name = f"mvu {unit.pe}x{unit.simd}, constant weights, TFC's second layer"
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        emit(Dataflow("matrix", unit.ins[0], (unit,)), work)
        theirs = da4ml_verilog(unit, work)
        texts = contents(work)

        def measure() -> Row:
            say(f"{name}: synthesis for xc7")
            ours = [*yosys.sources(work)]
            parts = [n for n in ours if n not in ("network.sv", "top.sv", "stream_top.sv")]
            tops = {"ours": (yosys.CORE, ours), **({"da4ml": ("da4ml_unit", [*parts, *theirs])} if theirs else {})}
            yosys.run_script(
                [line for key, (top, files) in tops.items() for line in mapping(key, top, files)], work, "core", None
            )
            return {key: figures(yosys.read_netlist(work / f"{key}.json"), top) for key, (top, _) in tops.items()}

        facts = measure_once(["constant", yosys.version().encode(), *texts], measure)
    titles = {"ours": name, "da4ml": f"the same by da4ml {theirs and version('da4ml')}"}
    rows = [{"design": titles[key], "family": "xc7", "cycles": 1, **row} for key, row in facts.items()]
    return rows if theirs else [*rows, {"design": "the same by da4ml", "note": "not measured: pip install da4ml"}]


def mapping(name: str, top: str, files: list[str]) -> list[str]:
    """Yosys' script from sources to `name`.json: synth_xilinx with ABC in ABC9's place."""
    return [
        *yosys.read_sources("xc7", files), f"{yosys.command('xc7', core=True)} -top {top} -run begin:map_luts",
        "abc -luts 2:2,3,6:5", "clean", "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
        "opt_lut_ins -tech xilinx", "clean", "blackbox =A:whitebox", f"write_json {name}.json", "design -reset",
    ]  # fmt: skip


def figures(netlist: dict[str, Any], top: str) -> Row:
    """What a mapped netlist takes, its LUT cells and carry cells as they are among it."""
    counted = cells.count_cells(netlist, top)
    facts = cells.sum_resources(counted, "xc7")
    raw = {"lut_cells": sum(counted[f"LUT{k}"] for k in range(1, 7)), "carry4": counted["CARRY4"]}
    return {"lut": facts["lut"], "lut6_paired": pairs.count_sites(netlist, top), "ff": facts["ff"], **raw}


def da4ml_verilog(unit: Mvu, work: Path) -> list[str]:
    """da4ml's Verilog of a one-level unit of -1/+1 weights and inputs, in its shell, in `work`; none where it is not installed."""
    try:
        trace, codegen = import_module("da4ml.trace"), import_module("da4ml.codegen")
    except ImportError:
        return []
    assert unit.thresholds is not None
    w, zero = np.asarray(unit.weights, np.float64), np.zeros(unit.simd)
    x = trace.FixedVariableArray.from_kif(zero, zero + 1, zero, hwconf=trace.HWConfig(1, -1, -1))
    # over bits: sum w * (2 * bit - 1) >= t
    y = x @ w.T >= np.ceil((unit.thresholds[:, 0] + w.sum(1)) / 2)
    codegen.RTLModel(trace.comb_trace(x, y), "layer", work / "da4ml", flavor="verilog").write()
    made = [work / "da4ml" / "src" / "layer.v", *(work / "da4ml" / "src" / "static").glob("*.v")]
    used = [f for f in made if f.stem == "layer" or f.stem in made[0].read_text()]
    for file in used:
        (work / file.name).write_text(file.read_text())
    rmtree(work / "da4ml")
    (work / "shell.v").write_text(TEMPLATES.get_template("bench_da4ml.sv.j2").render(rows=unit.pe, cols=unit.simd))
    return [*sorted(f.name for f in used), "shell.v"]


def clock_row(say: Callable[[str], None], simd: int = 128, aim_mhz: float = 180) -> Row:
    """The clock at which a matrix unit between registers closes on the largest ECP5 of speed 6, and what limits it."""
    flow = matrix(128, 4 * simd, 8, simd, "block")
    name = f"mvu {simd}x8, weights in block RAM"
    with tempfile.TemporaryDirectory() as scratch:
        folder, work = emit(flow, Path(scratch) / "rtl"), Path(scratch) / "place"
        texts = contents(folder)

        def measure() -> Row:
            say(f"{name}: place and route on ECP5")
            facts = cells.sum_resources(cells.count_cells(yosys.map_core(folder, "ecp5", work), yosys.CORE), "ecp5")
            ring = TEMPLATES.get_template("bench_ring.sv.j2")
            (work / "ring.sv").write_text(ring.render(in_bits=flow.input.bits, out_bits=flow.output.bits))
            yosys.run_script(
                ["read_rtlil core.il", "blackbox *", "read_verilog -sv ring.sv", f"{yosys.command('ecp5', core=True)} -top ring",
                 "read_rtlil -overwrite core.il", "hierarchy -check -top ring", *improve.FLATTEN, "write_json ring.json"],
                work, "ring", None,
            )  # fmt: skip
            improve.improve_netlist(work / "ring.json")
            reached = {seed: placed(work, seed, aim_mhz) for seed in SEEDS}
            mhz, limit = max(reached.values())
            each = ", ".join(f"{one:.1f}" for one, _ in reached.values())
            return {**facts, "fmax_mhz": round(mhz, 1), "fmax_by_seed": each, "limit": limit}

        return {
            "design": name,
            "family": "ecp5",
            "cycles": flow.cycles,
            **measure_once(
                ["place", str(SEEDS), *improve.texts(), yosys.version(), str(aim_mhz), *texts],
                measure,
            ),
        }


def placed(work: Path, seed: int, aim_mhz: float) -> tuple[float, str]:
    """The clock that `ring.json` reaches in one placement, and how much of its longest path is wires."""
    tools.run(
        "nextpnr-ecp5",
        ["--85k", "--package", "CABGA381", "--speed", "6", "--json", "ring.json", "--freq", str(aim_mhz),
         "--report", "report.json", "--seed", str(seed), "--timing-allow-fail", "--lpf-allow-unconstrained"],
        cwd=work, log=work / "nextpnr.log",
    )  # fmt: skip
    report = json.loads((work / "report.json").read_text())
    paths = [p["path"] for p in report["critical_paths"] if p["from"].split(" ")[-1] == p["to"].split(" ")[-1]]
    worst = max(paths, key=lambda path: sum(step["delay"] for step in path))
    wires = sum(step["delay"] for step in worst if step["type"] == "routing")
    whole = sum(step["delay"] for step in worst)
    return min(c["achieved"] for c in report["fmax"].values()), f"{wires:.1f} of {whole:.1f} ns are wires"


def network_rows(say: Callable[[str], None]) -> Iterator[Row]:
    """One row for each network of RUNS: images, how many differ, cycles and latency claimed and simulated, seconds."""
    for name, cycles, n in RUNS:
        yield network_row(name, cycles, n, say)


def wide_rows(say: Callable[[str], None]) -> Iterator[Row]:
    """One row for each network of WIDE, planned within WIDE_BOARD: what `network_rows` says of others."""
    for name, cycles, n in WIDE:
        yield network_row(name, cycles, n, say, WIDE_BOARD)


def network_row(name: str, cycles: int, n: int, say: Callable[[str], None], board: str | None = None) -> Row:
    """A network's RTL against its Net, and against what is claimed of it; stalls on some images."""
    net = drawn_nets.NETS[name](0)
    flow = at_rate(net, cycles, board)
    x, drawn = inputs(net, n)
    with tempfile.TemporaryDirectory() as scratch:
        folder = emit(flow, Path(scratch) / "rtl")
        texts = contents(folder)

        def measure() -> Row:
            say(f"{name}: building the simulator")
            built = build(flow, folder, x[:1])
            say(f"{name}: {n} images")
            run = shares.run(flow, folder, x)
            stalled = rtl.run(flow, folder, x[:STALLED], stalls=1)
            want = net.run(x).reshape(n, -1)
            differing = int((run.outputs != want).any(1).sum()), int((stalled.outputs != want[:STALLED]).any(1).sum())
            return {
                "images": n,
                "differing": differing[0],
                "stalled": STALLED,
                "stalled_differing": differing[1],
                "cycles_simulated": run.cycles_per_image,
                "latency_simulated": run.latency,
                **built,
                "s_per_image": float(f"{run.seconds / n:.3g}"),
            }

        key: list[str | bytes] = ["run", str(n).encode(), verilate.version().encode(), x.tobytes(), *texts]
        facts = measure_once(key, measure)
    claims = {
        "network": name,
        **({"board": board, "LUTs in use, %, estimated": in_use(flow, board)} if board else {}),
        "drawn_from": drawn,
        "cycles_claimed": flow.cycles,
        "latency_claimed": first_latency(flow),
    }
    return {**claims, **facts}


def in_use(flow: Dataflow, board: str) -> float:
    """Percent of a board's LUTs, as estimated."""
    part = load_board(board)
    return round(100 * flow.cost(part.family).lut / part.lut, 1)


def inputs(net: Net, n: int) -> tuple[Array, str]:
    """Images (n, *shape) and where they are from: MNIST's test set where the network takes it and it is here."""
    if net.input.shape == (784,):
        from hwflow.train.data import load

        try:
            return load("mnist")[1].x[:n].reshape(-1, 784).astype(np.int64), "MNIST"
        except (OSError, ToolError):
            pass
    return drawn_nets.random_images(net, n), "random"


def build(flow: Dataflow, folder: Path, x: Array) -> Row:
    """Seconds, and seconds of processor time, of building a design's simulator, Verilator's own runtime excepted."""
    verilate.runtime("")
    while True:
        began, spent, now = time.perf_counter(), cpu_seconds(), time.time()
        run = rtl.run(flow, folder, x)
        seconds = time.perf_counter() - began - run.seconds
        program = Path(str(run.log["program"]))
        if program.stat().st_mtime >= now:
            return {"build_s": round(seconds, 1), "build_cpu_s": round(cpu_seconds() - spent, 1)}
        program.unlink()  # it was built before


def cpu_seconds() -> float:
    """Processor time of the programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
