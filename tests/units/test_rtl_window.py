"""The window unit's SystemVerilog equals its reference at every shape, with no bubble within or between images."""

import dataclasses

import numpy as np
import pytest
from conftest import SHAPES
from rtl_check import check

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints, ints_of
from hwflow.emit.rtl import instance
from hwflow.errors import RecipeError
from hwflow.ops import Conv, Port
from hwflow.places import hardware
from hwflow.units import window
from hwflow.units.window import Window

INTS = (BIPOLAR, BIPOLAR, Ints(0, 3), Ints(0, 255), Ints(-1, 1), Ints(-4, 3), Ints(-128, 127), Ints(5, 9))


def random_window(rng, name):
    """A window of any kernel, stride, dilation, padding, order and folding over an image of any small shape."""
    while True:
        h, w = (int(v) for v in rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 17), 2))
        channels = int(rng.choice((1, 1, 2, 3, 4, 5, 6, 8, 12, 63)))
        kernel = tuple(int(v) for v in rng.choice((1, 2, 3, 3, 3, 5), 2))
        dilation = tuple(int(v) for v in rng.choice((1, 1, 1, 2, 3), 2))
        stride = tuple(int(v) for v in rng.choice((1, 1, 1, 2, 3, 4), 2))
        span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        pads = tuple(int(rng.integers(0, min(s, 4))) if rng.random() < 0.6 else 0 for s in span * 2)
        if span[0] > h + pads[0] + pads[2] or span[1] > w + pads[1] + pads[3] or h * w * channels > 900:
            continue
        ints = INTS[rng.integers(len(INTS))]
        pad = rng.integers(-6, 7, int(rng.choice((1, channels)))) * (rng.random() < 0.6)
        unit = Window(
            name=name, inputs=("input",), x=Port((h, w, channels), ints), kernel=kernel, stride=stride, pads=pads, dilation=dilation,
            pad=pad, order=window.ORDERS[rng.integers(2)], style=window.STYLES[rng.integers(3)],
        )  # fmt: skip
        choices = [f for f in unit.foldings() if not unit.holds(f["simd"])]
        unit = unit.folded(**choices[-1 if rng.random() < 0.4 else rng.integers(len(choices))])
        if unit.outs[0].words <= 6000:
            return unit


def many(seed, count):
    rng = np.random.default_rng(seed)
    return [random_window(rng, f"w{i}") for i in range(count)]


def test_windows_hold_what_a_convolution_multiplies():
    rng = np.random.default_rng(1)
    for unit in many(2, 40):
        x = rng.integers(0, 2, (2, *unit.x.shape)) * 2 - 1
        weights = rng.integers(-3, 4, (5, *unit.kernel, unit.x.channels))
        conv = Conv(
            name="c",
            inputs=("x",),
            weights=weights,
            stride=unit.stride,
            pads=unit.pads,
            pad=unit.pad,
            dilation=unit.dilation,
        )
        y = _conv_order(unit).run(x)[0]
        assert np.array_equal(y @ weights.reshape(5, -1).T, conv.run(x))


def _conv_order(unit):
    return Window(
        name="w", inputs=("input",), x=Port(unit.x.shape, BIPOLAR), kernel=unit.kernel, stride=unit.stride, pads=unit.pads,
        dilation=unit.dilation, pad=unit.pad,
    )  # fmt: skip


def test_a_word_may_be_a_row_of_taps():
    wide = Window(name="w", inputs=("input",), x=Port((8, 8, 5), BIPOLAR), kernel=(3, 3), pads=(1, 1, 1, 1), simd=15)
    assert [f["simd"] for f in wide.foldings() if not wide.holds(f["simd"])] == [1, 5, 15]
    assert (wide.ins[0].par, wide.outs[0].par, wide.cycles) == (5, 15, 8 * 8 * 3)
    with pytest.raises(RecipeError, match="simd must divide 5, not 10"):
        wide.folded(simd=10)
    with pytest.raises(RecipeError, match="simd must divide 5, not 15"):
        Window(name="w", inputs=("input",), x=Port((8, 8, 5), BIPOLAR), kernel=(3, 3), dilation=(1, 2), simd=15)


def test_bits_padded_with_zero_take_two_bits_and_with_minus_one_take_one():
    port = Port((4, 4, 2), BIPOLAR)
    zero = Window(name="w", inputs=("input",), x=port, kernel=(3, 3), pads=(1, 1, 1, 1))
    assert zero.outs[0].ints == Ints(-1, 1) and zero.outs[0].bits == 2
    minus = Window(name="w", inputs=("input",), x=port, kernel=(3, 3), pads=(1, 1, 1, 1), pad=np.array([-1]))
    assert minus.outs[0].ints == BIPOLAR


