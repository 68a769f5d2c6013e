/* Layers on data of several bits for AVX2: 8-bit products summed in 16 bits where that is exact, else 16-bit ones.
 *
 * The image is copied once with its border: signed bytes plus 128, which the sums begin with less 128 times their
 * weights. A window is read in runs of whole steps of four bytes; weights past a run's end are 0.
 */
#include "engine.h"

#if defined(HW_X86)

HW_FN int hw_fast_values(const hw_gemm *g) { return g->kind == HW_I16 && g->weights.kind != HW_I32 && hw_run_count(g) <= HW_SEGMENTS; }

/* Elements of a run, and steps of four bytes that read them. */
HW_INLINE int hw_run_elements(const hw_gemm *g) { return g->x->c / g->groups * (g->win.dw == 1 && g->groups == 1 ? g->win.kw : 1); }
HW_INLINE int hw_run_steps(const hw_gemm *g) { return hw_up(hw_run_elements(g), g->small ? 4 : 2) / (g->small ? 4 : 2); }

/* n elements of an image of `kind` in a row, as bytes or 16-bit integers. */
HW_AVX2 HW_FN void hw_convert_avx2(uint8_t *y, int to, const uint8_t *p, int kind, int n) {
    int i = 0;
    if (hw_size(to) == hw_size(kind) && (kind == HW_U8 || kind == HW_I16)) {
        memcpy(y, p, (size_t)n * (size_t)hw_size(kind));
        return;
    }
    if (kind == HW_U8 || kind == HW_I8) {
        for (; i + 16 <= n; i += 16) {
            const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
            if (to == HW_U8) _mm_storeu_si128((__m128i *)(void *)(y + i), _mm_xor_si128(v, _mm_set1_epi8(-128)));
            else _mm256_storeu_si256((__m256i *)(void *)(y + 2 * i), kind == HW_U8 ? _mm256_cvtepu8_epi16(v) : _mm256_cvtepi8_epi16(v));
        }
    }
    hw_convert(y + i * hw_size(to), to, p, kind, i, n - i);
}

HW_AVX2 HW_FN void hw_value_image(const hw_run *run, const hw_gemm *g, int to, int h, int w) {
    const hw_tensor *x = g->x;
    const int one = to == HW_U8 ? 1 : 2, left = hw_min(g->win.left, w), inside = hw_min(x->w, w - left), offset = x->kind == HW_U8 ? 0 : 128;
    const size_t step = (size_t)hw_bytes(x->kind, x->c), pixel = (size_t)(x->c * one), row = (size_t)w * pixel;
    const uint8_t *from = hw_read(run, x);
    uint8_t *out = run->spread;
    int y, i;
    for (y = 0; y < h; y++, out += row) {
        const int in = y - g->win.top;
        const int blank = in < 0 || in >= x->h || inside <= 0;
        const uint8_t *line = from + (blank ? 0 : (size_t)in * (size_t)x->w * step);
        for (i = 0; i < (blank ? w : left); i++) hw_outside(out + (size_t)i * pixel, to, g->pad, 0, x->c, offset);
        if (blank) continue;
        if (x->kind != HW_BIT || x->c % 8 == 0) hw_convert_avx2(out + (size_t)left * pixel, to, line, x->kind, inside * x->c);
        else
            for (i = 0; i < inside; i++) hw_convert(out + (size_t)(left + i) * pixel, to, line + (size_t)i * step, x->kind, 0, x->c);
        for (i = left + inside; i < w; i++) hw_outside(out + (size_t)i * pixel, to, g->pad, 0, x->c, offset);
    }
    memset(out, 0, HW_ALIGN); /* the last run may read past the image, by weights of 0 */
}

