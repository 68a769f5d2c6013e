"""A build is what was asked: whole, of its own source alone, the same bytes again, with names that every language takes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import Build
from reading import RNG, classify

from hwflow import emit, flow
from hwflow.answers import Answer
from hwflow.bits import BIPOLAR, Ints
from hwflow.build import Build as Folder
from hwflow.errors import ModelError, RecipeError
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Conv, Dense, Flatten, Port, Threshold
from hwflow.qonnx import read
from hwflow.simulate import hls, rtl
from hwflow.verify import verify

GOLDEN = Path(__file__).parent / "kit" / "golden"


def model(folder, name="m.onnx", rows=3):
    """A small classifier with a bias of each class and a Softmax."""
    b = Build((1, 8))
    y = b.node("Add", classify(b, b.sign("x"), 8, rows), b.const(RNG.integers(-3, 4, rows)))
    return b.save(folder, b.node("Softmax", y, axis=-1), name)


def compiled(source, out, **more):
    return flow.compile_model(str(source), out, input="i4", **more)


def test_a_recipe_that_does_not_exist_is_not_another_model_that_lies_there(tmp_path):
    model(tmp_path, "model.onnx")
    with pytest.raises(RecipeError, match="is no model file and no recipe"):
        flow.compile_model("models/nothing.py:none", tmp_path)
    with pytest.raises(RecipeError, match=r"holds another model.onnx, which is not of mlp:digits"):
        flow.compile_model("models/mlp.py:digits", tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps({"source": "mlp:tfc"}))
    with pytest.raises(RecipeError, match="holds the training of mlp:tfc, not of mlp:digits"):
        flow.compile_model("models/mlp.py:digits", tmp_path)
    with pytest.raises(RecipeError, match=r"holds a training of mlp:tfc, not m.onnx"):
        compiled(model(tmp_path / "..", "m.onnx"), tmp_path)


def test_a_folder_with_another_sources_build_is_refused(tmp_path):
    first, second = model(tmp_path, "first.onnx"), model(tmp_path, "second.onnx", 4)
    build = compiled(first, tmp_path / "b")
    with pytest.raises(RecipeError, match=r"holds the build of first.onnx, not of second.onnx; give another folder"):
        compiled(second, tmp_path / "b")
    with pytest.raises(RecipeError, match=r"holds the build of first.onnx"):
        flow.compile_model("models/mlp.py:digits", tmp_path / "b")
    assert (Folder.load(tmp_path / "b").net.output == build.net.output) and compiled(
        first, tmp_path / "b"
    ).name == "first"
    assert flow.compile_model(str(tmp_path / "b"), input="i4").ask == build.ask, "a build comes of itself"
    with pytest.raises(RecipeError, match="is a file"):
        compiled(first, first)


def test_a_net_of_another_build_is_seen(tmp_path):
    compiled(model(tmp_path, "a.onnx"), tmp_path / "a")
    compiled(model(tmp_path, "b.onnx", 4), tmp_path / "b")
    shutil.copyfile(tmp_path / "b" / "net.npz", tmp_path / "a" / "net.npz")
    with pytest.raises(RecipeError, match=r"is of another build than build\.json"):
        _ = Folder.load(tmp_path / "a").net


def test_two_builds_of_one_source_are_the_same_bytes(tmp_path):
    path = model(tmp_path)
    code = (
        f"from hwflow import flow; flow.compile_model({str(path)!r}, __import__('pathlib').Path('build/b'), input='i4')"
    )
    for place, seed in (("one", "1"), ("another/deeper", "2")):
        (tmp_path / place).mkdir(parents=True)
        env = {"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path / place, env=env, check=True, timeout=100)
    one, two = (
        {str(f.relative_to(home)): f.read_bytes() for f in sorted(home.rglob("*")) if f.is_file()}
        for home in (tmp_path / "one" / "build" / "b", tmp_path / "another" / "deeper" / "build" / "b")
    )
    assert len(one) > 20 and one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_weights_beside_a_file_come_into_the_build(tmp_path):
    path = model(tmp_path)
    apart = tmp_path / "apart" / "m.onnx"
    apart.parent.mkdir()
    onnx.save(onnx.load(path), apart, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    assert (apart.parent / "m.onnx.data").is_file()
    build = compiled(apart, tmp_path / "b")
    shutil.rmtree(apart.parent)
    assert not list(build.folder.glob("*.data"))
    x = RNG.integers(-8, 8, (20, 8))
    done = verify(Folder.load(build.folder), x, engines=("qonnx", "graph", "numpy"))
    assert done.exact and len(done.rungs) == 2
    assert np.array_equal(build.net.run(x), compiled(path, tmp_path / "c").net.run(x))


def test_a_keras_file_is_checked_as_one(tmp_path):
    pytest.importorskip("h5py")
    for name, takes, code in (("qkeras_mlp.h5", "bipolar", 0), ("qkeras_cnn.keras", "u8/256", 0)):
        done = subprocess.run(
            [sys.executable, "-m", "hwflow", "check", GOLDEN / name, "--input", takes], capture_output=True, text=True, timeout=100, check=False
        )  # fmt: skip
        assert (done.returncode, "supported" in done.stdout) == (code, True), done.stdout + done.stderr
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF")
    done = subprocess.run(
        [sys.executable, "-m", "hwflow", "check", tmp_path / "broken.h5"], capture_output=True, text=True, timeout=100, check=False
    )  # fmt: skip
    assert done.returncode == 1 and "Keras" in done.stdout + done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "asked",
    [{"fit": True, "fps": 1.0}, {"fit": True, "latency_us": 1.0}, {"fit": True, "folding": Path("f")}, {"folding": Path("f"), "fps": 2.0}],
)  # fmt: skip
def test_what_decides_the_folding_decides_it_alone(asked):
    with pytest.raises(RecipeError, match="decides the folding alone; leave out --"):
        flow.Target(board="ulx3s_85f", **asked)


KEYWORDS = ("wire", "last", "int", "s_axis", "template", "u_wire", "x_valid_i", "wire_y0")


def named(names):
    """Eight operations with these names, the last two with more than one reader between them."""
    rng = np.random.default_rng(3)
    kinds: list = [
        Conv(name=names[0], inputs=("input",), weights=rng.choice([-1, 1], (4, 3, 3, 2))),
        Threshold(name=names[1], inputs=(names[0],), thresholds=rng.integers(-9, 9, (4, 1)), falling=np.zeros(4, bool), bipolar=True),
        Conv(name=names[2], inputs=(names[1],), weights=rng.choice([-1, 1], (3, 2, 2, 4))),
        Threshold(name=names[3], inputs=(names[2],), thresholds=np.sort(rng.integers(-9, 9, (3, 2)), 1), falling=np.zeros(3, bool)),
        Flatten(name=names[4], inputs=(names[3],)),
        Dense(name=names[5], inputs=(names[4],), weights=rng.integers(-2, 2, (5, 12))),
        Threshold(name=names[6], inputs=(names[5],), thresholds=rng.integers(-9, 9, (5, 1)), falling=np.zeros(5, bool), bipolar=True),
        Dense(name=names[7], inputs=(names[6],), weights=rng.choice([-1, 1], (2, 5))),
    ]  # fmt: skip
    return Net("module", Port((5, 5, 2), BIPOLAR), tuple(kinds), answer=Answer())


@pytest.mark.slow
def test_nodes_named_as_keywords_are_built_by_every_language(tmp_path):
    net = named(KEYWORDS)
    x = np.where(np.random.default_rng(0).random((6, 5, 5, 2)) < 0.5, -1, 1)
    dataflow = lower(net)
    assert np.array_equal(rtl.run(dataflow, tmp_path / "rtl", x).outputs, net.run(x))
    assert np.array_equal(hls.run(dataflow, tmp_path / "hls", x).outputs, net.run(x))


def test_no_name_of_a_node_stands_alone_in_the_sources(tmp_path):
    text = (emit.rtl(lower(named(KEYWORDS)), tmp_path) / "network.sv").read_text()
    instances = [line.split()[1] for line in text.splitlines() if line.startswith("  ) ")]
    assert instances and all(name.startswith("u_") for name in instances)
    wires = [
        line.split()[1].rstrip(",;") for line in text.splitlines() if line.startswith("  logic ") and "_valid," in line
    ]
    assert wires and all(name.startswith("s_") for name in wires)
    assert len({*instances, *wires}) == len(instances) + len(wires)


@pytest.mark.slow
def test_labels_on_chip_are_asked_for_at_compile(tmp_path):
    path = model(tmp_path)
    scores, labels = compiled(path, tmp_path / "s"), compiled(path, tmp_path / "l", answer="labels")
    x = RNG.integers(-8, 8, (50, 8))
    assert np.array_equal(labels.net.run(x)[:, 0], scores.net.labels(scores.net.run(x)))
    assert labels.dataflow.output.ints == Ints(0, 2)
    assert verify(labels, x, engines=("qonnx", "graph", "numpy", "dataflow", "c")).exact
    with pytest.raises(RecipeError, match="must be one of scores, labels"):
        compiled(path, tmp_path / "s", answer="both")


def test_an_absent_file_is_said_to_be_absent(tmp_path):
    for name in ("gone.onnx", "gone.npz", "gone.h5"):
        with pytest.raises(ModelError, match=f"{name}: no such file"):
            compiled(tmp_path / name, tmp_path / "b")
    assert read(model(tmp_path), "i4").answer.head == "softmax"
