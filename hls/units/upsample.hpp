// upsample.hpp - every pixel repeated FactorH times down and FactorW times across; the same unit as upsample.sv.
//
// Timing: one word out a cycle; a word enters in the first row and column of its repeats, the row is kept for the others.
// Depth is the ring of the SystemVerilog unit. Words: input words of one image.
#pragma once

#include "stream.hpp"

template <int Width, int Channels, int Pe, int Bits, int FactorH, int FactorW, int Depth, int Words>
void upsample(Stream<Pe * Bits> &x, Stream<Pe * Bits> &y) {
  static_assert(Channels % Pe == 0, "upsample: Pe must divide Channels");
  constexpr int Blocks = Channels / Pe, Kept = (FactorH > 1 ? Width : 1) * Blocks;
  Word<Pe * Bits> row[Kept];
  int block = 0, repeat = 0, col = 0, again = 0;
  for (int i = 0; i < Words * FactorH * FactorW; i++) {
#pragma HLS PIPELINE II = 1
    const int at = (FactorH > 1 ? col : 0) * Blocks + block;
    Word<Pe * Bits> word = 0;
    if (again == 0 && repeat == 0) {
      word = x.read();
      row[at] = word;
    } else {
      word = row[at];
    }
    y.write(word);
    block = block == Blocks - 1 ? 0 : block + 1;
    if (block == 0) repeat = repeat == FactorW - 1 ? 0 : repeat + 1;
    if (block == 0 && repeat == 0) col = col == Width - 1 ? 0 : col + 1;
    if (block == 0 && repeat == 0 && col == 0) again = again == FactorH - 1 ? 0 : again + 1;
  }
}
