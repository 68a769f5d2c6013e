// split.hpp - one stream becomes several equal ones; the same unit as split.sv.
//
// Timing: one word a cycle. Words: words of one image.
#pragma once

#include "stream.hpp"

template <int Bits, int Copies, int Words, class... Copy> void split(Stream<Bits> &x, Copy &...y) {
  static_assert(sizeof...(Copy) == Copies, "split: Copies are the streams it gives");
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Bits> word = x.read();
    const int written[] = {(y.write(word), 0)...};
    (void)written;
  }
}
