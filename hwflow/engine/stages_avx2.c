/* The stages for AVX2: sixteen channels are two registers.
 */
#include "engine.h"

#if defined(HW_X86)

typedef struct {
    __m256i lo, hi;
} hw_x16;

HW_AVX2 HW_INLINE hw_x16 hw_load16(const void *p) {
    hw_x16 x;
    x.lo = _mm256_loadu_si256((const __m256i *)p);
    x.hi = _mm256_loadu_si256((const __m256i *)p + 1);
    return x;
}

HW_AVX2 HW_INLINE void hw_store16(void *p, hw_x16 x) {
    _mm256_storeu_si256((__m256i *)p, x.lo);
    _mm256_storeu_si256((__m256i *)p + 1, x.hi);
}

/* Sixteen flags as 0 or -1. */
HW_AVX2 HW_INLINE hw_x16 hw_flags16(unsigned bits) {
    const __m256i one = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), b = _mm256_set1_epi32((int)bits);
    const __m256i high = _mm256_slli_epi32(one, 8);
    hw_x16 x;
    x.lo = _mm256_cmpeq_epi32(_mm256_and_si256(b, one), one);
    x.hi = _mm256_cmpeq_epi32(_mm256_and_si256(b, high), high);
    return x;
}

/* Elements at..at+16 of an array; `at` is a multiple of 8 where they are bits. */
HW_AVX2 HW_INLINE hw_x16 hw_widen16(const uint8_t *p, int kind, int at) {
    hw_x16 x;
    const __m256i one = _mm256_set1_epi32(1);
    if (kind == HW_I32) return hw_load16(p + 4 * (size_t)at);
    if (kind == HW_I16) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + 2 * (size_t)at));
        x.lo = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(v));
        x.hi = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(v, 1));
    } else if (kind == HW_BIT) {
        p += at / 8;
        x = hw_flags16(p[0] | (unsigned)p[1] << 8);
        x.lo = _mm256_sub_epi32(_mm256_sub_epi32(_mm256_setzero_si256(), one), _mm256_add_epi32(x.lo, x.lo));
        x.hi = _mm256_sub_epi32(_mm256_sub_epi32(_mm256_setzero_si256(), one), _mm256_add_epi32(x.hi, x.hi));
    } else {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + at)), w = _mm_srli_si128(v, 8);
        x.lo = kind == HW_U8 ? _mm256_cvtepu8_epi32(v) : _mm256_cvtepi8_epi32(v);
        x.hi = kind == HW_U8 ? _mm256_cvtepu8_epi32(w) : _mm256_cvtepi8_epi32(w);
    }
    return x;
}

/* Sixteen constants of a table; see hw_constants. */
HW_AVX2 HW_INLINE hw_x16 hw_constants16(hw_table t, int row, int from, int channels) {
    hw_i32 v[HW_LANE];
    if (!t.at) {
        hw_x16 none;
        none.lo = none.hi = _mm256_setzero_si256();
        return none;
    }
    if (channels - from >= HW_LANE) {
        if (t.kind != HW_BIT) return hw_widen16((const uint8_t *)t.at, t.kind, row * channels + from);
        return hw_flags16(((const uint8_t *)t.at)[from / 8] | (unsigned)((const uint8_t *)t.at)[from / 8 + 1] << 8);
    }
    hw_constants(v, t, row, from, channels);
    return hw_load16(v);
}

/* A bit for each of sixteen comparisons, 0 or -1. */
HW_AVX2 HW_INLINE unsigned hw_bits16(hw_x16 x) {
    const __m256i v = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.lo, x.hi), 0xd8);
    return (unsigned)_mm256_movemask_epi8(_mm256_permute4x64_epi64(_mm256_packs_epi16(v, v), 0xd8)) & 0xffff;
}

HW_AVX2 HW_INLINE void hw_narrow16(uint8_t *p, hw_x16 x, int kind) {
    if (kind == HW_I32) {
        hw_store16(p, x);
    } else if (kind == HW_I16) {
        _mm256_storeu_si256((__m256i *)(void *)p, _mm256_permute4x64_epi64(_mm256_packs_epi32(x.lo, x.hi), 0xd8));
    } else if (kind == HW_BIT) {
        x.lo = _mm256_cmpgt_epi32(x.lo, _mm256_setzero_si256());
        x.hi = _mm256_cmpgt_epi32(x.hi, _mm256_setzero_si256());
        {
            const unsigned bits = hw_bits16(x);
            p[0] = (uint8_t)bits;
            p[1] = (uint8_t)(bits >> 8);
        }
    } else {
        const __m256i v = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.lo, x.hi), 0xd8);
        const __m128i lo = _mm256_castsi256_si128(v), hi = _mm256_extracti128_si256(v, 1);
        _mm_storeu_si128((__m128i *)(void *)p, kind == HW_U8 ? _mm_packus_epi16(lo, hi) : _mm_packs_epi16(lo, hi));
    }
}

