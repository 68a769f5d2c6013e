"""Networks of public situations that were once refused, each in every engine; a file is one line of CASES."""

import os
from functools import cache

import numpy as np
import pytest
from conftest import shared
from engines import ENGINES, answers_of

from hwflow.fold import fold
from hwflow.lower import lower
from hwflow.plan import plan
from hwflow.proof import differing, exported
from hwflow.qonnx import read

# op_floatfirst is quantised by request alone: tests/qonnx/test_quantise_float.py
CASES = (
    "act_Hardsigmoid", "act_PReLUneg", "act_QuantSigmoid", "act_SiLU", "head_argmax_map", "head_sigmoid_bin",
    "head_sigmoid_map", "head_two_out", "ir_dorefa_False", "ir_ir_False", "ir_xnor_False", "lin_conv1d", "op_avgpool_pad",
    "op_bits10", "op_cat_flat", "op_cat_scales", "op_chan_shuffle", "op_chan_slice", "op_convT", "op_convT_in", "op_crop",
    "op_max_all", "op_max_two", "op_mean_w", "op_perchan_dw", "op_pixelshuffle", "op_se_gate", "op_up_bilinear",
    "react_False", "sign_gt_type", "sign_not_lt", "sign_where_ge", "t_dense_step", "t_direct", "t_split", "textcnn_max",
    "unfl_img", "unfl_seq",
)  # fmt: skip
# `make test` takes the branches of any scale, `make test-all` all
SOME = ("op_cat_scales", "textcnn_max", "op_max_two", "op_se_gate", "react_False")
CHOSEN = CASES if "HWFLOW_IMAGES" in os.environ else SOME


@cache
def read_cases():
    """Of each chosen case its integer network, its 24 images and as many drawn ones, and the integers that are right."""
    out = []
    for name in CHOSEN:
        path = shared(f"cases/refused/{name}.onnx")
        stored = np.load(path.with_suffix(".npz"))
        graph = read(path, str(stored["spec"]))
        net, x, size = fold(graph), stored["x"], graph.input.shape
        if x.shape[1:] != size:
            x = np.moveaxis(x, 1, -1) if x[0].size == int(np.prod(size)) and x.ndim > 2 else x
        x = x.reshape(24, *size)
        x = np.concatenate([x, drawn(graph.input.ints, size, len(np.unique(net.run(x), axis=0)) == 1)])
        want = net.run(x)
        assert not differing(net, graph, exported(graph, x), want).any(), name
        out.append((net, x, want))
    return tuple(zip(*out, strict=True))


def drawn(ints, size, ends):
    """24 random images; of the ends of the range alone where stored images have one answer."""
    rng = np.random.default_rng(1)
    if ends:
        return rng.choice([ints.lo, ints.hi], (24, *size))
    x = rng.integers(ints.lo, ints.hi + 1, (24, *size))
    return np.where(x > 0, 1, -1) if ints.is_bipolar else x


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_is_exact_on_the_networks_that_were_refused(engine):
    """One compilation of all of them for each engine; 24 images of each in RTL, in the hardware that `compile` makes.

    That takes some hundred cycles an image; hardware without any parallelism takes 13,824 for most of them.
    """
    nets, xs, wants = read_cases()
    if engine == "RTL with stalls":
        xs, wants = ([images[::2] for images in every] for every in (xs, wants))
    assert [name for name, want in zip(CHOSEN, wants, strict=True) if len(np.unique(want, axis=0)) < 2] == []
    answers = answers_of(engine, nets, xs, plan if engine == "RTL with stalls" else lower)
    assert [name for name, y, want in zip(CHOSEN, answers, wants, strict=True) if not np.array_equal(y, want)] == []
