"""Planted faults of the HLS C++.

Stands on kinds.
"""

from .kinds import equivalent, hls, of_room

V, P = "hls/units/", "hls/parts/"

# fmt: off
MUTANTS = of_room(
    "hls",
    hls(V + "add.hpp", "code<1, YBits>(Int<64>(low + high))", "code<1, YBits>(low)", "add_"),
    hls(V + "maximum.hpp", "value<Kind>(a) > value<Kind>(b) ? a : b", "value<Kind>(a) < value<Kind>(b) ? a : b", "maximum_"),
    hls(V + "mvu.hpp", "before = group ? acc[p] : start;", "before = pass ? acc[p] : start;", "mvu_"),
    hls(V + "mvu.hpp", "kept[group] = word;", "kept[0] = word;", "mvu_"),
    hls(V + "pad.hpp", "field<XBits>(word, p * XBits)));", "field<XBits>(word, 0)));", "pad_"),
    hls(V + "width.hpp", "held -= ParOut;", "held = 0;", "width_"),
    hls(V + "window.hpp", "r < Height && c >= 0 && c < Width;", "r < Height && c >= 0;", "window_"),
    equivalent(hls(V + "window.hpp", "come >= (last_row * Width + last_col + 1) * Blocks;", "come >= (last_row * Width + last_col) * Blocks;", "window_"), "The word that is missing is read in the same step, before its tap is taken; only the schedule that Vitis finds differs."),
    hls(V + "concat.hpp", "constexpr int Pixel = Words0 + Words1;", "constexpr int Pixel = Words0 + Words1 + 1;", "concat_"),
    hls(V + "lines.hpp", "&& row % StrideH == 0 &&", "&& row % StrideH == StrideH - 1 &&", "lines_"),
    hls(V + "reduce.hpp", "acc[p] = tap ? Lane::join(acc[p], element, least) : element;", "acc[p] = Lane::join(acc[p], element, least);", "reduce_ or pool_"),
    hls(V + "rescale.hpp", "const Total shifted = Total(sum >> Shift);", "const Total shifted = Total(sum / (Total(1) << Shift));", "rescale_"),
    hls(V + "threshold.hpp", "count += level >= t ? 1 : 0;", "count += level > t ? 1 : 0;", "threshold_"),
    hls(V + "threshold.hpp", "falls ? Levels - count : count", "falls ? count : count", "threshold_"),
    hls(V + "topk.hpp", "const bool beats = k >= held || score > best[k];", "const bool beats = k >= held || score >= best[k];", "topk_"),
    hls(V + "upsample.hpp", "if (again == 0 && repeat == 0) {", "if (again == 0) {", "upsample_"),
    hls(V + "pool.hpp", "const bool last = row % KernelH == KernelH - 1 &&", "const bool last = row % KernelH == 0 &&", "pool_"),
    hls(V + "vvu.hpp", "weights, block * Taps + tap, p * WBits", "weights, tap * Blocks + block, p * WBits", "vvu_"),
    hls(P + "dot.hpp", "y += acc >= Limit::at(table, pass, p, k) ? 1 : 0;", "y += acc > Limit::at(table, pass, p, k) ? 1 : 0;", "mvu_ or vvu_"),
    hls(P + "dot.hpp", "return Base + (acc >= 0 ? 1 : 0);", "return Base + (acc > 0 ? 1 : 0);", "mvu_ or vvu_"),
    hls(P + "dot.hpp", "return Counted ? 2 * int(acc) - Cols : int(acc);", "return Counted ? 2 * int(acc) + Cols : int(acc);", "mvu_ or vvu_"),
    hls(P + "dot.hpp", "return 2 * popcount<Simd>(counts &", "return popcount<Simd>(counts &", "mvu_ or vvu_"),
    hls(P + "dot.hpp", "? int(x.values[c]) : -int(x.values[c]);", "? int(x.values[c]) : int(x.values[c]);", "mvu_ or vvu_"),
    hls(V + "recur.hpp", "value<XKind>(field<XBits>(word, r * XBits))", "value<XKind>(field<XBits>(word, 0))", "recur_"),
    hls(V + "recur.hpp", "Product::Counted ? 2 * sum - Simd : sum", "Product::Counted ? 2 * sum - States : sum", "recur_"),
    hls(V + "recur.hpp", "code<1, HBits>(level) : field<HBits>(h, at)", "code<1, HBits>(level) : field<HBits>(h, 0)", "recur_"),
    hls(V + "recur.hpp", "(p * Record + Record - 1) * ThrBits", "p * Record * ThrBits", "recur_"),
    hls(V + "recur.hpp", "(p * Record + k) * ThrBits)) ? By : 0;", "(p * Record + k) * ThrBits)) ? 1 : 0;", "recur_"),
    hls(V + "recur.hpp", "    h = next;\n", "", "recur_"),
    hls(V + "multiply.hpp", "XKind0 == 0 && XKind1 == 0 ? 0 : 1, YBits", "XKind0 == 0 ? 0 : 1, YBits", "multiply_"),
)
