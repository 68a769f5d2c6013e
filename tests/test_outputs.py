"""Several outputs: one packet of all their integers, told apart by name in every engine, on the host and in C."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builds import build_of
from conftest import shared
from networks import Build
from typer.testing import CliRunner

from hwflow import tools
from hwflow.answers import Answer, Answers, meaning
from hwflow.bits import Array, Ints
from hwflow.cli import app
from hwflow.deploy import package
from hwflow.driver import Accelerator
from hwflow.emit.c import emit as emit_c
from hwflow.emit.rtl import emit
from hwflow.errors import ModelError
from hwflow.files import write_arrays
from hwflow.fold import fold, labelled
from hwflow.net import Net
from hwflow.ops import Flatten, Port, TopK
from hwflow.plan import plan
from hwflow.predict import load
from hwflow.proof import differing, exported
from hwflow.qonnx import read, reference
from hwflow.qonnx.reference import execute
from hwflow.report import gather, report
from hwflow.simulate import c, hls, rtl
from hwflow.verify import verify

TAKES = "i4/8"
needs_gxx = pytest.mark.skipif(tools.find("g++") is None, reason="no g++")
needs_verilator = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")


def together(values: dict[str, Array] | Array) -> Array:
    """What several outputs gave, one after the other, as one array (n, elements)."""
    each = values.values() if isinstance(values, dict) else [values]
    return np.concatenate([np.asarray(v).reshape(len(v), -1) for v in each], 1)


def case(name: str) -> tuple[Path, str, Array, dict[str, Array]]:
    """A network of ../shared/cases/refused, what it takes, its images (n, H, W, C), its right answers."""
    path = shared(f"cases/refused/{name}.onnx")
    with np.load(path.with_suffix(".npz")) as kept:
        right = {key: kept[key] for key in kept.files if key.startswith("y")}
        return path, str(kept["spec"]), np.moveaxis(kept["x"], 1, -1).astype(np.int64), right


def head_of(b: Build, x: str, shape: tuple[int, int, int], kind: str, rng: np.random.Generator) -> str:
    """One output behind the features `x` (H, W, C): a map, its classes by pixel, a vector, its class, or the features."""
    h, w, channels = shape
    rows = int(rng.integers(2, 6))
    if kind in ("vector", "class"):
        weights = b.const(rng.choice([-1.0, 1.0], (h * w * channels, rows)).astype(np.float32))
        out = b.node("MatMul", b.node("Flatten", x, axis=1), weights)
        out = b.node("Add", b.node("Mul", out, b.const(0.125)), b.const(rng.normal(size=rows).astype(np.float32)))
        return b.node("ArgMax", out, axis=1, keepdims=0) if kind == "class" else out
    if kind == "features":
        return b.node("Identity", x)
    out = b.node("Conv", x, b.const(rng.choice([-1.0, 1.0], (rows, channels, 1, 1)).astype(np.float32)))
    out = b.node("Add", out, b.const(rng.integers(-3, 4, (rows, 1, 1)).astype(np.float32)))
    match kind:
        case "softmax":
            return b.node("Softmax", out, axis=1)
        case "sigmoid":
            return b.node("Sigmoid", out)
        case "pixels":
            return b.node("ArgMax", out, axis=1, keepdims=int(rng.integers(0, 2)))
    return out


KINDS = ("map", "softmax", "sigmoid", "pixels", "vector", "class", "features")


def random_file(seed: int, folder: Path) -> Path:
    """A convolution or two with two to five outputs of random kinds behind either."""
    rng = np.random.default_rng(seed)
    h, w, channels = (int(v) for v in rng.integers(3, 8, 3))
    b = Build((1, channels, h, w))
    x, shape, outs = "x", (h, w, channels), []
    for _ in range(int(rng.integers(1, 3))):
        rows = int(rng.integers(1, 9))
        weights = b.const(rng.choice([-1.0, 1.0], (rows, shape[2], 3, 3)).astype(np.float32))
        x = b.node("Conv", x, weights, pads=[1, 1, 1, 1])
        x = b.sign(x)
        shape = (h, w, rows)
        outs += [head_of(b, x, shape, str(kind), rng) for kind in rng.choice(KINDS, int(rng.integers(1, 3)))]
    if len(outs) < 2:
        outs.append(head_of(b, x, shape, "vector", rng))
    kinds = {node.output[0]: 7 if node.op_type == "ArgMax" else 1 for node in b.nodes}
    return b.save(folder, {outs[i]: kinds[outs[i]] for i in rng.permutation(len(outs))})


def images(net: Net, n: int = 24) -> Array:
    ints = net.input.ints
    return np.random.default_rng(1).integers(ints.lo, ints.hi + 1, (n, *net.input.shape))


@pytest.mark.parametrize("seed", range(12))
def test_every_output_of_a_random_network_is_its_own_in_its_own_shape(seed: int, tmp_path: Path):
    path = random_file(seed, tmp_path)
    graph = read(path, TAKES)
    net = fold(graph)
    x = images(net)
    answers, want = net.run(x), reference(path, x, TAKES)
    assert np.array_equal(net.scores(answers), want) and len(np.unique(want)) > 1
    assert not differing(net, graph, exported(graph, x), answers).any()
    own, raw = net.real(answers), execute(path, x, TAKES, "NCHW", net.input.shape)
    assert set(own) == set(raw) and len(raw) > 1
    for name, value in own.items():
        assert value.shape == raw[name].shape, name
        np.testing.assert_allclose(value, raw[name], atol=1e-6 if part_of(net, name).answer.head else 0)
    assert np.array_equal(together(net.split(answers)), answers)


def test_a_network_of_several_outputs_comes_back_from_its_file_and_from_json(tmp_path: Path):
    net = fold(read(random_file(3, tmp_path), TAKES))
    net.save(tmp_path / "net.npz")
    again, y = Net.load(tmp_path / "net.npz"), net.run(images(net))
    assert again.hash == net.hash and isinstance(again.answer, Answers)
    told = meaning(json.loads(json.dumps(net.answer.plain())))
    for name, value in net.real(y).items():
        assert np.array_equal(again.real(y)[name], value) and np.array_equal(told.real(y)[name], value)


def test_who_serves_one_output_says_so(tmp_path: Path):
    net = fold(read(random_file(3, tmp_path), TAKES))
    with pytest.raises(ModelError, match="has several outputs"):
        net.finish  # noqa: B018


@pytest.mark.slow
@needs_gxx
@pytest.mark.parametrize(("seed", "decide"), [(3, False), (5, True)], ids=["scores", "labels"])
def test_c_gives_each_output_by_name(seed: int, decide: bool, tmp_path: Path):
    net = fold(read(random_file(seed, tmp_path), TAKES))
    net = labelled(net) if decide else net
    x, engine = images(net), c.load(net, None)
    want = net.run(x)
    assert np.array_equal(engine.run(x), want)
    assert np.array_equal(engine.labels(want), together(net.labels(want)))
    if not decide:
        shown = {k: v for k, v in net.real(want).items() if not part_of(net, k).answer.labels}
        assert np.array_equal(engine.scores(want), together(shown))
    emit_c(net, tmp_path / "c")
    header = (tmp_path / "c/net.h").read_text()
    for part in net.outputs:
        assert re.search(rf"void net_scores_{part.name}\(", header) and f"NET_AT_{part.name.upper()} = " in header


def part_of(net: Net, name: str):
    return next(part for part in net.outputs if part.name == name)


@pytest.mark.slow
@needs_gxx
@needs_verilator
@pytest.mark.parametrize(
    ("name", "decide"),
    [("head_two_out", False), ("head_two_out", True), ("head_argmax_map", False)],
)
def test_a_public_network_of_several_outputs_or_labels_of_pixels_is_the_same_everywhere(
    name: str, decide: bool, tmp_path: Path
):
    path, takes, x, right = case(name)
    if name == "head_argmax_map":  # its 24 answers are alike: pixels at the ends of their range have others
        rng = np.random.default_rng(0)
        ends = rng.choice([0, 255], (24, 8, 8, 3))
        x, right = np.concatenate([x, ends]), {"y": np.concatenate([right["y"], reference(path, ends, takes)])}
    graph = read(path, takes)
    net = labelled(fold(graph)) if decide else fold(graph)
    want = net.run(x)
    assert not differing(net, graph, exported(graph, x), want).any()
    assert len(np.unique(together(net.labels(want)))) > 1
    if not isinstance(net.answer, Answers):
        assert np.array_equal(net.real(want).reshape(len(x), -1), right["y"])
    elif not decide:
        by_size = {v.shape[1]: v for v in right.values()}  # their float32 sums are of another order
        for value in net.real(want).values():
            np.testing.assert_allclose(value, by_size[value.shape[1]], atol=1e-6)
            assert np.array_equal(value.argmax(1), by_size[value.shape[1]].argmax(1))
    dataflow = plan(net)
    assert np.array_equal(dataflow.run(x), want)
    assert np.array_equal(c.load(net, None).run(x), want)
    assert np.array_equal(hls.run(dataflow, tmp_path / "hls", x).outputs, want)
    emit(dataflow, tmp_path / "rtl")
    for stalls in (None, 7):
        assert np.array_equal(rtl.run(dataflow, tmp_path / "rtl", x, stalls=stalls).outputs, want)


@pytest.mark.slow
@needs_gxx
def test_the_command_line_writes_each_output_under_its_name(tmp_path: Path):
    path = random_file(3, tmp_path)
    net = fold(read(path, TAKES))
    build = build_of(tmp_path / "b", net, model=path, input=TAKES)
    x = images(net, 5)
    np.save(tmp_path / "x.npy", x)
    asked = ["simulate", str(build.folder), "--engine", "c", "--inputs", str(tmp_path / "x.npy")]
    wrong = CliRunner().invoke(app, [*asked, "--outputs", str(tmp_path / "y.npy")])
    assert wrong.exit_code != 0 and ".npz" in str(wrong.exception or wrong.output)
    done = CliRunner().invoke(app, [*asked, "--outputs", str(tmp_path / "y.npz"), "--scores", str(tmp_path / "s.npz")])
    assert done.exit_code == 0, done.output
    answers = net.run(x)
    for file, want in (("y.npz", net.split(answers)), ("s.npz", net.real(answers))):
        with np.load(tmp_path / file) as kept:
            assert set(kept.files) == set(want) and all(np.array_equal(kept[k], want[k]) for k in want)
    assert all(np.array_equal(load(build.folder).scores(x)[k], v) for k, v in net.real(answers).items())
    proof = verify(build, x, engines=("qonnx", "graph", "numpy", "dataflow", "c", "hls"))
    assert proof.exact and all(set(r.outputs) == set(net.split(answers)) for r in proof.rungs)
    assert {o["name"] for o in gather(build)["outputs"]} == set(net.split(answers))
    report(build)
    assert all(name in (build.folder / "report.md").read_text() for name in net.split(answers))


@needs_gxx
def test_verify_names_the_output_that_differs(tmp_path: Path):
    path = random_file(3, tmp_path)
    net = fold(read(path, TAKES))
    build = build_of(tmp_path / "b", net, model=path, input=TAKES)
    first = net.outputs[0]

    class Wrong(type(build.dataflow)):
        def run(self, x):
            y = super().run(x).copy()
            y[:, : first.size] += 1
            return y

    flow = build.dataflow
    build.__dict__["dataflow"] = Wrong(flow.name, flow.input, flow.units, flow.pace)
    proof = verify(build, images(net, 3), engines=("numpy", "dataflow"))
    assert not proof.exact
    assert {k: v > 0 for k, v in proof.rungs[0].outputs.items()} == {p.name: p is first for p in net.outputs}


@pytest.mark.slow
@needs_gxx
@needs_verilator
def test_a_board_gives_each_output_by_name_and_its_self_test_says_so(tmp_path: Path):
    path, takes, x, _ = case("head_two_out")
    net = fold(read(path, takes))
    dataflow = plan(net)
    emit(dataflow, tmp_path / "rtl")
    package(net, dataflow, tmp_path / "rtl", None, tmp_path / "deploy", x[:4])
    with Accelerator("sim", tmp_path / "deploy/design.json") as board:
        for name, value in board.scores(x[:3]).items():
            assert np.array_equal(value, net.real(net.run(x[:3]))[name])
        assert set(board.predict(x[:2])) == {"30", "34"}
    said = subprocess.run(
        [sys.executable, "selftest.py", "sim"], cwd=tmp_path / "deploy", capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "output 30: 0 of 12 differ" in said.stdout and "output 34: 0 of 16 differ" in said.stdout


def test_a_choice_of_format_2_is_still_among_all_elements_of_an_image(tmp_path: Path):
    rng = np.random.default_rng(0)
    source = Port((2, 3, 4), Ints(-9, 9))
    ops = (Flatten(name="flat", inputs=("input",)), TopK(name="top", inputs=("flat",), k=3))
    new = Net("n", source, ops, answer=Answer(labels=True, k=3))
    head, arrays = new._parts()
    assert head["format"] == 2, "a network that format 2 can say stays as it was"
    head["ops"] = [{**head["ops"][1], "inputs": ["input"]}]
    arrays["header"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    write_arrays(tmp_path / "old.npz", **arrays)
    x = rng.integers(-9, 10, (20, 2, 3, 4))
    assert np.array_equal(Net.load(tmp_path / "old.npz").run(x), new.run(x))
    each = replace(new, ops=(TopK(name="top", inputs=("input",)),), answer=Answer(labels=True, k=1))
    each.save(tmp_path / "new.npz")
    assert np.array_equal(Net.load(tmp_path / "new.npz").run(x), x.argmax(3).reshape(20, -1))
