// window.hpp - every patch that a convolution looks at, one after another; the same unit as window.sv.
//
//   y[p, q, i, j, c] = x[p * StrideH + i * DilationH - PadTop, q * StrideW + j * DilationW - PadLeft, c]
//
// and the padding outside the image: Pad, or a word for each block of Simd channels in `pads`.
// Order: kh, kw, channel; Depthwise 1: block of Simd channels, kh, kw, channel in the block. With Simd = KernelW *
// Channels a word of x is a pixel and a word of y a row of taps; the ring then has a bank for each column.
// Timing: one word in and one word out a cycle. Rows lie in a ring of at least Depth words (a power of two here, so
// that a place is a mask), of which every tap of a word has its own copy. Kinds: 0 bipolar, 1 unsigned, 2 two's complement. Words: input words of one image.
#pragma once

#include "stream.hpp"

template <int Height, int Width, int Channels, int Simd, int KernelH, int KernelW, int StrideH, int StrideW,
          int DilationH, int DilationW, int PadTop, int PadLeft, int PadBottom, int PadRight, int XBits, int XKind,
          int YBits, int Depthwise, int Depth, int Style, int Pad, int Words, class Pads>
void window(Stream<(Simd < Channels ? Simd : Channels) * XBits> &x, Stream<Simd * YBits> &y, const Pads &pads) {
#pragma HLS ARRAY_PARTITION variable = pads complete dim = 2
  constexpr int Par = Simd < Channels ? Simd : Channels, Lanes = Simd / Par;
  static_assert(Channels % Par == 0, "window: Simd must divide Channels");
  static_assert(Lanes == 1 || (Simd == KernelW * Channels && DilationW == 1), "window: a word is a tap or a row of taps");
  constexpr int SpanH = (KernelH - 1) * DilationH + 1, SpanW = (KernelW - 1) * DilationW + 1;
  constexpr int OutH = (Height + PadTop + PadBottom - SpanH) / StrideH + 1;
  constexpr int OutW = (Width + PadLeft + PadRight - SpanW) / StrideW + 1;
  constexpr int Blocks = Channels / Par, OutWords = OutH * OutW * KernelH * KernelW * Blocks / Lanes;
  constexpr int Ring = 1 << clog2(Depth);
  static_assert(Words == Height * Width * Blocks, "window: Words are those of an image");
  Word<Par * XBits> ring[Lanes][Ring];
#pragma HLS ARRAY_PARTITION variable = ring complete dim = 1
#pragma HLS BIND_STORAGE variable = ring type = RAM_2P
  int come = 0, freed = 0;                     // words that came; words that no window from this one on reads
  int row = -PadTop, col = -PadLeft;           // the first tap of this window
  int i = 0, j = 0, block = 0, left = OutWords;  // the tap, and what is still to leave
  while (come < Words || left > 0) {
#pragma HLS LOOP_TRIPCOUNT min = OutWords max = OutWords + Words
#pragma HLS PIPELINE II = 1
    // a window can start when its last tap that lies in the image has come, in an earlier cycle
    const int last_row = row + SpanH - 1 < Height - 1 ? row + SpanH - 1 : Height - 1;
    const int last_col = col + SpanW - 1 < Width - 1 ? col + SpanW - 1 : Width - 1;
    const bool ready = left > 0 && come >= (last_row * Width + last_col + 1) * Blocks;
    const int start = left > 0 ? (row * Width + col) * Blocks : Words;
    if (start > freed) freed = start;
    if (come < Words && come - freed < Ring) {
      const Word<Par * XBits> word = x.read();
      for (int lane = 0; lane < Lanes; lane++) {
#pragma HLS UNROLL
        ring[lane][come & (Ring - 1)] = word;
      }
      come++;
    }
    if (ready) {
      Word<Simd * YBits> out = 0;
      for (int lane = 0; lane < Lanes; lane++) {
#pragma HLS UNROLL
        const int r = row + i * DilationH, c = col + (j + lane) * DilationW;
        const bool inside = r >= 0 && r < Height && c >= 0 && c < Width;
        const Word<Par * XBits> word = ring[lane][inside ? ((r * Width + c) * Blocks + block) & (Ring - 1) : 0];
        for (int s = 0; s < Par; s++) {
#pragma HLS UNROLL
          const Word<YBits> tap = widened<XKind, YBits>(field<XBits>(word, s * XBits));
          const Word<YBits> own = memory_field<YBits, Par * YBits, Blocks>(pads, block, s * YBits);
          const Word<YBits> pad = std::is_same<Pads, Nothing>::value ? Word<YBits>(std::uint64_t(Pad)) : own;
          set_field<YBits>(out, (lane * Par + s) * YBits, inside ? tap : pad);
        }
      }
      y.write(out);
      left--;
      // the next tap: block is the fastest, or the slowest where the order is depthwise
      const bool next_j = Depthwise || block == Blocks - 1;
      const bool next_i = next_j && j == KernelW - Lanes, taps_done = next_i && i == KernelH - 1;
      if (Depthwise ? taps_done : true) block = block == Blocks - 1 ? 0 : block + 1;
      if (next_j) j = j == KernelW - Lanes ? 0 : j + Lanes;
      if (next_i) i = i == KernelH - 1 ? 0 : i + 1;
      if (taps_done && block == 0) {
        const bool row_done = col + StrideW > Width + PadRight - SpanW;
        col = row_done ? -PadLeft : col + StrideW;
        if (row_done) row += StrideH;
      }
    }
  }
}
