"""What a host must know of a design (design.json), and the files every deploy folder has.

Stands on net, units and board. `driver.Words` reads what `words` writes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import driver
from hwflow.bits import Array
from hwflow.board import Board
from hwflow.deploy import feeds
from hwflow.deploy.vivado import BEAT_BYTES
from hwflow.emit.names import plain
from hwflow.files import write_arrays
from hwflow.lower.reload import load_bytes, structure, weights_crc
from hwflow.net import Net
from hwflow.places import hardware
from hwflow.units.kit.base import Dataflow
from hwflow.units.kit.streams import Stream

TRANSFER_BYTES = (1 << 26) - 1  # of one transfer: the length field that vivado_dma.tcl asks for has 26 bits
SIM = "sim"


def design_id(rtl: Path) -> int:
    """A number (31 bits) that says which design this is: CRC-32 over its sources and memory files."""
    crc = 0
    for path in sorted([*rtl.glob("*.sv"), *rtl.glob("*.mem")], key=lambda p: p.name):
        crc = zlib.crc32(path.name.encode() + b"\0" + path.read_bytes(), crc)
    return crc & 0x7FFFFFFF


def design_hash(rtl: Path) -> tuple[int, int]:
    """The first 31 bits, and the next 31, of the SHA-256 of a design's sources and memory files."""
    state = hashlib.sha256()
    for path in sorted([*rtl.glob("*.sv"), *rtl.glob("*.mem")], key=lambda p: p.name):
        state.update(path.name.encode() + b"\0" + path.read_bytes())
    bits = int.from_bytes(state.digest()[:8], "little")
    return bits & 0x7FFFFFFF, bits >> 31 & 0x7FFFFFFF


def parameters(dataflow: Dataflow, rtl: Path) -> dict[str, int]:
    """The parameters of board_uart and board_dma that follow from the design."""
    low, high = design_hash(rtl)
    return {
        "InBits": dataflow.input.bits,
        "InWords": dataflow.input.words,
        "OutBits": dataflow.output.bits,
        "OutWords": dataflow.output.words,
        "DesignId": design_id(rtl),
        "HashLow": low,
        "HashHigh": high,
        **_loads(dataflow),
    }


def _loads(dataflow: Dataflow) -> dict[str, int]:
    """Bytes of a load and what is inside from the start, where weights can be loaded; nothing where they are fixed."""
    data = load_bytes(dataflow)
    return {"LoadBytes": len(data), "WeightsCrc": weights_crc(data)} if data else {}


def words(stream: Stream) -> dict[str, Any]:
    """How a stream travels, as `driver.Words` takes it."""
    ints = stream.ints
    return {
        "shape": list(stream.port.shape),
        "lo": ints.lo,
        "hi": ints.hi,
        "step": ints.step,
        "bits": ints.bits,
        "par": stream.par,
        "words": stream.words,
    }


def describe(net: Net, dataflow: Dataflow, rtl: Path, board: Board | None, made: Mapping[str, Any]) -> dict[str, Any]:
    """design.json: the link, the packing, the design's id, its clock; `board` None is the simulated one.

    `made` says what came out: clock_mhz, and baud on a serial line.
    """
    link = board.link if board else "uart"
    out: dict[str, Any] = {
        "name": net.name, "board": board.name if board else SIM, "link": link, "id": design_id(rtl), "hash": list(design_hash(rtl)),
        "clock_mhz": made["clock_mhz"], "cycles_per_image": dataflow.cycles, "labels": net.gives_labels,
        "denominator": net.denominator, "answer": net.answer.plain(),
        "input": words(dataflow.input), "output": words(dataflow.output),
    }  # fmt: skip
    if data := load_bytes(dataflow):
        out |= {"load_bytes": len(data), "weights_crc": weights_crc(data), "structure": structure(dataflow)}
    if link == "dma":
        streamed = feeds.describe(dataflow, BEAT_BYTES, TRANSFER_BYTES)
        return {
            **out,
            **({"feeds": streamed} if streamed else {}),
            "port": "pynq",
            "beat_bytes": BEAT_BYTES,
            "transfer_bytes": TRANSFER_BYTES,
            "bitstream": "design.bit",
        }
    if board is None:  # the line's own rate does not bind a pseudo-terminal; simulation is slow
        return {**out, "port": SIM, "program": "board_sim", "baud": 115200, "timeout_s": 10.0}
    return {**out, "port": "/dev/ttyUSB0", "baud": made["baud"]}


def write(out: Path, net: Net, design: dict[str, Any], inputs: Array, how_to_load: str) -> None:
    """The files every deploy folder has: design.json, driver.py, selftest.py, a C example for a serial line, examples, README."""
    (out / "design.json").write_text(json.dumps(design, indent=1) + "\n")
    for name in ("driver.py", "driver_bytes.py", "driver_line.py", "driver_load.py", "inputs.py", "answers.py"):
        shutil.copyfile(Path(driver.__file__).with_name(name), out / name)
    shutil.copyfile(Path(__file__).with_name("selftest.py"), out / "selftest.py")
    if design["link"] == "dma":
        shutil.copyfile(Path(driver.__file__).with_name("driver_dma.py"), out / "driver_dma.py")
    if design["link"] == "uart":
        shutil.copyfile(hardware("driver_example.c"), out / "driver_example.c")
    np.save(out / "inputs.npy", narrow(inputs))
    expected = net.run(inputs)
    np.save(out / "expected.npy", np.asarray(expected, np.int64))
    labels = net.labels(expected)
    write_arrays(
        out / "labels.npz", **(labels if isinstance(labels, dict) else {"labels": np.asarray(labels, np.int64)})
    )
    (out / "README.md").write_text(
        f"{plain(design['name'])} on {design['board']}: {how_to_load}\n"
        f"Check it: `python selftest.py {design['port']}` (numpy and {'pynq' if design['link'] == 'dma' else 'pyserial'} only).\n"
        f"Use it: `from driver import Accelerator; Accelerator({design['port']!r}).predict(images)` (labels), `.scores`, `.infer` (integers).\n"
    )


def narrow(x: Array) -> Array:
    """Integers in the least common type that holds them."""
    lo, hi = int(x.min(initial=0)), int(x.max(initial=0))
    for kind in (np.uint8, np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= lo and hi <= np.iinfo(kind).max:
            return x.astype(kind)
    return x.astype(np.int64)
