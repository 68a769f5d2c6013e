/* Classes of windows: which taps lie inside the image, and what a channel's sum of -1/+1 products is part of for them.
 */
#include "engine.h"

#if defined(HW_X86) || defined(HW_NEON)

/* Taps begin..end of one axis lie inside an image of `size`. */
typedef struct {
    int begin, end;
} hw_span;

HW_INLINE hw_span hw_span_at(int at, int stride, int before, int kernel, int dilation, int size) {
    const int from = at * stride - before;
    hw_span s = {0, kernel};
    while (s.begin < kernel && from + s.begin * dilation < 0) s.begin++;
    while (s.end > s.begin && from + (s.end - 1) * dilation >= size) s.end--;
    return s;
}
HW_INLINE hw_span hw_rows_at(const hw_gemm *g, int oy) { return hw_span_at(oy, g->win.sh, g->win.top, g->win.kh, g->win.dh, g->x->h); }
HW_INLINE hw_span hw_cols_at(const hw_gemm *g, int ox) { return hw_span_at(ox, g->win.sw, g->win.left, g->win.kw, g->win.dw, g->x->w); }
HW_INLINE int hw_differ(hw_span a, hw_span b) { return a.begin != b.begin || a.end != b.end; }

HW_INLINE int hw_weight(hw_table t, size_t at) {
    switch (t.kind) {
    case HW_BIT: return 2 * (((const uint8_t *)t.at)[at >> 3] >> (at & 7) & 1) - 1;
    case HW_U8: return ((const uint8_t *)t.at)[at];
    case HW_I8: return ((const int8_t *)t.at)[at];
    default: return ((const hw_i16 *)t.at)[at];
    }
}

/* The accumulator of an output channel is this less twice the bits that differ from its weights, in windows whose taps `y`
 * by `x` lie inside and whose other bits are gathered as 0. */
HW_FN hw_i32 hw_base_of_bits(const hw_gemm *g, int row, hw_span y, hw_span x) {
    const int depth = g->x->c / g->groups, tap = hw_bytes(HW_BIT, depth);
    const uint8_t *w = (const uint8_t *)g->weights.at + (size_t)row * (size_t)(g->win.kh * g->win.kw * tap);
    const uint8_t *pad = (const uint8_t *)g->pad.at + 2 * tap * (row / (g->lines.c / g->groups)), *counts = pad + tap;
    hw_i32 base = 0;
    int i, j, k;
    for (i = 0; i < g->win.kh; i++)
        for (j = 0; j < g->win.kw; j++, w += tap) {
            if (i >= y.begin && i < y.end && j >= x.begin && j < x.end) {
                base += depth;
                continue;
            }
            for (k = 0; k < tap; k++) { /* what the padding gives, and twice the sum of a tap of zeros */
                const int own = k * 8 + 8 <= depth ? 255 : (1 << (depth - k * 8)) - 1;
                base += hw_popcount(counts[k]) - 2 * hw_popcount((pad[k] ^ w[k]) & counts[k]) + 2 * hw_popcount((uint64_t)(w[k] & own));
            }
        }
    return base;
}
#endif
