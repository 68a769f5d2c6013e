/* The stages for AVX-512: sixteen channels of eight pixels are eight registers, which stay so from the first stage to
 * the last. Lines past the last pixel are computed too, never stored.
 */
#include "engine.h"

#if defined(HW_X86)

enum { HW_HELD = 8 }; /* pixels; HW_TILE is a multiple */
enum { HW_ALL16 = 0xffff };

/* Elements at..at+16 of an array that has `n` of them there; `at` is a multiple of 8 where they are bits. */
HW_AVX512 HW_INLINE __m512i hw_widen_512(const uint8_t *p, int kind, int at, int n) {
    hw_i32 v[HW_LANE] = {0};
    if (n >= HW_LANE) {
        switch (kind) {
        case HW_U8: return _mm512_maskz_cvtepu8_epi32(HW_ALL16, _mm_loadu_si128((const __m128i *)(const void *)(p + at)));
        case HW_I8: return _mm512_maskz_cvtepi8_epi32(HW_ALL16, _mm_loadu_si128((const __m128i *)(const void *)(p + at)));
        case HW_I16: return _mm512_maskz_cvtepi16_epi32(HW_ALL16, _mm256_loadu_si256((const __m256i *)(const void *)(p + 2 * (size_t)at)));
        case HW_I32: return _mm512_loadu_si512((const void *)(p + 4 * (size_t)at));
        default: {
            uint16_t bits;
            memcpy(&bits, p + at / 8, 2);
            return _mm512_mask_blend_epi32(bits, _mm512_set1_epi32(-1), _mm512_set1_epi32(1));
        }
        }
    }
    hw_widen(v, p, kind, at, n);
    return _mm512_loadu_si512((const void *)v);
}

/* Sixteen constants of a table; 0 where it has none. */
HW_AVX512 HW_INLINE __m512i hw_constants_512(hw_table t, int row, int from, int channels) {
    return t.at ? hw_widen_512((const uint8_t *)t.at, t.kind, row * channels + from, channels - from) : _mm512_setzero_si512();
}

/* Sixteen flags of a table. */
HW_INLINE uint16_t hw_flags_512(hw_table t, int from, int channels) {
    const uint8_t *p = (const uint8_t *)t.at;
    if (!p) return 0;
    p += from / 8;
    return (uint16_t)(channels - from > 8 ? p[0] | p[1] << 8 : p[0]);
}

HW_AVX512 HW_INLINE void hw_narrow_512(uint8_t *p, __m512i x, int kind, int n) {
    if (kind == HW_BIT) {
        const uint16_t bits = (uint16_t)(_mm512_cmpgt_epi32_mask(x, _mm512_setzero_si512()) & ((1u << n) - 1));
        if (n > 8) memcpy(p, &bits, 2);
        else p[0] = (uint8_t)bits;
    } else if (n < HW_LANE) {
        hw_i32 v[HW_LANE];
        _mm512_storeu_si512((void *)v, x);
        hw_narrow(p, v, kind, n);
    } else if (kind == HW_I32) {
        _mm512_storeu_si512((void *)p, x);
    } else if (kind == HW_I16) {
        _mm256_storeu_si256((__m256i *)(void *)p, _mm512_maskz_cvtepi32_epi16(HW_ALL16, x));
    } else {
        _mm_storeu_si128((__m128i *)(void *)p, _mm512_maskz_cvtepi32_epi8(HW_ALL16, x));
    }
}

/* clip((a * x + b) >> shift, lo, hi) in 64 bits: even lanes, then odd ones. */
HW_AVX512 HW_INLINE __m512i hw_rescale64_512(__m512i x, __m512i a, __m512i low, __m512i high, const hw_stage *s) {
    const __m512i lo = _mm512_set1_epi64(s->lo), hi = _mm512_set1_epi64(s->hi), word = _mm512_set1_epi64(0xffffffff);
    __m512i y[2];
    int i;
    HW_UNROLL
    for (i = 0; i < 2; i++) { /* b: low bits, and the rest 16 bits further, with its sign */
        const __m512i b = _mm512_add_epi64(_mm512_and_si512(low, word), _mm512_srai_epi64(_mm512_slli_epi64(high, 32), 16));
        y[i] = _mm512_add_epi64(_mm512_mul_epi32(a, x), b);
        y[i] = _mm512_min_epi64(_mm512_max_epi64(_mm512_sra_epi64(y[i], _mm_cvtsi32_si128(s->shift)), lo), hi);
        a = _mm512_srli_epi64(a, 32);
        x = _mm512_srli_epi64(x, 32);
        low = _mm512_srli_epi64(low, 32);
        high = _mm512_srli_epi64(high, 32);
    }
    return _mm512_mask_blend_epi32(0xaaaa, y[0], _mm512_slli_epi64(y[1], 32));
}

