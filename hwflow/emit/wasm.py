"""A network as a WebAssembly module with 128-bit SIMD, and the few lines of JavaScript that call it.

Stands on emit.c and ziglang, whose compiler needs no other install. `build(net)` gives the bytes and the text.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hwflow import tools
from hwflow.emit import c_answers
from hwflow.emit.c import emit, input_type
from hwflow.emit.names import plain
from hwflow.errors import ToolError
from hwflow.net import Net
from hwflow.places import ENGINE

ARRAYS = {"unsigned char": "Uint8Array", "signed char": "Int8Array", "short": "Int16Array", "int": "Int32Array"}
FLAGS = ("-target", "wasm32-freestanding", "-O2", "-msimd128", "-mbulk-memory", "-ffreestanding", "-nostdlib", "-s")
LINK = ("-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=65536")


@dataclass(frozen=True)
class Module:
    """net.wasm as bytes and net.mjs as text: `const net = await load(bytes); net.run(image)`."""

    wasm: bytes
    js: str

    def save(self, folder: Path) -> list[Path]:
        """Write both files into `folder`; the paths written."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "net.wasm").write_bytes(self.wasm)
        (folder / "net.mjs").write_text(self.js)
        return [folder / "net.wasm", folder / "net.mjs"]


def build(net: Net) -> Module:
    """The network's module, with weights and code; ToolError where ziglang is not installed.

    The integers are those of `Net.run`; labels and real scores come with them. It imports nothing.
    """
    with TemporaryDirectory() as place:
        folder = Path(place)
        emit(net, folder)
        for name in ("bare.c", "wasm.c"):
            (folder / name).write_text((ENGINE / name).read_text())
        zig_cc([*FLAGS, "-DHW_PLAIN", "-DHW_TILE=1", *LINK, "-o", "net.wasm", "wasm.c"], folder)
        return Module((folder / "net.wasm").read_bytes(), script(net))


def script(net: Net) -> str:
    """net.mjs of a network."""
    return (ENGINE / "net.mjs").read_text().format(
        name=plain(net.name), hash=net.hash, inputs=net.input.size, outputs=net.output.size, array=ARRAYS[input_type(net)],
        lo=net.input.ints.lo, hi=net.input.ints.hi, scores=c_answers.scores(net), labels=c_answers.labels(net),
    )  # fmt: skip


def has_zig() -> bool:
    """Whether ziglang is installed beside this Python."""
    return importlib.util.find_spec("ziglang") is not None


def zig_cc(arguments: list[str], folder: Path) -> str:
    """Run `zig cc` in a folder; what it printed."""
    if not has_zig():
        raise ToolError("ziglang is not installed; WebAssembly and cross-builds need it: pip install ziglang")
    return tools.run_program(Path(sys.executable), ["-m", "ziglang", "cc", *arguments], cwd=folder, timeout=600)
