"""The C engine of one network: net.h, net.c, an example and a Makefile, ready for any C99 or C++ compiler.

Stands on c_program. The kernels are the files of `hwflow/engine/`, copied whole; only tables and calls are written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from typing_extensions import assert_never

from hwflow import tools
from hwflow.bits import U8, Array, Ints, ints_of
from hwflow.emit import c_answers
from hwflow.emit.c_memory import line_channels, plain_scratch, row_bytes, spread_bytes, window
from hwflow.emit.c_program import SIZES, EngineStep, Stage, Tensor, kind_of, make_program
from hwflow.emit.names import plain
from hwflow.errors import RecipeError
from hwflow.net import Net
from hwflow.ops import Conv, Dense, MaxPool, Recurrent, SumPool
from hwflow.places import ENGINE

KERNELS = (
    "engine.h",
    "paths.c",
    "lines.c",
    "stages_avx2.c",
    "stages_avx512.c",
    "stages.c",
    "plain.c",
    "gather.c",
    "steps.c",
    "recurrent.c",
    "windows.c",
    "classes.c",
    "narrow.c",
    "avx2.c",
    "avx2_values.c",
    "nibbles.c",
    "pixels_avx2.c",
    "subsets_avx2.c",
    "words.c",
    "avx512.c",
    "pixels_avx512.c",
    "bytes_avx512.c",
    "neon.c",
    "pixels_neon.c",
    "versions.c",
    "profile.c",
)  # before the network's own part
TYPES = {"U8": "uint8_t", "I8": "int8_t", "I16": "int16_t", "I32": "int32_t"}
NONE = "{HW_BIT, 0}"
BYTE = Ints(-128, 127)


def emit(net: Net, folder: Path, prefix: str = "net") -> list[Path]:
    """Write net.h, net.c, main.c and Makefile into `folder`; the paths written.

    Another `prefix` gives the files and every public name a name of their own, so that several networks link into one
    program: `tfc` gives tfc.h, tfc.c, tfc_run and TFC_INPUTS.
    """
    check_prefix(prefix)
    folder.mkdir(parents=True, exist_ok=True)
    files = {"net.h": header(net), "net.c": source(net)}
    files |= {name: (ENGINE / name).read_text() for name in ("main.c", "Makefile")}
    if prefix != "net":
        files = {name.replace("net", prefix): _put_prefix(text, prefix) for name, text in files.items()}
    for name, text in files.items():
        (folder / name).write_text(text)
    return [folder / name for name in files]


def check_prefix(prefix: str) -> None:
    """RecipeError unless a prefix may begin the names of a C program and of its files."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", prefix):
        raise RecipeError(f"prefix {prefix!r}: must be a C name in lower case, such as tfc; choose another")


def _put_prefix(text: str, prefix: str) -> str:
    """A file with the network's public names, macros, guard and file names under another prefix."""
    for old, new in ((r"\bnet_(?=\w)", f"{prefix}_"), (r"\bNET_(?!THREADS|PROFILE)", f"{prefix.upper()}_")):
        text = re.sub(old, new, text)
    text = re.sub(r"\bHW_NET_H\b", f"HW_{prefix.upper()}_H", text)
    return re.sub(r"\b(lib)?net\.(h|c|o|so)\b", lambda m: f"{m[1] or ''}{prefix}.{m[2]}", text)


def header(net: Net) -> str:
    """net.h: the sizes and types of this network around the engine's fixed interface."""
    program = make_program(net)
    lines = [
        f"/* {plain(net.name)}: {net.input.size} integers {net.input.ints.lo} .. {net.input.ints.hi} in, {net.output.size} out. */",
        "#ifndef HW_NET_H",
        "#define HW_NET_H",
        f'#define NET_NAME "{plain(net.name)}"',
        f'#define NET_HASH "{net.hash}"',
        f"enum {{ NET_INPUTS = {net.input.size}, NET_OUTPUTS = {net.output.size} }};",
        f"enum {{ NET_FIXED = {program.scratch}, NET_LINE = {line_channels(program)}, NET_ROW = {row_bytes(program)} }};",
        "#if defined(__x86_64__) || (defined(__aarch64__) && defined(__ARM_NEON))",
        f"enum {{ NET_SPREAD = {spread_bytes(program)} }};",
        "#else",
        "enum { NET_SPREAD = 0 };",
        "#endif",
        f"enum {{ NET_PLAIN_SCRATCH = {plain_scratch(program)} }}; /* net_scratch_bytes() of a build with -DHW_PLAIN -DHW_TILE=1 */",
        f"typedef {input_type(net)} net_input;",
    ]
    return "\n".join([*lines, (ENGINE / "interface.h").read_text(), c_answers.declarations(net), "#endif", ""])


