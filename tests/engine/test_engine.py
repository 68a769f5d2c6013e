"""The C engine is the network: every operation, every processor path, every shape, to the last bit."""

import shutil
import subprocess

import numpy as np
import pytest
from c_paths import check_all_paths, side_by_side
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints
from hwflow.emit.c import emit, weight_bytes
from hwflow.errors import ModelError, RecipeError
from hwflow.generate import nets as drawn_nets
from hwflow.generate.nets import branches, residual
from hwflow.net import Net
from hwflow.ops import Concat, Conv, Dense, Port, TopK
from hwflow.predict import Predictor, load
from hwflow.simulate import c

pytestmark = pytest.mark.skipif(tools.find("g++") is None, reason="no C++ compiler")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_random_branches_equal_the_network_on_every_path(seed, tmp_path):
    assert "plain" in check_all_paths(branches(seed), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "shape"), [(0, (14, 28, 16)), (0, (32, 32, 16)), (1, (16, 16, 32)), (2, (8, 16, 64))])
def test_residual_streams_equal_the_network_on_every_path(seed, shape, tmp_path):
    assert "plain" in check_all_paths(residual(seed, *shape), tmp_path)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6))
def test_any_network_equals_itself_on_every_path(seed, tmp_path_factory):
    try:
        # what is emitted is in question, not what the compiler makes of it, as in the tests around this one
        check_all_paths(branches(seed), tmp_path_factory.mktemp("c"), flags=("-O0", *c.FLAGS[1:]))
    except ModelError as e:
        assert "32 bits" in str(e) or "choose a smaller shift" in str(e)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tfc"])
def test_the_field_s_networks_equal_the_reference(name, tmp_path):
    check_all_paths(drawn_nets.NETS[name](3), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sfc", "lfc", "cnv", "vgg_small", "resnet20", "depthwise"])
def test_the_larger_networks_equal_the_reference(name, tmp_path):
    check_all_paths(drawn_nets.NETS[name](3), tmp_path, n=2)


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "rows"), [(63, 65), (1, 1), (64, 33), (7, 130)])
def test_padding_of_any_kind_is_exact(channels, rows, tmp_path):
    weights = np.random.default_rng(channels).integers(0, 2, (rows, 3, 3, channels)) * 2 - 1
    pads = ([0], [-1], [1], np.arange(channels) % 3 - 1)
    layers = [Conv(name="", inputs=("input",), weights=weights, pads=(1, 1, 1, 1), pad=np.asarray(p)) for p in pads]
    check_all_paths(side_by_side("padding", Port((5, 4, channels), BIPOLAR), layers), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("cols", [255 * 8, 8191 * 8 - 8, 8192 * 8])
def test_a_row_of_the_greatest_sum_still_counts(cols, tmp_path):
    """Every weight agrees with every input: the counters reach their ends between two flushes and over 65,536 inputs."""
    weights = np.ones((3, cols), int)
    weights[1] = -1
    net = Net(
        name="dense", input=Port((cols,), BIPOLAR), ops=(Dense(name="dense", inputs=("input",), weights=weights),)
    )
    x = np.stack([np.ones(cols, int), -np.ones(cols, int)])
    for path in check_all_paths(net, tmp_path, n=1):
        assert c.load(net, tmp_path, path).run(x).tolist() == [[cols, -cols, cols], [-cols, cols, -cols]]


@pytest.mark.slow
@pytest.mark.parametrize("ints", [Ints(0, 255), Ints(-128, 127)])
def test_8_bit_products_do_not_saturate(ints, tmp_path):
    layers = []
    for most in (1, 2, 64, 65, 127, 32767):
        weights = np.full((17, 131), most)
        weights[1::2] *= -1
        layers.append(Dense(name="", inputs=("input",), weights=weights))
    check_all_paths(side_by_side("products", Port((131,), ints), layers), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("ints", [Ints(0, 3), Ints(-3000, 3000)])
def test_weights_without_a_negative_one_are_read_as_they_are_kept(ints, tmp_path):
    """Such a table is kept without a sign, in 8 bits even where all are zero; every kind of table stands here."""
    rng = np.random.default_rng(0)
    layers = [
        Dense(name="", inputs=("input",), weights=rng.integers(lo, hi + 1, (5, 13)))
        for lo, hi in ((0, 0), (0, 1), (0, 200), (0, 255), (-1, 0), (-128, 127), (0, 30000), (-300, 300))
    ]
    check_all_paths(side_by_side("unsigned", Port((13,), ints), layers), tmp_path)


@pytest.mark.slow
def test_joins_scale_their_parts_and_of_equal_values_the_first_is_largest(tmp_path):
    rows = np.random.default_rng(0).integers(-3, 4, (4, 8))
    port = Port((8,), Ints(-4, 3))
    layers = [
        Dense(name=name, inputs=("input",), weights=weights)
        for name, weights in (("d", np.tile(rows, (2, 1))), ("e", -rows[:3]))
    ]
    join = Concat(name="c", inputs=("d", "e"), scales=(2, -2))
    check_all_paths(Net("joined", port, (*layers, join)), tmp_path / "a")
    check_all_paths(Net("chosen", port, (*layers, join, TopK(name="t", inputs=("c",), k=7))), tmp_path / "b", n=20)


@pytest.mark.slow
def test_threads_give_the_same_answers(tmp_path):
    net = drawn_nets.tfc(3)
    x = drawn_nets.random_images(net, 2050)
    seen = []
    run = c.run(net, tmp_path, x, threads=3, progress=lambda done, of: seen.append((done, of)))
    assert (run.outputs == net.run(x)).all() and run.engine == "c"
    assert seen == [(1024, 2050), (2048, 2050), (2050, 2050)]


@pytest.mark.slow
def test_the_same_network_is_compiled_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "cache"))
    net = drawn_nets.tfc(4)
    emit(net, tmp_path / "a")
    emit(net, tmp_path / "b")
    first = c.library(tmp_path / "a")
    monkeypatch.setattr(tools, "run_program", lambda *_, **__: pytest.fail("compiled again"))
    assert c.library(tmp_path / "b") == first
    with pytest.raises(BaseException, match="compiled again"):
        emit(drawn_nets.tfc(5), tmp_path / "b")
        c.library(tmp_path / "b")


