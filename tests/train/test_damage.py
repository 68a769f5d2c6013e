"""Files of a training that come back damaged or hostile: each is one clear line, and nothing they hold is called."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from train_worker import small

from hwflow.errors import RecipeError, ToolError
from hwflow.train import data, train
from hwflow.train.checkpoint import CHECKPOINT, load_model, read_checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(small(epochs=1), folder, progress=False)
    return folder


class Evil:
    """What a pickle could do if anything it names were called."""

    called = 0

    def __reduce__(self):
        return Evil._call, ()

    @staticmethod
    def _call():
        Evil.called += 1


WRONG = {
    "an empty object": {},
    "a list": [1, 2],
    "a number": 3,
    "a checkpoint without a model": {"recipe": {}, "done": 1},
    "a recipe of other types": {
        "recipe": {"source": 1, "name": "", "data": "", "input": "", "method": {}, "training": {}},
        "model": {}, "optimizer": {}, "average": None, "done": 1, "history": [],
    },
    "something to call": {"recipe": Evil()},
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_checkpoint_is_one_line(name, tmp_path):
    torch.save(WRONG[name], tmp_path / CHECKPOINT)
    with pytest.raises(RecipeError, match=r"is not a whole checkpoint \(.*\); train the recipe again") as caught:
        read_checkpoint(tmp_path / CHECKPOINT)
    assert len(str(caught.value).splitlines()) == 1 and Evil.called == 0


def test_a_checkpoint_that_would_fill_the_memory_is_refused_unread(tmp_path):
    path = tmp_path / CHECKPOINT
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("archive/data.pkl", bytes(64 << 20))
    with pytest.raises(RecipeError, match="would unpack to more than it holds"):
        read_checkpoint(path)


def test_damaged_checkpoints_are_one_line_or_whole(run, tmp_path):
    good, rng, refused = (run / CHECKPOINT).read_bytes(), np.random.default_rng(4), 0
    for k in range(30):
        bad = bytearray(good[: rng.integers(len(good))] if k % 3 == 0 else good)
        for at in rng.integers(0, max(len(bad), 1), 40):
            if bad:
                bad[at] = rng.integers(256)
        (tmp_path / CHECKPOINT).write_bytes(bad)
        try:
            load_model(tmp_path)
        except RecipeError as e:
            refused += 1
            assert len(str(e).splitlines()) == 1 and len(str(e)) < 600
    assert refused >= 10


def batch(n=4, **change):
    rng = np.random.default_rng(0)
    kept = {
        b"data": rng.integers(0, 256, (n, 3072)).astype(np.uint8),
        b"labels": [int(v) for v in rng.integers(0, 10, n)],
    }
    return kept | {k.encode(): v for k, v in change.items()}


def test_a_batch_of_cifar_is_read_and_what_it_asks_for_beyond_that_is_refused(tmp_path):
    path = tmp_path / "data_batch_1"
    for protocol in (0, 2, 4):
        path.write_bytes(pickle.dumps(batch(), protocol=protocol))
        x, y = data._batch(path)
        assert np.array_equal(x, batch()[b"data"]) and y.tolist() == batch()[b"labels"]
    for value, text in (
        (batch(extra=Evil()), "which no batch of CIFAR-10 holds"),
        (batch(labels=[1, 2]), r"with labels \(2,\)"),
        (batch(labels=[1, 2, 3, 10]), "its labels are not 0 to 9"),
        (batch(data=np.zeros((4, 3), np.uint8)), "is not"),
        (batch(data=np.zeros((4, 3072))), "float64"),
        ([1], "is not a batch"),
    ):
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(ToolError, match=text) as caught:
            data._batch(path)
        assert len(str(caught.value).splitlines()) == 1
    assert Evil.called == 0
    path.write_bytes(pickle.dumps(batch())[:-9])
    with pytest.raises(ToolError, match="is not a batch of CIFAR-10"):
        data._batch(path)
