/* Layers for NEON. Bits: CNT counts those of sixteen bytes; two pixels by four rows. Data of several bits: 16-bit products
 * summed in 32 bits, sixteen output channels as lanes; four pixels at a time.
 */
#include "engine.h"

#if defined(HW_NEON)
#include <arm_neon.h>

HW_INLINE void hw_count_128(const int P, const int R, const uint8_t *x, const uint8_t *w, int bytes, hw_i32 *to, int pitch) {
    uint16x8_t sum[2][4];
    uint8x16_t a[2][4];
    uint32x4_t wide[2][4];
    int p, r, k = 0;
    HW_UNROLL
    for (p = 0; p < P; p++)
        HW_UNROLL
        for (r = 0; r < R; r++) wide[p][r] = vdupq_n_u32(0);
    while (k < bytes) {
        const int end = hw_min(bytes, k + 16 * 31); /* 31 times 8 is still a byte */
        HW_UNROLL
        for (p = 0; p < P; p++)
            HW_UNROLL
            for (r = 0; r < R; r++) a[p][r] = vdupq_n_u8(0);
        for (; k < end; k += 16) {
            uint8x16_t v[2];
            HW_UNROLL
            for (p = 0; p < P; p++) v[p] = vld1q_u8(x + (size_t)p * (size_t)bytes + k);
            HW_UNROLL
            for (r = 0; r < R; r++) {
                const uint8x16_t u = vld1q_u8(w + (size_t)r * (size_t)bytes + k);
                HW_UNROLL
                for (p = 0; p < P; p++) a[p][r] = vaddq_u8(a[p][r], vcntq_u8(veorq_u8(u, v[p])));
            }
        }
        HW_UNROLL
        for (p = 0; p < P; p++)
            HW_UNROLL
            for (r = 0; r < R; r++) {
                sum[p][r] = vpaddlq_u8(a[p][r]);
                wide[p][r] = vpadalq_u16(wide[p][r], sum[p][r]);
            }
    }
    HW_UNROLL
    for (p = 0; p < P; p++)
        HW_UNROLL
        for (r = 0; r < R; r++) to[(size_t)p * (size_t)pitch + r] = 8 * bytes - (int32_t)vaddvq_u32(wide[p][r]);
}

HW_FN void hw_count_neon(const uint8_t *x, int n, const uint8_t *w, int bytes, hw_i32 *to, int pitch, int rows) {
    int r, p;
    for (p = 0; p < n; p += 2) {
        const uint8_t *from = x + (size_t)p * (size_t)bytes, *own = w;
        hw_i32 *out = to + (size_t)p * (size_t)pitch;
        const int two = n - p >= 2;
        for (r = 0; r + 4 <= rows; r += 4, own += 4 * (size_t)bytes) {
            if (two) hw_count_128(2, 4, from, own, bytes, out + r, pitch);
            else hw_count_128(1, 4, from, own, bytes, out + r, pitch);
        }
        for (; r < rows; r++, own += bytes) {
            if (two) hw_count_128(2, 1, from, own, bytes, out + r, pitch);
            else hw_count_128(1, 1, from, own, bytes, out + r, pitch);
        }
    }
}

HW_FN void hw_gemm_bits_neon(const hw_run *run, const hw_gemm *g) { hw_gemm_words(run, g, hw_count_neon); }

/* Whether a layer's weights and data are multiplied as 16-bit integers. */
HW_FN int hw_fast_values_neon(const hw_gemm *g) { return g->kind == HW_I16 && g->weights.kind != HW_I32 && g->groups == 1; }

/* [16 rows][column][16]. */
HW_FN size_t hw_arrange_values_neon(const hw_gemm *g, uint8_t *to) {
    const int cols = g->win.kh * g->win.kw * g->x->c, up = hw_up(g->lines.c, HW_LANE);
    int r, k;
    if (!hw_fast_values_neon(g)) return 0;
    for (r = 0; to && r < up; r++)
        for (k = 0; k < cols; k++) {
            hw_i32 w = 0;
            if (r < g->lines.c) hw_widen(&w, (const uint8_t *)g->weights.at, g->weights.kind, r * cols + k, 1);
            ((hw_i16 *)(void *)to)[(r / HW_LANE * cols + k) * HW_LANE + r % HW_LANE] = (int16_t)w;
        }
    return 2 * (size_t)up * (size_t)cols;
}

/* Sixteen sums of P gathered rows, `step` elements apart. */
HW_INLINE void hw_multiply_neon(const int P, const hw_i16 *x, int step, const hw_i16 *w, int cols, hw_i32 *to, int pitch) {
    int32x4_t sum[4][4];
    int p, i, k;
    HW_UNROLL
    for (p = 0; p < P; p++)
        HW_UNROLL
        for (i = 0; i < 4; i++) sum[p][i] = vdupq_n_s32(0);
    for (k = 0; k < cols; k++, w += HW_LANE) {
        const int16x8_t low = vld1q_s16((const int16_t *)w), high = vld1q_s16((const int16_t *)w + 8);
        HW_UNROLL
        for (p = 0; p < P; p++) {
            const int16_t v = x[p * step + k];
            sum[p][0] = vmlal_n_s16(sum[p][0], vget_low_s16(low), v);
            sum[p][1] = vmlal_n_s16(sum[p][1], vget_high_s16(low), v);
            sum[p][2] = vmlal_n_s16(sum[p][2], vget_low_s16(high), v);
            sum[p][3] = vmlal_n_s16(sum[p][3], vget_high_s16(high), v);
        }
    }
    HW_UNROLL
    for (p = 0; p < P; p++)
        HW_UNROLL
        for (i = 0; i < 4; i++) vst1q_s32((int32_t *)to + p * pitch + 4 * i, sum[p][i]);
}

HW_FN void hw_gemm_values_neon(const hw_run *run, const hw_gemm *g) {
    const hw_lines *l = &g->lines;
    const int pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE), cols = g->win.kh * g->win.kw * g->x->c;
    const hw_i16 *weights = (const hw_i16 *)(const void *)hw_own_weights(run, g), *rows = (const hw_i16 *)(const void *)run->rows;
    int first, p, r;
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        for (p = 0; p < n; p++) hw_gather_values(run, g, 0, (first + p) / l->w, (first + p) % l->w, run->rows + 2 * (size_t)p * (size_t)cols);
        for (r = 0; r < pitch; r += HW_LANE) {
            const hw_i16 *own = weights + (size_t)r * (size_t)cols;
            for (p = 0; p + 4 <= n; p += 4) hw_multiply_neon(4, rows + p * cols, cols, own, cols, run->line + p * pitch + r, pitch);
            for (; p < n; p++) hw_multiply_neon(1, rows + p * cols, cols, own, cols, run->line + p * pitch + r, pitch);
        }
        hw_stages_run(run, l, first, n);
    }
}
#endif
