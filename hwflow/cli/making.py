"""The verbs that make: demo, train, check, compile, hls.

Stands on flow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from hwflow.cli.common import (
    MOST_IMAGES,
    BoardName,
    Calibrate,
    Input,
    Json,
    Layout,
    Mean,
    OutDir,
    QuantiseFloat,
    Std,
    calibration_of,
    ladder,
    out,
    say,
    show,
    verb,
)
from hwflow.errors import ModelError, RecipeError


@verb("hwflow demo", "open build/digits/report.html")
def demo(
    folder: OutDir = None,
    train: Annotated[
        bool, typer.Option(help="Train and synthesise, or take a kept network: a minute, without torch and Yosys.")
    ] = True,
    json: Json = False,
) -> None:
    """The whole life on the bundled digits: train, prove, simulate, synthesise, report; minutes on a laptop CPU."""
    from hwflow.demo import demo as run

    result = run(folder or Path("build/digits"), say, train=train)
    if json:
        show(result.summary, True)
    else:
        out.print(ladder(result.proof))
        table = Table("what", "value", "kind", title="the accelerator")
        for what, (value, kind) in result.summary["table"].items():
            table.add_row(what, str(value), kind)
        out.print(table)
        verdict = "every engine agrees to the last bit" if result.exact else "NOT proven: see the ladder above"
        out.print(Text(verdict, "green" if result.exact else "red"), "nothing here has touched a board", sep="; ")
        out.print(f"report: {result.summary['report']}")
    raise typer.Exit(0 if result.exact else 1)


@verb("hwflow train models/mlp.py:digits -o build/digits", "hwflow compile build/digits")
def train(
    model: Annotated[str, typer.Argument(help="models/x.py[:recipe]")],
    folder: OutDir = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the training images.")] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="The highest learning rate.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of weights, order and augmentation.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="How bits are made: ir-net, dir-net, ...")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Of the CPU; 0 is torch's choice.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Stop then; --resume goes on.")] = None,
    start: Annotated[Path | None, typer.Option("--start", help="A run of the same network to begin with.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from checkpoint.pt, to the same bits.")] = False,
    json: Json = False,
) -> None:
    """Train a recipe: checkpoint.pt, model.onnx (QONNX, checked against PyTorch), metrics.json."""
    from hwflow.flow import train as run

    where, metrics = run(
        model, folder, resume=resume, progress=not json, seconds=None if minutes is None else 60 * minutes,
        start=start, epochs=epochs, lr=lr, seed=seed, method=method, threads=threads,
    )  # fmt: skip
    table = Table("metric", "value", title=str(where))
    for key, value in metrics.items():
        if isinstance(value, int | float | str):
            table.add_row(key, f"{value:.4f}" if isinstance(value, float) else str(value))
    show({"folder": str(where), **metrics}, json, table)


@verb(
    "hwflow check build/digits/model.onnx --input u8/16",
    "hwflow compile build/digits/model.onnx --input u8/16 -o build/mine",
)
def check(
    model: Annotated[Path, typer.Argument(help="MODEL.onnx, MODEL.h5 or MODEL.keras")],
    input: Input = None,
    mean: Mean = None,
    std: Std = None,
    quantise_float: QuantiseFloat = None,
    calibrate: Calibrate = None,
    layout: Layout = "nhwc",
    json: Json = False,
) -> None:
    """Is the network supported? Every finding at once: node, attribute, reason, remedy."""
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from hwflow.qonnx import check as run
    from hwflow.real import with_preprocessing
    from hwflow.sources import KERAS, integers_in

    input = with_preprocessing(input, mean, std)
    if not model.is_file():
        raise ModelError(f"{model}: no such file; give the path of a QONNX or Keras file")
    calibration = calibration_of(quantise_float, calibrate, layout)
    with TemporaryDirectory() as work:
        file = model
        if calibration is not None:
            file = Path(work) / model.name
            say(str(calibration.quantise(model, file, input)))
        findings = () if file.suffix in KERAS else run(file, input)
        if not findings:
            try:
                integers_in(file, input)
            except ModelError as e:
                findings = e.findings
    table = Table("node", "attribute", "reason", "remedy", title=f"{model}: refused")
    for f in findings:
        table.add_row(f.node, f.attribute, f.reason, f.remedy)
    if not findings and not json:
        out.print(f"{model}: supported")
        return
    show({"model": str(model), "supported": not findings, "findings": [asdict(f) for f in findings]}, json, table)
    raise typer.Exit(1 if findings else 0)


@verb("hwflow compile build/digits/model.onnx --input u8/16 --fps 100000 -o build/mine", "hwflow verify build/mine")
def compile(
    model: Annotated[str, typer.Argument(help="MODEL.onnx, MODEL.h5, models/x.py[:recipe] or a build folder")],
    folder: OutDir = None,
    board: BoardName = None,
    clock: Annotated[float | None, typer.Option("--clock", help="Clock in MHz; the board's own without it.")] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", help="The cheapest design that reaches this many images/s.")
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="The fastest design that fits the board.")] = False,
    max_util: Annotated[float, typer.Option("--max-util", help="Share of the board --fit may use, 0 to 1.")] = 0.8,
    latency: Annotated[
        float | None, typer.Option("--latency", help="The cheapest design below this latency in us.")
    ] = None,
    folding: Annotated[
        Path | None, typer.Option("--folding", help="A folding file: {unit: {pe, simd, style, mult}}.")
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Hardware whose weights can be loaded while it runs: run --weights.")
    ] = False,
    stream_weights: Annotated[
        str | None,
        typer.Option(
            "--stream-weights",
            help="Layers whose weights come from memory as it runs: A,B, or auto: what does not fit.",
        ),
    ] = None,
    input: Input = None,
    mean: Mean = None,
    std: Std = None,
    answer: Annotated[
        str, typer.Option("--answer", help="What the hardware sends: scores in one common unit, or labels.")
    ] = "scores",
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", help="Also c/PREFIX/: an Arduino library and Zephyr module whose names begin so."),
    ] = None,
    quantise_float: QuantiseFloat = None,
    calibrate: Calibrate = None,
    layout: Layout = "nhwc",
    json: Json = False,
) -> None:
    """QONNX to integers to hardware: net.npz, dataflow.json, rtl/, hls/, c/."""
    from hwflow.flow import Target, compile_model, describe
    from hwflow.plan import explain
    from hwflow.real import with_preprocessing

    input = with_preprocessing(input, mean, std)
    streamed = tuple(part.strip() for part in (stream_weights or "").split(",") if part.strip())
    if stream_weights is not None and not streamed:
        raise RecipeError("--stream-weights: must name layers, or be auto")
    target = Target(board, clock, fps, fit, max_util, latency, folding, reload, streamed)
    calibration = calibration_of(quantise_float, calibrate, layout)
    build = compile_model(model, folder, target, input, say, answer=answer, prefix=prefix, calibration=calibration)
    flow = build.dataflow
    rate = build.clock_mhz * 1e6 / flow.cycles
    table = Table(
        "unit",
        "module",
        "pe",
        "simd",
        "style",
        "mult",
        "cycles",
        "LUT (est.)",
        "BRAM (est.)",
        "DSP (est.)",
        title=f"{build.folder}: {flow.cycles} cycles per image, {rate:,.0f} images/s at {build.clock_mhz:g} MHz",
    )
    for u in flow.units:
        cost = u.cost(build.family)
        table.add_row(
            u.name,
            u.module,
            str(getattr(u, "pe", "")),
            str(getattr(u, "simd", "")),
            getattr(u, "style", ""),
            u.made_by,
            str(u.cycles),
            f"{cost.lut:.0f}",
            f"{cost.bram:g}",
            f"{cost.dsp:g}",
        )
    why = explain(flow, build.board, build.clock_mhz, build.family)
    show({"folder": str(build.folder), "fps": rate, **describe(flow), "explanation": why}, json, table)
    if not json:
        say(why["text"])


@verb("hwflow split build/digits --fps 100000 -o build/both", "hwflow verify build/both/first")
def split(
    model: Annotated[str, typer.Argument(help="MODEL.onnx, MODEL.h5, net.npz or a build folder")],
    folder: OutDir = None,
    board: BoardName = None,
    clock: Annotated[float | None, typer.Option("--clock", help="Clock in MHz; the board's own without it.")] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", help="The cheapest halves that reach this many images/s.")
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="The fastest halves that fit a board each.")] = False,
    max_util: Annotated[float, typer.Option("--max-util", help="Share of each board --fit may use, 0 to 1.")] = 0.8,
    input: Input = None,
    n: Annotated[int, typer.Option("-n", min=1, max=MOST_IMAGES, help="Images through both halves together.")] = 100,
    json: Json = False,
) -> None:
    """One network over two boards: a build for each half, the link between them, both simulated together."""
    from hwflow.flow import Target
    from hwflow.split import split_model

    facts = split_model(model, folder, Target(board, clock, fps, fit, max_util), input, n, say)
    table = Table("what", "value", title=facts["folder"])
    for key, value in facts.items():
        table.add_row(key, str(value))
    show(facts, json, table)
    raise typer.Exit(0 if facts["differing"] == 0 else 1)


@verb("hwflow hls build/digits")
def hls(
    model: Annotated[str, typer.Argument(help="MODEL.onnx, models/x.py[:recipe] or a build folder")],
    folder: OutDir = None,
    input: Input = None,
    mean: Mean = None,
    std: Std = None,
    json: Json = False,
) -> None:
    """The HLS C++ project: emitted, simulated under g++, proven equal to the integers, with its estimate."""
    from dataclasses import asdict

    from hwflow.flow import Target, compile_model
    from hwflow.real import with_preprocessing
    from hwflow.units.kit.costs import doubt
    from hwflow.verify import verify

    build = compile_model(model, folder, Target(), with_preprocessing(input, mean, std), say)
    done = verify(build, engines=("numpy", "dataflow", "hls"), progress=say)
    cost = build.dataflow.cost(build.family)
    table = Table("what", "value", "kind", title=str(build.folder / "hls"))
    table.add_row("cycles per image", str(build.dataflow.cycles), "estimated")
    table.add_row(
        f"LUT / BRAM / DSP, {build.family}",
        f"{cost.lut:.0f} / {cost.bram:g} / {cost.dsp:g}",
        doubt(cost, build.family) or "estimated",
    )
    table.add_row("Vitis", f"vitis-run --mode hls --tcl {build.folder / 'hls' / 'run_hls.tcl'}", "not run here")
    if not json:
        out.print(ladder(done))
    show(asdict(done) | {"exact": done.exact, "folder": str(build.folder / "hls")}, json, table)
    raise typer.Exit(0 if done.exact else 1)
