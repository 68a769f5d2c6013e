"""The verbs that measure and prove: simulate, verify, synth, report.

Stands on the build and its engines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hwflow.cli.common import (
    BoardName,
    Count,
    Dir,
    Inputs,
    Json,
    Layout,
    ladder,
    load_inputs,
    load_labels,
    say,
    show,
    verb,
)
from hwflow.errors import RecipeError
from hwflow.families import FAMILIES


@verb("hwflow simulate build/digits --engine c --outputs y.npy -n 20")
def simulate(
    folder: Dir,
    engine: Annotated[str, typer.Option("--engine", help="numpy, c, hls or rtl")] = "rtl",
    inputs: Inputs = None,
    layout: Layout = "nhwc",
    outputs: Annotated[
        Path | None,
        typer.Option(
            "--outputs",
            help="Y.npy: integer scores (n, outputs) in one unit, or labels (n, k). Several outputs: Y.npz.",
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores", help="S.npy: the trained network's own answers, in its own shape. Several outputs: S.npz."
        ),
    ] = None,
    n: Count = None,
    stalls: Annotated[bool, typer.Option("--stalls", help="Random stalls at both ends (rtl).")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Write an FST waveform (rtl).")] = False,
    json: Json = False,
) -> None:
    """Run one engine on images and save its answers."""
    from hwflow.build import Build
    from hwflow.files import check_answers_path, write_answers
    from hwflow.simulate import simulate as run
    from hwflow.verify import STALL_SEED

    build = Build.load(folder)
    names = [part.name for part in build.net.outputs]
    check_answers_path(outputs, names, "--outputs")
    check_answers_path(scores, names, "--scores")
    x = load_inputs(build, inputs, n, layout)
    say(f"{engine}: {len(x)} images")
    done = run(build, x, engine, stalls=STALL_SEED if stalls else None, trace=trace)
    if outputs:
        write_answers(outputs, build.net.split(done.outputs))
    if scores:
        write_answers(scores, build.net.real(done.outputs))
    facts = {
        "engine": engine,
        "images": len(x),
        "seconds": round(done.seconds, 4),
        "cycles_per_image": done.cycles_per_image,
        "latency": done.latency,
        "cycles": done.cycles,
        "outputs": str(outputs) if outputs else None,
        "scores": str(scores) if scores else None,
    }
    table = Table("what", "value", title=str(folder))
    for key, value in facts.items():
        if value is not None:
            table.add_row(key, str(value))
    show(facts, json, table)


@verb(
    "hwflow verify build/digits -n 20 --engines numpy,c", "hwflow synth build/digits, then hwflow report build/digits"
)
def verify(
    folder: Dir,
    inputs: Inputs = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="y.npy: the labels of --inputs, for accuracy.")
    ] = None,
    layout: Layout = "nhwc",
    n: Count = None,
    engines: Annotated[str | None, typer.Option("--engines", help="Comma-separated; all but wasm without it.")] = None,
    dump: Annotated[
        Path | None, typer.Option("--dump", help="Save answers and intermediate tensors as .npy here.")
    ] = None,
    json: Json = False,
) -> None:
    """Every engine equal to the last bit, or the first unit, channel and pixel that differs; exit 1 then."""
    from dataclasses import asdict

    from hwflow.build import Build
    from hwflow.verify import ENGINES, LADDER
    from hwflow.verify import verify as run

    build = Build.load(folder)
    chosen = tuple(engines.split(",")) if engines else ENGINES
    if unknown := sorted(set(chosen) - set(LADDER)):
        raise RecipeError(f"--engines: {', '.join(unknown)} is not known; choose from {', '.join(LADDER)}")
    if labels and not inputs:
        raise RecipeError("--labels are those of --inputs X.npy; give both")
    x = load_inputs(build, inputs, n, layout) if inputs else None
    known = load_labels(labels, None if x is None else len(x))
    done = run(build, x, n, labels=known, engines=chosen, progress=say, dump=dump)
    show(asdict(done) | {"exact": done.exact}, json, ladder(done))
    if done.accuracy is not None:
        say(f"accuracy of the integers: {100 * done.accuracy:.2f} %")
    raise typer.Exit(0 if done.exact else 1)


@verb("hwflow synth build/digits --family ecp5", "hwflow report build/digits")
def synth(
    folder: Dir,
    board: BoardName = None,
    family: Annotated[
        str | None, typer.Option("--family", help=f"{', '.join(FAMILIES)}; comma-separated for several.")
    ] = None,
    place: Annotated[
        bool, typer.Option("--place", help="Place and route too (nextpnr): Fmax and utilisation.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure with Yosys (and nextpnr): LUT, FF, BRAM, DSP; Fmax with --place."""
    from hwflow.build import Build
    from hwflow.flow import measure

    build = Build.load(folder)
    results = [measure(build, f, board=board, place=place, say=say) for f in (family.split(",") if family else [None])]
    table = Table(
        "family", "LUT", "FF", "BRAM", "DSP", "Fmax MHz", "LUT estimated", "seconds", title=f"{folder}: synthesised"
    )
    for r in results:
        table.add_row(
            r["family"],
            f"{r['lut']:.0f}",
            f"{r['ff']:.0f}",
            f"{r['bram']:g}",
            f"{r['dsp']:g}",
            f"{r['fmax_mhz']:.1f}" if r.get("fmax_mhz") else "",
            f"{build.dataflow.cost(r['family']).lut:.0f}",
            f"{r['seconds']:.0f}",
        )
    show(results, json, table)


