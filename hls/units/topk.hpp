// topk.hpp - indices of the K largest of Size values, of a vector or of each pixel; the same unit as topk.sv.
//
// Largest first, of equal values the lowest index. Timing: one word of Simd elements a cycle, then K indices.
// Kinds: 0 bipolar, 1 unsigned, 2 two's complement. Words: input words of one image.
#pragma once

#include "stream.hpp"

template <int Size, int Simd, int K, int XBits, int XKind, int YBits, int Words>
void topk(Stream<Simd * XBits> &x, Stream<YBits> &y) {
  static_assert(Words * Simd % Size == 0, "topk: an image is whole pixels");
  typedef Int<int_bits(XKind, XBits)> Score;
  for (int p = 0; p < Words * Simd / Size; p++) {
    Score best[K];
    Word<YBits> index[K];
#pragma HLS ARRAY_PARTITION variable = best complete
#pragma HLS ARRAY_PARTITION variable = index complete
    int held = 0;
    for (int k = 0; k < K; k++) {
#pragma HLS UNROLL
      best[k] = 0;
      index[k] = 0;
    }
    for (int i = 0; i < Size / Simd; i++) {
#pragma HLS PIPELINE II = 1
      const Word<Simd * XBits> word = x.read();
      for (int s = 0; s < Simd; s++) {
#pragma HLS UNROLL
        const Score score = value<XKind>(field<XBits>(word, s * XBits));
        // every place that the newcomer beats moves down by one; equal scores keep their place
        for (int k = K - 1; k >= 0; k--) {
#pragma HLS UNROLL
          const bool beats = k >= held || score > best[k];
          const int above = k ? k - 1 : 0;
          const bool beats_above = k && (above >= held || score > best[above]);
          if (beats_above) {
            best[k] = best[above];
            index[k] = index[above];
          } else if (beats) {
            best[k] = score;
            index[k] = Word<YBits>(static_cast<unsigned>(i * Simd + s));
          }
        }
        if (held < K) held++;
      }
    }
    for (int k = 0; k < K; k++) {
#pragma HLS PIPELINE II = 1
      y.write(index[k]);
    }
  }
}