enum { HW_MOST_LEVELS = 15 }; /* thresholds of sixteen channels that are kept at hand */

/* One stage over the sixteen channels from c of all pixels. */
HW_AVX2 HW_INLINE void hw_stage16(const hw_run *run, const hw_stage *s, hw_i32 *x, int first, int pixels, int pitch, int channels, int c) {
    const hw_x16 a = hw_constants16(s->a, 0, c, channels), b = hw_constants16(s->b, 0, c, channels);
    const int n = hw_min(HW_LANE, channels - c);
    int p, k;
    hw_x16 v;
    switch (s->what) {
    case HW_TIMES: {
        const __m256i m = _mm256_set1_epi32(s->n);
        for (p = 0; p < pixels; p++, x += pitch) {
            v = hw_load16(x);
            v.lo = _mm256_mullo_epi32(v.lo, m);
            v.hi = _mm256_mullo_epi32(v.hi, m);
            hw_store16(x, v);
        }
        break;
    }
    case HW_ADD: {
        const int kind = s->tensor->kind;
        const size_t step = (size_t)hw_bytes(kind, channels);
        const uint8_t *from = hw_read(run, s->tensor) + (size_t)first * step;
        const __m256i m = _mm256_set1_epi32(s->n);
        for (p = 0; p < pixels; p++, x += pitch, from += step) {
            hw_x16 y;
            if (n == HW_LANE) {
                y = hw_widen16(from, kind, c);
            } else {
                hw_i32 w[HW_LANE] = {0};
                hw_widen(w, from, kind, c, n);
                y = hw_load16(w);
            }
            if (s->n != 1) {
                y.lo = _mm256_mullo_epi32(y.lo, m);
                y.hi = _mm256_mullo_epi32(y.hi, m);
            }
            v = hw_load16(x);
            v.lo = _mm256_add_epi32(v.lo, y.lo);
            v.hi = _mm256_add_epi32(v.hi, y.hi);
            hw_store16(x, v);
        }
        break;
    }
    case HW_RESCALE: {
        const __m256i lo = _mm256_set1_epi32(s->lo), hi = _mm256_set1_epi32(s->hi);
        const __m128i shift = _mm_cvtsi32_si128(s->shift);
        for (p = 0; p < pixels; p++, x += pitch) {
            v = hw_load16(x);
            v.lo = _mm256_sra_epi32(_mm256_add_epi32(_mm256_mullo_epi32(v.lo, a.lo), b.lo), shift);
            v.hi = _mm256_sra_epi32(_mm256_add_epi32(_mm256_mullo_epi32(v.hi, a.hi), b.hi), shift);
            v.lo = _mm256_min_epi32(_mm256_max_epi32(v.lo, lo), hi);
            v.hi = _mm256_min_epi32(_mm256_max_epi32(v.hi, lo), hi);
            hw_store16(x, v);
        }
        break;
    }
    case HW_LEVELS: {
        hw_i32 t[HW_MOST_LEVELS][HW_LANE];
        const __m256i base = _mm256_set1_epi32(s->lo), most = _mm256_set1_epi32(s->n);
        for (k = 0; k < s->n; k++) hw_store16(t[k], hw_constants16(s->a, k, c, channels));
        for (p = 0; p < pixels; p++, x += pitch) {
            __m256i lo = most, hi = most; /* less one for every threshold above */
            v = hw_load16(x);
            for (k = 0; k < s->n; k++) {
                const hw_x16 u = hw_load16(t[k]);
                lo = _mm256_add_epi32(lo, _mm256_cmpgt_epi32(u.lo, v.lo));
                hi = _mm256_add_epi32(hi, _mm256_cmpgt_epi32(u.hi, v.hi));
            }
            v.lo = _mm256_add_epi32(base, _mm256_blendv_epi8(lo, _mm256_sub_epi32(most, lo), b.lo));
            v.hi = _mm256_add_epi32(base, _mm256_blendv_epi8(hi, _mm256_sub_epi32(most, hi), b.hi));
            hw_store16(x, v);
        }
        break;
    }
    case HW_SIGNS: {
        const __m256i one = _mm256_set1_epi32(1);
        for (p = 0; p < pixels; p++, x += pitch) {
            v = hw_load16(x); /* -1 where below, then twice that and one more */
            v.lo = _mm256_xor_si256(_mm256_cmpgt_epi32(a.lo, v.lo), b.lo);
            v.hi = _mm256_xor_si256(_mm256_cmpgt_epi32(a.hi, v.hi), b.hi);
            v.lo = _mm256_add_epi32(_mm256_add_epi32(v.lo, v.lo), one);
            v.hi = _mm256_add_epi32(_mm256_add_epi32(v.hi, v.hi), one);
            hw_store16(x, v);
        }
        break;
    }
    case HW_STORE: {
        const int kind = s->tensor->kind;
        const size_t step = (size_t)hw_bytes(kind, channels);
        uint8_t *to = hw_at(run, s->tensor) + (size_t)first * step + hw_bytes(kind, c);
        for (p = 0; p < pixels; p++, x += pitch, to += step) {
            if (n == HW_LANE) hw_narrow16(to, hw_load16(x), kind);
            else hw_narrow(to, x, kind, n);
        }
        break;
    }
    default: { /* HW_PACK */
        const size_t step = (size_t)hw_bytes(HW_BIT, channels);
        const unsigned keep = (1u << n) - 1;
        uint8_t *to = hw_at(run, s->tensor) + (size_t)first * step + c / 8;
        const unsigned turn = hw_bits16(b) ^ 0xffff;
        for (p = 0; p < pixels; p++, x += pitch, to += step) {
            unsigned bits;
            v = hw_load16(x);
            v.lo = _mm256_cmpgt_epi32(a.lo, v.lo);
            v.hi = _mm256_cmpgt_epi32(a.hi, v.hi);
            bits = (hw_bits16(v) ^ turn) & keep;
            to[0] = (uint8_t)bits;
            if (n > 8) to[1] = (uint8_t)(bits >> 8);
        }
    }
    }
}

