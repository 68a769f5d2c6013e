"""Weights that come from outside: whose they are, so that the rest fits a board, and how much memory they are read from.

Stands on plan's search and board. A unit without a memory of weights takes the next word of them in each of its steps, so
all of them are read for every vector: once an image in a dense layer, once a pixel in a convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hwflow.board import Board
from hwflow.errors import RecipeError
from hwflow.lower.join import identifier
from hwflow.plan.search import Search, list_options
from hwflow.units.kit.base import Dataflow

AUTO = "auto"  # in place of names: as few as let the design fit


def stream_weights(search: Search, names: Sequence[str]) -> Search:
    """The same choices where the weights of these units come from outside; RecipeError for a unit that has none."""
    if not names:
        return search
    able = [u.name for u in search.units if u.streamed().feed]
    wanted = {identifier(name) for name in names}
    for name in sorted(wanted - set(able)):
        unit = next((u for u in search.units if u.name == name), None)
        what = f"is a {unit.module}, whose weights cannot be streamed" if unit else "is no unit of this network"
        raise RecipeError(f"{name}: {what}; those that can are {', '.join(able) or 'none'}")
    given = {**search.given}
    for name in wanted:
        style = given.get(name, {}).get("style", "stream")
        if style != "stream":
            raise RecipeError(
                f"{name}: its folding says style {style}; leave that out, or its name in --stream-weights"
            )
        given[name] = {**given.get(name, {}), "style": "stream"}
    choices = tuple(
        list_options(u, search.family, given[u.name], u is search.units[-1]) if u.name in wanted else o
        for u, o in zip(search.units, search.choices, strict=True)
    )
    return replace(search, choices=choices, given=given)


def choose_streams(search: Search, fits: Callable[[Search], bool]) -> tuple[str, ...] | None:
    """Units whose weights are streamed so that the design fits, none of them in vain; None where nothing helps.

    Those that are read the fewest times an image come first, for they cost least bandwidth for what they free; of these
    the largest.
    """
    size = {u.name: feed for u in search.units if (feed := u.streamed().feed)}
    order = sorted(size, key=lambda n: (size[n].times, -size[n].values.size, n))
    if not order or not fits(stream_weights(search, order)):
        return None
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(stream_weights(search, order[:middle])) else (middle + 1, high)
    chosen = order[:low]
    for name in sorted(chosen, key=lambda n: size[n].values.size):
        fewer = [n for n in chosen if n != name]
        if fits(stream_weights(search, fewer)):
            chosen = fewer
    return tuple(chosen)


def bandwidth(dataflow: Dataflow, clock_mhz: float, board: Board | None = None) -> dict[str, Any] | None:
    """What streamed weights ask of the memory they lie in; None where none are.

    `units`: for each its words, how often an image they come and the MB/s while it takes a word in every cycle. `mb_s` at
    the design's own rate; `board_mb_s` what the board's memory port gives, and `fps_at_most` the images/s which that allows,
    None where the board is not known to have one.
    """
    if not dataflow.feeds:
        return None
    units = {
        name: {
            "words": f.stream.words, "word_bits": f.stream.bits, "times": f.times, "image_bytes": f.image_bytes,
            "peak_mb_s": round(f.word_bytes * clock_mhz, 1),
        }
        for name, f in dataflow.feeds.items()
    }  # fmt: skip
    every = sum(f.image_bytes for f in dataflow.feeds.values())
    gives = board.memory_mb_s(clock_mhz) if board else None
    return {
        "units": units,
        "image_bytes": every,
        "mb_s": round(every * clock_mhz / dataflow.cycles, 1),
        "board_mb_s": gives,
        "fps_at_most": gives * 1e6 / every if gives else None,
    }


def memory_cycles(search: Search, board: Board | None) -> int:
    """Cycles in which the board's memory port reads the weights of an image: no design is faster than that; 0 where it has none."""
    feeds = [
        feed
        for u in search.units
        if search.given.get(u.name, {}).get("style") == "stream" and (feed := u.streamed().feed)
    ]
    every = sum(-(-f.values.size * f.stream.ints.bits // 8) * f.times for f in feeds)
    gives = board.memory_mb_s(1.0) if board else None  # bytes a cycle
    return int(-(-every // gives)) if gives else 0


def check_bandwidth(dataflow: Dataflow, clock_mhz: float, board: Board | None, fps: float | None) -> None:
    """RecipeError where a rate asks for more weights than the board's memory port gives."""
    found = bandwidth(dataflow, clock_mhz, board)
    if found and fps and found["fps_at_most"] and fps > found["fps_at_most"]:
        raise RecipeError(
            f"{fps:g} images/s want {fps * found['image_bytes'] / 1e6:.0f} MB/s of streamed weights; "
            f"{board.title if board else 'the board'} reads {found['board_mb_s']:.0f} MB/s. Reachable: {int(found['fps_at_most'])}"
        )


def describe_bandwidth(found: dict[str, Any], board: Board | None) -> str:
    """A line about what `bandwidth` found."""
    each = ", ".join(
        f"{name} {u['words']} words of {u['word_bits']} bits, {u['times']} times an image"
        for name, u in found["units"].items()
    )
    text = f"Weights come from outside: {each}; {found['image_bytes']} bytes an image, {found['mb_s']:.0f} MB/s at this rate"
    if not found["board_mb_s"]:
        return f"{text}."
    verdict = "enough" if found["mb_s"] <= found["board_mb_s"] else f"so {found['fps_at_most']:.0f} images/s at most"
    return f"{text}. {board.title if board else 'The board'} reads {found['board_mb_s']:.0f} MB/s: {verdict}."


def propose_streams(search: Search, fits: Callable[[Search], bool], board: Board | None) -> str:
    """The remedy for a design that is too large; empty where streaming is none."""
    if board is None or board.link == "uart" or any(u.loads for u in search.units):
        return ""
    names = choose_streams(search, fits)
    return f", or stream weights from memory: --stream-weights {','.join(names)}" if names else ""
