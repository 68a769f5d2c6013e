"""The table of `hwflow bench arm`: instructions counted under qemu, cycles estimated, for small Linux boards nobody has here.

Stands on emit.c, ziglang, qemu-user with a plugin of ours, and LLVM's machine code analyser. Cycles are estimates: what
llvm-mca says of each block of instructions, repeated without end, with every load in the nearest cache and every branch
foreseen; times how often the block runs.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hwflow import tools
from hwflow.bench.cpu import macs, parameters
from hwflow.emit.c import emit, weight_bytes
from hwflow.emit.c_program import make_program
from hwflow.emit.wasm import zig_cc
from hwflow.errors import ToolError
from hwflow.generate.nets import NETS
from hwflow.net import Net
from hwflow.places import ENGINE
from hwflow.simulate.profile import products, work

COUNTED = ("tfc", "cnv", "resnet20")
HERE = Path(__file__).parent / "count"
BEFORE = Path(__file__).with_name(
    "arm_before.json"
)  # what this table said before layers of few channels had pixels for lanes
FLAGS = ("-O3", "-ffreestanding", "-nostdlib", "-static", "-include", "mark.h")
FLOAT_PER_CYCLE = 4  # float32 products a cycle that these ARM cores reach at best: one FMLA of four lanes
ENOUGH = 0.995  # of a step's instructions that are analysed; the rest is taken to run as fast
TURNS = 100  # of a block in the analyser
REGION = re.compile(r"Code Region - b(\d+)\n.*?Total Cycles:\s+(\d+)", re.DOTALL)
BEGIN = 1999  # the mark in front of the first step


@dataclass(frozen=True)
class Core:
    """One processor: its key in a row, zig's target and core, what runs it, and LLVM's name of it ("": counted only)."""

    key: str
    triple: str
    cpu: str
    qemu: str
    mca: str = ""
    mhz: float = 0


CORES = (
    Core("a53", "aarch64-linux-none", "cortex_a53", "qemu-aarch64", "cortex-a53", 1200),  # Raspberry Pi 3
    Core("a72", "aarch64-linux-none", "cortex_a72", "qemu-aarch64", "cortex-a72", 1500),  # Raspberry Pi 4
    Core("armv7", "arm-linux-none", "cortex_a7", "qemu-arm"),
    Core("u74", "riscv64-linux-none", "sifive_u74", "qemu-riscv64", "sifive-u74", 1200),
)


@dataclass(frozen=True)
class Block:
    """Instructions that run one after the other, in hexadecimal as they lie in memory, and how often they ran."""

    text: tuple[str, ...]
    runs: int


def arm_rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each step of each network, then one for the whole; ToolError where a tool is missing."""
    out = []
    with TemporaryDirectory() as place:
        plugin = build_plugin(Path(place))
        for name in COUNTED:
            net = NETS[name](1)
            seen = {}
            for core in CORES:
                say(f"{name} on {core.key}")
                blocks = count_blocks(net, Path(place) / f"{name}_{core.key}", core, plugin)
                seen[core.key] = estimate_steps(blocks, core)
            out += table(net, seen)
    return out


def program_at(name: str) -> Path:
    """Where a program is; ToolError where it is not."""
    found = shutil.which(name)
    if not found:
        raise ToolError(
            f"{name} is not installed; the ARM table needs it: apt install {'llvm' if 'llvm' in name else 'qemu-user'}"
        )
    return Path(found)


def build_plugin(folder: Path) -> Path:
    """The plugin for qemu, compiled for this machine."""
    tools.run("g++", ["-x", "c", "-O2", "-fPIC", "-shared", "-o", folder / "count.so", HERE / "plugin.c"], cwd=folder)
    return folder / "count.so"


def count_blocks(net: Net, folder: Path, core: Core, plugin: Path) -> dict[int, list[Block]]:
    """What ran in each step of one image, by the step's number."""
    emit(net, folder)
    for file in (HERE / "mark.h", HERE / "main.c", ENGINE / "bare.c"):
        shutil.copy(file, folder)
    zig_cc(["-target", core.triple, f"-mcpu={core.cpu}", *FLAGS, "-o", "program", "main.c", "net.c", "bare.c"], folder)
    tools.run_program(program_at(core.qemu), ["-plugin", f"{plugin},out=counts.txt", folder / "program"], cwd=folder)
    steps: dict[int, list[Block]] = {}
    for line in (folder / "counts.txt").read_text().splitlines():
        first, second, *text = line.split()
        if first == "mark":
            steps[int(second)] = now = []
        else:
            now.append(Block(tuple(text), int(second)))
    steps.pop(BEGIN)
    return steps


