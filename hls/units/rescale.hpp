// rescale.hpp - an affine map of every channel in integers; the same unit as rescale.sv.
//
//   y = clip((mul[c] * x + add[c]) >> Shift, Lo, Hi)      the shift rounds towards minus infinity
//
// MulBits 0: every factor is Mul; AddBits 0: every addend is Add; the others come from `scale`, factor in the low bits.
// Timing: one word of Pe channels a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Mult says what products are made of. Words: input words of one image.
#pragma once

#include "product.hpp"
#include "stream.hpp"

template <int Channels, int Pe, int XBits, int XKind, int YBits, int SumBits, int Shift, int Lo, int Hi, int MulBits,
          int AddBits, int Mul, int Add, int Mult, int Load, int Words, class Scales>
void rescale(Stream<Pe * XBits> &x, Stream<Pe * YBits> &y, const Scales &scale) {
  static_assert(Channels % Pe == 0, "rescale: Pe must divide Channels");
#pragma HLS ARRAY_PARTITION variable = scale complete dim = 2
  constexpr int Blocks = Channels / Pe, Record = MulBits + AddBits, Size = Record ? Pe * Record : 1;
  constexpr int MulField = MulBits ? MulBits : 1, AddField = AddBits ? AddBits : 1;
  typedef Int<SumBits> Total;
  typedef Int<(MulBits ? MulBits : 32) + int_bits(XKind, XBits)> Product;
  int block = 0;
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Pe * XBits> word = x.read();
    Word<Pe * YBits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      const Word<MulField> m = memory_field<MulField, Size, Blocks>(scale, block, p * Record);
      const Word<AddField> a = memory_field<AddField, Size, Blocks>(scale, block, p * Record + MulBits % (Record + 1));
      const Product factor = MulBits ? Product(value<2>(m)) : Product(Mul);
      const Product product = Times<Mult, Product>::of(factor, Product(value<XKind>(field<XBits>(word, p * XBits))));
      const Total addend = AddBits ? Total(value<2>(a)) : Total(Add);
      // factors and addends may have lost bits that the sum, which fits, does not need: it is what its low bits are
      const Total sum = Total(value<2>(code<2, SumBits>(Total(Total(product) + addend))));
      const Total shifted = Total(sum >> Shift);
      const Int<32> y_p = shifted < Lo ? Int<32>(Lo) : shifted > Hi ? Int<32>(Hi) : Int<32>(shifted);
      set_field<YBits>(out, p * YBits, code<1, YBits>(y_p));
    }
    y.write(out);
    block = block == Blocks - 1 ? 0 : block + 1;
  }
}
