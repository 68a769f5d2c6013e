"""What is known of a device family: one dataclass, so that a new family is one file and nobody asks for one by name.

Stands on errors. The five parts: what Yosys makes of a design, what a cell costs, what nextpnr needs, the clock, the power.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwflow.board import Board

Weights = tuple[
    tuple[str, float], ...
]  # patterns of cell types and what one such cell takes; the first that matches wins
WIDTHS = (1, 2, 4, 9, 18, 36)  # of the words of an 18 Kbit block RAM


@dataclass(frozen=True)
class Ram:
    """A kind of memory, as the library of the family tells Yosys' `memory_libmap` about it.

    `widths` of words: the address bits are those of the first, and each step wider is half as deep. `cost` of one, of which
    `scale` grows with the bits used. `byte`: bits that are written together (None: a word). `size`: blocks it is.
    """

    address: int
    widths: tuple[int, ...]
    cost: int
    scale: int = 0
    byte: int | None = None
    size: int = 1


@dataclass(frozen=True)
class Multiplier:
    """A DSP block: bits of its wider and its narrower factor, and when Yosys takes one.

    It does where both factors have `least` bits and the product has `product`. Factors of up to `half` bits share a
    block with another such product (0: never). `tree` counts the blocks of one tree of adders, from its number of
    products and the bits of both factors as signed numbers, where the blocks hold adders too; None: the adders are LUTs.
    """

    wide: int
    narrow: int
    least: int
    product: int
    half: int = 0
    tree: Callable[[int, int, int], float] | None = None


@dataclass(frozen=True)
class Cells:
    """What each cell of a mapped netlist takes, in the family's own LUTs, flip-flops, block RAMs and multipliers.

    `lut6_pairs`: cells LUT1 .. LUT6 are not in `luts`, because two small functions share a LUT6 and count once.
    """

    luts: Weights
    ffs: str  # a pattern of cell types
    brams: Weights
    dsps: Weights
    method: str  # how they are counted, for reports
    lut6_pairs: bool = False


@dataclass(frozen=True)
class Synthesis:
    """Yosys' command for a whole board, what a core whose ports are no pins takes more, and the models of its cells.

    `defines` choose what of hls/ is made of the family's own cells. `apart`: modules of hls/ whose boundaries are kept, since
    Yosys maps what they hold better without what surrounds it. `option` names the series of a device, where the command
    must know. `own_models` are cells whose model in Yosys has no contents and stands in hls/vendor; `unmodelled` is the
    option that avoids cells that have none.
    """

    command: str
    core: str = ""
    option: Callable[[str], str] = lambda _: ""
    defines: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    models: str = ""  # in Yosys' share folder
    own_models: tuple[str, ...] = ()
    unmodelled: str = ""


@dataclass(frozen=True)
class PlaceAndRoute:
    """nextpnr and the packer of a family, on files of one folder: board.json in, `bitstream` out.

    `usual` is the board that a design without one is routed for. `largest`: LUTs of a design that nextpnr's WASM routes
    within minutes. `improved`: synth/improve.py knows the family's cells.
    """

    tool: str
    constraints: str  # the name of its file
    constrain: Callable[[Board], str]  # the text of that file
    arguments: Callable[[Board], list[str]]
    pack: Callable[[Board], tuple[str, list[str]]]  # program and arguments
    bitstream: str
    usual: str
    largest: int
    slowness: float = 1.0  # periods against ECP5's, before anything was routed
    improved: bool = False


@dataclass(frozen=True)
class Clock:
    """A frequency and the parameters of board_serial that make it from the board's oscillator."""

    mhz: float
    params: dict[str, int | str]


@dataclass(frozen=True)
class Pll:
    """hls/board/pll_<name>.sv, and every clock it makes of an oscillator (MHz) on a device, by the data sheet.

    Of equal frequencies the first has the least jitter.
    """

    name: str
    clocks: Callable[[float, str], Iterator[Clock]]


@dataclass(frozen=True)
class Power:
    """Core volts by the data sheet and nanometres of the process."""

    volts: float
    nanometres: float


@dataclass(frozen=True)
class Family:
    """Everything that is known of a device family.

    `typical` is what a usual part holds (lut, ff, bram, dsp), for designs without a board. `silicon` names what a clock
    measured on one part holds for: the die and its speed grade.
    """

    name: str
    title: str
    lut_inputs: int
    rom_inputs: int  # address bits of a table that one LUT holds a bit of
    blocks: tuple[Ram, ...]
    block: str  # the unit of block RAM, for reports
    lut_rams: tuple[Ram, ...]  # empty where LUTs hold no memory that is written
    ram_luts: Callable[[int, int], float]  # LUTs of a memory of bits, words with a port to write and one to read
    rom_bits: int  # of a ROM, from which Yosys takes a block by itself
    multiplier: Multiplier
    cells: Cells
    synthesis: Synthesis
    power: Power
    typical: tuple[int, int, int, int]
    pll: Pll | None = None
    route: PlaceAndRoute | None = None
    silicon: Callable[[Board], str] = lambda board: board.part


def pins(board: Board) -> tuple[tuple[str, str], ...]:
    """The ports of a board's top and their pins."""
    return ("clk_i", board.clock_pin), ("rx_i", board.rx_pin), ("tx_o", board.tx_pin)
