// pool.hpp - the largest, the least or the sum of every tile of an image; the same unit as pool.sv.
//
// Stride equals kernel, nothing is padded, rows and columns that fill no tile are dropped.
// Minimum 1: every channel takes the least; `minimum` holds a bit for each channel where channels differ.
// Timing: one word of Pe channels a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Words: input words of one image.
#pragma once

#include "reduce.hpp"

template <int Height, int Width, int Channels, int Pe, int KernelH, int KernelW, int XBits, int XKind, int YBits,
          int Sum, int Minimum, int Words, class Flags>
void pool(Stream<Pe * XBits> &x, Stream<Pe * YBits> &y, const Flags &minimum) {
  static_assert(Channels % Pe == 0, "pool: Pe must divide Channels");
  constexpr int Blocks = Channels / Pe, OutH = Height / KernelH, OutW = Width / KernelW;
  constexpr int Tiles = KernelH > 1 ? OutW : 1;  // tiles that are open at once
  static_assert(Words == Height * Width * Blocks, "pool: Words are those of an image");
  typedef Best<XKind, YBits, Sum> Lane;
  typename Lane::Value acc[Tiles * Blocks][Pe];
#pragma HLS ARRAY_PARTITION variable = acc complete dim = 2
#pragma HLS BIND_STORAGE variable = acc type = RAM_2P impl = LUTRAM
  int row = 0, col = 0, block = 0;
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Pe * XBits> word = x.read();
    const int tile_row = row / KernelH, tile_col = col / KernelW;
    const int at = (KernelH > 1 ? tile_col : 0) * Blocks + block;
    const bool first = row % KernelH == 0 && col % KernelW == 0;
    const bool last = row % KernelH == KernelH - 1 && col % KernelW == KernelW - 1;
    if (tile_row < OutH && tile_col < OutW) {
      Word<Pe * YBits> out = 0;
      for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
        const bool least = Minimum || memory_field<1, Pe, Blocks>(minimum, block, p)[0];
        const typename Lane::Value tap = value<XKind>(field<XBits>(word, p * XBits));
        acc[at][p] = first ? tap : Lane::join(acc[at][p], tap, least);
        set_field<YBits>(out, p * YBits, Lane::coded(acc[at][p]));
      }
      if (last) y.write(out);
    }
    block = block == Blocks - 1 ? 0 : block + 1;
    if (block == 0) col = col == Width - 1 ? 0 : col + 1;
    if (block == 0 && col == 0) row++;
  }
}
