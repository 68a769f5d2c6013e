// vvu.hpp - depthwise convolution with a threshold for each channel; the same unit as vvu.sv.
//
//   acc[c] = sum_t w[c, t] * x[t, c]
//   y[c]   = Base + count_k(acc[c] >= t[c, k])     Levels thresholds; Levels 0: y[c] = acc[c]
//
// Words come from a window in depthwise order: blocks of Pe channels, the taps of a block one after another.
// Timing: one tap of Pe channels a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement, 3 ternary.
// Mult says what products of numbers are made of. Words: input words of one image.
#pragma once

#include "dot.hpp"

template <int Taps, int Channels, int Pe, int XBits, int XKind, int WBits, int WKind, int AccBits, int Levels,
          int ThrBits, int YBits, int Base, int Mult, int Load, int Words>
void vvu(Stream<Pe * XBits> &x, Stream<Pe * YBits> &y, const Memory<Pe * WBits, Taps * (Channels / Pe)> &weights,
         const typename Limits<Pe, Channels / Pe, Levels, ThrBits>::Table &thresholds) {
  static_assert(Channels % Pe == 0, "vvu: Pe must divide Channels");
#pragma HLS ARRAY_PARTITION variable = weights complete dim = 2
#pragma HLS ARRAY_PARTITION variable = thresholds complete dim = 2
  typedef Dot<1, XBits, XKind, WBits, WKind, Mult> Product;
  typedef Limits<Pe, Channels / Pe, Levels, ThrBits> Limit;
  constexpr int Blocks = Channels / Pe;
  Int<AccBits> acc[Pe];
#pragma HLS ARRAY_PARTITION variable = acc complete
  int tap = 0, block = 0;
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Pe * XBits> word = x.read();
    Word<Pe * YBits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      const Word<WBits> w = memory_field<WBits, Pe * WBits, Taps * Blocks>(weights, block * Taps + tap, p * WBits);
      const Int<AccBits> start = Levels == 1 ? Int<AccBits>(Limit::at(thresholds, block, p, 0)) : Int<AccBits>(0);
      const Int<AccBits> before = tap ? acc[p] : start;
      acc[p] = Int<AccBits>(before + Product::sum(Product::columns(field<XBits>(word, p * XBits)), w));
      const int result = finished<Limit, Levels, Product::Counted, Taps, Base, AccBits>(acc[p], thresholds, block, p);
      set_field<YBits>(out, p * YBits, code<1, YBits>(result));
    }
    if (tap == Taps - 1) y.write(out);
    tap = tap == Taps - 1 ? 0 : tap + 1;
    if (tap == 0) block = block == Blocks - 1 ? 0 : block + 1;
  }
}
