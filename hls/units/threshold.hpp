// threshold.hpp - a staircase for each channel; the same unit as threshold.sv.
//
//   y = Base + count_k(x >= t[c, k]), or Base + Levels - count where channel c falls
//
// Timing: one word of Pe channels a cycle. A channel's record is its thresholds, level 0 low, then its falling bit
// where Falling is 1. A bipolar x is compared as its bit. Words: input words of one image.
#pragma once

#include "stream.hpp"

template <int Channels, int Pe, int XBits, int XKind, int Levels, int ThrBits, int YBits, int Base, int Falling,
          int Load, int Words>
void threshold(Stream<Pe * XBits> &x, Stream<Pe * YBits> &y,
               const Memory<Pe * (Levels * ThrBits + Falling), Channels / Pe> &thresholds) {
  static_assert(Channels % Pe == 0, "threshold: Pe must divide Channels");
#pragma HLS ARRAY_PARTITION variable = thresholds complete dim = 2
  constexpr int Record = Levels * ThrBits + Falling, Code = XKind == 2 ? 2 : 1;
  int group = 0;
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Pe * XBits> word = x.read();
    Word<Pe * YBits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      const auto level = value<Code>(field<XBits>(word, p * XBits));
      int count = 0;
      for (int k = 0; k < Levels; k++) {
#pragma HLS UNROLL
        const auto t = value<2>(memory_field<ThrBits, Pe * Record, Channels / Pe>(thresholds, group, p * Record + k * ThrBits));
        count += level >= t ? 1 : 0;
      }
      const int last = p * Record + Record - 1;
      const bool falls = Falling && memory_field<1, Pe * Record, Channels / Pe>(thresholds, group, last)[0];
      set_field<YBits>(out, p * YBits, code<1, YBits>(Base + (falls ? Levels - count : count)));
    }
    y.write(out);
    group = group == Channels / Pe - 1 ? 0 : group + 1;
  }
}