def input_type(net: Net) -> str:
    """The C type of one input integer; -1/+1 is a signed char."""
    kind = kind_of(net.input.ints)
    return {"BIT": "signed char", "U8": "unsigned char", "I8": "signed char", "I16": "short", "I32": "int"}[kind]


def source(net: Net) -> str:
    """net.c: the kernels, this network's tables and calls, and what runs them."""
    parts = [_plain(ENGINE / name) for name in KERNELS]
    heads = [_plain(ENGINE / "heads.c")] if c_answers.needs_heads(net) else []
    answers = [*heads, c_answers.definitions(net)]
    return "\n".join([*parts, '#include "net.h"', "", *_Writer(net).text(), "", _plain(ENGINE / "run.c"), *answers])


def _plain(path: Path) -> str:
    """A kernel file without its includes of its neighbours."""
    keep = (line for line in path.read_text().splitlines() if line not in ('#include "engine.h"', '#include "net.h"'))
    return "\n".join(keep) + "\n"


def weight_bytes(net: Net) -> int:
    """Bytes of every weight, threshold and other constant of the network as it is stored."""
    writer = _Writer(net)
    writer.text()
    return sum(len(data) for _, data in writer.tables)


def size(net: Net, compiler: Path | None = None) -> dict[str, int]:
    """Bytes for a microcontroller, one pixel at a time on the plain path, measured with a compiler (gcc by default).

    `flash`: code and constants; of these `weights` are the weights' own bits. `ram`: all working memory; of it
    `peak` holds the values that live at the same time.
    """
    steps = make_program(net)
    with TemporaryDirectory() as folder:
        emit(net, Path(folder))
        program = compiler or tools.need("g++")
        language = ["-x", "c++"] if "++" in program.name else []
        tools.run_program(
            program, ["-Os", "-DHW_PLAIN", "-DHW_TILE=1", *language, "-c", "net.c", "-o", "net.o"], cwd=Path(folder)
        )
        flash = sum(sections(Path(folder, "net.o").read_bytes()))
    layers = [op for op in net.ops if isinstance(op, (Dense, Conv))]
    weights = (
        sum(
            op.weights.size * (1 if ints_of(op.weights).is_bipolar else 8 * SIZES[kind_of(ints_of(op.weights))])
            for op in layers
        )
        // 8
    )
    return {"flash": flash, "weights": weights, "ram": plain_scratch(steps), "peak": steps.scratch}


def sections(elf: bytes) -> list[int]:
    """Sizes of what a 64- or 32-bit little-endian object file wants loaded."""
    wide = elf[4] == 2
    offset = int.from_bytes(elf[40:48] if wide else elf[32:36], "little")
    each, count = (int.from_bytes(elf[at : at + 2], "little") for at in ((58, 60) if wide else (46, 48)))
    out = []
    for at in range(offset, offset + each * count, each):
        fields = [
            int.from_bytes(elf[i : i + 8 if wide else i + 4], "little")
            for i in ((at + 8, at + 32) if wide else (at + 8, at + 20))
        ]
        out.append(fields[1] if fields[0] & 2 else 0)  # SHF_ALLOC
    return out


