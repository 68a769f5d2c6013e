"""One way in for images: integers are the hardware's, floats are real values, and what does not fit is refused in a line."""

import re
import subprocess
import sys

import numpy as np
import pytest

from hwflow import inputs
from hwflow.errors import RecipeError
from hwflow.inputs import Takes

IMAGE = Takes((4, 5, 3), 0, 255, 1, 255)
SIGNAL = Takes((1, 9, 2), -128, 127, 1, 64)
FLAT = Takes((7,), -1, 1, 2)


def images(takes, n=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(takes.lo, takes.hi + 1, (n, *takes.shape))
    return np.where(x >= 0, 1, -1) if takes.step == 2 else x


def refused(x, takes, *texts, layout="nhwc"):
    with pytest.raises(RecipeError) as e:
        inputs.integers(x, takes, layout)
    for text in texts:
        assert text in str(e.value), e.value
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("takes", [IMAGE, SIGNAL, FLAT], ids=["image", "signal", "flat"])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_every_real_value_of_the_hardware_comes_back_as_its_integer(takes, kind):
    x = np.arange(takes.lo, takes.hi + 1, takes.step)
    x = np.resize(x, (-(-len(x) // int(np.prod(takes.shape))), *takes.shape))
    real = (x / takes.denominator).astype(kind)
    if kind == np.float32:
        assert np.array_equal(real, x.astype(np.float32) / np.float32(takes.denominator))
    got = inputs.integers(real, takes)
    assert got.dtype == np.int64 and np.array_equal(got, x)
    assert np.array_equal(inputs.integers(x.astype(np.int32), takes), x)
    if kind == np.float32:  # what float32 kept of a real value, in a wider type
        assert np.array_equal(inputs.integers(real.astype(np.float64), takes), x)


def test_labels_are_one_whole_number_for_each_image(tmp_path):
    for good in (np.arange(5), np.arange(5, dtype=np.uint8)):
        np.save(tmp_path / "y.npy", good)
        assert inputs.load_labels(tmp_path / "y.npy").tolist() == [0, 1, 2, 3, 4]
    for wrong, text in (
        (np.arange(5) / 2, "holds float64 values"), (np.int64(3), "holds no labels"),
        (np.array([None]), "is not a .npy file of labels"), (np.zeros(0, int), "holds no labels"), (np.array(["a"]), "give whole numbers"),
    ):  # fmt: skip
        np.save(tmp_path / "y.npy", wrong, allow_pickle=True)
        with pytest.raises(RecipeError, match=text):
            inputs.load_labels(tmp_path / "y.npy")


def test_a_real_value_between_two_integers_is_refused_with_the_nearest():
    real = images(IMAGE) / np.float32(255)
    real[1, 2, 3, 1] = np.nextafter(real[1, 2, 3, 1], np.float32(2))
    refused(real, IMAGE, "image 1 holds", "at (2, 3, 1)", "no multiple of 1/255", "nearest is")
    refused(images(IMAGE).astype(np.float32), IMAGE, "a real value outside", "integer type")
    refused(np.full((1, *IMAGE.shape), -1 / 255), IMAGE, "a real value outside 0/255")
    refused(np.full((1, *IMAGE.shape), np.nan), IMAGE, "nan")
    refused(np.zeros((2, 7)), FLAT, "holds 0.0")


def test_integers_out_of_range_are_refused():
    x = images(IMAGE)
    x[2, 0, 0, 0] = 256
    refused(x, IMAGE, "image 2 holds 256", "integers 0 .. 255")
    refused(np.zeros((1, 7), int), FLAT, "-1 and +1")
    refused(np.full((1, *IMAGE.shape), 1 << 63, np.uint64), IMAGE, str(1 << 63))


@pytest.mark.parametrize("kind", [np.int16, np.uint64, np.float32])
def test_the_last_image_of_many_is_checked_as_the_first_is(kind):
    n = 3 * inputs.BLOCK // int(np.prod(IMAGE.shape))
    whole = np.asarray(images(IMAGE, n) / (255 if kind == np.float32 else 1), kind)
    assert len(inputs.integers(whole, IMAGE)) == n
    for at in (0, n - 1):
        x = whole.copy()
        x[at, 1, 2, 0] = 300
        refused(x, IMAGE, f"image {at} holds 300", "at (1, 2, 0)")


def test_images_come_in_the_type_that_is_asked_for():
    x = images(IMAGE)
    for real in (x, x.astype(np.uint8), (x / 255).astype(np.float32)):
        got = inputs.integers(real, IMAGE, dtype=np.uint8)
        assert got.dtype == np.uint8 and np.array_equal(got, x)
    bytes_ = x.astype(np.uint8)
    assert np.shares_memory(inputs.integers(bytes_, IMAGE, dtype=np.uint8), bytes_)
    assert len(inputs.integers(x[:0], IMAGE, dtype=np.uint8)) == 0 == len(inputs.integers(x[:0] / 255, IMAGE))


@pytest.mark.parametrize("kind", ["complex64", "U3", "O", "datetime64[s]", "S2"])
def test_values_that_are_no_numbers_are_refused(kind):
    refused(np.zeros((2, *IMAGE.shape), kind), IMAGE, "give integers, or real values")


def test_pytorchs_order_is_taken_when_it_is_named():
    x = images(IMAGE)
    assert np.array_equal(inputs.integers(x.transpose(0, 3, 1, 2), IMAGE, "nchw"), x)
    s = images(SIGNAL)
    assert np.array_equal(inputs.integers(s[:, 0], SIGNAL), s)
    assert np.array_equal(inputs.integers(s[:, 0].transpose(0, 2, 1), SIGNAL, "nct"), s)
    assert np.array_equal(inputs.integers(s.transpose(0, 3, 1, 2), SIGNAL, "nchw"), s)


def test_a_shape_that_is_neither_is_refused_with_both():
    x = images(IMAGE)
    refused(x.transpose(0, 3, 1, 2), IMAGE, "(3, 4, 5)", "(4, 5, 3)", "--layout nchw")
    refused(x, IMAGE, "(4, 5, 3)", "(3, 4, 5)", "--layout nhwc", layout="nchw")
    refused(x.reshape(3, -1), IMAGE, "(60,)", "nothing is reshaped silently")
    refused(x.reshape(3, 5, 4, 3), IMAGE, "(5, 4, 3)")
    refused(x[0], IMAGE, "first axis")
    refused(np.int64(5), IMAGE, "a single number")
    refused(x, IMAGE, "no meaning", layout="nct")
    refused(images(FLAT), FLAT, "no meaning", layout="nchw")
    refused(x, IMAGE, "choose one of nhwc, nchw, nct", layout="hwcn")
    with pytest.raises(RecipeError, match="--layout nct it would do"):
        inputs.integers(images(SIGNAL)[:, 0].transpose(0, 2, 1), SIGNAL)


def test_a_file_is_read_as_the_array_it_holds(tmp_path):
    x = images(IMAGE, 9)
    np.save(tmp_path / "x.npy", np.asfortranarray(x.astype(np.uint8)))
    assert np.array_equal(inputs.load(tmp_path / "x.npy", IMAGE), x)
    assert np.array_equal(inputs.load(tmp_path / "x.npy", IMAGE, n=2), x[:2])


def broken(folder):
    """Files that hold no images, by what is wrong with them."""
    whole = folder / "whole.npy"
    np.save(whole, images(IMAGE, 9).astype(np.uint8))
    data = whole.read_bytes()
    np.savez(folder / "many.npz", a=np.ones(3), b=np.ones(3))
    np.save(folder / "object.npy", np.array([{}, 1], object), allow_pickle=True)
    head = b"\x93NUMPY\x01\x00"
    huge = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000, 4, 5, 3), }"
    files = {
        "empty": b"", "text": b"1 2 3\n", "cut": data[:-7], "header": data[:20], "junk": head + b"\x40\x00" + b"(" * 64,
        "huge": head + len(huge).to_bytes(2, "little") + huge, "long": head + b"\xff\xff" + b" " * 65535,
    }  # fmt: skip
    for name, content in files.items():
        (folder / f"{name}.npy").write_bytes(content)
    for name, x in {
        "scalar": 7,
        "none": np.empty((0, 4, 5, 3), int),
        "words": np.array(["a", "b"]),
        "pairs": np.zeros(2, "i4,f4"),
    }.items():
        np.save(folder / f"{name}.npy", x)
    return sorted(p for p in folder.iterdir() if p != whole)


def test_a_file_that_holds_no_images_is_refused_in_one_line(tmp_path):
    files = broken(tmp_path)
    assert len(files) == 13
    for path in (*files, tmp_path / "gone.npy", tmp_path):
        with pytest.raises(RecipeError) as e:
            inputs.load(path, IMAGE)
        assert "\n" not in str(e.value) and re.match(re.escape(str(path)), str(e.value)), (path, e.value)


def test_a_copy_of_the_file_serves_without_hwflow(tmp_path):
    for name in ("inputs.py", "answers.py"):
        (tmp_path / name).write_text(inputs.Path(inputs.__file__).with_name(name).read_text())
    code = (
        "import sys; sys.path.insert(0, '.'); import inputs, answers; from inputs import Takes; import numpy as np\n"
        "print(inputs.integers(np.ones((1, 2)), Takes((2,), 0, 3)), answers.Answer().label(np.array([[1, 2]])))\n"
        "try: inputs.integers(np.ones((1, 3)), Takes((2,), 0, 3))\nexcept ValueError as e: print(e)\n"
        "print('hwflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "[[1 1]] [1]", "images: holds images of shape (3,), the network takes (2,) in layout nhwc; nothing is reshaped silently", "False",
    ]  # fmt: skip
