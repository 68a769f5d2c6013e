"""The verbs that look around: doctor, runs, boards, recipes, quicklook, look, compare, go.

Stands on the rooms they name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from hwflow.cli.common import Dir, Input, Inputs, Json, Layout, OutDir, say, show, verb
from hwflow.errors import RecipeError


@verb("hwflow doctor")
def doctor(
    cache: Annotated[bool, typer.Option("--cache", help="What is kept of earlier compilations, instead.")] = False,
    clear: Annotated[
        str | None, typer.Option(help="Remove a kind of what is kept, or compiled: all that is made again by itself.")
    ] = None,
    json: Json = False,
) -> None:
    """What is installed, what each missing tool would add, and how to get it; what the cache holds."""
    if cache or clear:
        _cache(clear, json)
        return
    from hwflow.doctor import doctor as run

    rows = run()
    table = Table("what", "state", "needed for", "how to get it", title="doctor")
    for r in rows:
        table.add_row(
            r["name"],
            Text(r["state"], "green") if r["found"] else Text("absent", "yellow"),
            r["purpose"],
            "" if r["found"] else r["get"],
        )
    show(rows, json, table)


def _cache(kind: str | None, json: bool) -> None:
    from dataclasses import asdict

    from hwflow import cached
    from hwflow.places import cache

    if kind:
        say(f"{cached.clear(kind) / 1e6:.1f} MB are free")
    found = cached.shown()
    table = Table("kind", "what", "entries", "MB", "damaged", title=str(cache()))
    for k in found:
        table.add_row(k.kind, k.what, str(k.entries), f"{k.bytes / 1e6:.1f}", str(k.damaged or ""))
    show([asdict(k) for k in found], json, table)


@verb("hwflow runs")
def runs(
    folder: Annotated[Path, typer.Argument(help="Where to look, with all folders below.")] = Path("build"),
    json: Json = False,
) -> None:
    """Trainings under way and done: how far, how good, how long still."""
    from dataclasses import asdict

    from hwflow.runs import list_runs

    found = list_runs(folder)
    table = Table("folder", "recipe", "state", "epochs", "loss", "held out [%]", "hours", "hours left", title="runs")
    for where, note in found:
        done, left = note.state == "done", note.left
        table.add_row(
            str(where),
            note.source or note.name,
            note.state,
            f"{note.progress * note.epochs:.1f} of {note.epochs}",
            "" if note.loss is None else f"{note.loss:.4f}",
            "" if note.accuracy is None else f"{100 * note.accuracy:.2f}",
            f"{note.seconds / 3600:.2f}",
            "" if done or left is None else f"{left / 3600:.2f}",
        )
    show([{"folder": str(where), "state": n.state, "left": n.left, **asdict(n)} for where, n in found], json, table)


@verb("hwflow boards", "hwflow compile MODEL --board NAME --fit")
def boards(json: Json = False) -> None:
    """The boards that hwflow knows: part, resources, how a bitstream is made. A TOML file of your own works too."""
    from dataclasses import asdict

    from hwflow.board import boards as known

    table = Table("board", "title", "part", "family", "LUT", "FF", "BRAM", "DSP", "clock, MHz", "bitstream", "link")
    for b in known():
        how = {"open": "open tools", "vivado": "Vivado project", "plan": "planned for only"}[b.flow]
        amounts = (f"{v:,}" for v in b.totals.values())
        table.add_row(b.name, b.title, b.part, b.family, *amounts, f"{b.clock_mhz:g}", how, b.link)
    show([asdict(b) for b in known()], json, table)


@verb("hwflow recipes", "hwflow train FILE:RECIPE")
def recipes(json: Json = False) -> None:
    """The recipes that ship with hwflow: network, data, method and training budget."""
    from hwflow.errors import ToolError

    try:
        from hwflow.train.recipes import known, load_recipe
    except ImportError as e:
        raise ToolError(f"recipes are built with torch and brevitas ({e}): pip install 'hwflow[train]'") from e
    rows = []
    for spec in known():
        r = load_recipe(spec)
        rows.append({
            "recipe": f"models/{spec.replace(':', '.py:')}", "data": r.data, "input": r.input, "weights": r.method.weights,
            "estimator": r.method.estimator, "epochs": r.training.epochs, "batch": r.training.batch, "optimiser": r.training.optimizer,
        })  # fmt: skip
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    show(rows, json, table)


@verb("hwflow quicklook build/digits")
def quicklook(
    model: Annotated[str, typer.Argument(help="MODEL.onnx, net.npz or a build folder")],
    input: Input = None,
    json: Json = False,
) -> None:
    """What a network is once it is integers: operations, shapes, ranges, weights, storage."""
    from hwflow.flow import integers_of

    net = integers_of(model, input)
    rows: list[dict[str, Any]] = []
    for op in net.ops:
        port, weights = net.ports[op.name], getattr(op, "weights", None)
        rows.append({
            "name": op.name, "operation": type(op).__name__, "shape": list(port.shape), "lo": port.ints.lo, "hi": port.ints.hi,
            "bits": port.ints.bits, "weights": 0 if weights is None else int(weights.size),
        })  # fmt: skip
    table = Table(
        "name",
        "operation",
        "shape",
        "range",
        "bits",
        "weights",
        title=f"{net.name}: {sum(r['weights'] for r in rows):,} weights",
    )
    for r in rows:
        table.add_row(
            r["name"],
            r["operation"],
            "x".join(map(str, r["shape"])),
            f"{r['lo']} .. {r['hi']}",
            str(r["bits"]),
            f"{r['weights']:,}" if r["weights"] else "",
        )
    show({"name": net.name, "input": list(net.input.shape), "operations": rows}, json, table)


@verb("hwflow look build/digits --image 3")
def look(
    folder: Dir,
    layer: Annotated[
        str | None, typer.Option("--layer", help="`hwflow quicklook` lists them; the last without it.")
    ] = None,
    image: Annotated[int, typer.Option("--image", help="Number of the image.")] = 0,
    channel: Annotated[int | None, typer.Option("--channel", help="One channel of the layer alone.")] = None,
    side: Annotated[int, typer.Option("--side", help="Pixels of the squares that are taken away.")] = 4,
    inputs: Inputs = None,
    layout: Layout = "nhwc",
    json: Json = False,
) -> None:
    """Where in an image a layer's information comes from: what changes when a square of it is taken away."""
    from hwflow.build import Build
    from hwflow.cli.common import load_inputs
    from hwflow.look import look as run
    from hwflow.look import write_page

    build = Build.load(folder)
    x = load_inputs(build, inputs, None, layout)
    if not 0 <= image < len(x):
        raise RecipeError(f"look: there are images 0 .. {len(x) - 1}, not {image}")
    found = run(build.net, x[image], layer, side, channel)
    page = write_page(found, folder / "look", image)
    table = Table("what", "value", title=str(page))
    table.add_row("squares that change the layer", f"{100 * found.spread:.0f} %")
    table.add_row("box of them, rows and columns of squares", f"{found.first} .. {found.last}")
    facts = {
        "layer": found.layer,
        "side": side,
        "share": found.share.tolist(),
        "first": found.first,
        "last": found.last,
    }
    show({"page": str(page), **facts}, json, table)


