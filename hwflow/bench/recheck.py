"""One row of each table of docs/pages/results, measured again and compared with what the page says.

Stands on the parts of the bench. `python -m hwflow.bench.recheck [PART ...]` ends with 1 where a number no longer holds;
the page is then written again by `hwflow bench PART --write docs/pages/results`. Where that takes hours, `--write` puts
the one row that was measured into its page, which says below the table which row is of which day.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwflow.bench import boards, cpu, fifos, fits, micro, rtl, trained
from hwflow.bench.tables import AGAIN, cell, heading, measured_by, number, read_rows
from hwflow.board import load_board
from hwflow.errors import RecipeError
from hwflow.generate import nets as drawn_nets
from hwflow.plan import plan
from hwflow.train.kept import TRAINED

PAGES = Path(__file__).parents[2] / "docs" / "pages" / "results"
Row = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Check:
    """A row that takes less than a minute: what measures it, the columns that find it in its page, and those that may
    differ, by the largest share. The others must read the same."""

    measure: Callable[[Say], Row]
    found_by: tuple[str, ...]
    within: dict[str, float]
    ignored: tuple[str, ...] = ()


def bitstream(say: Say) -> Row:
    """TFC on the ULX3S, from the network to the bitstream."""
    with tempfile.TemporaryDirectory() as folder:
        return boards.row(next(r for r in boards.TARGETS if r.board == "ulx3s_85f"), Path(folder), say)


def simulated_circuit(say: Say) -> Row:
    """SFC in Verilator."""
    return rtl.network_row("sfc", 16, 1_000, say)


def matrix_unit(say: Say) -> Row:
    """The smallest matrix unit, by Yosys."""
    return rtl.cost(*next(rtl.designs()), say)


def fastest_design(say: Say) -> Row:
    """The fastest TFC on the smallest board, its units by Yosys."""
    board, net = load_board("icebreaker"), drawn_nets.NETS["tfc"](0)
    found, half = (fits.fastest(net, board, share) for share in (fits.SHARE, fits.SHARE / 2))
    return fits.row("tfc", board, found, half, say)


def fifo_depths(say: Say) -> Row:
    """CNV with its fifos as they are sized, in the event model."""
    name, pace = "cnv", 32_768
    say(f"planning {name}")
    return fifos.in_model(name, plan(drawn_nets.NETS[name](0), fps=fifos.CLOCK * 1e6 / pace, clock_mhz=fifos.CLOCK))[0]


def microcontroller(say: Say) -> Row:
    """TFC's flash and memory."""
    return micro.row("tfc", say)


def trained_network(say: Say) -> Row:
    """TFC's accuracy on MNIST."""
    return trained.row(TRAINED / "tfc", say)


def engine(say: Say) -> Row:
    """CNV, image by image, on the fastest path this processor has."""
    say("cnv, batch 1")
    return cpu.compare("cnv", 1)[-1]


CHECKS = {
    "boards": Check(bitstream, ("network", "board"), {"fmax_mhz": 0.05, "clock_mhz": 0.1, "images_per_s": 0.1, "bitstream_bytes": 0.1}, ("seconds",)),
    "nets": Check(simulated_circuit, ("network",), {}, ("build_s", "build_cpu_s", "s_per_image")),
    "rtl": Check(matrix_unit, ("design", "family"), {}),
    "fits": Check(fastest_design, ("network", "board"), {}),
    "fifos": Check(fifo_depths, ("network", "slowest unit", "a word less"), {}),
    "micro": Check(microcontroller, ("network",), dict.fromkeys((f"flash {core}" for core in micro.CORES), 0.03)),
    "trained": Check(trained_network, ("network",), {}),
    "cpu": Check(engine, ("network", "batch", "path"), dict.fromkeys(("c_us", "c_first_us", "onnxruntime_us", "over_onnxruntime", "over_onnxruntime_first", "torch_us", "over_torch", "gmac_s"), 0.25)),
}  # fmt: skip


def table(part: str, page: Path | None = None) -> list[dict[str, str]]:
    """The rows of a part's page, by the headings of their columns."""
    text = (page or PAGES / f"{part}.md").read_text()
    begin, end = f"<!-- bench {part} -->", "<!-- end -->"
    if begin not in text:
        raise RecipeError(f"{part}: its page has no table; run `hwflow bench {part} --write {PAGES}`")
    return read_rows(text.split(begin, 1)[1].split(end, 1)[0])


def replace_row(part: str, check: Check, found: Row, page: Path | None = None) -> None:
    """Put a measured row in place of the page's, and below the table the day and the command it comes from."""
    file = page or PAGES / f"{part}.md"
    head, body = file.read_text().split(f"<!-- bench {part} -->", 1)
    body, tail = body.split("<!-- end -->", 1)
    lines = body.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows, cells = table(part, file), {heading(key): cell(value) for key, value in found.items()}
    at = next(i for i, row in enumerate(rows) if _is_row(check, found, row))
    lines[first + 2 + at] = "| " + " | ".join(cells.get(key, old) for key, old in rows[at].items()) + " |"
    begin = f"The row {', '.join(cell(found[k]) for k in check.found_by)}{AGAIN}"
    lines = [line for line in lines if not line.startswith(begin)]
    while not lines[-1]:
        lines.pop()
    source = measured_by(f"python -m hwflow.bench.recheck {part} --write").split(";")[0]
    file.write_text(
        "\n".join([f"{head}<!-- bench {part} -->", *lines[1:], "", f"{begin}{source}.", f"<!-- end -->{tail}"])
    )


def _is_row(check: Check, found: Row, row: dict[str, str]) -> bool:
    return all(row.get(heading(k)) == cell(found[k]) for k in check.found_by)


def compare(check: Check, found: Row, rows: Sequence[dict[str, str]]) -> list[str]:
    """What differs between a measured row and the page, a sentence each."""
    kept = [r for r in rows if _is_row(check, found, r)]
    if not kept:
        return [f"the page has no row for {', '.join(cell(found[k]) for k in check.found_by)}"]
    out = []
    for key, value in found.items():
        said = kept[0].get(heading(key), "")
        if (
            key in check.ignored
            or said == cell(value)
            or (number(said) is not None and number(said) == number(cell(value)))
        ):
            continue
        limit = check.within.get(key)
        if limit is None:
            out.append(f"{heading(key)}: the page says {said or 'nothing'}, measured {cell(value)}")
        elif abs(float(value) / (number(said) or 1e-9) - 1) > limit:
            out.append(f"{heading(key)}: the page says {said or 'nothing'}, measured {cell(value)}, beyond {limit:.0%}")
    return out


def recheck(part: str, say: Say, write: bool = False) -> list[str]:
    """What no longer holds of one row of a part; with `write` the page has the measured row from now on."""
    check = CHECKS[part]
    found = check.measure(say)
    wrong = compare(check, found, table(part))
    if wrong and write:
        replace_row(part, check, found)
    return wrong


def main(arguments: Sequence[str]) -> int:
    """Measure one row of each part named, of every table where none is, and say what differs; 1 where something does."""
    wrong, parts = 0, [a for a in arguments if a != "--write"]
    for part in parts or CHECKS:
        if part not in CHECKS:
            raise SystemExit(f"{part}: no row of it is measured within a minute; known: {', '.join(CHECKS)}")
        said = recheck(part, lambda line: print(f"  {line}", file=sys.stderr), "--write" in arguments)
        wrong += len(said)
        print(f"{part}: {'holds' if not said else '; '.join(said)}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
