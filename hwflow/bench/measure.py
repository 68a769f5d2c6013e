"""What units take on a family: some of them side by side in one synthesis, each kept by its own text; designs by adding.

Stands on emit, synth and the cache. `fit` learns the cost models from this; `holdout`, `fits` and `rtl` measure
designs with it. The boundaries of units are kept in `hwflow synth` too, so that what is added here is what is counted there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hwflow.bench import pairs
from hwflow.emit.rtl import TEMPLATES, instance, module, sources, write_memories
from hwflow.errors import RecipeError, ToolError
from hwflow.families import family_of
from hwflow.places import cache as cache_folder
from hwflow.synth import cells, yosys
from hwflow.units.kit.base import Cost, Unit
from hwflow.units.kit.streams import Stream, divisors

TEMPLATE = "bench_units.sv.j2"
BATCH, LUTS = 24, 6000  # units of one synthesis, and the LUTs they are estimated to take together
OWN = 0.03  # of a unit, what its lanes apart may take more
SHARE, LANES = 8, 16  # weights of so few words are tables that lanes have in common: so many lanes stay together
SHARED = 0.1  # of such a unit, what its lanes apart may take more
LARGE = 25_000  # LUTs of such lanes; Yosys takes some ten minutes for them
TIMEOUT = 600.0  # seconds of one synthesis

Facts = dict[str, float]


@dataclass(frozen=True)
class _Bench:
    """One unit as the template writes it."""

    name: str
    module: str
    params: list[tuple[str, str]]
    ins: tuple[Stream, ...]
    outs: tuple[Stream, ...]
    load_ports: bool = False

    @property
    def x_bits(self) -> int:
        return sum(s.bits for s in self.ins)

    @property
    def y_bits(self) -> int:
        return sum(s.bits for s in self.outs)


def measure(
    units: Sequence[Unit], family: str, folder: Path, timeout: float | None = 1800, paired: bool = False
) -> list[Facts]:
    """lut, ff, bram and dsp of each unit, in their order; sources, script and log stay in `folder`.

    `paired` (xc7): also lut6_paired, where two functions of the same five inputs at most share a LUT6 (bench/pairs.py).
    """
    named = [replace(u, name=f"u{i}") for i, u in enumerate(units)]
    design = folder / "design"
    design.mkdir(parents=True, exist_ok=True)
    benches = [_Bench(u.name, module(u), instance(u).params, u.ins, u.outs, u.load_ports) for u in named]
    (design / f"{yosys.CORE}.sv").write_text(TEMPLATES.get_template(TEMPLATE).render(units=benches))
    for unit in named:
        write_memories(unit, design)
    for file in sources({module(u) for u in units}):
        shutil.copyfile(file, design / file.name)
    netlist = yosys.map_core(design, family, folder / family, timeout=timeout)
    found = cells.count_units(netlist, family)
    if paired:
        kinds = {name: cell["type"] for name, cell in netlist["modules"][yosys.CORE]["cells"].items()}
        found = {n: {**f, "lut6_paired": f["lut"] - pairs.sites_saved(netlist, kinds[n])} for n, f in found.items()}
    return [found[u.name] for u in named]


def total(
    units: Sequence[Unit],
    family: str,
    say: Callable[[str], None] = lambda _: None,
    timeout: float = TIMEOUT,
    most: float = LUTS,
    paired: bool = False,
    alike: bool = False,
) -> Facts | None:
    """What units take together, synthesised apart and added; None where Yosys does not finish one in time.

    A matrix unit of more than `most` LUTs is measured as smaller ones that side by side do the same: each brings
    counters, replay memory and output buffer of its own, so that the sum is more than the unit, not less. `alike`:
    units with weights that differ in the contents of their memories alone are measured once.
    """
    parts = [part for u in units for part in side_by_side(u, family, most)]
    models: dict[str, Unit] = {}
    chosen = [models.setdefault(str(_parameters(_nameless(p))), p) if alike and p.macs else p for p in parts]
    found = measure_units(chosen, family, say, timeout, paired=paired)
    if None in found:
        return None
    return {name: sum(f[name] for f in found if f) for name in found[0] or {}}


def side_by_side(unit: Unit, family: str, most: float = LUTS) -> list[Unit]:
    """Units of at most `most` LUTs, as estimated, that do the same on the same words: lanes of a matrix unit; else itself.

    Lane p of pass i is row i * pe + p, in all of them. The units are larger, up to LUTS, where what each brings of its
    own is more than OWN of the whole or costs block RAMs; where lanes share tables, LANES of them stay together, or as
    many as keep it below SHARED, up to LARGE. Shared adders of constant weights stay together.
    """
    if len(unit.instances) > 1:
        return [part for one in unit.instances for part in side_by_side(one, family, most)]
    if unit.lanes == 1:
        return [unit]
    whole = unit.cost(family)
    few = unit.table_words <= SHARE
    apart = [n for n in divisors(unit.lanes) if not few or unit.lanes // n >= min(LANES, unit.lanes)]
    largest, own = (max(most, LARGE), max(SHARED, OWN)) if few else (max(most, LUTS), OWN)
    numbers = [n for n in apart if whole.lut / n <= largest] or apart[-1:]
    smallest = next((n for n in numbers if whole.lut / n <= most), numbers[-1])
    for n in reversed([n for n in numbers if n <= smallest]):
        parts = [unit.lane_group(n, i) for i in range(n)]
        cost = sum((p.cost(family) for p in parts), Cost())
        if cost.bram == whole.bram and cost.lut <= (1 + own) * whole.lut:
            break
    return parts


def measure_units(
    units: Sequence[Unit],
    family: str,
    say: Callable[[str], None] = lambda _: None,
    timeout: float = TIMEOUT,
    most: int = LUTS,
    paired: bool = False,
) -> list[Facts | None]:
    """`measure` in synthesises of some units each, what was measured before taken from the cache; None for a unit
    that Yosys does not finish in `timeout` seconds by itself, which is kept too."""
    files = {key(u, family, paired): u for u in units}
    wanting = [f for f in files if not f.is_file()]
    batches: list[list[Path]] = []
    together = 0.0
    for file in sorted(wanting, key=lambda f: size(files[f], family)):
        own = size(files[file], family)
        together += own
        if not batches or together > most or len(batches[-1]) == BATCH:
            batches.append([])
            together = own
        batches[-1].append(file)
    done = len(files) - len(wanting)
    while batches:
        batch = batches.pop(0)
        try:
            with tempfile.TemporaryDirectory() as folder:
                found: Sequence[Facts | None] = measure(
                    [files[f] for f in batch], family, Path(folder), timeout, paired
                )
        except ToolError as e:
            if "did not finish" not in str(e):
                raise
            if len(batch) > 1:
                batches[:0] = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
                continue
            found = [None]
        for file, facts in zip(batch, found, strict=True):
            file.write_text(json.dumps(facts))
        done += len(batch)
        say(f"{family}: {done} of {len(files)} units measured")
    return [json.loads(key(u, family, paired).read_text()) for u in units]


def size(unit: Unit, family: str) -> float:
    """LUTs of a unit as estimated; 0 where its costs are not known yet, which is what it is measured for."""
    try:
        return unit.cost(family).lut
    except RecipeError:
        return 0.0


def key(unit: Unit, family: str, paired: bool = False) -> Path:
    """The file that keeps what a unit takes: its name is the text of the unit, of what it stands on, and the tool."""
    unit = _nameless(unit)
    parts: list[Any] = [f"{family} paired" if paired else family, _version(), *_parameters(unit)]
    parts += family_of(family).synthesis.defines
    parts += [[name, m.bits, m.words] for name, m in unit.memories().items()]
    state = hashlib.sha256(json.dumps(parts).encode() + _texts(instance(unit).module))
    folder = cache_folder() / "units"
    folder.mkdir(exist_ok=True)
    return folder / f"{state.hexdigest()[:32]}.json"


def _nameless(unit: Unit) -> Unit:
    return replace(unit, name="u", inputs=("x",) * len(unit.inputs))


def _parameters(unit: Unit) -> list[Any]:
    """Module, parameters and widths of a unit: all that it is but the contents of its memories."""
    one = instance(unit)
    return [one.module, one.params, [(s.bits, s.words > 0) for s in (*unit.ins, *unit.outs)]]


@cache
def _version() -> str:
    return yosys.version()


@cache
def _texts(module: str) -> bytes:
    return b"".join(f.read_bytes() for f in sources([module]))
