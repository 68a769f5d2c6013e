"""Planted faults of the proof: what is a difference, what float32 sums explain, what a step of a sequence is.

Stands on kinds.
"""

from .kinds import Mutant, of_room

PROOF, ROUNDING, VERIFY, LOOPS = (
    "hwflow/proof.py",
    "hwflow/qonnx/rounding.py",
    "hwflow/verify.py",
    "hwflow/real/loops.py",
)
T_PROOF, T_ROUNDING, T_FAULTS = "tests/test_proof.py", "tests/qonnx/test_rounding.py", "tests/bench/test_faults.py"
T_STEPS = "tests/lower/test_recurrent.py -k 'scan or axis or states or steps_that or gate'"
T_BEGIN = "tests/lower/test_recurrent.py -k 'steps_that or beyond_what or signs_alone'"

# fmt: off
MUTANTS = of_room(
    "proof",
    Mutant(PROOF, "INPUT: graph.takes.real(x[images]), **ends}", "INPUT: graph.takes.real(x[images])}", T_PROOF),
    Mutant(PROOF, "rounding(graph, {**known, INPUT: graph.takes.real(x[images]), ", "rounding(graph, {**known, INPUT: graph.takes.real(np.roll(x[images], 1, 0)), ", T_PROOF),
    Mutant(PROOF, "if end in ends and (ends[end] != y).any():", "if False:", T_PROOF),
    Mutant(PROOF, "                wrong[one] = off[one]", "                wrong[some] = off[some]", T_PROOF),
    Mutant(PROOF, "off = (y != want) & ~bad", "off = y != want", T_PROOF),
    Mutant(PROOF, "return wrong | misordered(answers, want) if answer.ordered else wrong", "return wrong", T_PROOF),
    Mutant(PROOF, "(rises != (steps > 0)) | (steps < 0)", "rises != (steps > 0)", T_PROOF),
    Mutant(PROOF, "(rises != (steps > 0)) | (steps < 0)", "rises & (steps <= 0)", T_PROOF),
    Mutant(PROOF, "file.channels, file.shape) and np.array_equal(", "file.channels, file.shape) or np.array_equal(", T_PROOF + " " + T_FAULTS),
    Mutant(PROOF, "(answer.scores(answers) != want) | ~answer.possible(answers)", "answer.scores(answers) != want", T_PROOF + " " + T_FAULTS),
    Mutant(PROOF, "if not all(node.explained for node in nodes):", "if not any(node.explained for node in nodes):", T_PROOF),
    Mutant(ROUNDING, "int((~same).sum()), worst", "int((off > 0).sum()), worst", T_PROOF),
    Mutant(ROUNDING, "0 < self.worst <= 1", "0 < self.worst <= 4", T_ROUNDING),
    Mutant(ROUNDING, 'if terms and step.op in ("add", "sub"):', "if False:", T_ROUNDING),
    Mutant(ROUNDING, "terms = _terms(graph, node) + 4", "terms = _terms(graph, node) + 400", T_ROUNDING),
    Mutant(ROUNDING, "if not any(part.any() for part in left):", "if True:", T_ROUNDING),
    Mutant(ROUNDING, "(less > 0) | ((less == 0) & (places < k))", "less > 0", T_ROUNDING),
    Mutant(ROUNDING, "room = room + FUNCTIONS[step.op].off(x, y)", "pass", "tests/qonnx/test_activations.py tests/qonnx/test_kinds.py"),
    Mutant(VERIFY, "wrong = wrong | (fold(build.graph).run(x[:both]) != yb)", "pass", T_PROOF + " -k folded_anew"),
    Mutant(VERIFY, "wrong = wrong | (own if own.shape == wrong.shape else own.any(axis=1, keepdims=True))", "pass", T_PROOF),
    Mutant(VERIFY, "(ya != yb) & np.any(unexplained, axis=0)", "(ya != yb) & np.all(unexplained, axis=0)", T_PROOF),
    Mutant(LOOPS, "if start is None:\n", "if False:\n", T_STEPS),
    Mutant(LOOPS, "same and inside and (found.bipolar or not state.bipolar)", "same and (found.bipolar or not state.bipolar)", T_BEGIN),
    Mutant(LOOPS, "np.minimum(levels.lo, start), hi=np.maximum(levels.hi, start)", "levels.lo, hi=levels.hi", T_BEGIN),
    Mutant(LOOPS, "bipolar = levels.bipolar and ints_of(start).is_bipolar", "bipolar = levels.bipolar", T_BEGIN),
)
