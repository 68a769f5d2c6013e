"""Boxes and masks: overlap, suppression, decoding and scores against plain loops."""

import numpy as np
import pytest

from hwflow.errors import RecipeError
from hwflow.tasks.boxes import NONE, Objects, decode, mean_average_precision, overlap, suppress
from hwflow.tasks.masks import confusion, mean_iou

needs_coco = pytest.importorskip("pycocotools", reason="mean average precision: pip install pycocotools")


def shared(a, b):
    across = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = across * down
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union else 0.0


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_overlap_is_that_of_a_plain_loop(dtype):
    rng = np.random.default_rng(0)
    low = rng.integers(0, 10, (13, 2))
    boxes = np.concatenate([low, low + rng.integers(0, 6, (13, 2))], 1).astype(dtype)
    want = [[shared(a, b) for b in boxes[:5]] for a in boxes]
    assert np.allclose(overlap(boxes, boxes[:5]), want, rtol=1e-15, atol=0)


def test_of_boxes_that_overlap_the_best_of_each_class_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [20, 0, 30, 10.0]])
    kept = suppress(Objects(boxes, np.array([1, 1, 2, 1]), np.array([0.6, 0.9, 0.3, 0.5])))
    assert kept.boxes[:, 0].tolist() == [1, 20, 0]
    assert kept.classes.tolist() == [1, 1, 2]


def test_a_cell_becomes_the_box_that_its_distances_span():
    scores, far = np.zeros((4, 3, 5)), np.zeros((4, 3, 5))
    scores[0] = 9
    scores[:, 1, 2] = (0, 0, 8, 0)  # class 1 there
    far[:, 1, 2] = (1, 0.5, 2, -3)  # to the left, top, right, bottom; below 0 is 0
    nothing = np.full((4, 2, 3), -9.0)
    nothing[0] = 9
    found = decode([scores, far, nothing, np.zeros((4, 2, 3))], (4, 8))
    assert found.classes.tolist() == [1] and found.scores[0] > 0.99
    assert found.boxes.tolist() == [[10 - 4, 6 - 2, 10 + 8, 6.0]]
    with pytest.raises(RecipeError, match="2 scales need 4 maps, not 3"):
        decode([scores, far, nothing], (4, 8))


def test_mean_average_precision_counts_what_is_right_and_first():
    truth = np.full((2, 2, 5), 0)
    truth[0, 0], truth[0, 1] = (0, 0, 10, 10, 3), (20, 20, 30, 30, 3)
    truth[1, 0], truth[1, 1] = (5, 5, 15, 15, 3), (0, 0, 0, 0, NONE)

    def found(*rows):
        boxes = np.array([r[:4] for r in rows], float).reshape(-1, 4)
        return Objects(boxes, np.array([3] * len(rows)), np.array([r[4] for r in rows]))

    right = [found((0, 0, 10, 10, 0.9), (20, 20, 30, 30, 0.8)), found((5, 5, 15, 15, 0.7))]
    assert mean_average_precision(right, truth, (40, 40)) == 1.0
    # two of three found: precision 1 up to recall 2/3, at the 67 of 101 recalls that COCO reads there
    assert mean_average_precision([right[0], found()], truth, (40, 40)) == pytest.approx(67 / 101)
    # a wrong box in front of all: precision falls to 3/4 at most everywhere
    wrong = [found((30, 0, 40, 10, 0.95), (0, 0, 10, 10, 0.9), (20, 20, 30, 30, 0.8)), right[1]]
    assert mean_average_precision(wrong, truth, (40, 40)) == pytest.approx(3 / 4)
    assert mean_average_precision([found(), found()], truth, (40, 40)) == 0.0


def test_mean_iou_is_that_of_a_plain_loop_and_leaves_absent_classes_out():
    rng = np.random.default_rng(1)
    found, truth = rng.integers(0, 3, (2, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    want = [((found == c) & (truth == c)).sum() / ((found == c) | (truth == c)).sum() for c in range(3)]
    assert mean_iou(confusion(found, truth, 5)) == pytest.approx(np.mean(want), rel=1e-15)
    assert mean_iou(confusion(truth, truth, 5)) == 1.0
