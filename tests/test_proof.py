"""Real scores beside the exported arithmetic: a rounded answer is the end of a chain from its image, and nothing else is."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from builds import build_of
from networks import Build

from hwflow import proof
from hwflow.answers import Answer, Finish, Unit
from hwflow.fold import fold
from hwflow.qonnx import Execution, executions, read
from hwflow.verify import _rungs, verify

TAKES = "i5/10"
MOST = 32  # images executed together


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A network with many ties and two outputs, its images, what the graph says, and the file's own execution."""
    folder, rng = tmp_path_factory.mktemp("proof"), np.random.default_rng(4)
    b = Build((None, 12), 13)
    x = b.quant("x", 0.1, 5)
    y = b.quant(b.node("MatMul", x, b.quant(b.const(rng.normal(0, 1, (12, 9))), 0.25, 3)), 0.05, 6)
    y = b.node("MatMul", y, b.quant(b.const(rng.normal(0, 1, (9, 4))), 0.7, 3))
    path = b.save(folder, y, "model.onnx")
    graph, x = read(path, TAKES), rng.integers(-16, 16, (300, 12))
    return path, graph, x, proof.exported(graph, x), tuple(executions(path, x, TAKES, MOST))


def judge(made, parts):
    _, graph, x, want, _ = made
    return proof.judged(graph, x, want, parts)


def tampered(parts, change):
    """The executions with the answers of all images changed, and nothing else."""
    ends = np.cumsum([len(part.answers) for part in parts])[:-1]
    answers = change(np.concatenate([part.answers for part in parts]))
    return [replace(part, answers=y) for part, y in zip(parts, np.split(answers, ends), strict=True)]


def test_what_float32_sums_decide_is_rounded(made):
    want, parts = made[3:]
    real = judge(made, parts)
    off = real.answers != want
    assert [len(part.answers) for part in parts] == [MOST] * 9 + [12]
    assert off.any() and not off.all() and not real.wrong.any()
    assert real.rounded == off.sum() and "another order" in real.note


def test_an_answer_that_its_own_tensors_do_not_make_is_wrong(made):
    """The nodes agree whatever the answer: it must be the last one's."""
    rounded = (judge(made, made[4]).answers != made[3]).any(1)
    image = int(np.flatnonzero(rounded)[0])  # one that an order of sums explains must not excuse another answer

    def change(y):
        y = y.copy()
        y[image, 2] += 0.05
        return y

    real = judge(made, tampered(made[4], change))
    assert real.wrong[image, 2] and not np.delete(real.wrong, image, 0).any()


@pytest.mark.parametrize(
    "change",
    [lambda y: np.roll(y, 1, 0), lambda y: np.roll(y, 1, 1), lambda y: -y, lambda y: y * 0, lambda y: y * np.nan],
    ids=["of another image", "of another class", "negated", "constant", "NaN"],
)
def test_answers_out_of_place_are_wrong_wherever_they_differ(made, change):
    want = made[3]
    real = judge(made, tampered(made[4], change))
    gone = np.abs(real.answers - want) < 1e-3  # equal by chance, or nearly, for a tie
    assert (real.wrong | gone).all() and real.wrong.mean() > 0.9 and real.rounded <= gone.sum()


def test_a_chain_begins_at_its_own_image(made):
    """Tensors and answers of another image agree with each other; they are no answer to this one."""
    parts = [
        Execution(np.roll(p.answers, 1, 0), {name: np.roll(v, 1, 0) for name, v in p.tensors.items()}) for p in made[4]
    ]
    real = judge(made, parts)
    off = real.answers != made[3]
    assert off.any(1).mean() > 0.9 and real.wrong.any(1).sum() == off.any(1).sum()


def test_a_node_that_is_wrong_inside_is_no_rounding(made):
    graph, parts = made[1], made[4]
    name = next(n.name for n in graph.nodes if n.name in parts[0].tensors and n.name not in graph.ends)
    spoilt = [replace(p, tensors={**p.tensors, name: p.tensors[name] + np.float32(0.3)}) for p in parts]
    real = judge(made, spoilt)
    off = real.answers != made[3]
    assert off.any() and (real.wrong == off).all()


def test_two_outputs_of_one_node_must_be_the_same(made):
    _, graph, x, want, parts = made
    end = graph.ends[0]

    class Twice:
        """The graph as one that gives its answer twice."""

        ends, shapes, takes = (end, end), graph.shapes, graph.takes

        def __getattr__(self, name):
            return getattr(graph, name)

    twice = np.concatenate([want, want], 1)
    both = [replace(p, answers=np.concatenate([p.answers, p.answers], 1)) for p in parts]
    assert not proof.judged(Twice(), x, twice, both).wrong.any()
    for place in (0, -1):  # in the first of them, or in the second
        both = [replace(p, answers=np.concatenate([p.answers, p.answers], 1)) for p in parts]
        both[0].answers[0, place] += 0.05
        assert proof.judged(Twice(), x, twice, both).wrong[0, place]


