// recur.hpp - a recurrent unit: a vector of states that every step of a sequence changes; the same unit as recur.sv.
//
//   acc[r] = x[r] + sum_j w[r, j] * h[j]
//   h'[s]  = Base + By * count_k(acc[s] >= t[s, k])        Levels thresholds
//
// With Gate rows come in pairs, a state's own and its gate's: where the gate's accumulator stays below its threshold
// the state keeps its value. Every 1: the states behind every step leave; 0: those behind the last.
// With MaskBits a second stream has one element a step: where it is not above 0 all states keep their values.
// Timing: a step waits for the last state of the step before. Words: input words of one sequence.
// Kinds: 0 bipolar, 1 unsigned, 2 two's complement, 3 ternary.
#pragma once

#include "dot.hpp"

// One step: the words of x change the states h, or with `live` false leave them as they are; with `give` they leave.
template <int States, int Simd, int Pe, int Gate, int XBits, int XKind, int HBits, int HKind, int WBits, int WKind,
          int AccBits, int Levels, int ThrBits, int Base, int By, int Mult>
void recur_step(Stream<Pe * (1 + Gate) * XBits> &x, Stream<Pe * HBits> &y, Word<States * HBits> &h, const bool live,
                const bool give,
                const Memory<Pe * (1 + Gate) * Simd * WBits, (States / Simd) * (States / Pe)> &weights,
                const Memory<Pe * (Levels + Gate) * ThrBits, States / Pe> &thresholds) {
#pragma HLS INLINE
  typedef Dot<Simd, HBits, HKind, WBits, WKind, Mult> Product;
  constexpr int Groups = States / Simd, Passes = States / Pe, Rows = Pe * (1 + Gate), Record = Levels + Gate;
  Word<States * HBits> next = h;
  Int<AccBits> acc[Rows];
#pragma HLS ARRAY_PARTITION variable = acc complete
  for (int pass = 0; pass < Passes; pass++) {
    for (int group = 0; group < Groups; group++) {
#pragma HLS PIPELINE II = 1
      if (group == 0) {
        const Word<Rows * XBits> word = x.read();
        for (int r = 0; r < Rows; r++) {
#pragma HLS UNROLL
          acc[r] = Int<AccBits>(value<XKind>(field<XBits>(word, r * XBits)));
        }
      }
      const typename Product::Columns columns = Product::columns(field<Simd * HBits>(h, group * Simd * HBits));
      for (int r = 0; r < Rows; r++) {
#pragma HLS UNROLL
        const Word<Simd * WBits> w = memory_field<Simd * WBits, Rows * Simd * WBits, Groups * Passes>(
            weights, pass * Groups + group, r * Simd * WBits);
        const int sum = Product::sum(columns, w);
        acc[r] = Int<AccBits>(acc[r] + (Product::Counted ? 2 * sum - Simd : sum));
      }
    }
    Word<Pe * HBits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      int level = Base;
      for (int k = 0; k < Levels; k++) {
#pragma HLS UNROLL
        level += acc[p * (1 + Gate)] >= value<2>(memory_field<ThrBits, Pe * Record * ThrBits, Passes>(
                                            thresholds, pass, (p * Record + k) * ThrBits)) ? By : 0;
      }
      const bool open = live && (!Gate || acc[p * (1 + Gate) + Gate] >= value<2>(memory_field<ThrBits, Pe * Record * ThrBits, Passes>(
                                                  thresholds, pass, (p * Record + Record - 1) * ThrBits)));
      const int at = (pass * Pe + p) * HBits;
      const Word<HBits> state = open ? code<1, HBits>(level) : field<HBits>(h, at);
      set_field<HBits>(next, at, state);
      set_field<HBits>(out, p * HBits, state);
    }
    if (give) y.write(out);
  }
  h = next;
}

// What holds of every recurrent unit, with a mask and without.
template <int Steps, int States, int Simd, int Pe, int Words>
void recur_check() {
#pragma HLS INLINE
  static_assert(States % Simd == 0, "recur: Simd must divide States");
  static_assert(States % Pe == 0, "recur: Pe must divide States");
  static_assert(Words == Steps * (States / Pe), "recur: a sequence has Steps steps");
}

template <int Steps, int States, int Simd, int Pe, int Gate, int Every, int MaskBits, int MaskKind, int XBits, int XKind,
          int HBits, int HKind, int WBits, int WKind, int AccBits, int Levels, int ThrBits, int Base, int By, int Style,
          int Mult, int Load, int Words>
void recur(Stream<Pe * (1 + Gate) * XBits> &x, Stream<Pe * HBits> &y,
           const Memory<Pe * (1 + Gate) * Simd * WBits, (States / Simd) * (States / Pe)> &weights,
           const Memory<Pe * (Levels + Gate) * ThrBits, States / Pe> &thresholds,
           const Memory<States * HBits, 1> &start) {
  recur_check<Steps, States, Simd, Pe, Words>();
  static_assert(MaskBits == 0, "recur: MaskBits are those of the mask it takes");
#pragma HLS ARRAY_PARTITION variable = weights complete dim = 2
#pragma HLS ARRAY_PARTITION variable = thresholds complete dim = 2
  Word<States * HBits> h = memory_field<States * HBits, States * HBits, 1>(start, 0, 0);
  for (int t = 0; t < Steps; t++) {
    recur_step<States, Simd, Pe, Gate, XBits, XKind, HBits, HKind, WBits, WKind, AccBits, Levels, ThrBits, Base, By, Mult>(
        x, y, h, true, Every || t == Steps - 1, weights, thresholds);
  }
}

template <int Steps, int States, int Simd, int Pe, int Gate, int Every, int MaskBits, int MaskKind, int XBits, int XKind,
          int HBits, int HKind, int WBits, int WKind, int AccBits, int Levels, int ThrBits, int Base, int By, int Style,
          int Mult, int Load, int Words>
void recur(Stream<Pe * (1 + Gate) * XBits> &x, Stream<(MaskBits > 0 ? MaskBits : 1)> &mask, Stream<Pe * HBits> &y,
           const Memory<Pe * (1 + Gate) * Simd * WBits, (States / Simd) * (States / Pe)> &weights,
           const Memory<Pe * (Levels + Gate) * ThrBits, States / Pe> &thresholds,
           const Memory<States * HBits, 1> &start) {
  recur_check<Steps, States, Simd, Pe, Words>();
  static_assert(MaskBits > 0, "recur: MaskBits are those of the mask it takes");
#pragma HLS ARRAY_PARTITION variable = weights complete dim = 2
#pragma HLS ARRAY_PARTITION variable = thresholds complete dim = 2
  Word<States * HBits> h = memory_field<States * HBits, States * HBits, 1>(start, 0, 0);
  for (int t = 0; t < Steps; t++) {
    recur_step<States, Simd, Pe, Gate, XBits, XKind, HBits, HKind, WBits, WKind, AccBits, Levels, ThrBits, Base, By, Mult>(
        x, y, h, value<MaskKind>(mask.read()) > 0, Every || t == Steps - 1, weights, thresholds);
  }
}