/* [group][16 rows]: 16 sums to begin with, then [step][16] of four bytes: four 8-bit weights, or two of 16 bits. */
HW_FN size_t hw_arrange_values_avx2(const hw_gemm *g, uint8_t *to) {
    const int depth = g->x->c / g->groups, cols = g->win.kh * g->win.kw * depth, per = g->lines.c / g->groups, blocks = hw_up(per, 16) / 16;
    const int together = g->small ? 4 : 2, elements = hw_run_elements(g), run_steps = hw_run_steps(g), steps = run_steps * hw_run_count(g);
    const size_t block = (size_t)64 + (size_t)steps * 64;
    int q, r, k;
    if (!hw_fast_values(g)) return 0;
    for (q = 0; to && q < g->groups; q++)
        for (r = 0; r < blocks * 16; r++) {
            uint8_t *own = to + (size_t)(q * blocks + r / 16) * block;
            hw_i32 sum = 0;
            for (k = 0; k < steps * together; k++) {
                const int in_run = k % (run_steps * together), col = k / (run_steps * together) * elements + in_run;
                uint8_t *at = own + 64 + (size_t)(k / together) * 64 + (size_t)(r % 16) * 4;
                hw_i32 w = 0;
                if (r < per && in_run < elements && col < cols) {
                    const size_t from = (size_t)(q * per + r) * (size_t)cols + (size_t)col;
                    if (g->weights.kind == HW_BIT) w = ((const uint8_t *)g->weights.at)[from >> 3] >> (from & 7) & 1 ? 1 : -1;
                    else if (g->weights.kind == HW_I8) w = ((const int8_t *)g->weights.at)[from];
                    else if (g->weights.kind == HW_U8) w = ((const uint8_t *)g->weights.at)[from];
                    else w = ((const int16_t *)g->weights.at)[from];
                }
                sum += w;
                if (g->small) at[k % 4] = (uint8_t)w;
                else ((hw_i16 *)(void *)at)[k % 2] = (int16_t)w;
            }
            ((hw_i32 *)(void *)own)[r % 16] = g->small && g->x->kind != HW_U8 ? -128 * sum : 0;
        }
    return block * (size_t)(blocks * g->groups);
}

/* Sixteen sums of one window, `rows` of them wanted. */
HW_AVX2 HW_INLINE void hw_store_sums(const __m256i *sum, hw_i32 *to, int rows) {
    if (rows >= 16) {
        _mm256_storeu_si256((__m256i *)(void *)to, sum[0]);
        _mm256_storeu_si256((__m256i *)(void *)(to + 8), sum[1]);
    } else {
        hw_store8(to, rows, sum[0]);
        hw_store8(to + 8, rows - 8, sum[1]);
    }
}

/* Four bytes or two 16-bit integers of a window, in every lane. */
HW_AVX2 HW_INLINE __m256i hw_four_bytes(const uint8_t *p) {
    int32_t x;
    memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}

/* P windows by 16 rows of weights, 16-bit data. */
HW_AVX2 HW_INLINE void hw_multiply_shorts(const int P, const uint8_t *const *corner, const hw_runs *runs, int steps, const uint8_t *w, hw_i32 *to, int pitch, int rows) {
    __m256i sum[4][2];
    int p, s, k;
    HW_UNROLL
    for (p = 0; p < P; p++) sum[p][0] = _mm256_load_si256((const __m256i *)(const void *)w), sum[p][1] = _mm256_load_si256((const __m256i *)(const void *)(w + 32));
    w += 64;
    for (s = 0; s < runs->count; s++)
        for (k = 0; k < steps; k++, w += 64) {
            const __m256i w0 = _mm256_load_si256((const __m256i *)(const void *)w), w1 = _mm256_load_si256((const __m256i *)(const void *)(w + 32));
            HW_UNROLL
            for (p = 0; p < P; p++) {
                const __m256i v = hw_four_bytes(corner[p] + runs->at[s] + 4 * (size_t)k);
                sum[p][0] = _mm256_add_epi32(sum[p][0], _mm256_madd_epi16(v, w0));
                sum[p][1] = _mm256_add_epi32(sum[p][1], _mm256_madd_epi16(v, w1));
            }
        }
    HW_UNROLL
    for (p = 0; p < P; p++) hw_store_sums(sum[p], to + (size_t)p * (size_t)pitch, rows);
}

