// product.hpp - one number times another, in a DSP block or in LUTs; the same choice as product.sv.
//
//   Times<Mult, Y>::of(x, w) = x * w        Mult: 0 and 3 the tool chooses, 1 LUTs, 2 a DSP block
#pragma once

template <int Mult, class Y> struct Times {
  static Y of(const Y &x, const Y &w) {
#pragma HLS INLINE
    return Y(x * w);
  }
};

template <class Y> struct Times<1, Y> {
  static Y of(const Y &x, const Y &w) {
#pragma HLS INLINE
    const Y y = Y(x * w);
#pragma HLS BIND_OP variable = y op = mul impl = fabric
    return y;
  }
};

template <class Y> struct Times<2, Y> {
  static Y of(const Y &x, const Y &w) {
#pragma HLS INLINE
    const Y y = Y(x * w);
#pragma HLS BIND_OP variable = y op = mul impl = dsp
    return y;
  }
};
