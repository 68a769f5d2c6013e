// pad.hpp - zeros around an image and beside its channels; the same unit as pad.sv.
//
// Timing: one word of Pe channels out a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Words: input words of one image.
#pragma once

#include "stream.hpp"

template <int Height, int Width, int Channels, int Pe, int PadTop, int PadLeft, int PadBottom, int PadRight,
          int Before, int After, int XBits, int XKind, int YBits, int Words>
void pad(Stream<Pe * XBits> &x, Stream<Pe * YBits> &y) {
  static_assert(Channels % Pe == 0 && Before % Pe == 0 && After % Pe == 0, "pad: Pe must divide every run of channels");
  static_assert(Words == Height * Width * (Channels / Pe), "pad: Words are those of an image");
  constexpr int Rows = PadTop + Height + PadBottom, Cols = PadLeft + Width + PadRight;
  constexpr int Blocks = (Before + Channels + After) / Pe;
  int row = 0, col = 0, block = 0;
  for (int i = 0; i < Rows * Cols * Blocks; i++) {
#pragma HLS PIPELINE II = 1
    const bool in_row = row >= PadTop && row < PadTop + Height, in_col = col >= PadLeft && col < PadLeft + Width;
    const bool in_block = block >= Before / Pe && block < (Before + Channels) / Pe;
    Word<Pe * YBits> out = 0;
    if (in_row && in_col && in_block) {
      const Word<Pe * XBits> word = x.read();
      for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
        set_field<YBits>(out, p * YBits, widened<XKind, YBits>(field<XBits>(word, p * XBits)));
      }
    }
    y.write(out);
    block = block == Blocks - 1 ? 0 : block + 1;
    if (block == 0) col = col == Cols - 1 ? 0 : col + 1;
    if (block == 0 && col == 0) row++;
  }
}
