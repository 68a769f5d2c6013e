"""Outputs of a node beyond those its handler gives are never taken for the first one."""

import numpy as np
import pytest

from hwflow.errors import ModelError
from hwflow.generate import Build
from hwflow.qonnx import read


def dropped(read_mask):
    b = Build((1, 4), 13)
    y = b.node("Dropout", b.quant("x", 0.5, 3), outputs=2)
    y = b.node("Where", f"{y}_1", y, b.const(np.zeros(4))) if read_mask else y
    return b, b.node("MatMul", y, b.const(np.ones((4, 2))))


def test_a_mask_that_is_read_is_refused(tmp_path):
    b, y = dropped(True)
    with pytest.raises(ModelError, match=r"output t1_1 of Dropout is read"):
        read(b.save(tmp_path, y), "i4/2")


def test_a_mask_that_nobody_reads_is_left_out(tmp_path):
    b, y = dropped(False)
    assert [type(node).__name__ for node in read(b.save(tmp_path, y), "i4/2").nodes][-1] == "Dense"


@pytest.mark.parametrize(("k", "taken"), [(1, True), (2, False)])
def test_more_than_the_largest_behind_a_softmax_is_refused(k, taken, tmp_path):
    # exp(-224) is 0 in float32 as exp(-192) is: the file's own second class is the first of the two
    b = Build((1, 4), 13)
    y = b.node("Softmax", b.node("MatMul", b.quant("x", 0.5, 3), b.const(128 * np.eye(4, 3))))
    path = b.save(tmp_path, b.node("TopK", y, b.const([k], np.int64), outputs=2) + "_1", kind=7)
    if taken:
        assert type(read(path, "i4/2").nodes[-1]).__name__ == "TopK"
    else:
        with pytest.raises(ModelError, match="the 2 largest behind softmax"):
            read(path, "i4/2")