def estimate_steps(steps: dict[int, list[Block]], core: Core) -> list[tuple[int, float]]:
    """(instructions, estimated cycles) of each step in order; no cycles where LLVM has no model of the core."""
    hot = {step: hottest(blocks) for step, blocks in steps.items()}
    texts = sorted({b.text for blocks in hot.values() for b in blocks})
    cycles = dict(zip(texts, analyse(texts, core), strict=True)) if core.mca else {}
    out = []
    for step in sorted(steps):
        every = sum(b.runs * len(b.text) for b in steps[step])
        seen = sum(b.runs * len(b.text) for b in hot[step])
        spent = sum(b.runs * cycles.get(b.text, 0.0) for b in hot[step])
        out.append((every, spent * every / seen if seen else 0.0))
    return out


def hottest(blocks: list[Block]) -> list[Block]:
    """The blocks that make ENOUGH of all instructions, largest first."""
    ranked = sorted(blocks, key=lambda b: -b.runs * len(b.text))
    left, out = ENOUGH * sum(b.runs * len(b.text) for b in blocks), []
    for b in ranked:
        if left <= 0:
            break
        out.append(b)
        left -= b.runs * len(b.text)
    return out


def analyse(texts: list[tuple[str, ...]], core: Core) -> list[float]:
    """Cycles of each block in a row of its own repetitions."""
    triple = core.triple.split("-")[0]
    target = [f"-triple={triple}", f"-mcpu={core.mca}"]
    with TemporaryDirectory() as place:
        folder = Path(place)
        raw = "\n".join(" ".join(f"0x{i[k : k + 2]}" for i in text for k in range(0, len(i), 2)) for text in texts)
        (folder / "raw").write_text(raw + "\n")
        listing = tools.run_program(program_at("llvm-mc"), ["--disassemble", *target, "raw"], cwd=folder)
        lines = [line for line in listing.splitlines() if line.startswith("\t") and not line.startswith("\t.")]
        assert len(lines) == sum(map(len, texts)), "an instruction was not read"
        with (folder / "blocks.s").open("w") as file:
            at = 0
            for i, text in enumerate(texts):
                body = ["\tnop" if line.split()[0] in ("svc", "ecall") else line for line in lines[at : at + len(text)]]
                file.write("\n".join([f"# LLVM-MCA-BEGIN b{i}", *body, f"# LLVM-MCA-END b{i}", ""]))
                at += len(text)
        said = tools.run_program(
            program_at("llvm-mca"), [f"-mtriple={triple}", *target[1:], f"-iterations={TURNS}", "blocks.s"], cwd=folder
        )
    found = {int(m[1]): int(m[2]) / TURNS for m in REGION.finditer(said)}
    assert len(found) >= 0.99 * len(texts), "the analyser left blocks out"
    return [found.get(i, float(len(text))) for i, text in enumerate(texts)]  # one it left out: a cycle an instruction


def table(net: Net, seen: dict[str, list[tuple[int, float]]]) -> list[dict[str, Any]]:
    """The rows of one network: its steps, then the whole beside float32 at the peak of the same core."""
    program, before = make_program(net), json.loads(BEFORE.read_text())
    was = before["steps"].get(net.name, {})
    out = []
    for i, step in enumerate(program.steps):
        row: dict[str, Any] = {"network": net.name, "step": step.name, "work": work(step)}
        row["products"] = products(step, net.ports[step.op.name].size)
        out.append(row | was.get(step.name, {}) | columns({key: steps[i] for key, steps in seen.items()}))
    whole = {key: (sum(n for n, _ in steps), sum(c for _, c in steps)) for key, steps in seen.items()}
    row = {
        "network": net.name,
        "step": "whole",
        "work": "",
        "products": macs(net),
        **was.get("whole", {}),
        **columns(whole),
    }
    for key in ("a53", "a72"):
        row[f"over_float_{key}"] = round(macs(net) / FLOAT_PER_CYCLE / whole[key][1], 1)
    return [*out, row | {"smaller": round(parameters(net) * 4 / weight_bytes(net), 1)}]


def columns(found: dict[str, tuple[int, float]]) -> dict[str, Any]:
    """Instructions, cycles and microseconds of each core."""
    row: dict[str, Any] = {}
    for core in CORES:
        instructions, cycles = found[core.key]
        row[f"{core.key}_instructions"] = instructions
        if core.mca:
            row[f"{core.key}_cycles"] = round(cycles)
            row[f"{core.key}_us"] = round(cycles / core.mhz, 1)
    return row
