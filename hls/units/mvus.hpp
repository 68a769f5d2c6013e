// mvus.hpp - matrix-vector-threshold units side by side; the same unit as mvus.sv.
//
// Pixels vectors a cycle, each with all its Cols columns and Rows rows. A word of x is the vectors one after another, a
// word of y their results; weights, thresholds and kinds are those of mvu.hpp. Words: input words of one image.
#pragma once

#include "dot.hpp"

template <int Pixels, int Cols, int Rows, int XBits, int XKind, int WBits, int WKind, int AccBits, int Levels,
          int ThrBits, int YBits, int Base, int Style, int Mult, int Load, int Words>
void mvus(Stream<Pixels * Cols * XBits> &x, Stream<Pixels * Rows * YBits> &y,
          const Memory<Rows * Cols * WBits, 1> &weights,
          const typename Limits<Rows, 1, Levels, ThrBits>::Table &thresholds) {
#pragma HLS ARRAY_PARTITION variable = weights complete dim = 2
#pragma HLS ARRAY_PARTITION variable = thresholds complete dim = 2
  typedef Dot<Cols, XBits, XKind, WBits, WKind, Mult> Product;
  typedef Limits<Rows, 1, Levels, ThrBits> Limit;
  for (int step = 0; step < Words; step++) {
#pragma HLS PIPELINE II = 1
    const Word<Pixels * Cols * XBits> word = x.read();
    Word<Pixels * Rows * YBits> out = 0;
    for (int k = 0; k < Pixels; k++) {
#pragma HLS UNROLL
      const typename Product::Columns columns = Product::columns(field<Cols * XBits>(word, k * Cols * XBits));
      for (int p = 0; p < Rows; p++) {
#pragma HLS UNROLL
        const Word<Cols * WBits> w = memory_field<Cols * WBits, Rows * Cols * WBits, 1>(weights, 0, p * Cols * WBits);
        const Int<AccBits> start = Levels == 1 ? Int<AccBits>(Limit::at(thresholds, 0, p, 0)) : Int<AccBits>(0);
        const Int<AccBits> acc = Int<AccBits>(start + Product::sum(columns, w));
        const int result = finished<Limit, Levels, Product::Counted, Cols, Base, AccBits>(acc, thresholds, 0, p);
        set_field<YBits>(out, (k * Rows + p) * YBits, code<1, YBits>(result));
      }
    }
    y.write(out);
  }
}
