"""Instructions of a foreign processor: what the plugin counts, what is analysed, and what a block takes."""

import shutil

import pytest

from hwflow.bench.arm import CORES, Block, analyse, build_plugin, count_blocks, estimate_steps, hottest
from hwflow.emit.c_program import make_program
from hwflow.emit.wasm import has_zig
from hwflow.generate.nets import tfc

A53 = CORES[0]
ADD = "2000028b"  # add x0, x1, x2


def test_the_hottest_blocks_make_nearly_all_instructions():
    blocks = [Block((ADD,) * 10, 1000), Block((ADD,), 5), Block((ADD,) * 4, 2000)]
    assert hottest(blocks) == [blocks[0], blocks[2]]
    assert hottest([]) == []


@pytest.mark.skipif(not (shutil.which("llvm-mc") and shutil.which("llvm-mca")), reason="needs LLVM: apt install llvm")
def test_a_longer_block_takes_more_cycles():
    short, long = analyse([(ADD,) * 2, (ADD,) * 20], A53)
    assert short >= 1 and long == pytest.approx(10 * short, rel=0.1)


@pytest.mark.slow
@pytest.mark.skipif(
    not (has_zig() and shutil.which(A53.qemu) and shutil.which("llvm-mca")), reason="needs ziglang, qemu-user, LLVM"
)
def test_every_step_is_counted_and_twice_the_work_is_more_instructions(tmp_path):
    net = tfc(1)
    steps = count_blocks(net, tmp_path / "x", A53, build_plugin(tmp_path))
    found = estimate_steps(steps, A53)
    assert len(found) == len(make_program(net).steps) and all(n > 0 and c > 0 for n, c in found)
    again = count_blocks(net, tmp_path / "y", A53, tmp_path / "count.so")
    assert estimate_steps(again, A53) == found
    first, second = found[1][0], found[2][0]  # 784 to 64 and 64 to 64
    assert second < first
