"""A build is one thing: its stages are read back, belong together, and every mixture or damage is one line."""

import json
import os
import shutil

import numpy as np
import pytest
from builds import build_of
from damages import damaged

from hwflow.build import Build
from hwflow.errors import ModelError, RecipeError
from hwflow.files import write_arrays
from hwflow.generate.nets import random_folding, random_images, random_net
from hwflow.lower import folding_of, lower
from hwflow.lower.stored import describe, load_dataflow, save_dataflow
from hwflow.report.facts import gather
from hwflow.schema import BUILD, SYNTH, VERIFY, SchemaError, check
from hwflow.simulate import simulate
from hwflow.verify import verify


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The builds of two small networks."""
    home = tmp_path_factory.mktemp("two")
    return [build_of(home / f"b{seed}", random_net(seed)) for seed in (3, 8)]


@pytest.fixture
def build(two, tmp_path):
    """A build of one's own to damage."""
    shutil.copytree(two[0].folder, tmp_path / "own")
    return Build.load(tmp_path / "own")


def test_a_dataflow_comes_back_from_its_file_with_every_field(tmp_path):
    for seed in range(40):
        net = random_net(seed)
        made = lower(net, random_folding(net, seed, wide=True))
        save_dataflow(made, tmp_path / "d.json")
        back = load_dataflow(tmp_path / "d.json")
        assert describe(back) == describe(made) and folding_of(back) == folding_of(made)
        assert [type(u) for u in back.units] == [type(u) for u in made.units]
        assert [u.memories() for u in back.units] == [u.memories() for u in made.units]
        x = random_images(net, 2, seed)
        assert np.array_equal(back.run(x), net.run(x))


def test_the_dataflow_is_read_and_never_derived_again(build):
    (build.folder / "folding.json").write_text("nobody reads me")
    x = random_images(build.net, 3)
    assert np.array_equal(Build.load(build.folder).dataflow.run(x), build.net.run(x))


def test_the_same_inputs_give_the_same_build(two, tmp_path):
    again = build_of(tmp_path / two[0].folder.name, random_net(3))
    files = sorted(p.relative_to(again.folder) for p in again.folder.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two[0].folder) for p in two[0].folder.rglob("*") if p.is_file())
    for file in files:
        assert (again.folder / file).read_bytes() == (two[0].folder / file).read_bytes(), file


