"""A board as data: its part, clock, pins and how much it holds; one TOML file for each in hwflow/boards.

Stands on errors and families. Adding a board is adding one file there.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from hwflow.errors import RecipeError, did_you_mean
from hwflow.families import FAMILIES
from hwflow.files import size_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BOARDS = Path(__file__).resolve().parent / "boards"
FLOWS = ("open", "vivado", "plan")
LINKS = ("uart", "dma", "none")
MOST_TOML = 1 << 20  # bytes of a board file
DMA_BYTES = 8  # that a DMA moves in a cycle, through the one memory port that hls/vendor/vivado_dma.tcl opens
# what is assumed where no board is named
DEFAULT_FAMILY = "xc7"
DEFAULT_MHZ = 100.0


@dataclass(frozen=True)
class Board:
    """One board. LUTs and block RAMs are counted as `Cost` counts them, in the family's own size.

    What one block RAM is, each family says (`Family.block`).
    """

    name: str  # the name of its file
    title: str  # as its maker writes it
    family: str  # one of FAMILIES
    flow: str  # "open": Yosys, nextpnr and a packer; "vivado": a complete project for AMD's tool; "plan": planned for only
    part: str  # the full part number, speed grade included
    link: str  # "uart": frames over a serial line; "dma": PYNQ and AXI DMA; "none": planned for only
    oscillator_mhz: float  # what reaches `clock_pin`; on a dma board, what the processor gives the fabric
    clock_mhz: float  # what a design is planned for; place and route then sets the highest that closes
    lut: int
    ff: int
    bram: int
    dsp: int
    clock_pin: str = ""
    rx_pin: str = ""  # into the FPGA
    tx_pin: str = ""  # out of the FPGA
    io: str = ""  # electrical standard of the pins above
    baud: int = 0  # the fastest its USB bridge is used at
    device: str = ""  # what nextpnr calls the die
    package: str = ""  # what nextpnr calls the package
    speed: str = ""  # what nextpnr calls the speed grade
    loader: str = ""  # openFPGALoader's name of the board
    vendor_part: str = ""  # Vivado's board part; empty where the part number is enough
    processor: str = ""  # "ps7" or "psu" on a dma board
    uram: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        for field, allowed in (("family", tuple(FAMILIES)), ("flow", FLOWS), ("link", LINKS)):
            if getattr(self, field) not in allowed:
                raise RecipeError(
                    f"board {self.name}: {field} must be one of {', '.join(allowed)}, not {getattr(self, field)!r}"
                )
        needed = {"open": ("device",), "vivado": (), "plan": ()}[self.flow]
        needed += {"uart": ("clock_pin", "rx_pin", "tx_pin", "baud"), "dma": ("processor",), "none": ()}[self.link]
        if absent := [f for f in needed if not getattr(self, f)]:
            raise RecipeError(f"board {self.name}: needs {', '.join(absent)} for flow {self.flow} and link {self.link}")
        if (self.flow == "plan") != (self.link == "none"):
            raise RecipeError(
                f"board {self.name}: flow plan and link none belong together: what is planned for only has no link"
            )
        if min(self.lut, self.ff, self.bram, self.clock_mhz, self.oscillator_mhz) <= 0:
            raise RecipeError(f"board {self.name}: lut, ff, bram and clocks must be positive")

    @property
    def totals(self) -> dict[str, int]:
        """What the part holds, keyed as `Cost` is: lut, ff, bram, dsp."""
        return {"lut": self.lut, "ff": self.ff, "bram": self.bram, "dsp": self.dsp}

    def memory_mb_s(self, clock_mhz: float) -> float | None:
        """MB/s that its DMAs read from memory together, through a port as wide as a word of theirs; None where it has none."""
        return DMA_BYTES * clock_mhz if self.link == "dma" else None

    def percent(self, used: dict[str, float]) -> dict[str, float]:
        """How much of the part `used` (lut, ff, bram, dsp) takes, in percent."""
        return {k: round(100 * used.get(k, 0) / total, 1) if total else 0.0 for k, total in self.totals.items()}


def family_for(board: Board | None) -> str:
    """The family that estimates are for: the board's, else DEFAULT_FAMILY."""
    return board.family if board else DEFAULT_FAMILY


def clock_for(board: Board | None) -> float:
    """The clock in MHz that a design is planned for where none is asked: the board's, else DEFAULT_MHZ."""
    return board.clock_mhz if board else DEFAULT_MHZ


def load_board(name: str) -> Board:
    """The board of that name, or of a TOML file at that path; RecipeError names what there is."""
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return read_board(path)
    path = BOARDS / f"{name}.toml"
    if name not in names():
        raise RecipeError(
            f"there is no board {name!r}{did_you_mean(name, names())}; known: {', '.join(names())}; or give a .toml file like those in {BOARDS}"
        )
    return read_board(path)


@cache
def names() -> tuple[str, ...]:
    """The names of the boards that ship with hwflow."""
    return tuple(sorted(p.stem for p in BOARDS.glob("*.toml")))


def boards() -> tuple[Board, ...]:
    """Every board that ships with hwflow."""
    return tuple(load_board(n) for n in names())


def read_board(path: Path) -> Board:
    """One board from its TOML file; RecipeError for keys that are unknown, absent or of the wrong type."""
    try:
        if size_of(path) > MOST_TOML:
            raise ValueError("it is too large")
        entries: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as e:
        raise RecipeError(f"{path}: is not a board file ({e}); write it like those in {BOARDS}") from e
    kinds = {f.name: str(f.type) for f in fields(Board)}
    for key, value in entries.items():
        if key not in kinds or key == "name":
            raise RecipeError(f"{path}: unknown key {key!r}; a board has {', '.join(k for k in kinds if k != 'name')}")
        wanted = {"str": str, "int": int, "float": (int, float)}[kinds[key]]
        if not isinstance(value, wanted) or isinstance(value, bool):  # type: ignore[arg-type]
            raise RecipeError(f"{path}: {key} must be {kinds[key]}, not {value!r}")
    required = [f.name for f in fields(Board) if f.name != "name" and f.default is MISSING]
    if absent := [k for k in required if k not in entries]:
        raise RecipeError(f"{path}: lacks {', '.join(absent)}")
    return Board(name=path.stem, **entries)
