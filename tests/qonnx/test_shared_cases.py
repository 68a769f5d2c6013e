"""Networks of public situations that were once accepted and wrong: exact now in numpy and C, or refused with a true reason."""

import numpy as np
import pytest
from conftest import shared

from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.qonnx import read, reference

REFUSED = {"cast_wraps_uint8": "its values -512 .. 508 do not fit the integer type they are cast to"}
WRONG = [
    "reducemean_upsample_gemm", "reducesum_upsample_reshape_gemm", "quantizer_scale_2m24", "conv_quantizer_scale_2m24",
    "clip_end_near_a_step", "integer_division_of_constants", "cast_wraps_uint8", "quantizelinear_output_dtype",
    "resize_axes_permuted", "late_refusal_in_c", "top2_behind_channel_scales",
]  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_network_that_was_wrong_is_exact_or_refused(name):
    path = shared(f"cases/wrong/{name}.onnx")
    takes = str(np.load(path.with_suffix(".npz"))["spec"])
    if name in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[name]):
            fold(read(path, takes))
        return
    graph = read(path, takes)
    net = fold(graph)
    x = np.random.default_rng(0).integers(graph.input.ints.lo, graph.input.ints.hi + 1, (100, *graph.input.shape))
    assert np.array_equal(net.scores(net.run(x)), reference(path, x, takes))
