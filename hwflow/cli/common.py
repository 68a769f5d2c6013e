"""What all verbs share: the application, the options, how results and progress are printed.

Stands on typer and rich.
"""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    help="Binary neural networks from PyTorch to hardware, the same integers at every step.",
)  # fmt: skip
WIDTH = None if sys.stdout.isatty() else 140  # columns of a table that goes to a file or a pipe
# names come from model files: text is never read as markup
out = Console(soft_wrap=True, width=WIDTH, markup=False)
err = Console(stderr=True, soft_wrap=True, markup=False)

Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable result on stdout.")]
Dir = Annotated[Path, typer.Argument(help="A build folder.")]
OutDir = Annotated[Path | None, typer.Option("-o", "--out", help="Build folder; build/<name> without it.")]
Inputs = Annotated[Path | None, typer.Option("--inputs", help="X.npy: images (n, H, W, C) or (n, features).")]
Layout = Annotated[
    str, typer.Option("--layout", help="Order of the axes of X.npy: nhwc, or PyTorch's nchw (images), nct (signals).")
]
Input = Annotated[
    str | None, typer.Option("--input", help="What the hardware receives: u8/255, i8, bipolar, i16/1024, ...")
]
Count = Annotated[int | None, typer.Option("-n", help="Images; without it as many as time allows.")]
BoardName = Annotated[str | None, typer.Option("--board", help="Target board; `hwflow doctor` lists them.")]


def say(text: str) -> None:
    """A line of progress, on stderr so that stdout stays machine-readable."""
    err.print(f"· {text}", style="dim")


def show(value: Any, as_json: bool, table: Table | None = None) -> None:
    """The result of a verb: JSON on stdout, or a table."""
    if as_json:
        from hwflow.build import plain

        print(jsonlib.dumps(value, indent=1, default=plain))
    elif table is not None:
        out.print(table)


def load_inputs(build: Any, images: Path | None, n: int | None, layout: str = "nhwc") -> Any:
    """Images as the network's integers, from a .npy file of integers or reals, else the build's own."""
    from hwflow import inputs

    return build.images(n)[0] if images is None else inputs.load(images, build.net.takes, layout, n)


def ladder(done: Any) -> Table:
    """The rungs of a verification as a table."""
    table = Table(
        "rung",
        "images",
        "elements",
        "differing",
        "rounded by float32",
        "first difference",
        title="every engine, to the last bit",
    )
    for r in done.rungs:
        table.add_row(
            f"{r.a} == {r.b}",
            str(r.images),
            str(r.elements),
            Text(str(r.differing), "green" if r.exact else "red"),
            str(r.rounded),
            r.first,
        )
    for engine, reason in done.skipped.items():
        table.add_row(Text(f"{engine}: not run, {reason}", "dim"), "", "", "", "", "")
    return table
