"""What all verbs share: the application, the options, how results and progress are printed.

Stands on typer and rich.
"""

from __future__ import annotations

import io
import json as jsonlib
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

Function = TypeVar("Function", bound=Callable[..., Any])

# the groups of verbs, in the order of the flow, and the verbs of each in the order in which they are used
GROUPS = {
    "Look around": ("demo", "recipes", "boards", "runs", "doctor"),
    "Make": ("train", "check", "quicklook", "compile", "split", "hls"),
    "Prove and measure": ("simulate", "verify", "synth", "report", "publish", "look"),
    "Use": ("deploy", "run", "measured", "bridge"),
    "Compare": ("go", "explore", "compare", "fuzz", "bench"),
}
EXAMPLES: dict[str, str] = {}  # verb -> a command that runs where build/digits is a build; tests run them all

START = """\
hwflow takes a binary neural network from PyTorch to hardware, with the same integers at every step.

  hwflow demo                                      see it whole, in minutes
  hwflow train models/mlp.py:digits                train a network        -> build/digits/model.onnx
  hwflow check model.onnx                          can it become integers?
  hwflow compile model.onnx --input u8/255 -o DIR  integers, RTL, HLS, C  -> DIR
  hwflow verify DIR                                every engine equal, to the last bit
  hwflow synth DIR --family ecp5                   LUTs and flip-flops, measured
  hwflow report DIR                                DIR/report.html
  hwflow deploy DIR --board tangnano9k             bitstream and driver

hwflow --help lists every verb, hwflow VERB --help shows an example, hwflow doctor says what is missing.
"""


class Verbs(TyperGroup):
    """The verbs in the order of GROUPS, whichever module registers them first."""

    def list_commands(self, ctx: Any) -> list[str]:
        order = [verb for verbs in GROUPS.values() for verb in verbs]
        return sorted(super().list_commands(ctx), key=lambda name: order.index(name) if name in order else len(order))


app = typer.Typer(
    cls=Verbs,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Binary neural networks from PyTorch to hardware, the same integers at every step.",
)


def list_numbers(option: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    """The numbers of a comma-separated option, each of `kind`; RecipeError where one is none."""
    from hwflow.errors import RecipeError

    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise RecipeError(f"{option}: must be numbers with commas between them, not {text!r}") from None


def verb(example: str, then: str = "") -> Callable[[Function], Function]:
    """Register a function as the verb of its name, in its group, with an example and what people do next."""

    def register(function: Function) -> Function:
        name = function.__name__
        group = next(g for g, verbs in GROUPS.items() if name in verbs)
        EXAMPLES[name] = example
        epilog = f"Example: {example}" + (f"\n\nThen: {then}" if then else "")

        @wraps(function)
        def stoppable(*args: Any, **named: Any) -> Any:
            try:
                return function(*args, **named)
            except KeyboardInterrupt as e:  # typer would make an exit code of it and forget what it says
                raise Stopped(str(e)) from None

        return app.command(name, rich_help_panel=group, epilog=epilog)(stoppable)  # type: ignore[return-value]

    return register


class Stopped(Exception):  # noqa: N818  no error: somebody pressed Ctrl-C
    """Ctrl-C, and what the verb that it ended says of what is left."""


def _version(asked: bool) -> None:
    if asked:
        import hwflow

        print(f"hwflow {hwflow.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  the callback answers
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Binary neural networks from PyTorch to hardware, the same integers at every step."""
    if context.invoked_subcommand is None:
        print(START, end="")


def _open_streams() -> None:
    """Make both streams ready for whatever is printed: a closed one takes all and shows none, any encoding has a `?`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before hwflow began
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if name == "stdout" else "backslashreplace")


_open_streams()
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
Mean = Annotated[
    str | None, typer.Option("--mean", help="What preprocessing subtracts: A,B,C, folded into the network.")
]
Std = Annotated[
    str | None, typer.Option("--std", help="What preprocessing divides by: A,B,C, folded into the network.")
]
QuantiseFloat = Annotated[
    int | None, typer.Option("--quantise-float", help="Bits of weights and inputs of layers that are float, such as 8.")
]
Calibrate = Annotated[
    Path | None, typer.Option("--calibrate", "--data", help="X.npy: images that show the ranges of float layers.")
]
MOST_IMAGES = 1 << 24
Count = Annotated[
    int | None, typer.Option("-n", min=1, max=MOST_IMAGES, help="Images; without it as many as time allows.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", help="Address of a Dask scheduler, tcp://HOST:8786, whose workers do it; else this machine."
    ),
]
BoardName = Annotated[str | None, typer.Option("--board", help="Target board; `hwflow boards` lists them.")]


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


def calibration_of(bits: int | None, images: Path | None, layout: str) -> Any:
    """The request to quantise float layers, or None; the two options belong together."""
    from hwflow.errors import RecipeError
    from hwflow.flow import Calibration

    if (bits is None) != (images is None):
        raise RecipeError("--quantise-float BITS and --calibrate X.npy belong together; give both or neither")
    return None if bits is None or images is None else Calibration(bits, images, layout)


def load_inputs(build: Any, images: Path | None, n: int | None, layout: str = "nhwc") -> Any:
    """Images as the network's integers, from a .npy file of integers or reals, else the build's own."""
    from hwflow import inputs

    return build.images(n)[0] if images is None else inputs.load(images, build.net.takes, layout, n)


def load_labels(path: Path | None, images: int | None) -> Any:
    """Labels (n, ...) of a .npy file, the first `images` of them; None without a path, RecipeError where too few stand there."""
    from hwflow import inputs
    from hwflow.errors import RecipeError

    if path is None:
        return None
    known = inputs.load_labels(path)
    if images is not None and len(known) < images:
        raise RecipeError(f"{path}: holds {len(known)} labels for {images} images; give one for each")
    return known[:images]


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
        for name, count in r.outputs.items():
            table.add_row(f"  output {name}", "", "", Text(str(count), "red" if count else "green"), "", "")
    for engine, reason in done.skipped.items():
        table.add_row(Text(f"{engine}: not run, {reason}", "dim"), "", "", "", "", "")
    return table
