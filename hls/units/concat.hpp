// concat.hpp - the channels of several streams, one after the other in every pixel; the same unit as concat.sv.
//
//   y = x_0 * Scale_0, then x_1 * Scale_1, ..      one to four inputs; Words_i words of each in a pixel
//
// YKind 0: every input is -1/+1 with scale 1 and leaves as it came.
// Timing: one word of Simd elements a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Words: words of one image on input 0.
#pragma once

#include "add.hpp"

// A word of one input in the encoding of y.
template <int Simd, int YBits, int YKind, int Scale, int XBits, int XKind>
inline Word<Simd * YBits> joined(const Word<Simd * XBits> &word) {
#pragma HLS INLINE
  Word<Simd * YBits> out = 0;
  for (int s = 0; s < Simd; s++) {
#pragma HLS UNROLL
    set_field<YBits>(out, s * YBits, code<YKind, YBits>(scaled<Scale, XBits, XKind, Simd>(word, s)));
  }
  return out;
}

template <int Inputs, int Simd, int YBits, int YKind, int Words0, int Scale0, int XBits0, int XKind0, int Words1, int
          Scale1, int XBits1, int XKind1, int Words2, int Scale2, int XBits2, int XKind2, int Words3, int Scale3, int
          XBits3, int XKind3, int Words>
void concat(Stream<Simd * XBits0> &x0, Stream<Simd * YBits> &y) {
  static_assert(Inputs == 1, "concat: Inputs are the streams it takes");
  constexpr int Pixel = Words0;
  int at = 0;
  for (int i = 0; i < Words / Words0 * Pixel; i++) {
#pragma HLS PIPELINE II = 1
    y.write(joined<Simd, YBits, YKind, Scale0, XBits0, XKind0>(x0.read()));
    at = at == Pixel - 1 ? 0 : at + 1;
  }
}

template <int Inputs, int Simd, int YBits, int YKind, int Words0, int Scale0, int XBits0, int XKind0, int Words1, int
          Scale1, int XBits1, int XKind1, int Words2, int Scale2, int XBits2, int XKind2, int Words3, int Scale3, int
          XBits3, int XKind3, int Words>
void concat(Stream<Simd * XBits0> &x0, Stream<Simd * XBits1> &x1, Stream<Simd * YBits> &y) {
  static_assert(Inputs == 2, "concat: Inputs are the streams it takes");
  constexpr int Pixel = Words0 + Words1;
  int at = 0;
  for (int i = 0; i < Words / Words0 * Pixel; i++) {
#pragma HLS PIPELINE II = 1
    if (at < Words0) {
      y.write(joined<Simd, YBits, YKind, Scale0, XBits0, XKind0>(x0.read()));
    } else {
      y.write(joined<Simd, YBits, YKind, Scale1, XBits1, XKind1>(x1.read()));
    }
    at = at == Pixel - 1 ? 0 : at + 1;
  }
}

template <int Inputs, int Simd, int YBits, int YKind, int Words0, int Scale0, int XBits0, int XKind0, int Words1, int
          Scale1, int XBits1, int XKind1, int Words2, int Scale2, int XBits2, int XKind2, int Words3, int Scale3, int
          XBits3, int XKind3, int Words>
void concat(Stream<Simd * XBits0> &x0, Stream<Simd * XBits1> &x1, Stream<Simd * XBits2> &x2, Stream<Simd * YBits> &y)
            {
  static_assert(Inputs == 3, "concat: Inputs are the streams it takes");
  constexpr int Pixel = Words0 + Words1 + Words2;
  int at = 0;
  for (int i = 0; i < Words / Words0 * Pixel; i++) {
#pragma HLS PIPELINE II = 1
    if (at < Words0) {
      y.write(joined<Simd, YBits, YKind, Scale0, XBits0, XKind0>(x0.read()));
    } else if (at < Words0 + Words1) {
      y.write(joined<Simd, YBits, YKind, Scale1, XBits1, XKind1>(x1.read()));
    } else {
      y.write(joined<Simd, YBits, YKind, Scale2, XBits2, XKind2>(x2.read()));
    }
    at = at == Pixel - 1 ? 0 : at + 1;
  }
}

template <int Inputs, int Simd, int YBits, int YKind, int Words0, int Scale0, int XBits0, int XKind0, int Words1, int
          Scale1, int XBits1, int XKind1, int Words2, int Scale2, int XBits2, int XKind2, int Words3, int Scale3, int
          XBits3, int XKind3, int Words>
void concat(Stream<Simd * XBits0> &x0, Stream<Simd * XBits1> &x1, Stream<Simd * XBits2> &x2, Stream<Simd * XBits3>
            &x3, Stream<Simd * YBits> &y) {
  static_assert(Inputs == 4, "concat: Inputs are the streams it takes");
  constexpr int Pixel = Words0 + Words1 + Words2 + Words3;
  int at = 0;
  for (int i = 0; i < Words / Words0 * Pixel; i++) {
#pragma HLS PIPELINE II = 1
    if (at < Words0) {
      y.write(joined<Simd, YBits, YKind, Scale0, XBits0, XKind0>(x0.read()));
    } else if (at < Words0 + Words1) {
      y.write(joined<Simd, YBits, YKind, Scale1, XBits1, XKind1>(x1.read()));
    } else if (at < Words0 + Words1 + Words2) {
      y.write(joined<Simd, YBits, YKind, Scale2, XBits2, XKind2>(x2.read()));
    } else {
      y.write(joined<Simd, YBits, YKind, Scale3, XBits3, XKind3>(x3.read()));
    }
    at = at == Pixel - 1 ? 0 : at + 1;
  }
}