class _Writer:
    """Tables by content, so that equal ones are written once; then one declaration and one call per step."""

    def __init__(self, net: Net):
        self.program = make_program(net)
        self.tables: dict[tuple[str, bytes], str] = {}
        self.declared: list[str] = []
        self.names = {name: f"t{i}" for i, name in enumerate(self.program.tensors)}
        self.gemms: list[str] = []

    def text(self) -> list[str]:
        tensors = [self.tensor(t) for t in self.program.tensors.values()]
        calls = [self.call(i, step) for i, step in enumerate(self.program.steps)]
        gemms = f"static const hw_gemm *const net_gemms[] = {{{', '.join([*(f'&{g}' for g in self.gemms), '0'])}}};"
        steps = f"enum {{ NET_STEPS = {len(calls)} }};"
        begin = "static void net_image(const hw_run *run) {\n    HW_BEGIN"
        return [*tensors, *self.declared, gemms, steps, "", begin, *calls, "}"]

    def tensor(self, t: Tensor) -> str:
        h, w, c = t.shape
        return f"static const hw_tensor {self.names[t.name]} = {{HW_{t.place}, {t.at}u, HW_{t.kind}, {h}, {w}, {c}}}; /* {plain(t.name)} */"

    def table(self, values: Array | None) -> str:
        """An hw_table of integers at their least width, of flags as bits, or the empty one."""
        if values is None:
            return NONE
        if values.dtype == bool:
            return self.bits(values)
        kind = kind_of(ints_of(values)) if not ints_of(values).is_bipolar else "I8"
        data = values.astype({"U8": np.uint8, "I8": np.int8, "I16": np.int16, "I32": np.int32}[kind]).ravel()
        return f"{{HW_{kind}, {self.array(TYPES[kind], data)}}}"

    def bits(self, flags: Array) -> str:
        """A table of bits from 0/1 values, the first in the low bit of the first byte, in whole 64-bit words."""
        packed = np.packbits(flags.ravel().astype(bool), bitorder="little")
        return self.packed(packed)

    def packed(self, data: Array) -> str:
        whole = np.pad(data, (0, -len(data) % 8)).view("<u8")
        return f"{{HW_BIT, {self.array('uint64_t', whole)}}}"

    def array(self, c_type: str, data: Array) -> str:
        key = (c_type, data.tobytes())
        if key not in self.tables:
            name = f"d{len(self.tables)}"
            numbers = (
                [f"HW_L(0x{v:x}u)" for v in data.tolist()]
                if c_type == "uint64_t"
                else [_number(v) for v in data.tolist()]
            )
            rows = [", ".join(numbers[i : i + 16]) for i in range(0, len(numbers), 16)]
            self.declared.append(f"static const {c_type} {name}[] = {{\n" + ",\n".join(rows) + "};")
            self.tables[key] = name
        return self.tables[key]

    def lines(self, step: EngineStep) -> str:
        h, w, c = step.shape
        name = f"s{self.count()}"
        stages = ",\n    ".join(self.stage(s) for s in step.stages)
        self.declared.append(f"static const hw_stage {name}[] = {{\n    {stages}}};")
        return f"{{{h}, {w}, {c}, {len(step.stages)}, {name}}}"

    def count(self) -> int:
        return len(self.declared)

    def stage(self, s: Stage) -> str:
        tensor = f"&{self.names[s.tensor]}" if s.tensor else "0"
        return f"{{HW_{s.what}, {s.n}, {s.shift}, {_number(s.lo)}, {_number(s.hi)}, {self.table(s.a)}, {self.table(s.b)}, {tensor}}}"

    def call(self, i: int, step: EngineStep) -> str:
        name, reads = f"step{i}", [f"&{self.names[r]}" for r in step.reads]
        note = f" /* {plain(step.name)} */"
        match step.routine:
            case "top":
                return f"    HW_STEP({i}, hw_top(run, {reads[0]}, &{self.names[step.output]}, {step.shape[2]})){note}"
            case "gemm":
                self.declared.append(f"static const hw_gemm {name} = {self.gemm(step, reads[0])};")
                self.gemms.append(name)
                return f"    HW_STEP({i}, hw_run_gemm(run, &{name})){note}"
            case "depthwise":
                op = step.op
                assert isinstance(op, Conv)
                weights = self.table(op.weights[..., 0].transpose(1, 2, 0))
                pad = self.table(np.broadcast_to(op.pad, len(op.weights)))
                fields = (reads[0], _braces(window(op)), weights, pad, self.lines(step))
                self.declared.append(f"static const hw_depthwise {name} = {{{', '.join(fields)}}};")
                return f"    HW_STEP({i}, hw_run_depthwise(run, &{name})){note}"
            case "recurrent":
                self.declared.append(f"static const hw_recurrent {name} = {self.recurrent(step, reads)};")
                return f"    HW_STEP({i}, hw_run_recurrent(run, &{name})){note}"
            case "pool" | "pool_bits":
                op = step.op
                assert isinstance(op, (MaxPool, SumPool))
                channels = step.shape[2]
                minimum = np.broadcast_to(op.minimum, channels) if isinstance(op, MaxPool) else np.zeros(channels, bool)
                what = "HW_MAX" if isinstance(op, MaxPool) else "HW_SUM"
                lines = self.lines(step) if step.stages else "{0, 0, 0, 0, 0}"
                values = (reads[0], _braces(window(op)), what, self.bits(minimum), lines)
                self.declared.append(f"static const hw_pool {name} = {{{', '.join(values)}}};")
                if step.routine == "pool":
                    return f"    HW_STEP({i}, hw_run_pool(run, &{name})){note}"
                return f"    HW_STEP({i}, hw_pool_bits(run, &{name}, &{self.names[step.output]})){note}"
            case "join":
                self.declared.append(f"static const hw_join {name} = {self.join(step, reads)};")
                return f"    HW_STEP({i}, hw_run_join(run, &{name})){note}"
            case _:
                assert_never(step.routine)

    def recurrent(self, step: EngineStep, reads: list[str]) -> str:
        op = step.op
        assert isinstance(op, Recurrent)
        x, mask = (*reads, "0")[:2]
        base, by = (-1, 2) if op.bipolar else (op.base, 1)
        numbers = (1 + op.gated, int(op.every), op.thresholds.shape[1], base, by)
        weights = self.bits(op.weights > 0) if ints_of(op.weights).is_bipolar else self.table(op.weights)
        tables = self.table(op.thresholds), self.table(op.gates if op.gated else None), self.table(op.start)
        return f"{{{', '.join((x, mask, *map(str, numbers), weights, *tables, self.lines(step)))}}}"

    def join(self, step: EngineStep, reads: list[str]) -> str:
        parts: Iterable[tuple[int, int]] = step.options["parts"]  # type: ignore[assignment]
        rows = [f"{{{read}, {offset}, {scale}}}" for read, (offset, scale) in zip(reads, parts, strict=True)]
        name = f"p{self.count()}"
        self.declared.append(f"static const hw_part {name}[] = {{{', '.join(rows)}}};")
        corner, up, stride = (
            step.options.get(k, d) for k, d in (("corner", (0, 0)), ("up", (1, 1)), ("stride", (1, 1)))
        )
        numbers = ", ".join(str(v) for pair in (corner, up, stride) for v in pair)  # type: ignore[attr-defined]
        return f"{{{len(rows)}, {name}, {numbers}, {self.lines(step)}}}"

    def gemm(self, step: EngineStep, x: str) -> str:
        op, row = step.op, step.options["row"]
        assert isinstance(op, (Dense, Conv))
        groups = op.groups if isinstance(op, Conv) else 1
        depth = self.program.tensors[step.reads[0]].shape[2] // groups
        pad = np.broadcast_to(op.pad, depth * groups) if isinstance(op, Conv) else np.zeros(depth, np.int32)
        weights = op.weights.reshape(len(op.weights), -1, depth)
        if row == "BIT":
            per_group = pad.reshape(groups, depth)
            outside = np.stack([_tap_bits(per_group > 0, 0), _tap_bits(per_group != 0, 0)], 1)
            tables = self.packed(_tap_bits(weights > 0, 1).ravel()), self.packed(outside.ravel())
            counts = next((n for n in (0, depth) if ((per_group != 0).sum(1) == n).all()), -1)
            small = byte = 0
        else:
            binary = ints_of(op.weights).is_bipolar
            tables = self.bits(weights > 0) if binary else self.table(weights), self.table(pad)
            kind, counts = self.program.tensors[step.reads[0]].kind, 0
            small, byte = products_in_16_bits(op, kind, pad), int(fits_bytes(op, kind, pad))
        fields = (
            str(len(self.gemms)),
            x,
            _braces(window(op)),
            str(groups),
            f"HW_{row}",
            *tables,
            str(counts),
            str(small),
            str(byte),
            self.lines(step),
        )
        return f"{{{', '.join(fields)}}}"


