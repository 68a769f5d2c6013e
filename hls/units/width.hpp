// width.hpp - the same elements in words of another size; the same unit as width.sv.
//
// Timing: one word a cycle on the side with more words. Words: input words of one image.
#pragma once

#include "stream.hpp"

template <int Bits, int ParIn, int ParOut, int Words>
void width(Stream<Bits * ParIn> &x, Stream<Bits * ParOut> &y) {
  constexpr int OutWords = Words * ParIn / ParOut, Steps = Words > OutWords ? Words : OutWords;
  static_assert(Words * ParIn % ParOut == 0, "width: ParOut must divide an image");
  // the elements that wait, the oldest in the low bits; where ParIn is smaller a word never waits for a second one
  constexpr int Room = Bits * (ParIn + ParOut);
  Word<Room> store = 0;
  int held = 0;
  for (int i = 0; i < Steps; i++) {
#pragma HLS PIPELINE II = 1
    if (held < ParOut) {
      set_field<Bits * ParIn>(store, held * Bits, x.read());
      held += ParIn;
    }
    if (held >= ParOut) {
      y.write(field<Bits * ParOut>(store, 0));
      Word<Room> rest = 0;
      set_field<Bits * ParIn>(rest, 0, field<Bits * ParIn>(store, Bits * ParOut));
      store = rest;
      held -= ParOut;
    }
  }
}
