// maximum.hpp - the larger element of two streams of one shape and one encoding; the same unit as maximum.sv.
//
//   y = max(x_0, x_1)
//
// Timing: one word of Pe elements a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Words: words of one image.
#pragma once

#include "stream.hpp"

template <int Pe, int Bits, int Kind, int Words>
void maximum(Stream<Pe * Bits> &x0, Stream<Pe * Bits> &x1, Stream<Pe * Bits> &y) {
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Pe * Bits> left = x0.read(), right = x1.read();
    Word<Pe * Bits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      const Word<Bits> a = field<Bits>(left, p * Bits), b = field<Bits>(right, p * Bits);
      set_field<Bits>(out, p * Bits, value<Kind>(a) > value<Kind>(b) ? a : b);
    }
    y.write(out);
  }
}