/* P windows by 16 rows of weights, 8-bit data; `flush` steps fit 16 bits, all of them where `at_once`. */
HW_AVX2 HW_INLINE void hw_multiply_bytes(const int P, const int at_once, const uint8_t *const *corner, const hw_runs *runs, int steps, int flush, const uint8_t *w,
                                         hw_i32 *to, int pitch, int rows) {
    const __m256i one = _mm256_set1_epi16(1);
    const __m256i *base = (const __m256i *)(const void *)w;
    __m256i sum[4][2], a[4][2];
    int p, b, s, k, left = flush;
    HW_UNROLL
    for (p = 0; p < P; p++)
        HW_UNROLL
        for (b = 0; b < 2; b++) {
            a[p][b] = _mm256_setzero_si256();
            if (!at_once) sum[p][b] = _mm256_setzero_si256();
        }
    w += 64;
    for (s = 0; s < runs->count; s++)
        for (k = 0; k < steps; k++, w += 64) {
            const __m256i w0 = _mm256_load_si256((const __m256i *)(const void *)w), w1 = _mm256_load_si256((const __m256i *)(const void *)(w + 32));
            HW_UNROLL
            for (p = 0; p < P; p++) {
                const __m256i v = hw_four_bytes(corner[p] + runs->at[s] + 4 * (size_t)k);
                a[p][0] = _mm256_add_epi16(a[p][0], _mm256_maddubs_epi16(v, w0));
                a[p][1] = _mm256_add_epi16(a[p][1], _mm256_maddubs_epi16(v, w1));
            }
            if (!at_once && --left == 0) {
                HW_UNROLL
                for (p = 0; p < P; p++)
                    HW_UNROLL
                    for (b = 0; b < 2; b++) sum[p][b] = _mm256_add_epi32(sum[p][b], _mm256_madd_epi16(a[p][b], one)), a[p][b] = _mm256_setzero_si256();
                left = flush;
            }
        }
    HW_UNROLL
    for (p = 0; p < P; p++) {
        __m256i x[2];
        HW_UNROLL
        for (b = 0; b < 2; b++) {
            x[b] = _mm256_add_epi32(_mm256_load_si256(base + b), _mm256_madd_epi16(a[p][b], one));
            if (!at_once) x[b] = _mm256_add_epi32(x[b], sum[p][b]);
        }
        hw_store_sums(x, to + (size_t)p * (size_t)pitch, rows);
    }
}

typedef void hw_multiply_fn(const uint8_t *const *corner, const hw_runs *runs, int steps, int flush, const uint8_t *w, hw_i32 *to, int pitch, int rows);

#define HW_MULTIPLY(name, call)                                                                                                             \
    HW_AVX2 HW_FN void name(const uint8_t *const *corner, const hw_runs *runs, int steps, int flush, const uint8_t *w, hw_i32 *to, int pitch, int rows) { \
        (void)flush;                                                                                                                        \
        call;                                                                                                                               \
    }
HW_MULTIPLY(hw_multiply_bytes_4, hw_multiply_bytes(4, 1, corner, runs, steps, flush, w, to, pitch, rows))
HW_MULTIPLY(hw_multiply_bytes_1, hw_multiply_bytes(1, 1, corner, runs, steps, flush, w, to, pitch, rows))
HW_MULTIPLY(hw_multiply_many_4, hw_multiply_bytes(4, 0, corner, runs, steps, flush, w, to, pitch, rows))
HW_MULTIPLY(hw_multiply_many_1, hw_multiply_bytes(1, 0, corner, runs, steps, flush, w, to, pitch, rows))
HW_MULTIPLY(hw_multiply_shorts_4, hw_multiply_shorts(4, corner, runs, steps, w, to, pitch, rows))
HW_MULTIPLY(hw_multiply_shorts_1, hw_multiply_shorts(1, corner, runs, steps, w, to, pitch, rows))

HW_AVX2 HW_FN void hw_gemm_values_avx2(const hw_run *run, const hw_gemm *g) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const int pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE), per = l->c / g->groups, one = g->small ? 1 : 2, steps = hw_run_steps(g);
    const int h = hw_reach(l->h, v->sh, v->kh, v->dh), w = hw_reach(l->w, v->sw, v->kw, v->dw);
    const size_t pixel = (size_t)(g->x->c * one), part = (size_t)(g->x->c / g->groups * one);
    const hw_runs runs = hw_window_runs(g, (size_t)w, pixel, part);
    const size_t block = 64 + (size_t)(steps * runs.count) * 64;
    const int at_once = steps * runs.count <= g->small;
    hw_multiply_fn *four = !g->small ? hw_multiply_shorts_4 : at_once ? hw_multiply_bytes_4 : hw_multiply_many_4;
    hw_multiply_fn *single = !g->small ? hw_multiply_shorts_1 : at_once ? hw_multiply_bytes_1 : hw_multiply_many_1;
    int first, p, q, r;
    hw_value_image(run, g, g->small ? HW_U8 : HW_I16, h, w);
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        const uint8_t *weights = hw_own_weights(run, g), *corner[HW_TILE];
        int taps[HW_TILE];
        hw_corners(g, run->spread, (size_t)w, pixel, first, n, corner, taps);
        for (q = 0; q < g->groups; q++) {
            for (r = 0; r < per; r += 16, weights += block)
                for (p = 0; p < n;) {
                    hw_i32 *to = run->line + (size_t)p * (size_t)pitch + q * per + r;
                    const int take = n - p >= 4 ? 4 : 1;
                    (take == 4 ? four : single)(corner + p, &runs, steps, g->small, weights, to, pitch, hw_min(per - r, 16));
                    p += take;
                }
            for (p = 0; p < n; p++) corner[p] += part;
        }
        hw_stages_run(run, l, first, n);
    }
}
#endif
