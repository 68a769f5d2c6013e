"""The same C without a library: boards of microcontrollers and big- and little-endian processors answer as Net does."""

import shutil
import subprocess

import numpy as np
import pytest
from conftest import IMAGES

from hwflow.emit import bare
from hwflow.emit.wasm import has_zig
from hwflow.generate.nets import NETS, random_images, tfc

FAST = ("Cortex-M4", "s390x")  # the others in `make test-all`
TARGETS = [
    pytest.param(t, id=t.name, marks=[] if t.name in FAST else pytest.mark.slow) for t in (*bare.BOARDS, *bare.LINUX)
]


def leaves(net, n, folder, target, planted=0, seed=0) -> int:
    """What the program of a target leaves with; `planted` is added to the first answer it must have."""
    if not has_zig():
        pytest.skip("needs ziglang: pip install ziglang")
    if not shutil.which(target.run[0]):
        package = "qemu-system-arm" if target.ram_bytes else "qemu-user"
        pytest.skip(f"needs {target.run[0]}: apt install {package}")
    x = random_images(net, n, seed)
    want = net.run(x)
    want[0, 0] += planted
    program = bare.build(net, x, want, folder, target)
    return subprocess.run([*target.run, program], stdin=subprocess.DEVNULL, timeout=300).returncode


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_gives_the_integers_of_the_network(target, tmp_path):
    at_once = 20 if target.ram_bytes == 16384 else 100  # images that fit its flash beside the program
    for k in range(100 // at_once):
        assert leaves(tfc(3), at_once, tmp_path, target, seed=k) == 0


@pytest.mark.parametrize("target", [t for t in (*bare.BOARDS, *bare.LINUX) if t.name in FAST], ids=lambda t: t.name)
def test_a_wrong_answer_is_seen(target, tmp_path):
    assert leaves(tfc(3), 2, tmp_path, target, planted=2) != 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small_cnn", "keywords"])
def test_convolutions_answer_on_a_board_and_on_a_big_endian_processor(name, tmp_path):
    for target in (bare.BOARDS[1], bare.LINUX[-1]):
        for k, part in enumerate(np.array_split(np.arange(IMAGES or 3), -(-IMAGES // 20) or 1)):
            assert leaves(NETS[name](3), len(part), tmp_path / target.name, target, seed=k) == 0
