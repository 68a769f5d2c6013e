// fifo.hpp - room between two units whose rhythms differ; the same unit as fifo.sv.
//
// The room itself is the stream this unit reads: the top gives it Depth words. Timing: one word a cycle.
// Style says where words lie in SystemVerilog. Words: words of one image.
#pragma once

#include "stream.hpp"

template <int Bits, int Depth, int Style, int Words> void fifo(Stream<Bits> &x, Stream<Bits> &y) {
  static_assert(Depth >= 2, "fifo: Depth must be at least 2");
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    y.write(x.read());
  }
}