@verb("hwflow compare build/digits build/digits")
def compare(
    first: Dir, second: Annotated[Path, typer.Argument(help="Another build folder.")], json: Json = False
) -> None:
    """Two builds side by side: cycles, rate, resources, accuracy."""
    from hwflow.build import Build
    from hwflow.report import gather

    facts = [gather(Build.load(f)) for f in (first, second)]
    pick: dict[str, Callable[[dict[str, Any]], Any]] = {
        "cycles per image": lambda f: f["throughput"]["cycles_per_image"],
        "images/s": lambda f: round(f["throughput"]["fps"]),
        "bottleneck": lambda f: f["throughput"]["bottleneck"],
        "LUT estimated": lambda f: f["resources"]["estimate"]["lut"],
        "BRAM estimated": lambda f: f["resources"]["estimate"]["bram"],
        "LUT synthesised": lambda f: (f["resources"]["synth"] or {}).get("lut"),
        "latency, cycles": lambda f: f["latency"]["cycles"],
        "accuracy": lambda f: f["metrics"].get("accuracy"),
        "family": lambda f: f["family"],
    }
    rows = {what: [of(f) for f in facts] for what, of in pick.items()}
    table = Table("what", str(first), str(second))
    for what, (a, b) in rows.items():
        table.add_row(what, *("" if v is None else str(v) for v in (a, b)))
    show(rows, json, table)


@verb("hwflow go build/digits/model.onnx --input u8/16 --boards tangnano9k -o build/go", "open build/go/go.html")
def go(
    model: Annotated[str, typer.Argument(help="MODEL.onnx, .h5, .keras or net.npz")],
    data: Annotated[Path | None, typer.Option("--data", help="X.npy: images to score.")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="y.npy: their labels (n,).")] = None,
    boards: Annotated[str, typer.Option("--boards", help="Comma-separated board names.")] = "ulx3s_85f,tangnano20k",
    folder: OutDir = None,
    input: Input = None,
    layout: Layout = "nhwc",
    json: Json = False,
) -> None:
    """A network on several boards: accuracy, latency, rate and resources in one table, a Pareto picture, one page."""
    from hwflow.cli.common import load_inputs, load_labels
    from hwflow.go import go as run

    known = load_labels(labels, None)
    images = None if data is None else lambda build: load_inputs(build, data, None, layout)
    where = folder or Path("build") / f"{Path(model).stem}-boards"
    done = run(model, boards.split(","), where, images=images, labels=known, input=input, say=say)
    heads = ("board", "accuracy", "images_per_s", "latency_us", "lut", "ff", "bram", "dsp", "percent", "result")
    table = Table(
        "board", "accuracy", "images/s", "latency, us", "LUT", "FF", "BRAM", "DSP", "of the board, %", "result"
    )
    for row in done.rows:
        table.add_row(*(_number(row.get(h)) for h in heads))
    show({"rows": list(done.rows), "page": str(done.page)}, json, table)
    if not json:
        say(f"estimated; the page: {done.page}")
    raise typer.Exit(1 if any(row.get("differing") for row in done.rows) else 0)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)
