/* Convolutions of images of bytes for AVX-512: output pixels of one row are the lanes.
 *
 * Sixteen windows beside each other read at most 64 bytes of each row of the image, one register. VPERMB makes words of
 * four of a window's inputs from it, sixteen pixels each, once for all output channels. VPDPBUSD adds the products of a
 * word and four weights of a channel, for two times sixteen pixels that then become one register of 16 bits a pixel, in
 * the order of pixels_avx512.c, whose stages finish them.
 *
 * It pays where windows are small: in a first layer that reads an image.
 */
#include "engine.h"

#if defined(HW_X86)

enum { HW_WINDOW_WORDS = 16, HW_EIGHT = 8 }; /* of a window at most; channels summed up together */

/* Where the parts of such a layer's arranged weights begin, after this list itself: sums to begin with, [channel]; bytes of
 * a row that make a word, [word][64], and which of a word's bytes a row gives, [word][row]; weights, four in each word,
 * [8 channels][word][channel]; constants of the first rescaling, [channel][two], and of the other stages. */
typedef struct {
    size_t way; /* HW_BY_BYTES */
    int words, rescales; /* whether stage 0 is done in 32 bits */
    hw_in_16 in_16;
    size_t base, places, rows, weights, first, constants, all;
} hw_byte_layer;

/* Whether each threshold of a layer's only stage fits 16 bits, so that sums may saturate. */
HW_FN int hw_limits_in_16(const hw_gemm *g) {
    const hw_stage *s = g->lines.stage;
    hw_i32 t;
    int r;
    for (r = 0; r < g->lines.c; r++) {
        hw_widen(&t, (const uint8_t *)s->a.at, s->a.kind, r, 1);
        if (t < INT16_MIN || t > INT16_MAX) return 0;
    }
    return 1;
}

/* Whether a layer goes this way. */
HW_FN int hw_by_bytes(const hw_gemm *g, hw_byte_layer *a) {
    const hw_window *v = &g->win;
    const int c = g->lines.c, n = g->lines.stages, tiles = hw_up(g->lines.w, HW_PIXELS) / HW_PIXELS * g->lines.h;
    memset(a, 0, sizeof *a);
    a->way = HW_BY_BYTES;
    a->words = hw_up(v->kh * v->kw * g->x->c, 4) / 4;
    if (hw_kind_512(g) != HW_U8 || g->groups != 1 || c % HW_LANE || a->words > HW_WINDOW_WORDS || n < 1 || n > HW_STAGES) return 0;
    if ((15 * v->sw + (v->kw - 1) * v->dw + 1) * g->x->c > 64 || tiles * HW_PIXELS > g->lines.h * g->lines.w * 7 / 6) return 0;
    a->rescales = g->lines.stage[0].what == HW_RESCALE;
    if (a->rescales ? n < 2 : n > 1 || g->lines.stage[0].what != HW_PACK || !hw_limits_in_16(g)) return 0;
    a->base = hw_lines_up(sizeof *a);
    a->places = a->base + hw_lines_up(4 * (size_t)c);
    a->rows = a->places + 64 * (size_t)a->words;
    a->weights = a->rows + hw_lines_up(8 * (size_t)(a->words * v->kh));
    a->first = a->weights + 4 * (size_t)(a->words * c);
    a->constants = a->first + 8 * (size_t)c;
    a->all = a->constants + (size_t)(n * c) * 12;
    return hw_stages_in_16(g, a->rescales, 0, 1, &a->in_16, (uint8_t *)0);
}

/* The bytes of a row that make each word, for windows of pixels in the order of pixels_avx512.c. */
HW_FN void hw_arrange_places(const hw_gemm *g, int words, uint8_t *places, hw_u64 *rows) {
    const hw_window *v = &g->win;
    const int depth = g->x->c, across = v->kw * depth;
    int k, i, b;
    for (k = 0; k < words; k++)
        for (i = 0; i < 16; i++)
            for (b = 0; b < 4; b++) {
                const int at = 4 * k + b, in_row = at % across, pixel = 4 * (i % 4) + i / 4;
                if (at >= v->kh * across) continue;
                places[64 * k + 4 * i + b] = (uint8_t)((pixel * v->sw + in_row / depth * v->dw) * depth + in_row % depth);
                rows[k * v->kh + at / across] |= (hw_u64)1 << (4 * i + b);
            }
}

HW_FN size_t hw_arrange_bytes(const hw_gemm *g, uint8_t *to) {
    const int cols = g->win.kh * g->win.kw * g->x->c, c = g->lines.c;
    const hw_stage *s = g->lines.stage;
    hw_byte_layer a;
    int r, k;
    if (!hw_by_bytes(g, &a)) return 0;
    if (!to) return a.all;
    memset(to, 0, a.all);
    memcpy(to, &a, sizeof a);
    hw_arrange_places(g, a.words, to + a.places, (hw_u64 *)(void *)(to + a.rows));
    for (r = 0; r < c; r++) {
        const hw_span none = {0, 0};
        hw_i32 *first = (hw_i32 *)(void *)(to + a.first);
        ((hw_i32 *)(void *)(to + a.base))[r] = hw_base_512(g, r, none, none);
        for (k = 0; k < cols; k++)
            to[a.weights + 4 * (size_t)((r / HW_EIGHT * a.words + k / 4) * HW_EIGHT + r % HW_EIGHT) + (size_t)(k % 4)] = (uint8_t)hw_weight(g->weights, (size_t)r * (size_t)cols + (size_t)k);
        if (!a.rescales) continue;
        hw_widen(first + 2 * r, (const uint8_t *)s->a.at, s->a.kind, r, 1);
        hw_widen(first + 2 * r + 1, (const uint8_t *)s->b.at, s->b.kind, r, 1);
    }
    return hw_stages_in_16(g, a.rescales, 0, 1, &a.in_16, to + a.constants) ? a.all : 0;
}