/* One stage of sixteen channels from c, n pixels from `first`. */
HW_AVX512 HW_INLINE void hw_stage_512(const hw_run *run, const hw_stage *s, __m512i *x, int first, int n, int channels, int c) {
    const int some = hw_min(HW_LANE, channels - c);
    const __m512i one = _mm512_set1_epi32(1);
    int i, k;
    switch (s->what) {
    case HW_TIMES: {
        const __m512i m = _mm512_set1_epi32(s->n);
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) x[i] = _mm512_mullo_epi32(x[i], m);
        break;
    }
    case HW_ADD: {
        const int kind = s->tensor->kind, step = hw_bytes(kind, channels);
        const uint8_t *from = hw_read(run, s->tensor) + (size_t)first * (size_t)step;
        const __m512i m = _mm512_set1_epi32(s->n);
        if (kind == HW_I8 && s->n == 1 && some == HW_LANE && n == HW_HELD) { /* a residual stream */
            HW_UNROLL
            for (i = 0; i < HW_HELD; i++) x[i] = _mm512_add_epi32(x[i], _mm512_maskz_cvtepi8_epi32(HW_ALL16, _mm_loadu_si128((const __m128i *)(const void *)(from + i * step + c))));
            break;
        }
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) {
            __m512i y;
            if (i >= n) break;
            y = hw_widen_512(from + i * step, kind, c, some);
            x[i] = _mm512_add_epi32(x[i], s->n == 1 ? y : _mm512_mullo_epi32(y, m));
        }
        break;
    }
    case HW_MOST: {
        const int kind = s->tensor->kind, step = hw_bytes(kind, channels);
        const uint8_t *from = hw_read(run, s->tensor) + (size_t)first * (size_t)step;
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) {
            if (i >= n) break;
            x[i] = _mm512_max_epi32(x[i], hw_widen_512(from + i * step, kind, c, some));
        }
        break;
    }
    case HW_BY: {
        const int kind = s->tensor->kind, step = hw_bytes(kind, channels);
        const uint8_t *from = hw_read(run, s->tensor) + (size_t)first * (size_t)step;
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) {
            if (i >= n) break;
            x[i] = _mm512_mullo_epi32(x[i], hw_widen_512(from + i * step, kind, c, some));
        }
        break;
    }
    case HW_RESCALE: {
        const __m512i a = hw_constants_512(s->a, 0, c, channels), b = hw_constants_512(s->b, 0, c, channels);
        const __m512i lo = _mm512_set1_epi32(s->lo), hi = _mm512_set1_epi32(s->hi);
        const __m128i shift = _mm_cvtsi32_si128(s->shift);
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) {
            x[i] = _mm512_sra_epi32(_mm512_add_epi32(_mm512_mullo_epi32(x[i], a), b), shift);
            x[i] = _mm512_min_epi32(_mm512_max_epi32(x[i], lo), hi);
        }
        break;
    }
    case HW_RESCALE64: {
        const __m512i a = hw_constants_512(s->a, 0, c, channels), low = hw_constants_512(s->b, 0, c, channels), high = hw_constants_512(s->b, 1, c, channels);
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) x[i] = hw_rescale64_512(x[i], a, low, high, s);
        break;
    }
    case HW_LEVELS: {
        const __m512i least = _mm512_set1_epi32(s->lo), most = _mm512_set1_epi32(s->n);
        const __mmask16 turn = hw_flags_512(s->b, c, channels);
        __m512i count[HW_HELD];
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) count[i] = most; /* less one for every threshold above */
        for (k = 0; k < s->n; k++) {
            const __m512i t = hw_constants_512(s->a, k, c, channels);
            HW_UNROLL
            for (i = 0; i < HW_HELD; i++) count[i] = _mm512_mask_sub_epi32(count[i], _mm512_cmpgt_epi32_mask(t, x[i]), count[i], one);
        }
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) x[i] = _mm512_add_epi32(least, _mm512_mask_sub_epi32(count[i], turn, most, count[i]));
        break;
    }
    case HW_SIGNS: {
        const __m512i a = hw_constants_512(s->a, 0, c, channels);
        const __mmask16 turn = hw_flags_512(s->b, c, channels);
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) x[i] = _mm512_mask_blend_epi32((__mmask16)(_mm512_cmpgt_epi32_mask(a, x[i]) ^ turn), one, _mm512_set1_epi32(-1));
        break;
    }
    case HW_STORE: {
        const int kind = s->tensor->kind, step = hw_bytes(kind, channels);
        uint8_t *to = hw_at(run, s->tensor) + (size_t)first * (size_t)step + hw_bytes(kind, c);
        if (hw_size(kind) == 1 && kind != HW_BIT && some == HW_LANE && n == HW_HELD) {
            HW_UNROLL
            for (i = 0; i < HW_HELD; i++) _mm_storeu_si128((__m128i *)(void *)(to + i * step), _mm512_maskz_cvtepi32_epi8(HW_ALL16, x[i]));
            break;
        }
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) {
            if (i >= n) break;
            hw_narrow_512(to + i * step, x[i], kind, some);
        }
        break;
    }
    default: { /* HW_PACK */
        const __m512i a = hw_constants_512(s->a, 0, c, channels);
        const unsigned turn = hw_flags_512(s->b, c, channels) ^ 0xffffu, keep = (1u << some) - 1;
        const int step = hw_bytes(HW_BIT, channels);
        uint8_t *to = hw_at(run, s->tensor) + (size_t)first * (size_t)step + c / 8;
        HW_UNROLL
        for (i = 0; i < HW_HELD; i++) {
            uint16_t bits;
            if (i >= n) break;
            bits = (uint16_t)((_mm512_cmpgt_epi32_mask(a, x[i]) ^ turn) & keep);
            if (some > 8) memcpy(to + i * step, &bits, 2);
            else to[i * step] = (uint8_t)bits;
        }
    }
    }
}

HW_AVX512 HW_FN void hw_stages_512(const hw_run *run, const hw_lines *l, int first, int pixels) {
    const int pitch = hw_up(l->c, HW_LANE);
    int c, p, i, s;
    for (c = 0; c < l->c; c += HW_LANE)
        for (p = 0; p < pixels; p += HW_HELD) {
            __m512i x[HW_HELD];
            HW_UNROLL
            for (i = 0; i < HW_HELD; i++) x[i] = _mm512_load_si512((const void *)(run->line + (size_t)(p + i) * (size_t)pitch + c));
            for (s = 0; s < l->stages; s++) hw_stage_512(run, l->stage + s, x, first + p, hw_min(HW_HELD, pixels - p), l->c, c);
        }
}
#endif
