"""How the rows of a benchmark become a table that a person reads: headings with units, rounded numbers.

Stands on nothing of the product; `hwflow bench PART --write` puts these tables into docs/pages/results.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import Any

from hwflow.errors import RecipeError
from hwflow.flow import tool_versions

# key of a row -> heading of its column; a key without an entry is shown with blanks for underscores
HEADINGS = {
    "c_us": "hwflow, µs an image",
    "c_first_us": "hwflow, first call after other work, µs",
    "before_us": "before, µs",
    "now_us": "now, µs",
    "onnxruntime_us": "onnxruntime, µs",
    "over_onnxruntime": "times faster than onnxruntime",
    "over_onnxruntime_first": "times faster than onnxruntime, first calls",
    "torch_us": "PyTorch, µs",
    "over_torch": "times faster than PyTorch",
    "gmac_s": "G products/s",
    "smaller": "times smaller than float32",
    "a72_instructions_before": "Cortex-A72, instructions before",
    "a72_cycles_before": "Cortex-A72, cycles before (estimate)",
    "a53_instructions": "Cortex-A53, instructions",
    "a53_cycles": "Cortex-A53, cycles (estimate)",
    "a53_us": "Cortex-A53 at 1.2 GHz, µs (estimate)",
    "a72_instructions": "Cortex-A72, instructions",
    "a72_cycles": "Cortex-A72, cycles (estimate)",
    "a72_us": "Cortex-A72 at 1.5 GHz, µs (estimate)",
    "armv7_instructions": "Armv7 without NEON, instructions",
    "u74_instructions": "riscv64, instructions",
    "u74_cycles": "SiFive U74, cycles (estimate)",
    "u74_us": "SiFive U74 at 1.2 GHz, µs (estimate)",
    "over_float_a53": "A53, times faster than float32 at its peak",
    "over_float_a72": "A72, times faster than float32 at its peak",
    "of_peak": "share of the kernel's peak",
    "peak_gmac_s": "peak, G products/s",
    "words_gmac_s": "plain words, G products/s",
    "imb_dte_s": "IMB + DTE, s a step",
    "brevitas_s": "Brevitas, s a step",
    "cycles_per_image": "cycles an image",
    "lut": "LUT",
    "lut6_paired": "LUT6, pairs counted once",
    "ff": "FF",
    "bram": "BRAM",
    "dsp": "DSP",
    "utilisation": "LUTs in use, %",
    "fmax_mhz": "Fmax, MHz",
    "clock_mhz": "clock, MHz",
    "asked_mhz": "asked for, MHz",
    "seeds_mhz": "three seeds, MHz",
    "median_mhz": "median, MHz",
    "images_per_s": "images/s",
    "bitstream_bytes": "bitstream, bytes",
    "seconds": "time, s",
    "cycles_claimed": "cycles an image, claimed",
    "cycles_simulated": "cycles an image, simulated",
    "latency_claimed": "latency, cycles, claimed",
    "latency_simulated": "latency, cycles, simulated",
    "differing": "images that differ",
    "stalled": "images with stalls",
    "stalled_differing": "of them differ",
    "build_s": "build, s",
    "build_cpu_s": "build, CPU s",
    "s_per_image": "simulation, s an image",
    "lut_per_mac": "LUT a product",
    "carry4": "CARRY4",
    "fmax_by_seed": "Fmax by seed, MHz",
}
FOLLOWS = "what follows"  # the only key of a row that is a sentence below the table


def columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The keys that stand in some row with a value, in the order in which they first appear."""
    keys = list(dict.fromkeys(key for row in rows for key in row if key != FOLLOWS))
    return [k for k in keys if any(row.get(k) not in (None, "") for row in rows)] or keys


def heading(key: str) -> str:
    """The heading of a column, with its unit."""
    return HEADINGS.get(key, key.replace("_", " "))


