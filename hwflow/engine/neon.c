/* XNOR-popcount for NEON: CNT counts the bits of sixteen bytes; two pixels by four rows.
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
#endif
