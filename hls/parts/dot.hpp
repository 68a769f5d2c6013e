// dot.hpp - the arithmetic of the units with weights: one dot product, and the thresholds behind it.
//
// Kinds: 0 bipolar, 1 unsigned, 2 two's complement, 3 ternary (two's complement in two bits; bit 0 says that it counts).
// One bit by one bit is a popcount of equal bits, ternary too (of those that count); the rest adds or multiplies.
#pragma once

#include "product.hpp"
#include "stream.hpp"

// sum of x[c] * w[c] over the Simd columns of one word; the count of equal bits where both are bipolar.
// Mult: what products of numbers are made of, see product.hpp.
template <int Simd, int XBits, int XKind, int WBits, int WKind, int Mult> struct Dot {
  static constexpr bool Counted = XKind == 0 && WKind == 0;
  static constexpr bool Masked = !Counted && (XKind == 0 || XKind == 3) && (WKind == 0 || WKind == 3);
  static constexpr int XCode = XKind == 3 ? 2 : XKind, WCode = WKind == 3 ? 2 : WKind;

  // What every row needs of the columns: made once for a word of x.
  struct Columns {
    Word<Simd> positive, counts;
    Int<int_bits(XCode, XBits)> values[Simd];
  };

  static Columns columns(const Word<Simd * XBits> &x) {
#pragma HLS INLINE
    Columns out;
#pragma HLS ARRAY_PARTITION variable = out.values complete
    out.positive = Masked || Counted ? signs<XBits>(x) : Word<Simd>(0);
    out.counts = Masked ? mask<XBits>(x) : Word<Simd>(0);
    for (int c = 0; c < Simd && !Masked && !Counted; c++) {
#pragma HLS UNROLL
      out.values[c] = value<XCode>(field<XBits>(x, c * XBits));
    }
    return out;
  }

  static int sum(const Columns &x, const Word<Simd * WBits> &w) {
#pragma HLS INLINE
    if (Counted) return popcount<Simd>(~(x.positive ^ signs<WBits>(w)));
    if (Masked) {
      const Word<Simd> counts = x.counts & mask<WBits>(w);
      return 2 * popcount<Simd>(counts & ~(x.positive ^ signs<WBits>(w))) - popcount<Simd>(counts);
    }
    int total = 0;
    for (int c = 0; c < Simd; c++) {
#pragma HLS UNROLL
      if (WKind == 0) {
        total += w[c * WBits] ? int(x.values[c]) : -int(x.values[c]);
      } else {
        total += Times<Mult, int>::of(int(x.values[c]), int(value<WCode>(field<WBits>(w, c * WBits))));
      }
    }
    return total;
  }

 private:
  // One bit a column: 1 where the element is +1 (bipolar), or not negative (ternary).
  template <int Bits> static Word<Simd> signs(const Word<Simd * Bits> &word) {
#pragma HLS INLINE
    return Bits == 1 ? field<Simd>(word, 0) : ~pick<Bits>(word, 1);
  }

  // One bit a column: 1 where the element is not 0.
  template <int Bits> static Word<Simd> mask(const Word<Simd * Bits> &word) {
#pragma HLS INLINE
    return Bits == 1 ? ~Word<Simd>(0) : pick<Bits>(word, 0);
  }

  template <int Bits> static Word<Simd> pick(const Word<Simd * Bits> &word, int first) {
#pragma HLS INLINE
    Word<2 * Simd> pairs = 0;
    set_field<(Bits < 2 ? Bits : 2) * Simd>(pairs, 0, field<(Bits < 2 ? Bits : 2) * Simd>(word, 0));
    return every_other<Simd>(pairs, first);
  }
};

// The threshold memory: a word of Pe rows x Levels for each pass; nothing where there are no levels.
template <int Pe, int Passes, int Levels, int ThrBits> struct Limits {
  static constexpr int Bits = Levels ? ThrBits : 1, Size = Levels ? Pe * Levels * ThrBits : 1;
  typedef std::conditional_t<(Levels > 0), Memory<Size, Passes>, Nothing> Table;

  static Int<Bits> at(const Table &table, int pass, int p, int level) {
#pragma HLS INLINE
    return value<2>(memory_field<Bits, Size, Passes>(table, pass, (p * Levels + level) * Bits));
  }
};

// What leaves for a finished accumulator. With one level the accumulator started at minus the threshold, so its sign
// is the answer; `Counted` accumulators of `Cols` products are counts of equal bits.
template <class Limit, int Levels, bool Counted, int Cols, int Base, int AccBits>
inline int finished(const Int<AccBits> &acc, const typename Limit::Table &table, int pass, int p) {
#pragma HLS INLINE
  if (Levels == 0) return Counted ? 2 * int(acc) - Cols : int(acc);
  if (Levels == 1) return Base + (acc >= 0 ? 1 : 0);
  int y = Base;
  for (int k = 0; k < Levels; k++) {
#pragma HLS UNROLL
    y += acc >= Limit::at(table, pass, p, k) ? 1 : 0;
  }
  return y;
}
