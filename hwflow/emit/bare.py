"""A network on processors without a C library: boards of microcontrollers, and bare Linux programs of any processor.

Stands on emit.c, emit.wasm's compiler (ziglang) and `engine/bare_main.c`. Nothing is allocated; only memcpy and memset
are wanted of a library, and bare.c has both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwflow.bits import Array
from hwflow.emit.c import emit, sections
from hwflow.emit.wasm import zig_cc
from hwflow.net import Net
from hwflow.places import ENGINE

FLAGS = (
    "-Os",
    "-ffreestanding",
    "-DHW_PLAIN",
    "-DHW_TILE=1",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wl,--gc-sections",
)


@dataclass(frozen=True)
class Target:
    """One processor: zig's name of it, its core, the program that runs it, and where a board's memories begin."""

    name: str
    triple: str
    cpu: str
    run: tuple[str, ...]
    code: int = 0
    ram: int = 0
    ram_bytes: int = 0  # 0: a Linux program, which needs no board


def _board(name: str, cpu: str, machine: str, code: int, ram: int, kilobytes: int) -> Target:
    run = ("qemu-system-arm", "-M", machine, "-nographic", "-semihosting", "-kernel")
    return Target(name, "thumb-freestanding-eabi", cpu, run, code, ram, kilobytes * 1024)


def _linux(name: str, triple: str, cpu: str = "") -> Target:
    return Target(name, f"{triple}-linux-none", cpu, (f"qemu-{name}",))


BOARDS = (
    _board("Cortex-M0+", "cortex_m0plus", "microbit", 0x0, 0x20000000, 16),
    _board("Cortex-M4", "cortex_m4", "mps2-an386", 0x0, 0x20000000, 4096),
    _board("Cortex-M33", "cortex_m33", "mps2-an505", 0x10000000, 0x38000000, 2048),
    _board("Cortex-M55", "cortex_m55", "mps3-an547", 0x10000000, 0x30000000, 512),
)
LINUX = (
    _linux("aarch64", "aarch64"), _linux("arm", "arm", "cortex_a7"), _linux("riscv64", "riscv64"), _linux("riscv32", "riscv32"),
    _linux("s390x", "s390x"), _linux("mips", "mips"),
)  # fmt: skip  # the last two are big-endian

SCRIPT = """ENTRY(begin)
MEMORY {{ code (rx) : ORIGIN = {code:#x}, LENGTH = 4M  ram (rwx) : ORIGIN = {ram:#x}, LENGTH = {size} }}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) }} > code
  .data : {{ *(.data*) }} > ram
  .bss : {{ *(.bss*) *(COMMON) }} > ram
  stack_top = ORIGIN(ram) + LENGTH(ram);
  /DISCARD/ : {{ *(.ARM.exidx*) *(.ARM.attributes) }}
}}
"""


def build(net: Net, x: Array, want: Array, folder: Path, target: Target) -> Path:
    """The program that answers images x (n, *shape) and leaves with 0 where its answers are `want` (n, outputs)."""
    emit(net, folder)
    for name in ("bare.c", "bare_main.c"):
        (folder / name).write_text((ENGINE / name).read_text())
    (folder / "images.h").write_text(
        f"enum {{ IMAGES = {len(x)} }};\n"
        f"static const net_input images[] = {{{_row(x)}}};\nstatic const net_output answers[] = {{{_row(want)}}};\n"
    )
    flags = ["-target", target.triple, *FLAGS, *([f"-mcpu={target.cpu}"] if target.cpu else [])]
    if target.ram_bytes:
        (folder / "board.ld").write_text(SCRIPT.format(code=target.code, ram=target.ram, size=target.ram_bytes))
        flags += ["-Wl,-T,board.ld", "-Wl,-e,begin"]
    else:
        flags += ["-nostdlib", "-static"]
    zig_cc([*flags, "-o", "program", "bare_main.c", "net.c", "bare.c"], folder)
    return folder / "program"


def _row(values: Array) -> str:
    return ", ".join(map(str, np.asarray(values).ravel().tolist()))


def size(net: Net, folder: Path, target: Target) -> dict[str, int]:
    """Bytes of flash (code and weights) and of working memory, of the network's own part for a target."""
    emit(net, folder)
    cpu = [f"-mcpu={target.cpu}"] if target.cpu else []
    zig_cc(["-target", target.triple, *FLAGS[:-1], *cpu, "-c", "-o", "net.o", "net.c"], folder)
    header = (folder / "net.h").read_text()
    ram = int(header.split("NET_PLAIN_SCRATCH = ")[1].split(" ")[0])
    return {"flash": sum(sections((folder / "net.o").read_bytes())), "ram": ram}