def fits_bytes(op: Dense | Conv, kind: str, pad: Array) -> bool:
    """Whether the data and what pads them fit a byte of their own sign, and the weights a signed one."""
    range_of_kind = {"U8": U8, "I8": BYTE, "BIT": BYTE}.get(kind)
    return range_of_kind is not None and pad in range_of_kind and op.weights in BYTE


def products_in_16_bits(op: Dense | Conv, kind: str, pad: Array) -> int:
    """How many times the sum of two products of 8-bit data fits 16 bits; 0 where the data are wider or it does not."""
    if not fits_bytes(op, kind, pad):
        return 0
    most = int(np.abs(op.weights).max(initial=0))
    return min(32767 // (255 * 2 * max(most, 1)), 1 << 14) if most <= 64 else 0


def _tap_bits(flags: Array, spare: int) -> Array:
    """Bytes of the last axis, its last byte filled up with `spare`."""
    extra = [(0, 0)] * (flags.ndim - 1) + [(0, -flags.shape[-1] % 8)]
    return np.packbits(np.pad(flags, extra, constant_values=bool(spare)), axis=-1, bitorder="little")


def _braces(values: Iterable[int]) -> str:
    return "{" + ", ".join(str(v) for v in values) + "}"


def _number(value: int) -> str:
    """A C literal; the least 32-bit integer has none of its own."""
    return "(-2147483647 - 1)" if value == -(1 << 31) else str(value)
