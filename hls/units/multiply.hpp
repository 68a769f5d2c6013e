// multiply.hpp - the product of two streams of one shape, element by element; the same unit as multiply.sv.
//
//   y = x_0 * x_1
//
// Timing: one word of Pe elements a cycle. Kinds: 0 bipolar, 1 unsigned, 2 two's complement.
// Mult says what products are made of. Words: words of one image.
#pragma once

#include "product.hpp"
#include "stream.hpp"

template <int Pe, int XBits0, int XKind0, int XBits1, int XKind1, int YBits, int Mult, int Words>
void multiply(Stream<Pe * XBits0> &x0, Stream<Pe * XBits1> &x1, Stream<Pe * YBits> &y) {
  typedef Int<int_bits(XKind0, XBits0) + int_bits(XKind1, XBits1)> Product;
  for (int i = 0; i < Words; i++) {
#pragma HLS PIPELINE II = 1
    const Word<Pe * XBits0> left = x0.read();
    const Word<Pe * XBits1> right = x1.read();
    Word<Pe * YBits> out = 0;
    for (int p = 0; p < Pe; p++) {
#pragma HLS UNROLL
      const Product a = Product(value<XKind0>(field<XBits0>(left, p * XBits0)));
      const Product b = Product(value<XKind1>(field<XBits1>(right, p * XBits1)));
      set_field<YBits>(out, p * YBits, code<XKind0 == 0 && XKind1 == 0 ? 0 : 1, YBits>(Times<Mult, Product>::of(a, b)));
    }
    y.write(out);
  }
}
