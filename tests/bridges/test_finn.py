"""The folder for FINN: its model against the integer network, its names against the dataflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builds import build_of
from conftest import SHARED

from hwflow.bits import BIPOLAR, Array, Ints
from hwflow.bridges import finn
from hwflow.errors import ModelError
from hwflow.generate.nets import NETS, random_images
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.ops import Conv, Dense, Flatten, MaxPool, Op, Port, Rescale, Threshold, TopK
from hwflow.passes import canonical


def sharp(name: str, channels: int, source: str, seed: int, **more: object) -> Threshold:
    rng = np.random.default_rng(seed)
    t = rng.integers(-4, 5, (channels, 1)) if more.get("bipolar") else np.sort(rng.integers(-9, 9, (channels, 3)), 1)
    return Threshold(name=name, inputs=(source,), thresholds=t, falling=rng.random(channels) < 0.3, **more)  # type: ignore[arg-type]


def small(*tail: Op) -> Net:
    """A padded convolution on bytes, one on bits, one with two-bit data, a pool, a flatten, a dense layer."""
    rng = np.random.default_rng(3)

    def signs(*shape: int) -> Array:
        return rng.choice((-1, 1), shape)

    ops: tuple[Op, ...] = (
        Conv(name="a", inputs=("input",), weights=signs(6, 3, 3, 2), stride=(1, 1), pads=(1, 1, 1, 1)),
        sharp("a_sign", 6, "a", 1, bipolar=True),
        Conv(name="b", inputs=("a_sign",), weights=signs(8, 3, 3, 6), pads=(1, 1, 1, 1)),
        sharp("b_levels", 8, "b", 2),
        MaxPool(name="pool", inputs=("b_levels",), kernel=(2, 2), stride=(2, 2), minimum=np.zeros(8, bool)),
        Conv(name="c", inputs=("pool",), weights=rng.integers(-3, 4, (4, 1, 1, 8))),
        Flatten(name="flat", inputs=("c",)),
        sharp("c_sign", 4 * 3 * 2, "flat", 4, bipolar=True),
        Dense(name="d", inputs=("c_sign",), weights=signs(5, 24)),
        *tail,
    )
    falls = {op.name for op in ops if isinstance(op, Threshold) and op.inputs[0] == "flat"}
    ops = tuple(replace(op, falling=np.zeros(24, bool)) if op.name in falls else op for op in ops)  # type: ignore[type-var]
    return canonical(Net(name="small", input=Port((6, 4, 2), Ints(0, 255)), ops=ops))


@pytest.mark.parametrize("tail", [(), (TopK(name="label", inputs=("d",), k=2),)], ids=["scores", "labels"])
def test_padding_falling_rows_and_flattening_survive_the_way_into_finn(tail: tuple[Op, ...], tmp_path: Path) -> None:
    net = small(*tail)
    facts = finn.bridge(net, lower(net), random_images(net, 40), tmp_path / "finn")
    assert facts["equal"] and facts["images"] == 40 and facts["differing"] == 0


@pytest.mark.parametrize("name, n", [("tfc", 200), pytest.param("cnv", 4, marks=pytest.mark.slow)])
def test_a_network_of_published_shape_equals_the_net(name: str, n: int, tmp_path: Path) -> None:
    net = NETS[name](1)
    assert finn.bridge(net, lower(net), random_images(net, n), tmp_path / "finn")["equal"]


def test_the_published_network_equals_the_net_on_real_images(tmp_path: Path) -> None:
    model = SHARED / "models" / "TFC_1W1A.onnx"
    if not model.is_file():
        pytest.skip(f"{model} is not here; HWFLOW_SHARED names the folder that has it")
    from hwflow.fold import fold
    from hwflow.qonnx import read

    net = fold(read(model, "u8/255"))
    facts = finn.bridge(net, lower(net), random_images(net, 1000), tmp_path / "finn")
    assert (facts["equal"], facts["images"]) == (True, 1000)


def test_the_model_speaks_finns_operators_and_types(tmp_path: Path) -> None:
    from qonnx.core.modelwrapper import ModelWrapper

    net = small()
    finn.bridge(net, lower(net), random_images(net, 1), tmp_path)
    model = ModelWrapper(str(tmp_path / "model.onnx"))
    assert {n.op_type for n in model.graph.node} == {"Conv", "MultiThreshold", "MaxPool", "Reshape", "MatMul"}
    types = {t: model.get_tensor_datatype(t).name for t in ("input", "a_weights", "a_sign", "b_levels", "c_sign")}
    # zeros stand beside -1/+1 where the next convolution pads
    assert types == {
        "input": "UINT8",
        "a_weights": "BIPOLAR",
        "a_sign": "INT2",
        "b_levels": "UINT2",
        "c_sign": "BIPOLAR",
    }
    assert model.get_tensor_shape("input") == [1, 2, 6, 4]


@pytest.mark.parametrize("name", ["tfc", pytest.param("cnv", marks=pytest.mark.slow)])
def test_qonnxs_own_passes_turn_the_binary_layers_into_xnor_and_popcount(name: str) -> None:
    from qonnx.transformation.bipolar_to_xnor import ConvertBipolarMatMulToXnorPopcount
    from qonnx.transformation.lower_convs_to_matmul import LowerConvsToMatMul

    from hwflow.bridges.finn_onnx import build, execute

    net = NETS[name](1)
    x = random_images(net, 2)
    x = x[:1]  # what LowerConvsToMatMul leaves takes one image
    model = build(net, len(x)).transform(LowerConvsToMatMul()).transform(ConvertBipolarMatMulToXnorPopcount())
    kinds = [n.op_type for n in model.graph.node if "MatMul" in n.op_type]
    binary = [op for op in net.ops if isinstance(op, Dense | Conv) and net.ports[op.inputs[0]].ints.is_bipolar]
    assert kinds.count("XnorPopcountMatMul") == len(binary) and len(kinds) == sum(
        isinstance(op, Dense | Conv) for op in net.ops
    )
    np.testing.assert_array_equal(execute(model, net, x), net.run(x))


def test_folding_has_finns_names_and_divides_what_finn_divides(tmp_path: Path) -> None:
    net = small()
    dataflow = lower(net, {"a": {"pe": 3, "simd": 9}, "b": {"pe": 8, "simd": 6}})
    finn.bridge(net, dataflow, random_images(net, 1), tmp_path)
    folding = json.loads((tmp_path / "folding_config.json").read_text())
    assert folding.pop("Defaults") == {}
    assert folding["MVAU_hls_0"] == {"PE": 3, "SIMD": 9}
    assert folding["MVAU_hls_1"] == {"PE": 8, "SIMD": 6}
    assert folding["FMPadding_rtl_1"] == folding["ConvolutionInputGenerator_rtl_1"] == {"SIMD": 6}
    windows = [k for k in folding if k.startswith("ConvolutionInputGenerator_rtl_")]
    assert windows == [f"ConvolutionInputGenerator_rtl_{i}" for i in range(len(windows))] and len(windows) >= 2
    styles = json.loads((tmp_path / "specialize_layers_config.json").read_text())
    assert {
        k.rsplit("_", 1)[0] + f"_{v['preferred_impl_style']}_" + k.rsplit("_", 1)[1] for k, v in styles.items() if v
    } == set(folding)
    config = json.loads((tmp_path / "dataflow_build_config.json").read_text())
    assert config["folding_config_file"] == "folding_config.json" and config["board"] == "Pynq-Z1"
    assert len((tmp_path / "README.md").read_text().splitlines()) == 3


def test_a_wrong_threshold_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hwflow.bridges import finn_onnx

    net = NETS["tfc"](1)
    moved = net.ops[0]
    assert isinstance(moved, Threshold)
    other = replace(net, ops=(replace(moved, thresholds=moved.thresholds + 90), *net.ops[1:]))
    built = finn_onnx.build
    monkeypatch.setattr(finn_onnx, "build", lambda _, batch: built(other, batch))
    facts = finn.bridge(net, lower(net), random_images(net, 50), tmp_path / "finn")
    assert not facts["equal"] and facts["differing"] > 0 and facts["first"].startswith("image ")


def test_what_finn_has_no_layer_for_is_named_all_at_once() -> None:
    from hwflow.bridges.finn_onnx import build

    net = Net(
        name="odd",
        input=Port((4, 4, 2), BIPOLAR),
        ops=(
            MaxPool(name="pool", inputs=("input",), kernel=(2, 2), stride=(2, 2), minimum=np.array([True, False])),
            Rescale(name="scale", inputs=("pool",), mul=np.ones(2), add=np.zeros(2), shift=0, lo=-1, hi=1),
        ),
    )
    with pytest.raises(ModelError) as e:
        build(net, 1)
    assert [f.node for f in e.value.findings] == ["pool", "scale"]
    assert "1 channels take the least" in str(e.value) and "no step for Rescale" in str(e.value)


def test_the_command_line_fails_when_the_neighbour_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hwflow.bridges
    from hwflow import cli

    build_of(tmp_path, NETS["tfc"](1))
    monkeypatch.setattr("sys.argv", ["hwflow", "bridge", str(tmp_path), "--to", "finn", "-n", "2"])
    for equal in (True, False):
        monkeypatch.setattr(hwflow.bridges, "bridge", lambda *_, e=equal, **__: {"equal": e})
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == (0 if equal else 1)
