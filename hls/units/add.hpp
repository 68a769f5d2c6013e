// add.hpp - streams of one shape summed element by element, each times its scale; the same unit as add.sv.
//
//   y = sum_i Scale_i * x_i       one to four inputs; those beyond Inputs have scale 0
//
// Timing: one word of Pe elements a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Words: words of one image.
#pragma once

#include "stream.hpp"

// Scale * element p of a word.
template <int Scale, int XBits, int XKind, int Pe> inline std::int64_t scaled(const Word<Pe * XBits> &word, int p) {
#pragma HLS INLINE
  return std::int64_t(Scale) * std::int64_t(value<XKind>(field<XBits>(word, p * XBits)));
}

template <int Inputs, int Pe, int YBits, int Scale0, int XBits0, int XKind0, int Scale1, int XBits1, int XKind1, int
          Scale2, int XBits2, int XKind2, int Scale3, int XBits3, int XKind3>
struct Sum {
  static Word<Pe * YBits> of(const Word<Pe * XBits0> &x0, const Word<Pe * XBits1> &x1 = 0,
                             const Word<Pe * XBits2> &x2 = 0, const Word<Pe * XBits3> &x3 = 0) {
#pragma HLS INLINE
    Word<Pe * YBits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      const Int<64> low = Int<64>(scaled<Scale0, XBits0, XKind0, Pe>(x0, p) + scaled<Scale1, XBits1, XKind1, Pe>(x1, p));
      const Int<64> high = Int<64>(scaled<Scale2, XBits2, XKind2, Pe>(x2, p) + scaled<Scale3, XBits3, XKind3, Pe>(x3, p));
      set_field<YBits>(out, p * YBits, code<1, YBits>(Int<64>(low + high)));
    }
    return out;
  }
};

template <int Inputs, int Pe, int YBits, int Scale0, int XBits0, int XKind0, int Scale1, int XBits1, int XKind1, int
          Scale2, int XBits2, int XKind2, int Scale3, int XBits3, int XKind3, int Words>
void add(Stream<Pe * XBits0> &x0, Stream<Pe * YBits> &y) {
  typedef Sum<Inputs, Pe, YBits, Scale0, XBits0, XKind0, Scale1, XBits1, XKind1, Scale2, XBits2, XKind2, Scale3,
              XBits3, XKind3> Lanes;
  static_assert(Inputs == 1, "add: Inputs are the streams it takes");
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    y.write(Lanes::of(x0.read()));
  }
}

template <int Inputs, int Pe, int YBits, int Scale0, int XBits0, int XKind0, int Scale1, int XBits1, int XKind1, int
          Scale2, int XBits2, int XKind2, int Scale3, int XBits3, int XKind3, int Words>
void add(Stream<Pe * XBits0> &x0, Stream<Pe * XBits1> &x1, Stream<Pe * YBits> &y) {
  typedef Sum<Inputs, Pe, YBits, Scale0, XBits0, XKind0, Scale1, XBits1, XKind1, Scale2, XBits2, XKind2, Scale3,
              XBits3, XKind3> Lanes;
  static_assert(Inputs == 2, "add: Inputs are the streams it takes");
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    y.write(Lanes::of(x0.read(), x1.read()));
  }
}

template <int Inputs, int Pe, int YBits, int Scale0, int XBits0, int XKind0, int Scale1, int XBits1, int XKind1, int
          Scale2, int XBits2, int XKind2, int Scale3, int XBits3, int XKind3, int Words>
void add(Stream<Pe * XBits0> &x0, Stream<Pe * XBits1> &x1, Stream<Pe * XBits2> &x2, Stream<Pe * YBits> &y) {
  typedef Sum<Inputs, Pe, YBits, Scale0, XBits0, XKind0, Scale1, XBits1, XKind1, Scale2, XBits2, XKind2, Scale3,
              XBits3, XKind3> Lanes;
  static_assert(Inputs == 3, "add: Inputs are the streams it takes");
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    y.write(Lanes::of(x0.read(), x1.read(), x2.read()));
  }
}

template <int Inputs, int Pe, int YBits, int Scale0, int XBits0, int XKind0, int Scale1, int XBits1, int XKind1, int
          Scale2, int XBits2, int XKind2, int Scale3, int XBits3, int XKind3, int Words>
void add(Stream<Pe * XBits0> &x0, Stream<Pe * XBits1> &x1, Stream<Pe * XBits2> &x2, Stream<Pe * XBits3> &x3, Stream<Pe * YBits> &y) {
  typedef Sum<Inputs, Pe, YBits, Scale0, XBits0, XKind0, Scale1, XBits1, XKind1, Scale2, XBits2, XKind2, Scale3,
              XBits3, XKind3> Lanes;
  static_assert(Inputs == 4, "add: Inputs are the streams it takes");
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    y.write(Lanes::of(x0.read(), x1.read(), x2.read(), x3.read()));
  }
}