/* Words of two times sixteen windows that begin at `from`: [word][half]. */
HW_AVX512 HW_INLINE void hw_window_words(const hw_gemm *g, const hw_byte_layer *a, const hw_image *m, const uint8_t *arranged, const uint8_t *from, int n, __m512i (*x)[2]) {
    const hw_window *v = &g->win;
    const int across = v->kw * g->x->c, step = v->sw * g->x->c, reach = ((v->kw - 1) * v->dw + 1) * g->x->c;
    const hw_u64 *rows = (const hw_u64 *)(const void *)(arranged + a->rows);
    int half, k, r;
    for (half = 0; half < 2; half++, from += 16 * step) {
        const int some = hw_min(16, n - 16 * half), bytes = some < 1 ? 0 : (some - 1) * step + reach;
        const __mmask64 inside = bytes ? ~(hw_u64)0 >> (64 - bytes) : 0;
        for (k = 0; k < a->words; k++) {
            const __m512i place = _mm512_load_si512((const void *)(arranged + a->places + 64 * k));
            const int last = hw_min(v->kh - 1, (4 * k + 3) / across);
            __m512i word = _mm512_setzero_si512();
            for (r = 4 * k / across; r <= last; r++) {
                const __m512i row = _mm512_maskz_loadu_epi8(inside, (const void *)(from + (size_t)(r * v->dh) * m->row));
                word = _mm512_mask_permutexvar_epi8(word, rows[k * v->kh + r], place, row);
            }
            x[k][half] = word;
        }
    }
}

/* Sums of eight channels, rescaled or not, saturated to 16 bits. */
HW_AVX512 HW_INLINE void hw_sum_bytes(const hw_gemm *g, const hw_byte_layer *a, const uint8_t *arranged, int c, __m512i (*x)[2], __m512i *y) {
    const hw_i32 *w = (const hw_i32 *)(const void *)(arranged + a->weights) + c * a->words, *base = (const hw_i32 *)(const void *)(arranged + a->base) + c;
    const hw_i32 *first = (const hw_i32 *)(const void *)(arranged + a->first) + 2 * c;
    const __m128i shift = _mm_cvtsi32_si128(g->lines.stage[0].shift);
    __m512i sum[HW_EIGHT][2];
    int i, k;
    HW_UNROLL
    for (i = 0; i < HW_EIGHT; i++) sum[i][0] = sum[i][1] = _mm512_set1_epi32(base[i]);
    for (k = 0; k < a->words; k++, w += HW_EIGHT) {
        const __m512i low = x[k][0], high = x[k][1];
        HW_UNROLL
        for (i = 0; i < HW_EIGHT; i++) {
            const __m512i four = _mm512_set1_epi32(w[i]);
            sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], low, four);
            sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], high, four);
        }
    }
    if (a->rescales) {
        HW_UNROLL
        for (i = 0; i < HW_EIGHT; i++) {
            const __m512i times = _mm512_set1_epi32(first[2 * i]), plus = _mm512_set1_epi32(first[2 * i + 1]);
            sum[i][0] = _mm512_sra_epi32(_mm512_add_epi32(_mm512_mullo_epi32(sum[i][0], times), plus), shift);
            sum[i][1] = _mm512_sra_epi32(_mm512_add_epi32(_mm512_mullo_epi32(sum[i][1], times), plus), shift);
        }
    }
    HW_UNROLL
    for (i = 0; i < HW_EIGHT; i++) y[i] = _mm512_packs_epi32(sum[i][0], sum[i][1]);
}

HW_AVX512 HW_FN void hw_gemm_bytes(const hw_run *run, const hw_gemm *g, const uint8_t *arranged) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const hw_stage *s = l->stage;
    const hw_image m = hw_image_512(run, g);
    const __m512i lo = _mm512_set1_epi16((short)s->lo), hi = _mm512_set1_epi16((short)s->hi);
    hw_byte_layer a;
    int y, z, c, i;
    memcpy(&a, arranged, sizeof a);
    for (y = 0; y < l->h; y++)
        for (z = 0; z < l->w; z += HW_PIXELS) {
            const int first = y * l->w + z, n = hw_min(HW_PIXELS, l->w - z);
            __m512i x[HW_WINDOW_WORDS][2];
            hw_window_words(g, &a, &m, arranged, m.at + (size_t)(y * v->sh) * m.row + (size_t)(z * v->sw) * m.pixel, n, x);
            for (c = 0; c < l->c; c += HW_LANE) {
                __m512i sum[HW_LANE];
                HW_UNROLL
                for (i = 0; i < HW_LANE; i += HW_EIGHT) hw_sum_bytes(g, &a, arranged, c + i, x, sum + i);
                if (a.rescales) {
                    HW_UNROLL
                    for (i = 0; i < HW_LANE; i++) sum[i] = _mm512_min_epi16(_mm512_max_epi16(sum[i], lo), hi);
                }
                for (i = a.rescales; i < l->stages; i++)
                    hw_stage_pixels(run, g, l->stage + i, a.in_16.shift[i], a.in_16.clips[i], arranged + a.constants + 12 * (size_t)(i * l->c + c), sum, first, n, c);
            }
        }
}
#endif