@pytest.mark.parametrize("engines", [("qonnx", "graph", "numpy"), ("qonnx", "numpy")], ids=["", "without graph"])
def test_verify_fails_where_the_reference_answers_what_it_did_not_compute(made, engines, tmp_path, monkeypatch):
    path, graph, x = made[:3]
    build = build_of(tmp_path / "build", fold(graph), model=path, input=TAKES)
    done = verify(build, x, engines=engines)
    assert done.exact and done.rungs[0].rounded > 0

    def spoilt(*given):
        for part in executions(*given):
            yield replace(part, answers=part.answers + np.float32(0.05))

    monkeypatch.setattr(proof, "executions", spoilt)
    done = verify(build, x, engines=engines)
    assert not done.exact and done.rungs[0].differing == done.rungs[0].elements


def test_two_float_engines_differ_where_nothing_explains_either_of_them(made, tmp_path):
    path, graph, x, want, parts = made
    build = build_of(tmp_path / "build", fold(graph), model=path, input=TAKES)
    own = np.concatenate([p.answers for p in parts])
    other, none = own + np.float32(0.05), np.zeros(own.shape, bool)
    real = {"torch": proof.Real(own, none, 0, ""), "qonnx": proof.Real(other, ~none, 0, "")}
    (rung,) = _rungs(build, x, {"torch": own, "qonnx": other}, real, want)
    assert rung.differing == own.size


# -- integers ----------------------------------------------------------------------------------------------------------


def wrong(mine, integers, scores, file=None):
    """Where (n, outputs) integers of `mine` are not the scores of a file whose answer is `file`, or the same."""
    net, graph = (SimpleNamespace(answer=answer) for answer in (mine, file or mine))
    return proof.differing(net, graph, np.array(scores, np.float32), np.array(integers)).tolist()


@pytest.mark.parametrize(
    ("integers", "found"),
    [
        ([0, 5, 5, 9], []),
        ([0, 5, 6, 9], [2]),  # equal scores
        ([0, 5, 4, 9], [2]),
        ([5, 5, 5, 9], [1]),  # scores that rise
        ([6, 5, 5, 9], [1]),
    ],
)
def test_integers_sort_as_scores_do(integers, found):
    off = proof.misordered(np.array([integers]), np.float32([[-1, 0.5, 0.5, 3]]))
    assert np.flatnonzero(off).tolist() == found


def test_right_scores_in_another_order_are_wrong_where_the_order_is_promised():
    turned = Answer((Finish("mul", np.float32([-1])),))
    assert wrong(turned, [[1, 2]], [[-1, -2]]) == [[True, False]]
    assert wrong(replace(turned, ordered=False), [[1, 2]], [[-1, -2]]) == [[False, False]]


def test_an_answer_that_no_sum_gives_is_wrong_though_its_score_is_right():
    doubled = Answer((), Unit(np.array([2, 2]), np.array([0, 0]), -100, 100))
    assert wrong(doubled, [[2, 4]], [[1, 2]]) == [[False, False]]
    assert wrong(doubled, [[3, 4]], [[1, 2]]) == [[True, False]]


def test_an_answer_is_given_as_the_file_gives_its_own():
    mine = Answer(shape=(2,))
    for file in (Answer(shape=(2, 1)), Answer(shape=(2,), places=np.array([1, 0])), Answer(shape=(2,), head="tanh")):
        assert wrong(mine, [[1, 2]], [[1, 2]], file) == [[True, True]]
    assert wrong(mine, [[1, 2]], [[1, 2]], Answer(shape=(2,))) == [[False, False]]


def test_integers_of_one_score_are_those_of_the_network_folded_anew(tmp_path):
    """Where scores are clipped and no unit sorts them, another integer has the same score and is wrong all the same."""
    b = Build((None, 3), 13)
    line = b.node("Mul", b.node("MatMul", "x", b.const(np.eye(3))), b.const([0.1, 0.1000003, 0.3000001]))
    line = b.node("Add", line, b.const([0.7, 1e-7, 0.1]))
    path = b.save(tmp_path, b.node("Clip", line, b.const(-100.0), b.const(100.0)))
    graph, x = read(path, "i13"), np.random.default_rng(3).integers(-4000, 4000, (50, 3))
    net = fold(graph)
    build = build_of(tmp_path / "build", net, model=path, input="i13")
    want, y = proof.exported(graph, x), net.run(x)
    moved = (np.abs(want) == 100) & (net.scores(y + np.sign(y)) == want)
    other = np.where(moved, y + np.sign(y), y)
    assert not net.answer.ordered and moved.any() and not moved.all()
    (right,), (rung,) = (_rungs(build, x, {"graph": want, "numpy": ints}, {}, want) for ints in (y, other))
    assert right.exact and rung.differing == moved.sum()
