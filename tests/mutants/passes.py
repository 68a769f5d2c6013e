"""Planted faults of the rewrites of a Net and of what its operations mean.

Stands on kinds.
"""

from .kinds import Mutant, of_room

PASSES, OPS = "hwflow/passes.py", "hwflow/ops.py"
T_PASSES, T_NET = "tests/test_passes.py", "tests/test_net.py"

# fmt: off
MUTANTS = of_room(
    "passes",
    Mutant(PASSES, "len(after.inputs) != 1 or readers[before.name] != 1 or before.name in taken", "len(after.inputs) != 1 or before.name in taken", T_PASSES),
    Mutant(PASSES, "1 - after.thresholds[:, ::-1]", "-after.thresholds[:, ::-1]", T_PASSES),
    Mutant(PASSES, "1 - after.thresholds[:, ::-1]", "2 - after.thresholds[:, ::-1]", T_PASSES),
    Mutant(PASSES, "turn = np.where(after.falling, -1, 1)", "turn = np.where(after.falling, 1, -1)", T_PASSES),
    Mutant(PASSES, "minimum=before.minimum ^ after.falling", "minimum=before.minimum", T_PASSES),
    Mutant(PASSES, "minimum=before.minimum ^ after.falling", "minimum=after.falling", T_PASSES),
    Mutant(PASSES, "and (before.minimum != after.minimum).any():", "and (before.minimum != after.minimum).all():", T_PASSES),
    Mutant(PASSES, "op.stride == op.kernel and not any(op.pads)", "op.stride == op.kernel", T_PASSES),
    Mutant(PASSES, "op.stride == op.kernel and not any(op.pads)", "not any(op.pads)", T_PASSES),
    Mutant(PASSES, "if isinstance(op, MaxPool) and op.dilation != (1, 1):", "if False:", T_PASSES),
    Mutant(PASSES, "before.kernel[1] * after.kernel[1])", "before.kernel[1] * after.kernel[0])", T_PASSES),
    Mutant(PASSES, "type(before) is type(after) and isinstance", "isinstance", T_PASSES),
    Mutant("hwflow/graph.py", "if node.name in wanted:\n            wanted.update", "if True:\n            wanted.update", T_PASSES),
    Mutant(PASSES, "and was.ints.join(now.ints) == was.ints,", ",", T_PASSES),
    Mutant(PASSES, "if not _sources(made) & found.keys()}", "}", T_PASSES),
    Mutant(PASSES, "for rule in (thresholds_first, merge_pools, rising):", "for rule in (thresholds_first, rising):", T_PASSES),
    Mutant(PASSES, "for rule in (thresholds_first, merge_pools, rising):", "for rule in (merge_pools, rising):", T_PASSES),
    Mutant(PASSES, "if len(after.falling) != len(before.weights):", "if False:", T_PASSES, equal="A threshold behind sums has a row for each of theirs; Net refuses anything else at construction."),
    Mutant(OPS, "count += x >= self.thresholds[:, k]", "count += x > self.thresholds[:, k]", T_NET),
    Mutant(OPS, "np.where(self.falling, self.levels - count, count)", "np.where(self.falling, count, count)", T_NET),
    Mutant(OPS, "return np.where(self.minimum, -y, y)", "return y", T_NET),
    Mutant("hwflow/bits.py", "return up * x.lo + down * x.hi, up * x.hi + down * x.lo", "return up * x.lo + down * x.lo, up * x.hi + down * x.hi", T_NET),
    Mutant(OPS, 'return np.argsort(-x.astype(np.int64), axis=-1, kind="stable")', "return np.argsort(x.astype(np.int64), axis=-1, kind='stable')[..., ::-1]", T_NET),
    Mutant("hwflow/bits.py", "if bound < 1 << 24:", "if bound < 1 << 30:", T_NET),
    Mutant("hwflow/windows.py", "inside = ((at >= 0) & (at < shape[k])).any(1)", "inside = (at >= 0).any(1)", T_NET),
)
