// lines.hpp - every patch that a convolution looks at, one or several whole ones a cycle; the same unit as lines.sv.
//
//   y[p, q, i, j, c] = x[p * StrideH + i - PadTop, q * StrideW + j - PadLeft, c]
//
// and the padding outside the image: Pad, or the code of each channel in `pads`. Order: kh, kw, channel.
// A word of x is Pixels neighbours, a word of y the windows that begin there: Pixels / StrideW, or one every StrideW
// words. Every row begins with a word of its own; what lies in its last word beyond it means nothing.
// Timing: a word in and a word out a cycle; where an image is padded below, its last windows follow its last pixel.
// KernelH - 1 rows lie in memories that hand each other the column of the word that comes. Kinds: 0 bipolar,
// 1 unsigned, 2 two's complement. Words: those of x of one image.
#pragma once

#include "stream.hpp"

template <int Height, int Width, int Channels, int Pixels, int KernelH, int KernelW, int StrideH, int StrideW,
          int PadTop, int PadLeft, int PadBottom, int PadRight, int XBits, int XKind, int YBits, int Style, int Pad,
          int Words, class Pads>
void lines(Stream<Pixels * Channels * XBits> &x,
           Stream<(Pixels > StrideW ? Pixels / StrideW : 1) * KernelH * KernelW * Channels * YBits> &y, const Pads &pads) {
#pragma HLS ARRAY_PARTITION variable = pads complete dim = 0
  constexpr int Cols = (Width + Pixels - 1) / Pixels, Windows = Pixels > StrideW ? Pixels / StrideW : 1;  // words of a row
  static_assert(Cols > 1 && (Pixels == 1 || Pixels % StrideW == 0), "lines: two words a row, of whole windows");
  static_assert(Words == Height * Cols, "lines: Words are those of an image");
  constexpr int LastRow = (Height + PadTop + PadBottom - KernelH) / StrideH * StrideH;  // where the last windows begin
  constexpr int LastCol = (Width + PadLeft + PadRight - KernelW) / StrideW * StrideW;
  static_assert(LastRow < Height && LastCol < Width, "lines: more windows begin than pixels come");
  constexpr int Late = ((Windows - 1) * StrideW + KernelW - 1 - PadLeft) / Pixels;  // words before one completes a window
  constexpr int Held = PadLeft + (Late + 1) * Pixels;                  // pixels of a row in the windows
  constexpr int Ends = (LastRow - PadTop + KernelH - 1) * Cols + LastCol / Pixels + Late + 1;
  constexpr int Steps = Ends > Words ? Ends : Words, Size = Channels * XBits;
  Word<Pixels * Size> rows[KernelH > 1 ? KernelH - 1 : 1][Cols];
  Word<Size> taps[KernelH][Held];
#pragma HLS ARRAY_PARTITION variable = rows complete dim = 1
#pragma HLS ARRAY_PARTITION variable = taps complete dim = 0
#pragma HLS BIND_STORAGE variable = rows type = RAM_2P
  // where the first window begins that this word completes, padding counted; columns go on from row to row
  int row = PadTop + 1 - KernelH, col = -Late * Pixels, place = 0;
  for (int step = 0; step < Steps; step++) {
#pragma HLS PIPELINE II = 1
    Word<Pixels * Size> above = 0;
    if (step < Words) above = x.read();
    for (int i = KernelH - 1; i >= 0; i--) {
#pragma HLS UNROLL
      for (int j = 0; j < Held; j++) {
#pragma HLS UNROLL
        taps[i][j] = j < Held - Pixels ? taps[i][j + Pixels < Held ? j + Pixels : j]
                                       : field<Size>(above, (j + Pixels - Held) * Size * (j + Pixels >= Held));
      }
      if (i > 0) {
        const Word<Pixels * Size> old = rows[i - 1][place];
        rows[i - 1][place] = above;
        above = old;
      }
    }
    place = place == Cols - 1 ? 0 : place + 1;
    if (row >= 0 && row <= LastRow && row % StrideH == 0 && col >= 0 && col <= LastCol && col % StrideW == 0) {
      Word<Windows * KernelH * KernelW * Channels * YBits> out = 0;
      for (int t = 0; t < Windows * KernelH * KernelW; t++) {
#pragma HLS UNROLL
        const int i = t / KernelW % KernelH, j = t / (KernelH * KernelW) * StrideW + t % KernelW;
        const int r = row + i - PadTop, c = col + j - PadLeft;
        const bool inside = r >= 0 && r < Height && c >= 0 && c < Width;
        for (int s = 0; s < Channels; s++) {
#pragma HLS UNROLL
          const Word<YBits> tap = widened<XKind, YBits>(field<XBits>(taps[i][j], s * XBits));
          const Word<YBits> own = memory_field<YBits, Channels * YBits, 1>(pads, 0, s * YBits);
          const Word<YBits> pad = std::is_same<Pads, Nothing>::value ? Word<YBits>(std::uint64_t(Pad)) : own;
          set_field<YBits>(out, (t * Channels + s) * YBits, inside ? tap : pad);
        }
      }
      y.write(out);
    }
    row += col == (Cols - 1) * Pixels;
    col = col == (Cols - 1) * Pixels ? 0 : col + Pixels;
  }
}
