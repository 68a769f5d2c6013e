"""What `hwflow bench cpu` compares the engine with."""

import pytest

from hwflow.bench import cpu


@pytest.mark.slow
def test_the_kernels_compile_alone_and_count_faster_than_nothing(tmp_path):
    words, best = cpu.counting(tmp_path)
    assert 0 < words <= best
