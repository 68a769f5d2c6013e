"""Sequences: rows of digits, synthetic sounds, folders of recordings, and a network that convolves over time."""

import wave

import numpy as np
import pytest
import torch

from hwflow.errors import RecipeError
from hwflow.recipe import Method
from hwflow.train.data import load
from hwflow.train.layers import conv_over_time
from hwflow.train.sequences import BANDS, KINDS, RATE, STEPS, spectrum


def test_rows_keep_every_pixel_in_its_time_step():
    (rows, _), (images, _) = load("rows:digits"), load("digits")
    assert rows.x.shape == (len(images), 8, 1, 8)
    assert np.array_equal(rows.x[3, 5, 0], images.x[3, 5, :, 0]) and np.array_equal(rows.y, images.y)


def test_a_tones_energy_lies_in_its_band_at_every_step():
    t = np.arange(RATE) / RATE
    for band in (2, 9, 30):
        pitch = (band + 0.5) * RATE / 2 / BANDS
        found = spectrum(np.sin(2 * np.pi * pitch * t) + 1e-3 * np.random.default_rng(0).normal(size=len(t)))
        assert found.shape == (STEPS, 1, BANDS) and found.dtype == np.uint8
        assert (found[:, 0].argmax(1) == band).all()


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 257, 5000])
def test_a_sound_of_any_length_has_the_same_shape(samples):
    assert spectrum(np.ones(samples)).shape == (STEPS, 1, BANDS)


def test_tones_follow_from_their_number_and_hold_every_kind():
    first, second = load("tones:40")
    load.cache_clear()
    again, _ = load("tones:40")
    assert np.array_equal(first.x, again.x) and len(first) == 40 and set(second.y.tolist()) == set(range(len(KINDS)))
    with pytest.raises(RecipeError, match="tones:N takes a number"):
        load("tones:many")


def record(path, samples, rate=16000, width=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes()[: len(samples) * width])


def test_a_folder_of_recordings_is_split_as_its_list_says(tmp_path):
    for name in ("no", "yes", "_background_"):
        for k in range(3):
            record(tmp_path / name / f"{k}.wav", 1000 * np.sin(np.arange(16000) * (0.1 + 0.2 * k)))
    (tmp_path / "testing_list.txt").write_text("yes/1.wav\n")
    train, test = load(f"sounds:{tmp_path}")
    assert train.y.tolist() == [0, 0, 0, 1, 1] and test.y.tolist() == [1]
    assert train.x.shape == (5, STEPS, 1, BANDS)
    record(tmp_path / "no" / "0.wav", np.zeros(10), width=1)
    load.cache_clear()
    with pytest.raises(RecipeError, match=r"0\.wav is no recording that can be read \(8 bits a sample instead of 16\)"):
        load(f"sounds:{tmp_path}")
    with pytest.raises(RecipeError, match="there is no folder"):
        load("sounds:/nowhere")


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("bits", [1, 8])
def test_a_convolution_over_time_is_a_dilated_sum_of_steps(dilation, bits):
    layer = conv_over_time(Method(weights="sign", weight_bits=bits), 3, 5, 3, dilation).eval()
    x = torch.randint(-4, 5, (2, 3, 11, 1), generator=torch.Generator().manual_seed(0)).float()
    w = layer.quant_weight().value.detach()[..., 0]
    padded = torch.nn.functional.pad(x[..., 0], (dilation, dilation))
    want = sum(torch.einsum("oi,nit->not", w[..., k], padded[..., k * dilation : k * dilation + 11]) for k in range(3))
    torch.testing.assert_close(layer(x)[..., 0], want, rtol=1e-6, atol=1e-6)
