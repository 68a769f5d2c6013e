"""The C engine elsewhere: other compilers, sanitizers, another processor, and instructions this one may not have."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_paths import side_by_side
from conftest import IMAGES, KIT

from hwflow.bits import BIPOLAR, Ints
from hwflow.emit.c import emit, input_type, size
from hwflow.generate import nets as drawn_nets
from hwflow.generate.nets import branches, random_images, residual
from hwflow.net import Net
from hwflow.ops import Conv, Port
from hwflow.simulate.c import TYPES

SANITIZE = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
ARM = "aarch64-linux-gnu-gcc"
EMULATED = Path("/usr/include/simde/x86/avx512.h").exists()


def answers(
    net: Net, folder: Path, compiler: str, x: np.ndarray, path: str = "", runner: str = ""
) -> tuple[np.ndarray, str]:
    """What the example program answers, built by one compiler, and what it says of its path."""
    program = folder / "program"
    emit(net, folder)
    subprocess.run([*compiler.split(), "-o", program, "main.c", "net.c"], cwd=folder, check=True, capture_output=True)
    return run(net, [*runner.split(), str(program), *path.split()], x)


def run(net: Net, command: list[str], x: np.ndarray) -> tuple[np.ndarray, str]:
    data = x.reshape(len(x), -1).astype(TYPES[input_type(net)]).tobytes()
    done = subprocess.run(command, input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return np.array([[int(v) for v in line.split()] for line in done.stdout.splitlines()]), done.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize(("compiler", "seed"), [("gcc", 3), ("clang-14", 11)])
def test_sanitizers_find_nothing(compiler, seed, tmp_path):
    if not shutil.which(compiler.split()[0]):
        pytest.skip(f"no {compiler}")
    net = branches(seed)
    x = random_images(net, 2, ends=True)
    want = net.run(x)
    got, _ = answers(net, tmp_path, f"{compiler} {SANITIZE}", x)
    assert (got == want).all()
    assert (run(net, [str(tmp_path / "program"), "plain"], x)[0] == want).all()


def products() -> Net:
    """Convolutions on bytes with weights of one, eight and sixteen bits, whose channels fill no register."""
    rng = np.random.default_rng(0)
    layers = [
        Conv(name="", inputs=("input",), weights=rng.integers(lo, hi + 1, (rows, 3, 3, 3)) * 2 - (hi == 1), pads=(1, 0, 0, 2), pad=np.array([7, 0, 255]))
        for rows, lo, hi in ((64, 0, 1), (17, -64, 63), (40, 0, 127), (3, -3000, 3000))
    ]  # fmt: skip
    return side_by_side("products", Port((5, 7, 3), Ints(0, 255)), layers)


def padding() -> Net:
    """Binary convolutions with every kind of border, of channels and rows that fill no word."""
    weights = np.random.default_rng(0).integers(0, 2, (17, 3, 3, 9)) * 2 - 1
    pads = ([0], [-1], [1], np.arange(9) % 3 - 1)
    layers = [Conv(name="", inputs=("input",), weights=weights, pads=(1, 1, 1, 1), pad=np.asarray(p)) for p in pads]
    return side_by_side("padding", Port((4, 5, 9), BIPOLAR), layers)


LARGE_ON_ARM = (branches(4), branches(8), products(), residual(2, 9, 16), residual(5, 7, 11, 64))
ON_ARM = (padding(), *(pytest.param(n, marks=pytest.mark.slow) for n in LARGE_ON_ARM))


@pytest.mark.parametrize("net", ON_ARM, ids=lambda net: net.name)
def test_64_bit_arm_gives_the_same_answers_with_and_without_neon(net, tmp_path):
    if not (shutil.which(ARM) and shutil.which("qemu-aarch64")):
        pytest.skip("needs gcc-aarch64-linux-gnu and qemu-user")
    x = random_images(net, IMAGES or 2, ends=True)
    got, said = answers(net, tmp_path, f"{ARM} -O1 -Wall -Wextra -Werror -static", x, runner="qemu-aarch64")
    assert "neon" in said and (got == net.run(x)).all()
    got, said = run(net, ["qemu-aarch64", str(tmp_path / "program"), "plain"], x)
    assert "plain" in said and (got == net.run(x)).all()


@pytest.mark.slow
@pytest.mark.skipif(not EMULATED, reason="needs SIMDe (apt install libsimde-dev)")
@pytest.mark.parametrize("net", [branches(4), branches(8), residual(3, 16, 16)], ids=lambda net: net.name)
def test_avx512_gives_the_same_answers_on_any_processor(net, tmp_path):
    if "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the emulation stands on AVX2")
    x = random_images(net, IMAGES or 2, ends=True)
    emulation = KIT / "emulate_avx512.h"
    got, said = answers(net, tmp_path, f"gcc -O1 -mavx2 -w -include {emulation}", x, path="avx512")
    assert "avx512" in said and (got == net.run(x)).all()


def test_an_absent_path_is_refused(tmp_path):
    emit(drawn_nets.tfc(), tmp_path)
    subprocess.run(["gcc", "-O0", "-DHW_PLAIN", "-o", "program", "main.c", "net.c"], cwd=tmp_path, check=True)
    for path in ("avx2", "neon", "", "plainer"):
        assert subprocess.run([tmp_path / "program", path], input=b"", capture_output=True).returncode == 2
    assert subprocess.run([tmp_path / "program", "plain"], input=b"", capture_output=True).returncode == 0


def test_the_size_report_counts_flash_and_ram(tmp_path):
    net = drawn_nets.tfc()
    emit(net, tmp_path)
    report = size(net)
    assert report["weights"] == sum(op.weights.size for op in net.ops if hasattr(op, "weights")) // 8
    assert report["weights"] < report["flash"] < report["weights"] + 16_000
    assert 784 // 8 <= report["peak"] <= report["ram"] < 8_000
    assert not {"malloc", "free", "printf"} & symbols(tmp_path)


def symbols(folder: Path) -> set[str]:
    """What the engine asks of a C library."""
    subprocess.run(["gcc", "-Os", "-DHW_PLAIN", "-DHW_TILE=1", "-c", "net.c"], cwd=folder, check=True)
    lines = subprocess.run(["nm", "-u", "net.o"], cwd=folder, check=True, capture_output=True, text=True).stdout
    names = {line.split()[-1] for line in lines.splitlines()} - {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
    assert names <= {"memcpy", "memset"}, names
    return names
