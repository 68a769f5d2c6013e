// reduce.hpp - the largest, the least or the sum of the taps of every window; the same unit as reduce.sv.
//
// Words come from a window in depthwise order: blocks of Pe channels, the taps of a block one after another.
// Minimum 1: every channel takes the least; `minimum` holds a bit for each channel where channels differ.
// Timing: one tap of Pe channels a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Words: input words of one image.
#pragma once

#include "stream.hpp"

// One channel of a pool: taps joined into a value, the value as a code.
template <int XKind, int YBits, int Sum> struct Best {
  typedef Int<YBits + 2> Value;  // a bit for the sign of unsigned codes, and never less than value<> needs

  static Value join(const Value &so_far, const Value &tap, bool least) {
#pragma HLS INLINE
    if (Sum) return Value(so_far + tap);
    return (least ? tap < so_far : tap > so_far) ? tap : so_far;
  }

  static Word<YBits> coded(const Value &v) {
#pragma HLS INLINE
    return code<(XKind == 0 && !Sum ? 0 : 1), YBits>(v);
  }
};

template <int Taps, int Channels, int Pe, int XBits, int XKind, int YBits, int Sum, int Minimum, int Words,
          class Flags>
void reduce(Stream<Pe * XBits> &x, Stream<Pe * YBits> &y, const Flags &minimum) {
  static_assert(Channels % Pe == 0, "reduce: Pe must divide Channels");
  constexpr int Blocks = Channels / Pe;
  typedef Best<XKind, YBits, Sum> Lane;
  typename Lane::Value acc[Pe];
#pragma HLS ARRAY_PARTITION variable = acc complete
  int tap = 0, block = 0;
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Pe * XBits> word = x.read();
    Word<Pe * YBits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      const bool least = Minimum || memory_field<1, Pe, Blocks>(minimum, block, p)[0];
      const typename Lane::Value element = value<XKind>(field<XBits>(word, p * XBits));
      acc[p] = tap ? Lane::join(acc[p], element, least) : element;
      set_field<YBits>(out, p * YBits, Lane::coded(acc[p]));
    }
    if (tap == Taps - 1) y.write(out);
    tap = tap == Taps - 1 ? 0 : tap + 1;
    if (tap == 0) block = block == Blocks - 1 ? 0 : block + 1;
  }
}
