"""The bridge to hls4ml: it runs the same file, finds the first layer that differs, and says why.

hls4ml 1.3.0 as it ships binarises binary weights twice; without its two merging passes it agrees to the last bit.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builds import build_of
from conftest import GOLDEN, SHARED

from hwflow import tools
from hwflow.bits import BIPOLAR
from hwflow.bridges import bridge as cross
from hwflow.bridges import hls4ml, vitis
from hwflow.bridges.hls4ml_why import _thresholds
from hwflow.errors import ModelError, RecipeError, ToolError
from hwflow.generate.nets import random_images
from hwflow.net import Net
from hwflow.ops import Dense, Port, Threshold

here = pytest.mark.skipif(
    importlib.util.find_spec("hls4ml") is None, reason="hls4ml is not here: pip install 'hwflow[hls4ml]'"
)


def tiny() -> Net:
    return Net(
        name="tiny", input=Port((4,), BIPOLAR), ops=(Dense(name="d", inputs=("input",), weights=np.ones((2, 4))),)
    )


@here
@pytest.mark.slow
@pytest.mark.skipif(tools.find("g++") is None, reason="g++ is not on PATH")
def test_the_first_layer_that_differs_is_named_with_its_cause(tmp_path: Path) -> None:
    model = SHARED / "models" / "TFC_1W1A.onnx"
    if not model.is_file():
        pytest.skip(f"{model} is not here; HWFLOW_SHARED names the folder that has it")
    from hwflow.fold import fold
    from hwflow.qonnx import read

    net = fold(read(model, "u8/255"))
    facts = hls4ml.bridge(model, net, random_images(net, 50), tmp_path)
    first = facts["layers"][0]
    assert (first["what"], first["differing"]) == ("input", 0)  # the same bits enter the first layer
    if importlib.metadata.version("hls4ml") == "1.3.0":
        assert not facts["equal"]
        assert facts["first"].startswith("sums of") and "every weight has become +1" in facts["why"]
        assert facts["differing_without_its_merging_passes"] == 0
        assert all(layer["differing"] == 0 for layer in facts["unmerged"]) and len(facts["unmerged"]) == 8


@here
def test_a_file_hls4ml_cannot_take_is_one_line_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"hls4ml [\d.]+ cannot take this network"):
        hls4ml.bridge(tmp_path / "model.onnx", tiny(), np.ones((1, 4), np.int64), tmp_path / "hls4ml")
    with pytest.raises(ModelError, match="no such file"):
        hls4ml.bridge(tmp_path / "none.onnx", tiny(), np.ones((1, 4), np.int64), tmp_path)


def test_without_hls4ml_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "hls4ml" else found(name, *a))
    with pytest.raises(ToolError, match=r"^the bridge to hls4ml needs hls4ml: pip install 'hwflow\[hls4ml\]'$"):
        hls4ml.bridge(tmp_path / "model.onnx", tiny(), np.ones((1, 4), np.int64), tmp_path)


def test_an_unknown_neighbour_is_refused(tmp_path: Path) -> None:
    from hwflow.lower import lower

    net = tiny()
    with pytest.raises(RecipeError, match="choose one of hls4ml, finn"):
        cross(tmp_path, net, lower(net), "larq", np.ones((1, 4), np.int64), tmp_path)


def test_no_neighbour_is_imported_with_hwflow() -> None:
    code = "import sys, hwflow, hwflow.bridges, hwflow.bridges.hls4ml, hwflow.bridges.finn, hwflow.bridges.qkeras; print(sorted({'hls4ml', 'tensorflow', 'finn', 'qkeras', 'h5py'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr


def test_values_agree_up_to_bits_for_signs_a_scale_and_a_rows_own_sign() -> None:
    net = Net(
        name="n",
        input=Port((6,), BIPOLAR),
        ops=(
            Dense(name="d", inputs=("input",), weights=np.ones((3, 6))),
            Threshold(name="t", inputs=("d",), thresholds=np.zeros((3, 1)), falling=np.zeros(3, bool), bipolar=True),
            Dense(name="e", inputs=("t",), weights=np.ones((2, 3))),
        ),
    )
    d, e = net.ops[0], net.ops[2]
    sums = np.random.default_rng(0).integers(-3, 4, (20, 3)) * 2
    signs = np.where(sums >= 0, 1, -1)

    def differing(op: object, what: str, got: object, want: object) -> int:
        return hls4ml._compare_values(op, "theirs", what, np.asarray(got), np.asarray(want), net).differing  # type: ignore[arg-type]

    assert differing(d, "sums", sums * 0.125, sums) == 0
    assert differing(d, "sums", sums * [1, -1, 1], sums) == 0
    assert differing(d, "sums", sums * [0.5, -0.25, 1] + [3, -1.5, 0], sums) == 0
    assert differing(d, "sums", np.abs(sums), sums) > 0
    assert differing(e, "input", signs > 0, signs) == 0
    wrong = sums.copy()
    wrong[4, 1] += 2
    assert differing(d, "sums", wrong, sums) == 1
    assert differing(e, "input", -signs, signs) == signs.size


def test_rounded_thresholds_and_falling_channels_are_told_apart() -> None:
    op = Threshold(
        name="t",
        inputs=("d",),
        thresholds=np.array([[3], [5], [-2]]),
        falling=np.array([False, False, True]),
        bipolar=True,
    )
    text = _thresholds(op, np.array([2.0, 5.0, -2.0]))
    assert "1 of 3 channels fall" in text and "1 thresholds are rounded down" in text


def test_csynth_of_vitis_becomes_numbers(tmp_path: Path) -> None:
    report = vitis.read_csynth(GOLDEN / "csynth.xml")
    assert report["tool"] == "Vitis HLS 2023.2" and report["part"] == "xc7z020-clg400-1"
    assert (report["clock_target_ns"], report["clock_ns"]) == (10.0, 6.912)
    assert (report["latency_cycles"], report["interval_cycles"]) == (None, 785)
    assert report["resources"] == {"lut": 8401, "ff": 5120, "bram18": 4, "dsp": 0, "uram": 0}
    assert report["available"]["lut"] == 53200
    assert report["modules"]["mvu_784_64"]["interval_cycles"] == 64 and json.dumps(report)
    assert vitis.csynth(tmp_path) is None
    (tmp_path / "x.xml").write_text("<profile/>")
    with pytest.raises(ToolError, match="is not a csynth report"):
        vitis.read_csynth(tmp_path / "x.xml")


def test_a_vitis_run_of_the_hls_folder_enters_the_report(tmp_path: Path) -> None:
    from hwflow.report import gather

    build = build_of(tmp_path, tiny())
    assert gather(build)["vitis"] is None
    (tmp_path / "hls" / vitis.REPORT).mkdir(parents=True)
    (tmp_path / "hls" / vitis.REPORT / "csynth.xml").write_bytes((GOLDEN / "csynth.xml").read_bytes())
    assert gather(build)["vitis"]["resources"]["lut"] == 8401
