// recode.hpp - the same values in another encoding; the same unit as recode.sv.
//
// Timing: one word a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement. Words: words of one image.
#pragma once

#include "stream.hpp"

template <int Par, int XBits, int XKind, int YBits, int YKind, int Words>
void recode(Stream<Par * XBits> &x, Stream<Par * YBits> &y) {
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Par * XBits> word = x.read();
    Word<Par * YBits> out = 0;
    for (int p = 0; p < Par; p++) {
#pragma HLS UNROLL
      set_field<YBits>(out, p * YBits, code<YKind, YBits>(value<XKind>(field<XBits>(word, p * XBits))));
    }
    y.write(out);
  }
}
