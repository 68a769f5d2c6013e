// upsample.hpp - every pixel repeated FactorH times down and FactorW times across; the same unit as upsample.sv.
//
// A word of y is Pe channels of a pixel, or several whole pixels: so many repeats of one, or all the repeats of several
// pixels, which are a word of x. Every row begins with a word of its own; what lies in its last word beyond it means
// nothing. Timing: one word out a cycle; a word enters in the first row and column of its repeats, the row is kept for the others.
// Depth is the ring of the SystemVerilog unit. Words: input words of one image.
#pragma once

#include "stream.hpp"

template <int Width, int Channels, int Pe, int Bits, int FactorH, int FactorW, int Depth, int Words>
void upsample(Stream<(Pe > Channels * FactorW ? Pe / FactorW : Pe > Channels ? Channels : Pe) * Bits> &x,
              Stream<Pe * Bits> &y) {
  constexpr int Pixels = Pe > Channels ? Pe / Channels : 1, Lanes = Pe > Channels ? Channels : Pe;
  constexpr int Taken = Pixels > FactorW ? Pixels / FactorW : 1, Copies = Pixels / Taken, Repeats = FactorW / Copies;
  static_assert(Channels % Lanes == 0 && Pixels * Lanes == Pe, "upsample: Pe must divide Channels or be whole pixels");
  static_assert(Pixels == Taken * Copies && FactorW == Repeats * Copies, "upsample: words must be made of repeats");
  constexpr int Across = (Width + Taken - 1) / Taken, Blocks = Channels / Lanes, Kept = (FactorH > 1 ? Across : 1) * Blocks;
  Word<Taken * Lanes * Bits> row[Kept];
  int block = 0, repeat = 0, col = 0, again = 0;
  for (int i = 0; i < Words * FactorH * Repeats; i++) {
#pragma HLS PIPELINE II = 1
    const int at = (FactorH > 1 ? col : 0) * Blocks + block;
    Word<Taken * Lanes * Bits> word = 0;
    if (again == 0 && repeat == 0) {
      word = x.read();
      row[at] = word;
    } else {
      word = row[at];
    }
    Word<Pe * Bits> out = 0;
    for (int p = 0; p < Pixels; p++) {
#pragma HLS UNROLL
      set_field<Lanes * Bits>(out, p * Lanes * Bits, field<Lanes * Bits>(word, p / Copies * Lanes * Bits));
    }
    y.write(out);
    block = block == Blocks - 1 ? 0 : block + 1;
    if (block == 0) repeat = repeat == Repeats - 1 ? 0 : repeat + 1;
    if (block == 0 && repeat == 0) col = col == Across - 1 ? 0 : col + 1;
    if (block == 0 && repeat == 0 && col == 0) again = again == FactorH - 1 ? 0 : again + 1;
  }
}
