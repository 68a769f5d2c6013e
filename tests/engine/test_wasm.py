"""A network is a WebAssembly module: under wasmtime and in node its integers, labels and scores are those of Net."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from builds import build_of
from conftest import IMAGES

from hwflow.bits import Ints
from hwflow.emit import wasm
from hwflow.errors import ToolError
from hwflow.generate.nets import NETS, branches, random_images
from hwflow.simulate.wasm import absent, answers
from hwflow.verify import verify

needs_zig = pytest.mark.skipif(not wasm.has_zig(), reason="needs ziglang: pip install ziglang")


needs_both = pytest.mark.skipif(bool(absent()), reason=absent())


@needs_both
@pytest.mark.parametrize("name", ["tfc", pytest.param("resnet20", marks=pytest.mark.slow)])
def test_wasmtime_gives_the_integers_of_the_network(name):
    net = NETS[name](3)
    x = random_images(net, 100 if name == "tfc" else IMAGES or 3, ends=True)
    assert (answers(wasm.build(net), net, x) == net.run(x)).all()


@needs_both
@pytest.mark.slow
def test_random_branches_give_the_same_integers():
    net = branches(1)
    x = random_images(net, 3, ends=True)
    assert (answers(wasm.build(net), net, x) == net.run(x)).all()


@needs_both
def test_the_module_is_a_rung_of_the_ladder(tmp_path):
    build = build_of(tmp_path / "b", NETS["tfc"](3))
    done = verify(build, n=20, engines=("numpy", "wasm", "c"))
    assert [(r.a, r.b, r.images, r.differing) for r in done.rungs] == [("numpy", "c", 20, 0), ("c", "wasm", 20, 0)]


@pytest.mark.slow
@needs_zig
@pytest.mark.skipif(not shutil.which("node"), reason="needs node: apt install nodejs")
def test_node_gives_answers_labels_and_refusals(tmp_path):
    net = NETS["tfc"](3)
    x = random_images(net, 100, ends=True)
    wasm.build(net).save(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps(x.tolist()))
    (tmp_path / "run.mjs").write_text(
        "import { readFileSync } from 'node:fs'; import { load, hash } from './net.mjs';\n"
        "const net = await load(readFileSync('net.wasm')), out = [];\n"
        "for (const image of JSON.parse(readFileSync('x.json'))) {\n"
        "  const got = net.run(image); out.push([[...got.answer], [...got.labels], [...got.scores]]);\n"
        "}\n"
        "const refused = [[1], Array(784).fill(300)].map(v => { try { net.run(v); return ''; } catch (e) { return e.message; } });\n"
        "console.log(JSON.stringify({ hash, out, refused }));\n"
    )
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    want = net.run(x)
    assert said["hash"] == net.hash
    assert [o[0] for o in said["out"]] == want.tolist()
    assert [o[1][0] for o in said["out"]] == net.labels(want).tolist()
    assert (np.array([o[2] for o in said["out"]], np.float32) == net.scores(want)).all()
    assert said["refused"] == ["an image has 784 integers, not 1", "an image holds integers 0 .. 255, not 300"]
    assert net.input.ints == Ints(0, 255)


@needs_zig
def test_a_module_is_little_more_than_its_weights():
    net = NETS["tfc"](3)
    module = wasm.build(net)
    assert len(module.wasm) < sum(op.weights.size for op in net.ops if hasattr(op, "weights")) // 8 + 36_000
    assert len(module.js) < 2_500


def test_without_zig_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setattr(wasm, "has_zig", lambda: False)
    with pytest.raises(ToolError, match="pip install ziglang"):
        wasm.build(NETS["tfc"](3))
