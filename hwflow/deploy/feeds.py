"""Streamed weights on a board with DMAs: the numbers of hls/board/feeds.sv, the ports of the block, what the driver sends.

Stands on emit.rtl. The driver sends each stream exactly as often as the images of a batch need it, so nothing is left over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwflow.emit.rtl import feed_file, list_ports
from hwflow.errors import RecipeError
from hwflow.units.kit.base import Dataflow

RECORD = 32  # bits of each number of FeedWords: a word's bits, words until they begin again, the lowest bit in what the network takes
MOST = 14  # streams: a SmartConnect has 16 ports, of which the images' DMA takes two
PORTS = """\
  (* X_INTERFACE_INFO = "xilinx.com:interface:axis:1.0 w{k}_axis TVALID" *)
  input  wire                w{k}_axis_tvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:axis:1.0 w{k}_axis TREADY" *)
  output wire                w{k}_axis_tready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:axis:1.0 w{k}_axis TDATA" *)
  input  wire  [8*Bytes-1:0] w{k}_axis_tdata,
"""


def parameters(dataflow: Dataflow) -> dict[str, int | str]:
    """The parameters of board_dma that follow from what is streamed; nothing where nothing is."""
    ports, record = list_ports(dataflow), 0
    if not ports:
        return {}
    for k, port in enumerate(ports):
        numbers = port.bits, port.words, port.low - ports[0].low
        record |= sum(n << (RECORD * i) for i, n in enumerate(numbers)) << (3 * RECORD * k)
    bits = 3 * RECORD * len(ports)
    return {"Feeds": len(ports), "FeedBits": sum(p.bits for p in ports), "FeedWords": f"{bits}'h{record:x}"}


def wrap(text: str, dataflow: Dataflow) -> str:
    """The text of board_dma_bd.v with an AXI4-Stream for each unit whose weights are streamed."""
    numbers = parameters(dataflow)
    if not numbers:
        return text
    many = range(len(dataflow.feeds))
    joined = {
        part: "{" + ", ".join(f"w{k}_axis_{part}" for k in reversed(many)) + "}"
        for part in ("tvalid", "tready", "tdata")
    }
    changes = {
        "s_axis:m_axis:s_axil,": f"s_axis:m_axis:s_axil:{':'.join(f'w{k}_axis' for k in many)},",
        "  input  wire                s_axis_tlast,\n": "  input  wire                s_axis_tlast,\n" + "".join(PORTS.format(k=k) for k in many),
        ".WeightsCrc(WeightsCrc)": ".WeightsCrc(WeightsCrc), " + ", ".join(f".{k}({v})" for k, v in numbers.items()),
        ".w_axis_tvalid(1'b0), .w_axis_tready(), .w_axis_tdata({8*Bytes{1'b0}})": ", ".join(f".w_axis_{p}({w})" for p, w in joined.items()),
    }  # fmt: skip
    for old, new in changes.items():
        assert text.count(old) == 1, f"board_dma_bd.v holds {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    return text


def describe(dataflow: Dataflow, beat: int, most: int) -> list[dict[str, Any]]:
    """What the driver must know of each stream, in the order of the DMAs: file, bytes until it begins again, times an image.

    RecipeError where there are more than MOST, or where the words of a unit are longer than the `most` bytes of a transfer.
    """
    if len(dataflow.feeds) > MOST:
        raise RecipeError(
            f"weights of {len(dataflow.feeds)} units are streamed, and a project has {MOST} DMAs for them; stream fewer"
        )
    out = []
    for unit, feed in dataflow.feeds.items():
        size = -(-feed.stream.words * feed.word_bytes // beat) * beat
        if size > most:
            raise RecipeError(
                f"{unit}: its weights are {size} bytes, one transfer of a DMA at most {most}; do not stream them"
            )
        out.append({"unit": unit, "file": feed_file(unit), "bytes": size, "times": feed.times})
    return out


def copy_words(dataflow: Dataflow, rtl: Path, out: Path, beat: int) -> None:
    """Copy the files of streamed weights beside the driver, zeros up to whole beats behind them."""
    for unit in dataflow.feeds:
        data = (rtl / feed_file(unit)).read_bytes()
        (out / feed_file(unit)).write_bytes(data + bytes(-len(data) % beat))
