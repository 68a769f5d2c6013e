"""A network over two boards as folders: a build for each half, and the system that simulates both together.

Stands on flow, plan.split and simulate.system.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from hwflow.board import clock_for, family_for, load_board
from hwflow.build import MANIFEST, Build
from hwflow.emit.system import HALVES
from hwflow.errors import RecipeError
from hwflow.files import locked, rewritten, write_json, write_text
from hwflow.flow import Say, Target, integers_of, write_build
from hwflow.plan.split import Half, Split, split
from hwflow.simulate import system
from hwflow.version import VERSION

SYSTEM = "system"


def _silent(_: str) -> None:
    pass


def split_model(
    source: str, out: Path | None = None, target: Target | None = None, input: str | None = None, images: int = 100,
    say: Say = _silent,
) -> dict[str, Any]:  # fmt: skip
    """A model file, a net.npz or a build folder over two boards: `first/` and `second/`, each a build, and `system/`.

    Both tops are simulated together on so many random `images`, with stalls; what was made, and how many answers differ from the
    network's. The folder appears whole or stays as it was; RecipeError where it holds something else.
    """
    target = target or Target()
    if target.reload or target.folding or target.latency_us is not None:
        raise RecipeError("a split takes --fps or --fit; leave out --reload, --folding and --latency")
    net = integers_of(source, input)
    folder = out or Path("build") / f"{Path(source).stem}_split"
    if folder.is_dir() and (held := {p.name for p in folder.iterdir()} - {*HALVES, SYSTEM}):
        raise RecipeError(
            f"{folder}: holds {sorted(held)[0]}, which is no part of a split; give another folder with -o"
        )
    board = load_board(target.board) if target.board else None
    clock = target.clock_mhz or clock_for(board)
    say("choose the cut and the folding of either half")
    made = split(net, board=board, clock_mhz=clock, fps=target.fps, fit=target.fit, max_util=target.max_util)
    with locked(folder, say), rewritten(folder, lambda _: True) as part:
        for name, half in zip(HALVES, (made.first, made.second), strict=True):
            say(f"emit {name}/")
            _write(part / name, half, name, source, clock, target)
        say(f"simulate both together on {images} images, with stalls")
        x, _ = Build.load(part / HALVES[0]).images(images)
        done = system.run(made.first.dataflow, made.second.dataflow, part / SYSTEM / "rtl", x, stalls=1)
        differing = int((done.outputs != net.run(x)).any(1).sum())
        facts = _facts(folder, made, clock, board.name if board else None) | {"images": len(x), "differing": differing}
        write_json(part / SYSTEM / "split.json", facts)
        write_text(part / SYSTEM / "README.md", _readme(net.name, facts))
    return facts


def _write(folder: Path, half: Half, name: str, source: str, clock: float, target: Target) -> None:
    """One half as a build of its own, whose model is its integers, in a folder of its own."""
    asked = {
        "name": half.net.name, "model": "net.npz", "source": f"{source}, {name} half", "input": None,
        "answer": "scores", "board": target.board, "clock_mhz": clock, "fps": target.fps, "fit": target.fit,
        "max_util": target.max_util, "latency_us": None, "reload": False, "model_sha256": None, "hwflow": VERSION,
    }  # fmt: skip
    folder.mkdir()
    write_build(folder, half.net, half.dataflow, asked)
    assert (folder / MANIFEST).is_file()


def _facts(folder: Path, made: Split, clock: float, board: str | None) -> dict[str, Any]:
    stream, family = made.first.dataflow.output, family_for(load_board(board) if board else None)
    return {
        "folder": str(folder), "behind": made.behind, "board": board, "clock_mhz": clock, "cycles_per_image": made.cycles,
        "images_per_s": clock * 1e6 / made.cycles, "shares": list(made.shares),
        "link": {
            "words": stream.words, "bits": stream.bits, "bits_per_image": made.link_bits, "mbit_per_s": round(made.link_rate(clock), 3),
        },
        "halves": [{"cycles": h.dataflow.cycles, **asdict(h.dataflow.cost(family))} for h in (made.first, made.second)],
    }  # fmt: skip


def _readme(name: str, facts: dict[str, Any]) -> str:
    link, halves = facts["link"], facts["halves"]
    rows = "\n".join(
        f"| {half} | {h['cycles']} | {h['lut']:.0f} | {h['ff']:.0f} | {h['bram']:g} | {h['dsp']:g} |"
        for half, h in zip(HALVES, halves, strict=True)
    )
    return f"""# {name} over two boards

The network is cut behind `{facts["behind"]}`. `../first` and `../second` are builds like any other, each for a board of its own.

| half | cycles an image | LUT (est.) | FF (est.) | block RAM (est.) | DSP (est.) |
|---|---|---|---|---|---|
{rows}

Together they take {facts["cycles_per_image"]} cycles an image: {facts["images_per_s"]:,.0f} images/s at {facts["clock_mhz"]:g} MHz.

Join `m_axis` of the first half's `top` to `s_axis` of the second half's: {link["words"]} words of {link["bits"]} bits an image, in whole bytes;
`tlast` ends each image. The link must carry {link["bits_per_image"]} bits an image, {link["mbit_per_s"]:,.1f} Mbit/s at that rate. Any link that keeps order and holds
back when it is full will do; build the second half's top with `Framing` 2, so that an image in which the link lost a word is flagged and the next one is right.

`rtl/` holds both tops and that link as one design. {facts["images"]} random images went through it with stalls: {facts["differing"]} answers differ from the network's.
"""
