"""Planted faults of the HLS C++.

Stands on kinds.
"""

from .kinds import equivalent, hls, of_room

V, P = "hls/units/", "hls/parts/"

# fmt: off
MUTANTS = of_room(
    "hls",
    hls(V + "add.hpp", "code<1, YBits>(Int<64>(low + high))", "code<1, YBits>(low)", "add_two"),
    hls(V + "maximum.hpp", "value<Kind>(a) > value<Kind>(b) ? a : b", "value<Kind>(a) < value<Kind>(b) ? a : b", "maximum_signed"),
    hls(V + "mvu.hpp", "before = group ? acc[p] : start;", "before = pass ? acc[p] : start;", "mvu_bin or mvu_w2a2"),
    hls(V + "mvu.hpp", "kept[group] = word;", "kept[0] = word;", "mvu_bin"),
    hls(V + "pad.hpp", "field<XBits>(word, p * XBits)));", "field<XBits>(word, 0)));", "pad_"),
    hls(V + "width.hpp", "held -= ParOut;", "held = 0;", "width_6_2 or width_63_1"),
    hls(V + "window.hpp", "r < Height && c >= 0 && c < Width;", "r < Height && c >= 0;", "window_same or window_wide"),
    equivalent(hls(V + "window.hpp", "come >= (last_row * Width + last_col + 1) * Blocks;", "come >= (last_row * Width + last_col) * Blocks;", "window_"), "The word that is missing is read in the same step, before its tap is taken; only the schedule that Vitis finds differs."),
    hls(V + "concat.hpp", "constexpr int Pixel = Words0 + Words1;", "constexpr int Pixel = Words0 + Words1 + 1;", "concat_mixed or concat_bits"),
    hls(V + "lines.hpp", "&& row % StrideH == 0 &&", "&& row % StrideH == StrideH - 1 &&", "lines_two or lines_tall or lines_valid"),
    hls(V + "reduce.hpp", "acc[p] = tap ? Lane::join(acc[p], element, least) : element;", "acc[p] = Lane::join(acc[p], element, least);", "reduce_max or reduce_sum or reduce_bits"),
    hls(V + "rescale.hpp", "const Total shifted = Total(sum >> Shift);", "const Total shifted = Total(sum / (Total(1) << Shift));", "rescale_norm or rescale_digits or rescale_shift"),
    hls(V + "threshold.hpp", "count += level >= t ? 1 : 0;", "count += level > t ? 1 : 0;", "threshold_u8 or threshold_levels"),
    hls(V + "threshold.hpp", "falls ? Levels - count : count", "falls ? count : count", "threshold_"),
    hls(V + "topk.hpp", "const bool beats = k >= held || score > best[k];", "const bool beats = k >= held || score >= best[k];", "topk_ties or topk_5"),
    hls(V + "upsample.hpp", "if (again == 0 && repeat == 0) {", "if (again == 0) {", "upsample_both"),
    hls(V + "pool.hpp", "const bool last = row % KernelH == KernelH - 1 &&", "const bool last = row % KernelH == 0 &&", "pool_bits or pool_odd"),
    hls(V + "vvu.hpp", "weights, block * Taps + tap, p * WBits", "weights, tap * Blocks + block, p * WBits", "vvu_bits or vvu_u8"),
    hls(P + "dot.hpp", "y += acc >= Limit::at(table, pass, p, k) ? 1 : 0;", "y += acc > Limit::at(table, pass, p, k) ? 1 : 0;", "mvu_w2a2 or mvu_w4"),
    hls(P + "dot.hpp", "return Base + (acc >= 0 ? 1 : 0);", "return Base + (acc > 0 ? 1 : 0);", "mvu_bin or mvu_u8 or mvu_pad or vvu_bits"),
    hls(P + "dot.hpp", "return Counted ? 2 * int(acc) - Cols : int(acc);", "return Counted ? 2 * int(acc) + Cols : int(acc);", "mvu_raw"),
    hls(P + "dot.hpp", "return 2 * popcount<Simd>(counts &", "return popcount<Simd>(counts &", "mvu_pad or mvu_choice or mvu_signs"),
    hls(P + "dot.hpp", "? int(x.values[c]) : -int(x.values[c]);", "? int(x.values[c]) : int(x.values[c]);", "mvu_u8 or mvu_choice"),
    hls(V + "recur.hpp", "value<XKind>(field<XBits>(word, r * XBits))", "value<XKind>(field<XBits>(word, 0))", "recur_gate or recur_every"),
    hls(V + "recur.hpp", "Product::Counted ? 2 * sum - Simd : sum", "Product::Counted ? 2 * sum - States : sum", "recur_bits"),
    hls(V + "recur.hpp", "code<1, HBits>(level) : field<HBits>(h, at)", "code<1, HBits>(level) : field<HBits>(h, 0)", "recur_gate"),
    hls(V + "recur.hpp", "(p * Record + Record - 1) * ThrBits", "p * Record * ThrBits", "recur_gate"),
    hls(V + "recur.hpp", "(p * Record + k) * ThrBits)) ? By : 0;", "(p * Record + k) * ThrBits)) ? 1 : 0;", "recur_zero"),
    hls(V + "recur.hpp", "  h = next;\n", "", "recur_bits"),
    hls(V + "multiply.hpp", "XKind0 == 0 && XKind1 == 0 ? 0 : 1, YBits", "XKind0 == 0 ? 0 : 1, YBits", "multiply_sign or multiply_signs or multiply_gate"),
)
