// mvu.hpp - matrix-vector-threshold unit; the same unit as mvu.sv.
//
//   acc[r] = sum_c w[r, c] * x[c]
//   y[r]   = Base + count_k(acc[r] >= t[r, k])     Levels thresholds; Levels 0: y[r] = acc[r]
//
// Timing: one word of Simd columns a cycle; a word of Pe rows leaves after Cols/Simd cycles. A vector is read once,
// kept, and replayed for the other Rows/Pe - 1 row groups.
// Kinds: 0 bipolar, 1 unsigned, 2 two's complement, 3 ternary.
// With one level the threshold memory holds what the accumulator starts at (minus the threshold), so y is its sign.
// Bipolar x bipolar counts equal bits: thresholds are in counts, and acc = 2 * count - Cols.
// Style says where weights lie in SystemVerilog; here Vitis decides. Mult says what products are made of. Words: input words of one image.
#pragma once

#include "dot.hpp"

template <int Cols, int Rows, int Simd, int Pe, int XBits, int XKind, int WBits, int WKind, int AccBits, int Levels,
          int ThrBits, int YBits, int Base, int Style, int Mult, int Load, int Words>
void mvu(Stream<Simd * XBits> &x, Stream<Pe * YBits> &y,
         const Memory<Pe * Simd * WBits, (Cols / Simd) * (Rows / Pe)> &weights,
         const typename Limits<Pe, Rows / Pe, Levels, ThrBits>::Table &thresholds) {
  static_assert(Cols % Simd == 0, "mvu: Simd must divide Cols");
  static_assert(Rows % Pe == 0, "mvu: Pe must divide Rows");
#pragma HLS ARRAY_PARTITION variable = weights complete dim = 2
#pragma HLS ARRAY_PARTITION variable = thresholds complete dim = 2
  typedef Dot<Simd, XBits, XKind, WBits, WKind, Mult> Product;
  constexpr int Groups = Cols / Simd, Passes = Rows / Pe;
  typedef Limits<Pe, Passes, Levels, ThrBits> Limit;
  Word<Simd * XBits> kept[Groups];
  Int<AccBits> acc[Pe];
#pragma HLS ARRAY_PARTITION variable = acc complete
  int group = 0, pass = 0;
  for (int step = 0; step < Words * Passes; step++) {
#pragma HLS PIPELINE II = 1
    Word<Simd * XBits> word = 0;
    if (pass == 0) {
      word = x.read();
      kept[group] = word;
    } else {
      word = kept[group];
    }
    const typename Product::Columns columns = Product::columns(word);
    Word<Pe * YBits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      const Word<Simd * WBits> w = memory_field<Simd * WBits, Pe * Simd * WBits, Groups * Passes>(
          weights, pass * Groups + group, p * Simd * WBits);
      const Int<AccBits> start = Levels == 1 ? Int<AccBits>(Limit::at(thresholds, pass, p, 0)) : Int<AccBits>(0);
      const Int<AccBits> before = group ? acc[p] : start;
      acc[p] = Int<AccBits>(before + Product::sum(columns, w));
      const int result = finished<Limit, Levels, Product::Counted, Cols, Base, AccBits>(acc[p], thresholds, pass, p);
      set_field<YBits>(out, p * YBits, code<1, YBits>(result));
    }
    if (group == Groups - 1) y.write(out);
    group = group == Groups - 1 ? 0 : group + 1;
    if (group == 0) pass = pass == Passes - 1 ? 0 : pass + 1;
  }
}