def cell(value: Any) -> str:
    """A value as a person reads it: four significant digits, thousands apart; nothing for what was not measured."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def write(page: Path, part: str, rows: Sequence[dict[str, Any]], command: str = "", unfinished: bool = False) -> None:
    """Replace the table between `<!-- bench PART -->` and `<!-- end -->` of a page, with command, tools and machine.

    While a run is `unfinished`, rows of the page that it has not measured yet stay, and say which run they are of.
    """
    if not page.is_file():
        raise RecipeError(f"{page}: no such page; run in a checkout, or name a page with `<!-- bench {part} -->` in it")
    text = page.read_text()
    begin, end = f"<!-- bench {part} -->", "<!-- end -->"
    if begin not in text or end not in text.split(begin, 1)[1]:
        raise RecipeError(f"{page}: has no table for {part}; put `{begin}` and `{end}` where it shall stand")
    before, rest = text.split(begin, 1)
    old, after = rest.split(end, 1)
    source = measured_by(command or f"hwflow bench {part}")
    table = markdown(part, rows, source, _left(old, rows) if unfinished else [])
    part_page = page.with_name(page.name + ".part")
    part_page.write_text(f"{before}{begin}\n{table}\n{end}{after}")
    part_page.replace(page)


def markdown(
    part: str, rows: Sequence[dict[str, Any]], source: str | None = None, earlier: Sequence[dict[str, str]] = ()
) -> str:
    """A table of rows and the line that says where its numbers come from: this machine, today, unless told.

    Behind them stand rows of `earlier` runs, by headings, whose FOLLOWS says where they come from.
    """
    sentences = [row[FOLLOWS] for row in rows if FOLLOWS in row]
    rows = [row for row in rows if FOLLOWS not in row]
    keys = columns(rows)
    more = {key: None for row in earlier for key in row if key != FOLLOWS and key not in map(heading, keys)}
    numeric = [all(isinstance(row.get(k), int | float) or row.get(k) in (None, "") for row in rows) for k in keys]
    cells = [[cell(row.get(k)) for k in keys] + [""] * len(more) for row in rows]
    cells += [[row.get(key, "") for key in (*map(heading, keys), *more)] for row in earlier]
    lines = [
        "| " + " | ".join([*map(heading, keys), *more]) + " |",
        "|" + "".join("---:|" if n else "---|" for n in [*numeric, *(False for _ in more)]),
        *("| " + " | ".join(row) + " |" for row in cells),
    ]
    origins = dict.fromkeys(row[FOLLOWS] for row in earlier)
    for origin in origins:
        names = [name_of(row) for row in earlier if row[FOLLOWS] == origin]
        sentences.append(f"{EARLIER}{'; '.join(names)}: {origin}")
    return "\n".join([*lines, *(f"\n{text}" for text in sentences), "", source or measured_by(f"hwflow bench {part}")])


EARLIER = "Of an earlier run are the rows "
AGAIN = " was measured again by "  # what recheck says of one row below a table


def read_rows(text: str) -> list[dict[str, str]]:
    """The rows of the first table of a text, by the headings of their columns; none where it has no table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    parts = [[c.strip() for c in line.removeprefix("|").removesuffix("|").split(" | ")] for line in lines]
    return [dict(zip(parts[0], row, strict=True)) for row in parts[2:]]


def name_of(row: dict[str, str]) -> str:
    """What a row is about: its cells in front of the first number."""
    words = takewhile(lambda text: number(text) is None, (text for key, text in row.items() if key != FOLLOWS))
    return ", ".join(text for text in words if text)


def number(text: str) -> float | None:
    """The number of a cell; None where it holds words."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _left(old: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The rows of an old table that `rows` do not measure again; FOLLOWS holds the line that says where they come from."""
    measured = {name_of({heading(k): cell(v) for k, v in row.items()}) for row in rows if FOLLOWS not in row}
    paragraphs = [line for line in old.splitlines() if line and not line.startswith("|")]
    origins: dict[str, str] = {}
    for line in paragraphs:
        if line.startswith(EARLIER):
            names, _, origin = line.removeprefix(EARLIER).partition(": ")
            origins |= dict.fromkeys(names.split("; "), origin)
    left = [row for row in read_rows(old) if name_of(row) not in measured]
    for line in paragraphs:
        if AGAIN in line:
            name, _, origin = line.removeprefix("The row ").partition(AGAIN)
            origins |= {name_of(row): origin for row in left if name_of(row).startswith(name)}
    whole = [line for line in paragraphs if AGAIN not in line]
    return [{**row, FOLLOWS: origins.get(name_of(row), whole[-1] if whole else "")} for row in left]


def measured_by(command: str) -> str:
    """The command, the day, the machine and the tools that a table was made with."""
    tools = ", ".join(f"{name} {version}" for name, version in tool_versions().items())
    return f"`{command}`, {date.today().isoformat()}, {os.cpu_count()} cores {processor()}; {tools}"


def processor() -> str:
    """The processor's name and the vector extensions that matter, from /proc/cpuinfo."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in fields.items()}
    flags = [f for f in ("avx2", "avx512f", "avx512_vpopcntdq") if f in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", platform.machine()), *flags])
