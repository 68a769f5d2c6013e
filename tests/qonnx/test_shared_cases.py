"""Networks of public situations that were once accepted and wrong: exact now in every engine, or refused with a true reason."""

from pathlib import Path

import numpy as np
import pytest
from conftest import shared
from engines import ENGINES, answers_of

from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.qonnx import read, reference

REFUSED = {"cast_wraps_uint8": "its values -512 .. 508 do not fit the integer type they are cast to"}
WRONG = [
    "reducemean_upsample_gemm", "reducesum_upsample_reshape_gemm", "quantizer_scale_2m24", "conv_quantizer_scale_2m24",
    "clip_end_near_a_step", "integer_division_of_constants", "cast_wraps_uint8", "quantizelinear_output_dtype",
    "resize_axes_permuted", "late_refusal_in_c", "top2_behind_channel_scales",
]  # fmt: skip


EXACT = [name for name in WRONG if name not in REFUSED]


def read_case(name):
    """The integer network, 100 random images, and what the file's authors make of them."""
    path = shared(f"cases/wrong/{name}.onnx")
    takes = str(np.load(path.with_suffix(".npz"))["spec"])
    graph = read(path, takes)
    ints = graph.input.ints
    x = np.random.default_rng(0).integers(ints.lo, ints.hi + 1, (100, *graph.input.shape))
    return fold(graph), x, reference(path, x, takes)


@pytest.mark.parametrize("name", WRONG)
def test_a_network_that_was_wrong_is_exact_or_refused(name):
    path = shared(f"cases/wrong/{name}.onnx")
    takes = str(np.load(path.with_suffix(".npz"))["spec"])
    if name in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[name]):
            fold(read(path, takes))
        return
    net, x, want = read_case(name)
    assert np.array_equal(net.scores(net.run(x)), want)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_is_exact_on_the_networks_that_were_wrong(engine):
    """One compilation of all of them for each engine."""
    nets, xs, wants = zip(*(read_case(name) for name in EXACT), strict=True)
    assert len(nets) >= 8
    answers = answers_of(engine, nets, xs)
    for name, net, y, want in zip(EXACT, nets, answers, wants, strict=True):
        assert np.array_equal(net.scores(y), want), name


def test_the_page_names_each_network_and_why_one_is_refused():
    page = (Path(__file__).parents[2] / "docs/pages/exactness.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert all(any(name in row for row in rows) for name in WRONG)
    assert all(any(name in row and f"refused: {why}" in row for row in rows) for name, why in REFUSED.items())
