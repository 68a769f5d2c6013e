"""The verbs that reach out: deploy, run, bridge.

Stands on deploy, driver and bridges.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hwflow.cli.common import Count, Dir, Inputs, Json, Layout, load_inputs, say, show, verb


@verb("hwflow deploy build/digits --board sim", "hwflow run build/digits --port sim")
def deploy(
    folder: Dir,
    board: Annotated[str, typer.Option("--board", help="A board's name, or sim for the simulated one.")],
    flash: Annotated[bool, typer.Option("--flash", help="Then load the bitstream with openFPGALoader.")] = False,
    json: Json = False,
) -> None:
    """Bitstream or vendor project, driver, example inputs with expected outputs, self-test."""
    from hwflow.board import load_board
    from hwflow.deploy import deploy as run
    from hwflow.deploy import flash as load
    from hwflow.deploy.design import SIM
    from hwflow.errors import RecipeError

    if flash and board == SIM:
        raise RecipeError("--flash loads a bitstream into a board; sim has none")
    facts = run(folder, board, say=say)
    if flash:
        say(f"load {board}")
        load(folder / "deploy", load_board(board))
    table = Table("what", "value", title=str(folder / "deploy"))
    for key, value in facts.items():
        table.add_row(key, str(value))
    show(facts, json, table)


@verb("hwflow run build/digits --port sim -n 20")
def run(
    folder: Dir,
    port: Annotated[str, typer.Option("--port", help="Serial port of the board, or sim.")],
    inputs: Inputs = None,
    layout: Layout = "nhwc",
    outputs: Annotated[Path | None, typer.Option("--outputs", help="Y.npy; of several outputs Y.npz.")] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="net.npz of another network of the same structure, to be loaded first."),
    ] = None,
    n: Count = None,
    json: Json = False,
) -> None:
    """Send images to a board, or to the simulated one, and compare with the integers."""
    from dataclasses import asdict

    from hwflow.build import Build
    from hwflow.deploy import run as run_board
    from hwflow.files import check_answers_path, write_answers
    from hwflow.net import Net

    build = Build.load(folder)
    check_answers_path(outputs, [part.name for part in build.net.outputs], "--outputs")
    x = load_inputs(build, inputs, n, layout)
    say(f"{len(x)} images to {port}")
    net = Net.load(weights) if weights else build.net
    y, stats = run_board(folder, port, x, weights=net if weights else None, progress=not json)
    facts: dict[str, object] = asdict(stats) | {"net": net.hash}
    if outputs:
        write_answers(outputs, net.split(y))
    differing = int((y.reshape(len(x), -1) != net.run(x)).sum())
    facts |= {"images": len(x), "differing": differing}
    table = Table("what", "value", title=f"{folder} on {port}")
    for key, value in facts.items():
        table.add_row(key, str(value))
    show(facts, json, table)
    raise typer.Exit(0 if differing == 0 else 1)


@verb("hwflow bridge build/digits --to finn -n 20")
def bridge(
    folder: Dir,
    to: Annotated[str, typer.Option("--to", help="hls4ml or finn")],
    inputs: Inputs = None,
    layout: Layout = "nhwc",
    n: Count = 1000,
    json: Json = False,
) -> None:
    """The same network through a neighbour, compared layer by layer."""
    from hwflow.bridges import bridge as cross
    from hwflow.build import Build

    build = Build.load(folder)
    facts = cross(
        build.model, build.net, build.dataflow, to, load_inputs(build, inputs, n, layout), folder / to, say=say
    )
    table = Table("what", "value", title=f"{folder} through {to}")
    for key, value in facts.items():
        if isinstance(value, int | float | str):
            table.add_row(key, str(value))
    show(facts, json, table)
    raise typer.Exit(0 if facts["equal"] else 1)
