"""Random files: the same from the same seed, valid, and drawn from all that the schemas of operators allow."""

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hwflow.generate import choices, drawn_file, random_file
from hwflow.generate.constants import ANY, FLOAT
from hwflow.generate.drawing import Drawing, Tensor, grid_of
from hwflow.generate.files import OPSETS
from hwflow.qonnx.executor import LAST, Executor

# attributes that no file can have and stay a network of one exact answer, each with why
ABSENT = {
    "AveragePool.dilations": "drawn from opset 19 on",
    "BatchNormalization.training_mode": "training",
    "Dropout.seed": "training",
    "Cast.saturate": "float8",
    "Cast.round_mode": "float8",
    "DequantizeLinear.block_size": "one scale for a block of channels",
    "DequantizeLinear.output_dtype": "float16",
    "QuantizeLinear.block_size": "one scale for a block of channels",
    "QuantizeLinear.precision": "float16",
    "Gemm.transA": "a transposed batch",
    "Resize.cubic_coeff_a": "cubic",
    "Resize.exclude_outside": "cubic",
    "Resize.extrapolation_value": "crops",
    "Resize.keep_aspect_ratio_policy": "sizes that are no factors",
    "Resize.antialias": "shrinking",
    "Shape.start": "sizes are taken by Gather",
    "Shape.end": "sizes are taken by Gather",
    "Reshape.allowzero": "empty tensors",
    "ReduceMean.noop_with_empty_axes": "no axes",
    "ReduceSum.noop_with_empty_axes": "no axes",
    "AveragePool.ceil_mode": "windows that reach beyond the image",
    "ConvTranspose.auto_pad": "paddings are written down",
    "ConvTranspose.dilations": "kernels without gaps",
    "ConvTranspose.output_shape": "paddings are written down",
    "ReduceMax.noop_with_empty_axes": "no axes",
    "ReduceMin.noop_with_empty_axes": "no axes",
}  # fmt: skip


def dims(model):
    return [d.dim_value or 1 for d in model.graph.input[0].type.tensor_type.shape.dim]


def test_a_seed_is_a_file():
    for seed in (3, 77):
        assert random_file(seed).model.SerializeToString() == random_file(seed).model.SerializeToString()
    assert random_file(3).model.SerializeToString() != random_file(4).model.SerializeToString()


@pytest.mark.filterwarnings("ignore")
def test_every_file_runs_where_its_authors_run_it():
    executor = Executor()
    for seed in range(300):
        model = random_file(seed).model
        x = np.random.default_rng(seed).integers(-2, 3, dims(model)).astype(np.float32)
        executor.run(model, {"x": x})


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=40, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_files_that_hypothesis_draws_run_too(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    file = drawn_file(lambda lo, hi: data.draw(st.integers(lo, hi)), rng)
    Executor().run(file.model, {"x": np.ones(dims(file.model), np.float32)})


@pytest.mark.slow
def test_every_attribute_of_every_operator_is_drawn():
    drawn: dict[str, set[str]] = {}
    for seed in range(6000):
        for node in random_file(seed).model.graph.node:
            if node.domain in ("", LAST):
                drawn.setdefault(node.op_type, set()).update(a.name for a in node.attribute)
    missing = {
        f"{op}.{name}"
        for op in drawn
        for name in onnx.defs.get_schema(op, max(OPSETS), "").attributes
        if name not in drawn[op] and f"{op}.{name}" not in ABSENT and op != "Constant"
    }
    assert not missing


@pytest.mark.parametrize("disguise", dict.fromkeys((*ANY, *FLOAT)), ids=lambda f: f.__name__)
def test_a_disguised_constant_has_the_same_bits(disguise):
    rng = np.random.default_rng(0)
    tried = 0
    for opset in (9, 11, 13, 18, 22):
        for v in (
            np.float32(0.5), np.zeros(4, np.float32), np.ones((2, 3), np.float32), rng.normal(0, 1, (3, 1, 2)),
            rng.integers(0, 2, (2, 2)), rng.integers(-3, 4, 5), np.array([0, 2.0, -1, 0]), 2.0 ** np.arange(3),
        ):  # fmt: skip
            for dtype in (np.float32, np.int64):
                value = np.asarray(v, dtype)
                if dtype == np.int64 and disguise not in ANY:
                    continue
                d = Drawing(choices(rng), rng, Tensor("x", "NC", (1, 2), None), opset, True, False)
                name = disguise(d, value)
                if name is None:
                    continue
                got = Executor().run(d.b.model(name), {"x": np.zeros((1, 2), np.float32)})[name]
                assert got.dtype == value.dtype and got.shape == value.shape and np.array_equal(got, value)
                tried += 1
    assert tried or disguise.__name__ == "measured"


def test_a_grid_holds_the_constants_it_is_of():
    assert grid_of(np.array([0.5, -1.75])).step == 0.25 and grid_of(np.array([0.5, -1.75])).dyadic
    assert not grid_of(np.array([0.1])).dyadic
    assert grid_of(np.zeros(3)).most == 0
