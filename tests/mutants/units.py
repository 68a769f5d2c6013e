"""Planted faults of what hardware units say of themselves, and of the way from operations to units.

Stands on kinds.
"""

from .kinds import Mutant, of_room, rtl

U = "hwflow/units/"
LOWER, JOIN, STORED = "hwflow/lower/__init__.py", "hwflow/lower/join.py", "hwflow/lower/stored.py"
T_LOWER = "tests/lower/test_lower.py"

# fmt: off
MUTANTS = of_room(
    "units",
    rtl(U + "mvu.py", "least = -((-(self.thresholds + total)) // 2)", "least = (self.thresholds + total) // 2", "mvu"),
    Mutant(U + "mvu.py", "least + offset, offset - least + 1)", "least + offset, offset - least)", "tests/units/test_rtl_mvu.py -k reaches_the_threshold"),
    rtl(U + "mvu.py", "return 4 + tree_latency(self) + (self.levels > 1)", "return 4 + tree_latency(self)", "mvu_w2a2"),
    rtl(U + "kit/matrix.py", "return self.groups - 1 + self.stages", "return self.groups + self.stages", "mvu_raw"),
    Mutant(U + "kit/matrix.py", "and pe == n * self.rows and (self.x.size % simd == 0 or spares(self.x, simd))", "and pe == n * self.rows", "tests/units/test_contract.py tests/units/test_rtl_mvus.py"),
    rtl(U + "threshold.py", "np.clip(-((-(self.thresholds + 1)) // 2), 0, 2)", "np.clip((self.thresholds + 1) // 2, 0, 2)", "threshold"),
    rtl(U + "threshold.py", "return np.clip(self.thresholds, ints.lo, ints.hi + 1)", "return np.clip(self.thresholds, ints.lo, ints.hi)", "threshold"),
    rtl(U + "pool.py", "of_tile - 1) * self.blocks + 1", "of_tile - 1) * self.blocks", "pool"),
    Mutant(U + "kit/streams.py", "self.port.size // self._row * -(-self._row // self.par)", "-(-self.port.size // self.par)", "tests/units/test_rtl_lines.py -k places_to_spare"),
    Mutant(JOIN, "if have.by_row != want.by_row or (have.by_row and have.par != want.par):", "if have.by_row != want.by_row:", "tests/plan/test_pixels.py -k not_joined"),
    Mutant(U + "pool.py", "flip = np.where(minimum, -1, 1)", "flip = np.where(minimum, 1, 1)", "tests/units/test_rtl_pool.py -k means"),
    rtl(U + "topk.py", "return max(self.ins[0].words, ", "return max(self.ins[0].words + 1, ", "topk"),
    rtl(U + "width.py", "if self.par_in != self.par_out else 0", "", "width"),
    rtl(U + "rescale.py", "    def latency(self) -> int:\n        return 4", "    def latency(self) -> int:\n        return 3", "rescale"),
    rtl(U + "window.py", "words_ = max(least, int((need[1:] - start[1:] + back).max()))", "words_ = least", "window"),
    rtl(U + "window.py", "np.minimum(np.arange(ow) * sw - left + self.span[1] - 1, w - 1)", "np.minimum(np.arange(ow) * sw - left + self.span[1], w - 1)", "window"),
    Mutant(LOWER, "pad = np.where(minimum, x.ints.hi, x.ints.lo) if kind", "pad = np.where(minimum, x.ints.lo, x.ints.hi) if kind", T_LOWER),
    Mutant(LOWER, "depthwise = op.groups == x.channels == rows > 1", "depthwise = op.groups == x.channels", T_LOWER),
    Mutant(LOWER, "out[block, :, :, g * depth : (g + 1) * depth] = op.weights[block]", "out[block, :, :, :depth] = op.weights[block]", T_LOWER),
    Mutant(LOWER, "if op.stride == op.kernel and not any(op.pads) and dilation == (1, 1):", "if op.stride == op.kernel and not any(op.pads):", T_LOWER),
    Mutant(LOWER, "inside = tuple(min(p, s - 1) for p, s", "inside = tuple(min(p, s) for p, s", T_LOWER),
    Mutant(JOIN, "(have.ints.bits, have.ints.kind) != (want.ints.bits, want.ints.kind)", "have.ints.bits != want.ints.bits", T_LOWER, equal="A reader asks for its words in another kind only where ranges are joined, which takes more bits then (tests/test_bits.py)."),
    Mutant(JOIN, "behind[name] = edges[0] if unit.glue else name", "behind[name] = name", "tests/lower/test_lower.py tests/plan/test_plan.py -k 'joints or explanation'"),
    Mutant(STORED, 'fits = (k for k in ("<i1", "<i2", "<i4") if np.iinfo(k).min <= low and high <= np.iinfo(k).max)', 'fits = (k for k in ("<i1", "<i2", "<i4") if high <= np.iinfo(k).max)', "tests/test_build.py -k comes_back"),
    rtl(U + "recur.py", "return fixed + max((self.simd - 1).bit_length() - 1, 0) // 2", "return fixed", "recur_every"),
    Mutant(U + "recur.py", "+ (height >= 3) + max(height - 4, 0)", "+ (height >= 3)", "tests/units/test_rtl_recur.py"),
    Mutant(U + "kit/stores.py", "words >= LATE)", "words > LATE)", "tests/units/test_rtl_recur.py"),
    Mutant(U + "kit/stores.py", "words > DEEP_WEIGHTS)", "words >= DEEP_WEIGHTS)", "tests/units/test_rtl_mvu.py -k deep"),
    rtl(U + "recur.py", "return lo + self.x.ints.lo, hi + self.x.ints.hi", "return lo, hi", "recur_gate"),
    Mutant(U + "recur.py", "np.clip(self.gates, lo[1::2], hi[1::2] + 1)", "np.clip(self.gates, lo[1::2], hi[1::2])", "tests/units/test_rtl_recur.py"),
    Mutant(U + "recur.py", "lo[::each, None], hi[::each, None] + 1)", "lo[::each, None], hi[::each, None])", "tests/units/test_rtl_recur.py"),
    rtl(U + "recur.py", "(0, 1) if h.is_bipolar else (-1, 2)", "(0, 1)", "recur_zero"),
    rtl(U + "recur.py", "fixed = 4 + late + (self.thresholds.shape[1] > 1)", "fixed = 4 + late", "recur_every"),
    Mutant(U + "recur.py", "given = start if self.every else start[-1:]", "given = start", "tests/lower/test_recurrent.py -k event_model"),
    rtl(U + "recur.py", "0 if self.every else (self.steps - 1) * self.period", "(self.steps - 1) * self.period", "recur_last"),
)
