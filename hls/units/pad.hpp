// pad.hpp - zeros around an image and beside its channels; the same unit as pad.sv.
//
// A word of y is Pe channels of a pixel, or all the channels of one or several pixels (Pe a multiple of all channels of y),
// and a word of x as many. Timing: one word out a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Words: input words of one image.
#pragma once

#include "stream.hpp"

template <int Height, int Width, int Channels, int Pe, int PadTop, int PadLeft, int PadBottom, int PadRight,
          int Before, int After, int XBits, int XKind, int YBits, int Words>
void pad(Stream<(Pe >= Before + Channels + After ? Pe / (Before + Channels + After) * Channels : Pe) * XBits> &x,
         Stream<Pe * YBits> &y) {
  constexpr int Total = Before + Channels + After, Pixels = Pe / Total, XPe = Pixels ? Pixels * Channels : Pe;
  static_assert(Pixels ? Pe % Total == 0 : Channels % Pe == 0 && Before % Pe == 0 && After % Pe == 0,
                "pad: Pe must divide every run of channels or be whole pixels");
  static_assert(Pixels < 2 || PadLeft + PadRight == 0, "pad: several pixels a word only where no columns are padded");
  constexpr int Across = Pixels > 1 ? (Width + Pixels - 1) / Pixels : Width;  // words of a row, by block
  constexpr int First = Pixels ? 0 : Before / Pe, Count = Pixels ? 1 : Channels / Pe;
  static_assert(Words == Height * Across * Count, "pad: Words are those of an image");
  constexpr int Rows = PadTop + Height + PadBottom, Cols = PadLeft + Across + PadRight;
  constexpr int Blocks = Pixels ? 1 : Total / Pe;
  int row = 0, col = 0, block = 0;
  for (int i = 0; i < Rows * Cols * Blocks; i++) {
#pragma HLS PIPELINE II = 1
    const bool in_row = row >= PadTop && row < PadTop + Height, in_col = col >= PadLeft && col < PadLeft + Across;
    const bool in_block = block >= First && block < First + Count;
    Word<Pe * YBits> out = 0;
    if (in_row && in_col && in_block) {
      const Word<XPe * XBits> word = x.read();
      for (int p = 0; p < XPe; p++) {
#pragma HLS UNROLL
        const int place = Pixels ? p / Channels * Total + Before + p % Channels : p;
        set_field<YBits>(out, place * YBits, widened<XKind, YBits>(field<XBits>(word, p * XBits)));
      }
    }
    y.write(out);
    block = block == Blocks - 1 ? 0 : block + 1;
    if (block == 0) col = col == Cols - 1 ? 0 : col + 1;
    if (block == 0 && col == 0) row++;
  }
}