MIXTURES = {
    "net.npz": lambda b: b.net,
    "dataflow.json": lambda b: b.dataflow,
    "build.json": lambda b: (b.net, b.dataflow),
    "rtl": lambda b: simulate(b, random_images(b.net, 1), "rtl"),
    "hls": lambda b: simulate(b, random_images(b.net, 1), "hls"),
    "c": lambda b: simulate(b, random_images(b.net, 1), "c"),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_a_part_of_another_build_is_refused_with_one_line(name, two, build):
    other = two[1].folder / name
    if other.is_dir():
        shutil.rmtree(build.folder / name)
        shutil.copytree(other, build.folder / name)
    else:
        shutil.copyfile(other, build.folder / name)
    with pytest.raises(RecipeError, match=r"is of another build than build\.json; compile again") as caught:
        MIXTURES[name](Build.load(build.folder))
    assert len(str(caught.value).splitlines()) == 1


def test_a_later_result_of_another_build_is_refused(two, build):
    for one in (two[1], build):
        verify(one, n=1, engines=("numpy", "dataflow"))
    assert build.json("runs/verify.json")["rungs"]
    shutil.copyfile(two[1].folder / "runs" / "verify.json", build.folder / "runs" / "verify.json")
    with pytest.raises(RecipeError, match=r"verify\.json: is of another build than build\.json; remove it"):
        build.json("runs/verify.json")


def test_a_model_that_was_exchanged_is_noticed(tmp_path):
    model = tmp_path / "a.onnx"
    model.write_bytes(b"one")
    build = build_of(tmp_path / "b", random_net(3), model=model)
    assert build.source_model.read_bytes() == b"one"
    (build.folder / "model.onnx").write_bytes(b"two")
    with pytest.raises(RecipeError, match="is not the file this build was made from"):
        _ = Build.load(build.folder).source_model


def test_an_older_build_is_refused_by_its_format(build):
    ask = json.loads((build.folder / "build.json").read_text())
    for older in ({k: v for k, v in ask.items() if k != "format"}, ask | {"format": 99}):
        (build.folder / "build.json").write_text(json.dumps(older))
        with pytest.raises(RecipeError, match=r"is of format \d+, this hwflow reads 2; compile again"):
            Build.load(build.folder)


# -- test.npz


def test_held_out_images_need_labels_of_their_number(build):
    x = random_images(build.net, 4)
    test = build.folder / "test.npz"
    for arrays, text in (
        ({"x": x}, "has no array labels"),
        ({"labels": np.arange(4)}, "has no array x"),
        ({"x": x, "labels": np.arange(3)}, r"labels of shape \(3,\) for 4 images"),
        ({"x": x, "labels": np.zeros((4, 1), int)}, "labels of shape"),
        ({"x": x, "labels": np.zeros(4)}, "labels of shape"),
        ({"x": np.array(3), "labels": np.array(3)}, "labels of shape|for 0 images"),
    ):
        write_arrays(test, **arrays)
        with pytest.raises(RecipeError, match=text):
            build.images()
    write_arrays(test, x=x, labels=np.arange(4))
    assert len(build.images(2)[0]) == 2


# -- damage of every kind; HWFLOW_DAMAGES=170 makes a thousand of them

DAMAGES = int(os.environ.get("HWFLOW_DAMAGES", "60"))


STAGES = {
    "build.json": lambda b: b,
    "dataflow.json": lambda b: load_dataflow(b.folder / "dataflow.json"),
    "net.npz": lambda b: b.net,
    "rtl/made.json": lambda b: b.stage("rtl"),
    "runs/verify.json": lambda b: b.json("runs/verify.json"),
    "synth/xc7.json": lambda b: b.json("synth/xc7.json"),
}
FACTS = {"family": "xc7", "lut": 1, "ff": 2, "bram": 0, "dsp": 0, "units": {}, "fmax_mhz": None}


@pytest.mark.parametrize("name", STAGES)
def test_a_damaged_stage_file_is_one_clear_line_or_still_whole(name, build):
    verify(build, n=1, engines=("numpy", "dataflow"))
    build.write("synth/xc7.json", FACTS)
    path, rng = build.folder / name, np.random.default_rng(len(name))
    good, refused = path.read_bytes(), 0
    for k in range(DAMAGES):
        if name.endswith(".json") and k % 2:
            path.write_text(json.dumps(damaged(json.loads(good), rng)))
        else:
            bad = bytearray(good[: rng.integers(len(good))] if k % 3 == 0 else good)
            for at in rng.integers(0, max(len(bad), 1), 4):
                if bad:
                    bad[at] = rng.integers(256)
            path.write_bytes(bad)
        try:
            STAGES[name](Build.load(build.folder))
        except (ModelError, RecipeError) as e:
            refused += 1
            assert len(str(e).splitlines()) == 1 and len(str(e)) < 1000, str(e)[:2000]
    assert refused > DAMAGES // 3


def test_a_synthesis_for_an_unknown_family_is_one_line_of_the_report(build):
    build.write("synth/xc7.json", FACTS | {"family": "xc9"})
    with pytest.raises(
        RecipeError, match=r"synth/xc7.json: is of the family 'xc9', which is not known; run hwflow synth again"
    ):
        gather(build)
    (build.folder / "synth" / "xc7.json").unlink()
    (build.folder / "synth" / "xc7.json").mkdir()
    assert gather(build)["resources"]["results"] == {}


@pytest.mark.parametrize(
    "value, spec, text",
    [
        (3, str, "the file is 3, must be text"),
        ({"a": True}, {"a": int}, "a is True, must be a whole number"),
        ({"a": float("nan")}, {"a": float}, "a is nan, must be a number"),
        ({"a": [1, "x"]}, {"a": [int]}, r"a\[1\] is 'x', must be a whole number"),
        ({}, {"a": int}, "has no a"),
        ({"a": {"b": 1}}, {"a": {str: str}}, r"a\.b is 1, must be text"),
        ({"a": 1}, {"a": (str, None)}, "a is 1, must be text or null"),
        ([1], {}, r"the file is \[1\], must be an object"),
    ],
)
def test_a_schema_says_where_what_and_what_it_must_be(value, spec, text):
    with pytest.raises(SchemaError, match=text):
        check(value, spec)


def test_schemas_take_what_the_stages_write(build):
    done = verify(build, n=1, engines=("numpy", "dataflow", "c"))
    assert done.exact
    check(json.loads((build.folder / "build.json").read_text()), BUILD)
    check(json.loads((build.folder / "runs" / "verify.json").read_text()), VERIFY)
    check({"build": build.hash, **FACTS}, SYNTH)
