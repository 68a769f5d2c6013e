"""Planted faults of folding: thresholds, rescales, pairs of branches, one unit of scores.

Stands on kinds.
"""

from .kinds import Mutant, of_room

LEVELS, FOLDING, QUANTISING, WAITING, PAIRS, ANSWERS, ITEMS = (
    f"hwflow/fold/{name}.py" for name in ("levels", "folding", "quantising", "waiting", "pairs", "answers", "items")
)
RECURRENT = "hwflow/fold/recurrent.py"
T_SCAN = "tests/lower/test_recurrent.py -k 'scan or axis or states or steps_that or gate'"
T_LEVELS, T_PAIRS, T_ANSWERS = "tests/fold/test_levels.py", "tests/fold/test_pairs.py", "tests/test_answers.py"
T_FOLD = "tests/qonnx/test_layers.py tests/qonnx/test_activations.py tests/qonnx/test_ends.py"

# fmt: off
MUTANTS = of_room(
    "fold",
    Mutant(LEVELS, "hi - at, lo + at)) >= targets", "hi - at, lo + at)) > targets", T_LEVELS),
    Mutant(LEVELS, "falling = ends[0] > ends[1]", "falling = ends[0] < ends[1]", T_LEVELS),
    Mutant(LEVELS, "np.sort(levels.hi[:, None] - levels.places + 1, 1)", "np.sort(levels.hi[:, None] - levels.places, 1)", T_LEVELS),
    Mutant(LEVELS, "inside = (levels.lo + n >= levels.base) & (levels.hi + n <= levels.top)", "inside = levels.lo + n >= levels.base", T_LEVELS),
    Mutant(LEVELS, "level - 1 - m * (places - 1), far)", "level - m * (places - 1), far)", T_LEVELS),
    Mutant(LEVELS, "np.where(reached, level - m * places, -far)", "np.where(reached, level - m * places - 1, -far)", T_LEVELS),
    Mutant(LEVELS, "add + mul * levels.hi, add - mul * levels.lo", "add - mul * levels.hi, add - mul * levels.lo", T_LEVELS),
    Mutant(LEVELS, "if int(np.abs(add).max()) >= MOST_ADD:", "if int(np.abs(add).max()) >= MOST_ADD << 9:", T_LEVELS),
    Mutant(LEVELS, "for change in (np.maximum(steps, 0), np.maximum(-steps, 0))", "for change in (np.maximum(-steps, 0), np.maximum(steps, 0))", "tests/qonnx/test_activations.py"),
    Mutant(LEVELS, "table = np.repeat(hi[:, None] + 1,", "table = np.repeat(hi[:, None],", "tests/qonnx/test_activations.py tests/fold/test_levels.py"),
    Mutant(PAIRS, "if (steps >= 0).all() and not steps[~rising].any():", "if (steps >= 0).all():", T_PAIRS),
    Mutant(PAIRS, "ends = np.append(sums[order], sums.max() + 1)", "ends = np.append(sums[order], sums.max())", T_PAIRS),
    Mutant(PAIRS, "yield (m if first > 0 else -m), (n if second > 0 else -n)", "yield m, n", T_PAIRS),
    Mutant(ITEMS, "stride=node.stride, minimum=move.turned,", "stride=node.stride, minimum=np.zeros_like(move.turned),", T_FOLD),
    Mutant(ITEMS, "return all(step.monotone for step in self.steps)", "return True", "tests/qonnx/test_activations.py"),
    Mutant(QUANTISING, "shift = lv.identity(found) if folding.ports[item.op].ints.is_bipolar == grid.bipolar else None", "shift = lv.identity(found)", T_FOLD + " tests/qonnx/test_quantizers.py", equal="The integers are the same; only how many bits carry them differs, which everything behind asks the port."),
    Mutant(QUANTISING, "never = np.where(found.base > 0, found.lo, found.hi + 1)[:, None]", "never = np.where(found.base > 0, found.lo, found.hi)[:, None]", "tests/qonnx/test_layers.py"),
    Mutant(QUANTISING, "turned=m.turned ^ item.turned ^ (", "turned=m.turned ^ (", T_FOLD),
    Mutant(QUANTISING, "m.turned ^ item.turned ^ (grid.scale < 0)", "m.turned ^ item.turned", T_FOLD),
    Mutant(QUANTISING, "moves = tuple(replace(m, turned=grid.scale < 0) for m in item.moves)", "moves = item.moves", "tests/qonnx/test_activations.py", equal="Only a maximum of several pixels asks which way its integers turn, and none waits in front of a function that turns back."),
    Mutant(WAITING, "if any(not s.monotone for s in steps) and any(chooses(m.node) for m in item.moves):", "if False:", "tests/qonnx/test_activations.py"),
    Mutant(FOLDING, "if max(-port.ints.lo, port.ints.hi) > MOST_SUM:", "if max(-port.ints.lo, port.ints.hi) > MOST_SUM << 4:", "tests/qonnx/test_layers.py", equal="Plans of sums and of pairs keep below this before; it guards what a later rule might emit."),
    Mutant(FOLDING, "steps = tuple(s.wider(times) for s in item.steps)", "steps = item.steps", "tests/qonnx/test_layers.py -k own_scale"),
    Mutant(WAITING, "turned = item.turned ^ (grid.scale < 0)  # of the integers, not of the values\n    falling", "turned = item.turned\n    falling", "tests/lower/test_branches.py"),
    Mutant(WAITING, "turned = item.turned ^ (grid.scale < 0)  # of the integers, not of the values\n    flip", "turned = item.turned\n    flip", "tests/lower/test_branches.py"),
    Mutant(WAITING, "table = np.clip(table, folding.ports[both].ints.lo, folding.ports[both].ints.hi + 1)", "table = np.clip(table, folding.ports[both].ints.lo, folding.ports[both].ints.hi)", T_PAIRS),
    Mutant(ANSWERS, "sorts = bool(((steps > 0) == self.rises).all() and (steps >= 0).all())", "sorts = bool((steps >= 0).all())", T_ANSWERS),
    Mutant(ANSWERS, "sums[by], classes[by], np.diff(scores) > 0,", "sums[by], classes[by], np.diff(scores) >= 0,", T_ANSWERS),
    Mutant(ANSWERS, "return np.array_equal(self.score(back, classes), self.score(sums, classes))", "return True", T_ANSWERS),
    Mutant(ANSWERS, "shared = all(len(step.value) == 1 for step in finish)", "shared = True", T_ANSWERS),
    Mutant(ANSWERS, "if (after <= before).any():", "if (after < before).any():", T_ANSWERS + " -k common_unit_sorts", equal="This only drops candidates early; the comparison of every step below decides."),
    Mutant(RECURRENT, "lambda k: (k + 1) // 2 if bipolar else k, bipolar", "lambda k: k, bipolar", "tests/train/test_recurrent.py"),
    Mutant(RECURRENT, "return Rows(weights * turn, table, found.base)", "return Rows(weights, table, found.base)", T_SCAN),
    Mutant(RECURRENT, "1 - op.thresholds[:, ::-1], op.thresholds)", "-op.thresholds[:, ::-1], op.thresholds)", T_SCAN),
    Mutant(RECURRENT, "if not found.count and binary and found.base:", "if False:", T_SCAN),
    Mutant(RECURRENT, "return Rows(weights, hi[:, None] + 1, found.base)", "return Rows(weights, hi[:, None], found.base)", T_SCAN),
    Mutant(RECURRENT, "np.stack([weights, gate.weights], 1)", "np.stack([gate.weights, weights], 1)", T_SCAN),
    Mutant(RECURRENT, "sum(s * p for s, p in zip", "sum(p for s, p in zip", "tests/lower/test_recurrent.py -k other_scales"),
    Mutant(LEVELS, "if not np.array_equal(function(x), np.clip(mul * x + add, base, top)):", "if False:", T_LEVELS + " tests/qonnx/test_activations.py"),
    Mutant(LEVELS, "np.where(rising, 1, -1) * np.minimum(left, length - 1)", "np.where(rising, 1, -1) * left", T_LEVELS + " tests/qonnx/test_activations.py"),
    Mutant(LEVELS, "if max(ups, downs) > MOST_LEVELS:", "if ups > MOST_LEVELS:", T_LEVELS + " -k rises_or_falls"),
)