def test_values_beyond_32_bits_are_refused(tmp_path):
    wide = Net(
        name="wide",
        input=Port((40,), Ints(-(1 << 26), 1 << 26)),
        ops=(Dense(name="sum", inputs=("input",), weights=np.ones((1, 40))),),
    )
    with pytest.raises(ModelError, match=r"wide.sum: reaches .* holds 32 bits"):
        emit(wide, tmp_path)


def test_vgg_small_is_25_times_smaller_than_float():
    net = drawn_nets.vgg_small()
    floats = 4 * sum(op.weights.size for op in net.ops if isinstance(op, (Conv, Dense)))
    assert floats / weight_bytes(net) > 25


COMPILERS = ("gcc -std=c99 -pedantic", "g++ -std=c++11 -pedantic", "clang-14 -std=c99", "clang++-14 -std=c++11")


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_compiler_warns(compiler, tmp_path):
    program, *flags = compiler.split()
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    emit(drawn_nets.resnet20(), tmp_path)
    language = ["-x", "c++"] if "++" in program else []
    done = subprocess.run(
        [program, *flags, "-O1", "-Wall", "-Wextra", "-Werror", *language, "-c", "net.c", "main.c"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_the_example_program_answers(tmp_path):
    net = drawn_nets.tfc(1)
    emit(net, tmp_path)
    subprocess.run(["make", "main"], cwd=tmp_path, check=True, capture_output=True)
    x = drawn_nets.random_images(net, 3)
    done = subprocess.run([tmp_path / "main"], input=x.astype(np.uint8).tobytes(), capture_output=True, check=True)
    assert [[int(v) for v in line.split()] for line in done.stdout.splitlines()] == net.run(x).tolist()


@pytest.mark.parametrize("engine", ["c", "numpy"])
def test_a_build_predicts(engine, tmp_path):
    net = drawn_nets.tfc(3)
    net.save(tmp_path / "net.npz")
    x = drawn_nets.random_images(net, 300)
    user = load(tmp_path)
    user.engine = engine
    assert (user.predict(x) == net.labels(net.run(x))).all()
    assert (user.scores(x[:2]) == net.run(x[:2])).all()
    assert user.predict(x[0]).shape == (1,)
    with pytest.raises(RecipeError, match="is not a build"):
        load(tmp_path / "nothing")


@pytest.mark.slow
def test_real_images_are_scaled_to_the_integers_of_the_input(tmp_path):
    net = drawn_nets.tfc(3)
    scaled = Net(name=net.name, input=net.input, ops=net.ops, denominator=255)
    x = drawn_nets.random_images(net, 20)
    user = Predictor(scaled, tmp_path)
    assert (user.predict((x / 255).astype(np.float32)) == user.predict(x)).all()
