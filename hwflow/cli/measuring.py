"""The verbs that try many networks: explore, fuzz, bench.

Stands on the rooms they name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from hwflow.cli.common import Cluster, Input, Json, list_numbers, say, show, verb
from hwflow.errors import RecipeError, did_you_mean


@verb("hwflow explore build/digits --boards tangnano9k -o build/explore --jobs 1")
def explore(
    models: Annotated[
        list[str], typer.Argument(help="QONNX files, net.npz, folders of trained or compiled networks; or one recipe.")
    ],
    boards: Annotated[str, typer.Option("--boards", help="Comma-separated board names.")] = "ulx3s_85f,tangnano20k",
    bits: Annotated[
        str, typer.Option("--bits", help="Train a recipe with weights and activations of so many bits: 1,2,4.")
    ] = "",
    widths: Annotated[str, typer.Option("--widths", help="And in these widths, in percent of its own: 50,100.")] = "",
    epochs: Annotated[int | None, typer.Option("--epochs", help="Of each of these trainings.")] = None,
    rates: Annotated[
        str, typer.Option("--rates", help="Images a second to plan for; ten to three million without it.")
    ] = "",
    folder: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of the table, the pictures and what is trained.")
    ] = None,
    input: Input = None,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; -1 for one a core.")] = -1,
    cluster: Cluster = None,
    json: Json = False,
) -> None:
    """Score, rate and resources of networks over boards, bits and widths: table, CSV, pictures of the fronts."""
    from dataclasses import asdict, replace

    from hwflow import flow
    from hwflow.board import load_board
    from hwflow.explore import RATES, save_csv, save_picture, save_scores
    from hwflow.explore import explore as run

    where = folder or Path("build") / "explore"
    if bits or widths:
        if len(models) > 1:
            raise RecipeError("--bits and --widths train one recipe; give one model")
        parts = (list_numbers("--bits", bits, int), list_numbers("--widths", widths, int))
        models = [str(f) for f in flow.train_variants(models[0], where, *parts, say=say, epochs=epochs)]
    elif epochs is not None:
        raise RecipeError("--epochs is of the trainings that --bits and --widths ask for; give one of them")
    nets, scores = [], {}
    for model in models:
        net = flow.integers_of(model, input)
        if Path(model).is_dir():
            net = replace(net, name=Path(model).resolve().name)  # two folders may hold networks of one name
            if score := flow.score_of(Path(model)):
                scores[net.name] = score
        nets.append(net)
    say(f"{len(nets)} networks on {boards}")
    asked = list_numbers("--rates", rates, float) or RATES
    points = run(
        nets, [load_board(b) for b in boards.split(",")], rates=asked, jobs=jobs, cluster=cluster, scores=scores
    )
    if not points:
        raise RecipeError(f"nothing fits {boards}; name larger boards")
    where.mkdir(parents=True, exist_ok=True)
    save_csv(points, where / "explore.csv")
    save_picture(points, where / "explore.png")
    if scores:
        save_scores(points, where / "scores.png")
    rows = [asdict(p) for p in points]
    shown = [k for k in rows[0] if scores or k not in ("measure", "score", "front")]
    table = Table(*shown, title=str(where))
    for r in rows:
        table.add_row(*(_as_cell(k, r[k]) for k in shown))
    show(rows, json, table)


def _as_cell(key: str, value: object) -> str:
    if key == "score":
        return f"{100 * value:.2f} %" if isinstance(value, float) else ""
    return f"{value:.0f}" if isinstance(value, float) else str(value)


@verb("hwflow fuzz --minutes 0.1")
def fuzz(
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, help="How long; 1 without --files.")] = None,
    files: Annotated[int | None, typer.Option("--files", min=1, help="How many files.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Where the random files start.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that judge files.")] = 1,
    c: Annotated[int, typer.Option("--c", help="Networks that go through the C engine too.")] = 0,
    rtl: Annotated[int, typer.Option("--rtl", help="Networks that go through HLS C++ and stalled RTL too.")] = 0,
    cluster: Cluster = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where files with a fault are kept.")] = Path("build/fuzz"),
    pages: Annotated[
        Path | None, typer.Option("--write", help="Put the tables into fuzz.md of this folder: docs/pages/results.")
    ] = None,
    json: Json = False,
) -> None:
    """Random QONNX files against what they compute themselves; faults are shrunk and kept. Exit 1 where there is one."""
    from hwflow.bench.tables import write
    from hwflow.fuzz import ENOUGH
    from hwflow.fuzz import fuzz as run
    from hwflow.fuzz.table import by_operator, summary

    if minutes is None and files is None:
        minutes = 1.0
    if cluster:
        from hwflow.fuzz import spread

        facts = spread.fuzz(cluster, minutes, files, seed, c, rtl, out, say)
    else:
        facts = run(minutes, files, seed, workers, c, rtl, out, say)
    table = Table("what", "value", title="fuzz")
    for row in summary(facts):
        table.add_row(row["what"], str(row["number"]))
    table.add_row(f"accepted fewer than {ENOUGH} times", ", ".join(facts["seldom"]) or "none")
    for name in ("operators", "refusals", "invalid"):
        for key, count in facts[name].items():
            table.add_row(f"{name}: {key}", str(count))
    for fault in facts["faults"]:
        table.add_row(f"fault at seed {fault['seed']}", f"{fault['kind']} {fault['key']}: {fault['text']}")
    show(facts, json, table)
    if pages:
        given = {"--minutes": minutes, "--files": files, "--seed": seed, "--workers": workers, "--c": c, "--rtl": rtl}
        command = " ".join(["hwflow fuzz", *(f"{key} {value}" for key, value in given.items() if value is not None)])
        for part, rows in (("fuzz", summary(facts)), ("operators", by_operator(facts))):
            write(pages / "fuzz.md", part, rows, command)
    raise typer.Exit(0 if not facts["faults"] else 1)


@verb("hwflow bench micro")
def bench(
    part: Annotated[
        str | None,
        typer.Argument(
            help="compiler, cpu, layers, threads, arm, micro, costs, fifos, fits, rtl, nets, wide, breadth, boards, clocks, faults, link, soak, train, steps, experiment, bits, trained, tasks, compact or explore; all without it."
        ),
    ] = None,
    pages: Annotated[
        Path | None, typer.Option("--write", help="Put each table into PART.md of this folder: docs/pages/results.")
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Instead, where the C engine's time goes, layer by layer; with cpu.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="The rows of this network or board alone; --write keeps the others. boards, clocks."
        ),
    ] = None,
    cluster: Cluster = None,
    json: Json = False,
) -> None:
    """The tables of docs/pages/results, measured here and now, with tool versions."""
    from hwflow.bench import PARTS
    from hwflow.bench import bench as run
    from hwflow.bench.tables import FOLLOWS, cell, columns, heading, write

    if part and part not in PARTS:
        raise RecipeError(f"bench has no part {part!r}{did_you_mean(part, PARTS)}; choose one of {', '.join(PARTS)}")
    if layers:
        _layers(part, json)
        return
    facts = {}
    for name in [part] if part else PARTS:

        def keep(rows: list[dict[str, Any]], unfinished: bool, name: str = name) -> None:
            if pages:
                command = " ".join(["hwflow bench", name, *(f"--only {word}" for word in only or ())])
                write(pages / f"{name}.md", name, rows, command, unfinished)

        facts[name] = run(name, say, cluster, keep, only or ())
    if json:
        show(facts, True)
        return
    for name, rows in facts.items():
        keys = columns(rows)
        table = Table(*(map(heading, keys) if keys else ["nothing measured"]), title=name)
        for r in rows:
            if FOLLOWS not in r:
                table.add_row(*(cell(r.get(k)) for k in keys))
        show(rows, False, table)
        for r in rows:
            if FOLLOWS in r:
                typer.echo(r[FOLLOWS])


def _layers(part: str | None, json: bool) -> None:
    """The profile of each network of `bench cpu`."""
    from dataclasses import asdict

    from hwflow.bench.cpu import layers

    if part != "cpu":
        raise RecipeError(f"--layers is of the part cpu, not of {part or 'all'}; ask for: hwflow bench cpu --layers")
    profiles = layers(say)
    if json:
        show([asdict(p) for p in profiles], True)
        return
    for p in profiles:
        typer.echo(f"{p}\n")
