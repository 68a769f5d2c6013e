"""What the axes of a file's input mean: its first reader that knows channels or time says so."""

import numpy as np
import pytest
from networks import Build

from hwflow.errors import ModelError
from hwflow.qonnx.layout import MOST_ELEMENTS, input_of
from hwflow.qonnx.model import load

Q = "qonnx.custom_op.general"
IMAGE, SEQUENCE = (1, 6, 5, 3), (1, 7, 3)


def shape_of(tmp_path, dims, *calls):
    """The hardware's shape of an input of `dims` that a chain of calls reads: (op, constants, attributes)."""
    b = Build(dims)
    x = "x"
    for op, constants, attrs in calls:
        x = b.node(op, x, *(b.const(c) for c in constants), **attrs)
    return input_of(load(b.save(tmp_path, x))).shape


def turned(*perm):
    return ("Transpose", (), {"perm": perm})


CONV = ("Conv", (np.ones((2, 3, 1, 1)),), {})
CHANNELS_LAST = ("Conv", (np.ones((2, 1, 1, 3)),), {"domain": "qonnx.custom_op.channels_last"})
THRESHOLD = ("MultiThreshold", ([[0.0]],), {"domain": Q, "data_layout": "NHWC", "out_dtype": "UINT1"})
SCALE, DENSE, FLAT = ("Mul", (2.0,), {}), ("MatMul", (np.ones((3, 2)),), {}), ("Flatten", (), {"axis": 1})


@pytest.mark.parametrize(
    ("calls", "shape"),
    [
        ((CONV,), (5, 3, 6)),  # (channels, height, width), unless something says otherwise
        ((FLAT,), (5, 3, 6)),
        ((turned(0, 3, 1, 2), CONV), (6, 5, 3)),
        ((SCALE, turned(0, 3, 1, 2), CONV), (6, 5, 3)),
        ((turned(0, 2, 3, 1), DENSE), (5, 3, 6)),
        ((SCALE, DENSE), (6, 5, 3)),
        ((CHANNELS_LAST,), (6, 5, 3)),
        ((THRESHOLD, FLAT), (6, 5, 3)),
    ],
)
def test_the_first_call_that_knows_channels_says_where_those_of_an_image_are(tmp_path, calls, shape):
    assert shape_of(tmp_path, IMAGE, *calls) == shape


@pytest.mark.parametrize(
    ("calls", "shape"),
    [
        ((("Conv", (np.ones((2, 7, 1)),), {}),), (1, 3, 7)),
        ((turned(0, 2, 1), ("Conv", (np.ones((2, 3, 1)),), {})), (1, 7, 3)),
        ((turned(0, 1, 2), FLAT), (1, 3, 7)),
        ((SCALE, DENSE), (1, 7, 3)),
    ],
)
def test_so_it_does_of_a_sequence(tmp_path, calls, shape):
    assert shape_of(tmp_path, SEQUENCE, *calls) == shape


@pytest.mark.parametrize(
    ("dims", "reason"),
    [
        ((1, 0, 5, 3), "has shape (1, 0, 5, 3)"),
        ((1, 3, "height", 3), "has shape (1, 3, ?, 3)"),
        ((1, 2, 3, 4, 5), "has shape (1, 2, 3, 4, 5)"),
        ((1, 3, MOST_ELEMENTS // 3 + 1, 1), "too large for a stream"),
    ],
)
def test_an_input_of_no_fixed_size_or_of_none_that_fits_is_refused(tmp_path, dims, reason):
    with pytest.raises(ModelError, match="input") as refused:
        shape_of(tmp_path, dims, CONV)
    assert reason in str(refused.value)