/* The same for stages of any kind. */
HW_AVX2 HW_FN void hw_stage16_any(const hw_run *run, const hw_stage *s, hw_i32 *x, int first, int pixels, int pitch, int channels, int c) {
    if (s->what == HW_RESCALE64 || s->what == HW_MOST || s->what == HW_BY || (s->what == HW_LEVELS && s->n > HW_MOST_LEVELS)) hw_stage_plain_16(run, s, x, first, pixels, pitch, channels, c);
    else hw_stage16(run, s, x, first, pixels, pitch, channels, c);
}

HW_AVX2 HW_FN void hw_stage_avx2(const hw_run *run, const hw_stage *s, hw_i32 *lines, int first, int pixels, int channels) {
    int c;
    for (c = 0; c < channels; c += HW_LANE) hw_stage16_any(run, s, lines + c, first, pixels, hw_up(channels, HW_LANE), channels, c);
}

/* One output pixel of a pool, sixteen channels from c; see hw_pool_body. */
HW_AVX2 HW_FN void hw_pool16_avx2(const hw_pool *d, const uint8_t *from, int y0, int x0, int c, hw_i32 *to) {
    const hw_window *w = &d->win;
    const hw_tensor *x = d->x;
    const size_t step = (size_t)hw_bytes(x->kind, x->c);
    const hw_x16 flip = hw_constants16(d->minimum, 0, c, x->c);
    hw_x16 best;
    int i, j;
    best.lo = best.hi = _mm256_set1_epi32(d->what == HW_SUM ? 0 : INT32_MIN);
    for (i = 0; i < w->kh; i++)
        for (j = 0; j < w->kw; j++) {
            const int y = y0 + i * w->dh, z = x0 + j * w->dw;
            hw_x16 v;
            if (y < 0 || y >= x->h || z < 0 || z >= x->w) continue;
            v = hw_widen16(from + ((size_t)y * (size_t)x->w + (size_t)z) * step, x->kind, c);
            if (d->what == HW_SUM) {
                best.lo = _mm256_add_epi32(best.lo, v.lo);
                best.hi = _mm256_add_epi32(best.hi, v.hi);
            } else {
                best.lo = _mm256_max_epi32(best.lo, _mm256_xor_si256(v.lo, flip.lo));
                best.hi = _mm256_max_epi32(best.hi, _mm256_xor_si256(v.hi, flip.hi));
            }
        }
    best.lo = _mm256_xor_si256(best.lo, flip.lo);
    best.hi = _mm256_xor_si256(best.hi, flip.hi);
    hw_store16(to, best);
}
#endif
