/* XNOR-popcount for AVX-512 with VPOPCNTDQ: the row in the lane, the data's word broadcast, six pixels by sixteen rows.
 */
#include "engine.h"

#if defined(HW_X86)
#include <immintrin.h>

#if defined(HW_EMULATE_AVX512) /* for machines without it: SIMDe computes the same instructions */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#define HW_AVX512 HW_AVX2
#define HW_NARROW512(x) _mm512_cvtepi64_epi32(x)
#else
#define HW_AVX512 __attribute__((target("avx2,popcnt,avx512f,avx512vpopcntdq")))
#define HW_NARROW512(x) _mm512_maskz_cvtepi64_epi32(0xff, x) /* g++ 12 warns of the unmasked one in its own header */
#endif

HW_AVX512 HW_INLINE void hw_count_512(const int P, const uint8_t *x, const uint8_t *w, int bytes, hw_i32 *to, int pitch, int rows) {
    __m512i sum[6][2];
    int p, b, k;
    HW_UNROLL
    for (p = 0; p < P; p++) sum[p][0] = sum[p][1] = _mm512_setzero_si512();
    for (k = 0; k < bytes; k += 8, w += 128) {
        const __m512i w0 = _mm512_loadu_si512((const void *)w), w1 = _mm512_loadu_si512((const void *)(w + 64));
        HW_UNROLL
        for (p = 0; p < P; p++) {
            const __m512i v = _mm512_set1_epi64((long long)hw_word(x + (size_t)p * (size_t)bytes + k));
            sum[p][0] = _mm512_add_epi64(sum[p][0], _mm512_popcnt_epi64(_mm512_xor_si512(v, w0)));
            sum[p][1] = _mm512_add_epi64(sum[p][1], _mm512_popcnt_epi64(_mm512_xor_si512(v, w1)));
        }
    }
    HW_UNROLL
    for (p = 0; p < P; p++)
        HW_UNROLL
        for (b = 0; b < 2; b++)
            hw_store8(to + (size_t)p * (size_t)pitch + 8 * b, rows - 8 * b,
                      _mm256_sub_epi32(_mm256_set1_epi32(8 * bytes), HW_NARROW512(sum[p][b])));
}

HW_AVX512 HW_FN void hw_count_avx512(const uint8_t *x, int n, const uint8_t *w, int bytes, hw_i32 *to, int pitch, int rows) {
    int r, p;
    for (r = 0; r < rows; r += 16, w += 16 * (size_t)bytes)
        for (p = 0; p < n;) {
            const uint8_t *from = x + (size_t)p * (size_t)bytes;
            hw_i32 *out = to + (size_t)p * (size_t)pitch + r;
            if (n - p >= 6) hw_count_512(6, from, w, bytes, out, pitch, rows - r), p += 6;
            else if (n - p >= 2) hw_count_512(2, from, w, bytes, out, pitch, rows - r), p += 2;
            else hw_count_512(1, from, w, bytes, out, pitch, rows - r), p += 1;
        }
}

HW_AVX512 HW_FN void hw_gemm_bits_avx512(const hw_run *run, const hw_gemm *g) { hw_gemm_words(run, g, hw_count_avx512); }
#endif
