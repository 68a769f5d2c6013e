// pool.hpp - the largest, the least or the sum of every tile of an image; the same unit as pool.sv.
//
// Stride equals kernel, nothing is padded, rows and columns that fill no tile are dropped.
// Minimum 1: every channel takes the least; `minimum` holds a bit for each channel where channels differ.
// A word of x is Pe channels of a pixel, or several whole pixels: whole rows of tiles, of which y has as many pixels a
// word, or a part of one. Every row begins with a word of its own; what lies in its last word beyond it means nothing.
// Timing: one word a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Words: input words of one image.
#pragma once

#include "reduce.hpp"

template <int Height, int Width, int Channels, int Pe, int KernelH, int KernelW, int XBits, int XKind, int YBits,
          int Sum, int Minimum, int Words, class Flags>
void pool(Stream<Pe * XBits> &x, Stream<(Pe > Channels * KernelW ? Pe / KernelW : Pe > Channels ? Channels : Pe) * YBits> &y,
          const Flags &minimum) {
  constexpr int Pixels = Pe > Channels ? Pe / Channels : 1, Lanes = Pe > Channels ? Channels : Pe;
  constexpr int Tiles = Pixels > KernelW ? Pixels / KernelW : 1, Taps = Pixels / Tiles;  // of a word, and of a tile in it
  constexpr int Kw = KernelW / Taps, Across = (Width + Pixels - 1) / Pixels;             // words of a tile and of a row
  static_assert(Channels % Lanes == 0 && Pixels * Lanes == Pe, "pool: Pe must divide Channels or be whole pixels");
  static_assert(Pixels == Tiles * Taps && Kw * Taps == KernelW, "pool: words must make whole tiles");
  constexpr int Blocks = Channels / Lanes, OutH = Height / KernelH, OutW = (Width / KernelW + Tiles - 1) / Tiles;
  constexpr int Open = KernelH > 1 ? OutW : 1;  // words of y that are open at once
  static_assert(Words == Height * Across * Blocks, "pool: Words are those of an image");
  typedef Best<XKind, YBits, Sum> Lane;
  typename Lane::Value acc[Open * Blocks][Tiles * Lanes];
#pragma HLS ARRAY_PARTITION variable = acc complete dim = 2
#pragma HLS BIND_STORAGE variable = acc type = RAM_2P impl = LUTRAM
  int row = 0, col = 0, block = 0;
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Pe * XBits> word = x.read();
    const int tile_row = row / KernelH, tile_col = col / Kw;
    const int at = (KernelH > 1 ? tile_col : 0) * Blocks + block;
    const bool first = row % KernelH == 0 && col % Kw == 0;
    const bool last = row % KernelH == KernelH - 1 && col % Kw == Kw - 1;
    if (tile_row < OutH && tile_col < OutW) {
      Word<Tiles * Lanes * YBits> out = 0;
      for (int p = 0; p < Tiles * Lanes; p++) {
#pragma HLS UNROLL
        const bool least = Minimum || memory_field<1, Lanes, Blocks>(minimum, block, p % Lanes)[0];
        for (int k = 0; k < Taps; k++) {
#pragma HLS UNROLL
          const int place = (p / Lanes * Taps + k) * Lanes + p % Lanes;
          const typename Lane::Value tap = value<XKind>(field<XBits>(word, place * XBits));
          acc[at][p] = first && k == 0 ? tap : Lane::join(acc[at][p], tap, least);
        }
        set_field<YBits>(out, p * YBits, Lane::coded(acc[at][p]));
      }
      if (last) y.write(out);
    }
    block = block == Blocks - 1 ? 0 : block + 1;
    if (block == 0) col = col == Across - 1 ? 0 : col + 1;
    if (block == 0 && col == 0) row++;
  }
}
