"""Preprocessing belongs to the network: mean and deviation are folded in, and the hardware takes raw pixels."""

import numpy as np
import pytest
from networks import Build
from reading import classify, signs

from hwflow.errors import ModelError, RecipeError
from hwflow.fold import fold
from hwflow.qonnx import read, reference
from hwflow.real import parse_input, with_preprocessing


def network(folder, quantised=True, pads=(1, 1, 1, 1)):
    b = Build((1, 3, 5, 5))
    x = b.quant("x", 0.0625, 6) if quantised else "x"
    x = b.sign(b.conv(x, signs(b, 4, 3, 3, 3), pads))
    return b.save(folder, classify(b, x, 4 * (3 + pads[0] + pads[2]) * (3 + pads[1] + pads[3])))


@pytest.mark.parametrize(
    "mean,std", [("0.4914,0.4822,0.4465", "0.2470,0.2435,0.2616"), ("0.5", "0.25"), ("0.1307", None), (None, "0.3081")]
)
def test_raw_pixels_give_what_preprocessed_images_give(mean, std, tmp_path):
    path = network(tmp_path)
    takes = with_preprocessing("u8/255", mean, std)
    net = fold(read(path, takes))
    assert (net.input.ints.lo, net.input.ints.hi, net.denominator) == (0, 255, 255)
    x = np.random.default_rng(0).integers(0, 256, (40, 5, 5, 3))
    pixels = x.astype(np.float32) / np.float32(255)
    for op, text in ((np.subtract, mean), (np.divide, std)):
        pixels = op(pixels, np.float32([float(n) for n in text.split(",")])) if text else pixels
    # the file itself, executed on preprocessed images
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    model = ModelWrapper(str(path)).transform(InferShapes())
    out = model.graph.output[0].name
    want = np.concatenate([execute_onnx(model, {"x": p[None].transpose(0, 3, 1, 2)})[out] for p in pixels])
    assert np.array_equal(net.scores(net.run(x)), want)
    assert np.array_equal(reference(path, x, takes), want)


def test_padding_with_the_mean_is_exact_where_the_mean_is_a_pixel(tmp_path):
    path = network(tmp_path, quantised=False)
    x = np.random.default_rng(0).integers(0, 256, (40, 5, 5, 3))
    takes = "u8/256;mean=0.5;std=0.25"
    net = fold(read(path, takes))
    assert np.array_equal(net.scores(net.run(x)), reference(path, x, takes))
    with pytest.raises(ModelError, match="its padding with 0 is none of the values"):
        fold(read(path, "u8/255;mean=0.4914;std=0.25"))


def test_the_text_of_an_input_says_its_preprocessing():
    takes = parse_input("u8/255;mean=0.5,0.25,1;std=2")
    assert (takes.mean, takes.std) == ((0.5, 0.25, 1.0), (2.0,)) and parse_input(str(takes)) == takes
    for text in ("u8;mean=", "u8;mean=a", "u8;std=0", "u8;std=-1", "u8;median=1", "u8;mean=1;mean=2", "u8;mean=inf"):
        with pytest.raises(RecipeError, match=r"mean=A,B,C|must be positive"):
            parse_input(text)


def test_as_many_means_as_channels(tmp_path):
    with pytest.raises(RecipeError, match="mean has 2 numbers, the input 3 channels"):
        read(network(tmp_path), "u8/255;mean=0.5,0.5")