def test_padding_as_wide_as_the_window_and_a_simd_that_does_not_divide_are_refused():
    with pytest.raises(RecipeError, match="padding must be less than the window's span"):
        Window(name="w", inputs=("input",), x=Port((4, 4, 2), BIPOLAR), kernel=(3, 3), pads=(3, 0, 0, 0))
    with pytest.raises(RecipeError, match="simd must divide 6, not 4"):
        Window(name="w", inputs=("input",), x=Port((4, 4, 6), BIPOLAR), kernel=(3, 3), simd=4)


def test_the_ring_of_a_network_layer_holds_about_its_kernel_rows():
    """CNV's 3x3 over 30x30 without padding, ResNet-20's over 32x32 with it."""
    cnv = Window(name="w", inputs=("input",), x=Port((30, 30, 64), BIPOLAR), kernel=(3, 3), simd=64)
    assert (cnv.cycles, cnv.depth) == (28 * 28 * 9, 4 * 30 + 6)
    resnet = Window(
        name="w", inputs=("input",), x=Port((32, 32, 16), BIPOLAR), kernel=(3, 3), pads=(1, 1, 1, 1), simd=16
    )
    assert resnet.cycles == 32 * 32 * 9
    assert resnet.depth <= 3 * 32 + 6


def test_the_ring_is_never_deeper_than_two_images_and_a_window():
    windows = [unit for unit in many(3, SHAPES) if isinstance(unit, Window)]
    assert windows
    for unit in windows:
        assert (
            unit.depth
            <= 2 * unit.ins[0].words + unit.latency + (unit.pads[0] * unit.x.shape[1] + unit.pads[1]) * unit.blocks
        )


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_random_windows_equal_their_reference_at_the_cycles_they_claim(part):
    units = many(100 + part, SHAPES // 2)
    check(units, seed=part, images=6)
    check(units, seed=part, images=3, stalls=part + 1)
    check(units, seed=part, images=2, stalls=part + 5, reset_at=61)


def test_a_pad_value_of_its_own_widens_the_elements():
    unit = Window(
        name="w", inputs=("input",), x=Port((3, 3, 2), BIPOLAR), kernel=(2, 2), pads=(1, 0, 0, 0), pad=np.array([3, -1])
    )
    assert unit.outs[0].ints == BIPOLAR.join(ints_of(np.array([3, -1])))


@pytest.mark.slow
def test_the_ring_of_style_block_lies_in_block_ram_and_nothing_else_does(tmp_path):
    unit = Window(name="w", inputs=("input",), x=Port((30, 30, 64), BIPOLAR), kernel=(3, 3), simd=64, style="block")
    names = ("window.sv", "image_edge.sv", "credits.sv", "delay.sv", "ram.sv")
    for name in names:
        (tmp_path / name).write_text((hardware(name)).read_text())
    numbers = " ".join(f"-set {k} {v}" for k, v in instance(unit).params if k != "PadFile")
    steps = f"read_verilog -sv {' '.join(names)}; chparam {numbers} window; hierarchy -top window; synth_ecp5 -nowidelut; tee -o stat.txt stat"
    tools.run("yosys", ["-q", "-p", steps], cwd=tmp_path)
    cells = {
        line.split()[-1]: int(line.split()[0])
        for line in (tmp_path / "stat.txt").read_text().splitlines()
        if line.strip()[:1].isdigit() and len(line.split()) == 2
    }
    assert cells["DP16KD"] == unit.cost("ecp5").bram == 2
    assert "TRELLIS_DPR16X4" not in cells
    assert cells["LUT4"] + 2 * cells["CCU2C"] < 200


class Shallow(Window):
    """A window whose ring lacks one word."""

    @property
    def depth(self):
        return Window.__dict__["depth"].func(self) - 1


@pytest.mark.slow
def test_a_ring_one_word_less_deep_is_slower():
    names = ("window_valid", "window_same", "window_skip")
    units = [
        Shallow(**{f.name: getattr(u, f.name) for f in dataclasses.fields(u)})
        for u in Window.samples()
        if u.name in names
    ]
    with pytest.raises(AssertionError) as slower:
        check(units)
    assert str(slower.value).count("cycles an image, takes") == len(names)