@verb("hwflow report build/digits", "open build/digits/report.html")
def report(folder: Dir, json: Json = False) -> None:
    """report.json, report.md and report.html: what was estimated, simulated, synthesised and proven."""
    from hwflow.build import Build
    from hwflow.report import report as run

    facts = run(Build.load(folder))
    table = Table("file", title="written")
    for name in ("report.html", "report.md", "report.json"):
        table.add_row(str(folder / name))
    show(facts, json, table)


@verb("hwflow publish build/digits -o live.html", "open live.html")
def publish(
    folder: Dir,
    page: Annotated[Path | None, typer.Option("-o", "--out", help="The page; DIR/live.html without it.")] = None,
    json: Json = False,
) -> None:
    """The network alive in one web page: draw or drop an image, see the hardware's own answer."""
    from hwflow.build import Build
    from hwflow.report.live import publish as run

    where = run(Build.load(folder), page or folder / "live.html")
    table = Table("file", "bytes", title="one page, no network needed")
    table.add_row(str(where), f"{where.stat().st_size:,}")
    show({"page": str(where), "bytes": where.stat().st_size}, json, table)


@verb("hwflow measured build/digits --fps 1500 --mhz 25 --note bench", "hwflow report build/digits")
def measured(
    folder: Dir,
    fps: Annotated[float | None, typer.Option("--fps", help="Images a second that the board reached.")] = None,
    mhz: Annotated[float | None, typer.Option("--mhz", help="The clock it ran at.")] = None,
    watts: Annotated[float | None, typer.Option("--watts", help="What the board drew.")] = None,
    latency_us: Annotated[float | None, typer.Option("--latency", help="Microseconds from image to answer.")] = None,
    note: Annotated[str, typer.Option("--note", help="Board revision, instrument, conditions.")] = "",
    json: Json = False,
) -> None:
    """Record what a real board gave; the report shows it apart from every estimate."""
    from hwflow.build import Build

    numbers = {"fps": fps, "mhz": mhz, "watts": watts, "latency_us": latency_us}
    given = {k: v for k, v in numbers.items() if v is not None}
    if not given:
        raise RecipeError("nothing was measured: give at least one of --fps, --mhz, --watts, --latency")
    if wrong := [k for k, v in given.items() if not 0 < v < float("inf")]:
        raise RecipeError(f"{wrong[0]}: must be a positive number, not {given[wrong[0]]}")
    build = Build.load(folder)
    facts = {**given, **({"note": note} if note else {})}
    build.write("measured.json", facts)
    table = Table("what", "value", title=f"{folder}: read on a board")
    for key, value in facts.items():
        table.add_row(key, str(value))
    show(facts, json, table)
