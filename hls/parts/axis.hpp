// axis.hpp - the two ends of a design: AXI-Stream beats to words, words to beats.
//
// A beat carries one word in whole bytes, element 0 in the low bits; the last word of an image has `last` set.
// Timing: one beat a cycle.
#pragma once

#include "stream.hpp"

#if defined(__has_include)
#if __has_include(<ap_axi_sdata.h>)
#define HWFLOW_AMD_BEATS
#endif
#endif

#ifdef HWFLOW_AMD_BEATS
#include <ap_axi_sdata.h>
template <int Bytes> using Beat = ap_axiu<8 * Bytes, 0, 0, 0>;
#else
template <int Bytes> struct Beat {
  Word<8 * Bytes> data;
  Word<Bytes> keep, strb;
  Word<1> last;
};
#endif

template <int Bits> struct Axis {
  static constexpr int Bytes = (Bits + 7) / 8;
  using Port = Channel<Beat<Bytes>>;
};

template <int Bits, int Words> void from_axis(typename Axis<Bits>::Port &s_axis, Stream<Bits> &y) {
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Beat<Axis<Bits>::Bytes> beat = s_axis.read();
    const Word<8 * Axis<Bits>::Bytes> data = beat.data;
    y.write(field<Bits>(data, 0));
  }
}

template <int Bits, int Words> void to_axis(Stream<Bits> &x, typename Axis<Bits>::Port &m_axis) {
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    Word<8 * Axis<Bits>::Bytes> data = 0;
    set_field<Bits>(data, 0, x.read());
    Beat<Axis<Bits>::Bytes> beat;
    beat.data = data;
    beat.keep = ~Word<Axis<Bits>::Bytes>(0);
    beat.strb = ~Word<Axis<Bits>::Bytes>(0);
    beat.last = Word<1>(i == Words - 1 ? 1 : 0);
    m_axis.write(beat);
  }
}
