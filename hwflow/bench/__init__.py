"""The tables of the README: each part measures here and now and says with which tools.

Stands on the rooms it measures; each part is one function that returns rows.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from hwflow.errors import RecipeError
from hwflow.flow import tool_versions

# part -> (module, function); each function takes `say` and returns rows, one dict a line of the table
PARTS = {
    "compiler": ("hwflow.bench.compiler", "rows"),
    "cpu": ("hwflow.bench.cpu", "rows"),
    "threads": ("hwflow.bench.threads", "rows"),
    "costs": ("hwflow.bench.holdout", "rows"),
    "fifos": ("hwflow.bench.fifos", "rows"),
    "fits": ("hwflow.bench.fits", "rows"),
    "rtl": ("hwflow.bench.rtl", "rows"),
    "nets": ("hwflow.bench.rtl", "network_rows"),
    "boards": ("hwflow.bench.boards", "bench_rows"),
    "train": ("hwflow.bench.training", "rows"),
    "ablation": ("hwflow.bench.ablation", "rows"),
    "trained": ("hwflow.bench.trained", "rows"),
}


def bench(part: str, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of one part of PARTS."""
    module, function = PARTS[part]
    say(f"bench {part}")
    return list(getattr(import_module(module), function)(say))


def write(page: Path, part: str, rows: list[dict[str, Any]]) -> None:
    """Replace the table between `<!-- bench PART -->` and `<!-- end -->` of a page, with command, tools and machine."""
    text = page.read_text()
    begin, end = f"<!-- bench {part} -->", "<!-- end -->"
    if begin not in text or end not in text.split(begin, 1)[1]:
        raise RecipeError(f"{page}: has no table for {part}; put `{begin}` and `{end}` where it shall stand")
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    part_page = page.with_name(page.name + ".part")
    part_page.write_text(f"{before}{begin}\n{markdown(part, rows)}\n{end}{after}")
    part_page.replace(page)


def markdown(part: str, rows: list[dict[str, Any]]) -> str:
    """A table of rows and the line that says where its numbers come from."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(row.get(h, "")) for h in heads) + " |" for row in rows]
    tools = ", ".join(f"{name} {version}" for name, version in tool_versions().items())
    source = f"`hwflow bench {part}`, {date.today().isoformat()}, {os.cpu_count()} cores {_processor()}; {tools}"
    return "\n".join([*lines, "", source])


def _processor() -> str:
    """The processor's name and the vector extensions that matter, from /proc/cpuinfo."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in fields.items()}
    flags = [f for f in ("avx2", "avx512f", "avx512_vpopcntdq") if f in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", platform.machine()), *flags])
