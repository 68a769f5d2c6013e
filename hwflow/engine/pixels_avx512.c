/* Binary convolutions of few channels for AVX-512: thirty-two output pixels are the lanes.
 *
 * A lane is 16 bits wide. It holds sixteen input channels of one tap, then how many of them differ from a channel's
 * weights, then the accumulator and whatever the stages make of it, sixteen output channels at a time in sixteen
 * registers. So no row is gathered, a step of rescaling costs half of what it costs in 32 bits, and nothing is written
 * but the results. A layer goes this way only where 16 bits are proven to hold every value of it.
 *
 * Pixel 4 * j + i of a tile is word 8 * i + j of a register: the order in which sixteen bytes of 32 pixels are turned
 * into sixteen registers by unpacking alone.
 */
#include "engine.h"

#if defined(HW_X86)

enum { HW_PIXELS = 32, HW_BORDERS = 4 };

/* Where the parts of such a layer's arranged weights begin, after this list itself: for each tile which border it has
 * (the taps of its pixels inside the image); what sums are taken from: [border][channel][pixel]; weights, each twice:
 * [16 channels][word][channel]; constants: [stage][channel][three of 16 bits, each twice]; where 32 words of a row of
 * the image go; where each word of a window begins in the planes. */
typedef struct {
    size_t way; /* HW_BY_PIXELS */
    int words, tiles, borders;
    hw_in_16 in_16;
    size_t base, weights, constants, order, at, all;
} hw_pixels;

HW_INLINE hw_span hw_pixel_rows(const hw_gemm *g, int p) { return hw_rows_at(g, hw_min(p, g->lines.h * g->lines.w - 1) / g->lines.w); }
HW_INLINE hw_span hw_pixel_cols(const hw_gemm *g, int p) { return hw_cols_at(g, hw_min(p, g->lines.h * g->lines.w - 1) % g->lines.w); }

/* Which border each tile has, by the first tile that has it; how many there are, or more than HW_BORDERS. */
HW_FN int hw_borders(const hw_gemm *g, int tiles, hw_i32 *border, int *first) {
    int t, i, p, n = 0;
    for (t = 0; t < tiles && n <= HW_BORDERS; t++) {
        for (i = 0; i < n; i++) {
            for (p = 0; p < HW_PIXELS; p++)
                if (hw_differ(hw_pixel_rows(g, first[i] + p), hw_pixel_rows(g, HW_PIXELS * t + p)) ||
                    hw_differ(hw_pixel_cols(g, first[i] + p), hw_pixel_cols(g, HW_PIXELS * t + p))) break;
            if (p == HW_PIXELS) break;
        }
        if (i == n) first[n++] = HW_PIXELS * t;
        if (border) border[t] = i;
    }
    return n;
}

/* Whether a layer goes this way: whole words of channels, few of them, and few lanes without a pixel. */
HW_FN int hw_by_pixels(const hw_gemm *g, hw_pixels *a) {
    const int pixels = g->lines.h * g->lines.w, c = g->lines.c;
    int first[HW_BORDERS + 1];
    memset(a, 0, sizeof *a);
    a->way = HW_BY_PIXELS;
    a->tiles = hw_up(pixels, HW_PIXELS) / HW_PIXELS;
    a->words = g->win.kh * g->win.kw * g->x->c / 16;
    if (g->kind != HW_BIT || g->groups != 1 || g->x->c % 16 || c % HW_LANE || c > 64 || a->words > 1024 || g->pad_counts < 0) return 0;
    if (a->tiles * HW_PIXELS > pixels + pixels / 6 || !hw_stages_of_halves(g, &a->in_16, (uint8_t *)0)) return 0;
    a->borders = hw_borders(g, a->tiles, (hw_i32 *)0, first);
    a->base = hw_lines_up(sizeof *a + 4 * (size_t)a->tiles);
    a->weights = a->base + (size_t)(a->borders * c) * 64;
    a->constants = a->weights + (size_t)(a->words * c) * 4;
    a->order = hw_lines_up(a->constants + (size_t)(g->lines.stages * c) * 12);
    a->at = a->order + 64;
    a->all = a->at + 4 * (size_t)a->words;
    return a->borders <= HW_BORDERS;
}

/* Whether whole registers of a row go to planes by one permutation; then every plane and column of a stride gets so many
 * words of it. */
HW_INLINE int hw_words_apart(const hw_gemm *g, int inside) {
    const int apart = g->x->c / 16 * g->win.sw;
    return apart <= 8 && !(apart & (apart - 1)) && inside > 0 && inside % (HW_PIXELS / (g->x->c / 16)) == 0 ? HW_PIXELS / apart : 0;
}

/* The pixel of 32 words of a row that comes to column s of a stride as number `i`. */
HW_INLINE int hw_pixel_apart(const hw_gemm *g, int s, int i) { return i * g->win.sw + (s + g->win.sw - g->win.left % g->win.sw) % g->win.sw; }

/* Where 32 words of a row go, and where the words of a window begin. */
HW_FN void hw_arrange_planes(const hw_gemm *g, uint16_t *order, hw_i32 *at, int words) {
    const hw_window *v = &g->win;
    const int parts = g->x->c / 16, sw = v->sw, h = hw_reach(g->lines.h, v->sh, v->kh, v->dh), w = hw_reach(g->lines.w, sw, v->kw, v->dw);
    const int row = hw_plane_row(g, w), apart = hw_words_apart(g, hw_min(g->x->w, w - hw_min(v->left, w)));
    int k;
    for (k = 0; apart && k < HW_PIXELS; k++) order[k] = (uint16_t)(hw_pixel_apart(g, k / apart % sw, k % apart) * parts + k / apart / sw);
    for (k = 0; k < words; k++) at[k] = 2 * ((k % parts * h + k / parts / v->kw * v->dh) * row + hw_column(k / parts % v->kw * v->dw, sw, w));
}

HW_INLINE int hw_pixel_of_word(int word) { return 4 * (word % 8) + word / 8; }

HW_FN size_t hw_arrange_pixels(const hw_gemm *g, uint8_t *to) {
    const uint8_t *from = (const uint8_t *)g->weights.at;
    hw_pixels a;
    int first[HW_BORDERS + 1], r, k, i;
    if (!hw_by_pixels(g, &a)) return 0;
    if (!to) return a.all;
    memset(to, 0, a.all);
    memcpy(to, &a, sizeof a);
    (void)hw_borders(g, a.tiles, (hw_i32 *)(void *)(to + sizeof a), first);
    for (i = 0; i < a.borders; i++)
        for (r = 0; r < g->lines.c; r++)
            for (k = 0; k < HW_PIXELS; k++) {
                const int p = first[i] + hw_pixel_of_word(k);
                ((hw_i16 *)(void *)(to + a.base))[(i * g->lines.c + r) * HW_PIXELS + k] = (int16_t)(hw_base_512(g, r, hw_pixel_rows(g, p), hw_pixel_cols(g, p)) / 2);
            }
    for (r = 0; r < g->lines.c; r++)
        for (k = 0; k < a.words; k++, from += 2) {
            uint8_t *own = to + a.weights + 4 * (size_t)((r / HW_LANE * a.words + k) * HW_LANE + r % HW_LANE);
            memcpy(own, from, 2);
            memcpy(own + 2, from, 2);
        }
    hw_arrange_planes(g, (uint16_t *)(void *)(to + a.order), (hw_i32 *)(void *)(to + a.at), a.words);
    return hw_stages_of_halves(g, &a.in_16, to + a.constants) ? a.all : 0;
}

/* The image with its border in planes, sixteen channels in each; columns that are a stride apart are neighbours. */
HW_AVX512 HW_FN void hw_planes(const hw_run *run, const hw_gemm *g, const uint8_t *order, int h, int w) {
    const hw_tensor *x = g->x;
    const int parts = x->c / 16, left = hw_min(g->win.left, w), inside = hw_min(x->w, w - left), sw = g->win.sw, row = hw_plane_row(g, w);
    const int apart = hw_words_apart(g, inside);
    const uint8_t *from = hw_read(run, x);
    int q, s, y, i, k;
    memset(run->spread, 0, (size_t)(parts * h * row) * 2);
    for (y = g->win.top; y < h && y - g->win.top < x->h; y++, from += x->w * 2 * parts) {
        uint8_t *to = run->spread + 2 * y * row;
        if (parts * sw == 1 && inside > 0) memcpy(to + 2 * left, from, 2 * (size_t)inside);
        else if (apart)
            for (i = 0; i < inside; i += HW_PIXELS / parts) {
                uint8_t word[64] __attribute__((aligned(64)));
                _mm512_store_si512((void *)word, _mm512_permutexvar_epi16(_mm512_load_si512((const void *)order), _mm512_loadu_si512((const void *)(from + 2 * i * parts))));
                for (q = 0; q < parts; q++)
                    for (s = 0; s < sw; s++) {
                        uint8_t *own = to + 2 * (q * h * row + hw_column(left + i + hw_pixel_apart(g, s, 0), sw, w));
                        const uint8_t *piece = word + 2 * apart * (q * sw + s);
                        if (apart == 4) hw_set_word(own, hw_word(piece));
                        else
                            for (k = 0; k < 2 * apart; k += 16) _mm_storeu_si128((__m128i *)(void *)(own + k), _mm_load_si128((const __m128i *)(const void *)(piece + k)));
                    }
            }
        else
            for (q = 0; q < parts; q++)
                for (i = 0; i < inside; i++) memcpy(to + 2 * (q * h * row + hw_column(left + i, sw, w)), from + 2 * (i * parts + q), 2);
    }
}

/* Sixteen bytes from each of four places. */
HW_AVX512 HW_INLINE __m512i hw_four_512(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d) {
    const __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)a));
    const __m512i y = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)b), 1);
    const __m512i z = _mm512_inserti32x4(y, _mm_loadu_si128((const __m128i *)(const void *)c), 2);
    return _mm512_inserti32x4(z, _mm_loadu_si128((const __m128i *)(const void *)d), 3);
}

/* Runs of pixels side by side in a row of the image, in the lanes that they take: `at` is where a run would begin,
 * were it from lane 0. */
typedef struct {
    int count;
    uint32_t lanes[HW_PIXELS];
    ptrdiff_t at[HW_PIXELS];
} hw_pixel_runs;

/* Words of 32 pixels, `at` in the planes: [tap][sixteen channels][pixel]; R runs, and then any more. */
HW_AVX512 HW_INLINE void hw_gather_runs(const int R, const hw_run *run, const hw_i32 *at, int words, const hw_pixel_runs *r) {
    static const uint16_t order[HW_PIXELS] = {0, 4, 8,  12, 16, 20, 24, 28, 1, 5, 9,  13, 17, 21, 25, 29,
                                              2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31};
    const __m512i turn = _mm512_loadu_si512((const void *)order);
    int i, k;
    for (i = 0; i < words; i++) {
        const uint8_t *from = run->spread + at[i];
        __m512i x = _mm512_setzero_si512();
        HW_UNROLL
        for (k = 0; k < R; k++) x = _mm512_mask_loadu_epi16(x, r->lanes[k], (const void *)(from + r->at[k]));
        for (; k < r->count; k++) x = _mm512_mask_loadu_epi16(x, r->lanes[k], (const void *)(from + r->at[k]));
        _mm512_store_si512((void *)(run->rows + 64 * i), _mm512_permutexvar_epi16(turn, x));
    }
}

/* The same from pixel `first`, of which n exist. */
HW_AVX512 HW_FN void hw_gather_pixels(const hw_run *run, const hw_gemm *g, const hw_i32 *at, int words, int w, int first, int n) {
    const hw_window *v = &g->win;
    hw_pixel_runs r;
    int p = 0, y = first / g->lines.w, x = first % g->lines.w;
    r.count = 0;
    do {
        const int size = hw_min(n - p, g->lines.w - x);
        r.at[r.count] = 2 * ((ptrdiff_t)(y * v->sh * hw_plane_row(g, w) + x) - p);
        r.lanes[r.count++] = (0xffffffffu >> (HW_PIXELS - size)) << p;
        p += size;
        x += size;
        if (x == g->lines.w) x = 0, y++;
    } while (p < n);
    if (r.count == 1) hw_gather_runs(1, run, at, words, &r);
    else if (r.count < 4) hw_gather_runs(2, run, at, words, &r);
    else hw_gather_runs(4, run, at, words, &r);
}

HW_AVX512 HW_INLINE __m512i hw_twice(const uint8_t *p) { return _mm512_set1_epi32(*(const hw_i32 *)(const void *)p); }

/* Half the accumulators of sixteen channels: half their bases less how many bits of each pixel differ from the weights. */
HW_AVX512 HW_INLINE void hw_count_pixels(__m512i *x, const uint8_t *base, const uint8_t *from, const uint8_t *w, int words) {
    int i, k;
    HW_UNROLL
    for (i = 0; i < HW_LANE; i++) x[i] = _mm512_load_si512((const void *)(base + 64 * i));
    for (k = 0; k < words; k++, from += 64, w += 64) {
        const __m512i v = _mm512_load_si512((const void *)from);
        HW_UNROLL
        for (i = 0; i < HW_LANE; i++) x[i] = _mm512_sub_epi16(x[i], _mm512_popcnt_epi16(_mm512_xor_si512(v, hw_twice(w + 4 * i))));
    }
}

/* Registers `apart` give their low halves, interleaved by bytes or by pairs of them, and their high ones. */
HW_AVX512 HW_INLINE void hw_interleave(__m512i *v, const int bytes, const int apart) {
    int i;
    HW_UNROLL
    for (i = 0; i < 8; i++)
        if (!(i & apart)) {
            const __m512i a = v[i], b = v[i + apart];
            v[i] = bytes == 1 ? _mm512_unpacklo_epi8(a, b) : _mm512_unpacklo_epi16(a, b);
            v[i + apart] = bytes == 1 ? _mm512_unpackhi_epi8(a, b) : _mm512_unpackhi_epi16(a, b);
        }
}

/* x += bytes of n pixels, `step` apart. */
HW_AVX512 HW_INLINE void hw_add_pixels(__m512i *x, const uint8_t *from, size_t step, int n) {
    __m512i v[8];
    int i;
    HW_UNROLL
    for (i = 0; i < 8; i++) {
        const uint8_t *p = from + (size_t)(4 * i) * step;
        const int left = n - 1 - 4 * i; /* beyond the last pixel, the first is read again */
        if (left >= 3 && step == 16) {
            v[i] = _mm512_loadu_si512((const void *)p);
        } else {
            v[i] = hw_four_512(left < 0 ? from : p, left < 1 ? from : p + step, left < 2 ? from : p + 2 * step, left < 3 ? from : p + 3 * step);
        }
    }
    hw_interleave(v, 2, 4);
    hw_interleave(v, 2, 2);
    hw_interleave(v, 2, 1); /* now register i has channels 2 * i and 2 * i + 1 of all pixels, in turn */
    HW_UNROLL
    for (i = 0; i < 8; i++) {
        x[2 * i] = _mm512_add_epi16(x[2 * i], _mm512_maddubs_epi16(_mm512_set1_epi16(1), v[i]));
        x[2 * i + 1] = _mm512_add_epi16(x[2 * i + 1], _mm512_srai_epi16(v[i], 8));
    }
}

/* The inverse, of numbers that fit a byte. */
HW_AVX512 HW_INLINE void hw_store_pixels(const __m512i *x, uint8_t *to, size_t step, int n) {
    __m512i v[8];
    int i, j;
    HW_UNROLL
    for (i = 0; i < 8; i++) v[i] = _mm512_packs_epi16(x[2 * i], x[2 * i + 1]);
    hw_interleave(v, 1, 4);
    hw_interleave(v, 1, 2);
    hw_interleave(v, 1, 1);
    hw_interleave(v, 1, 4); /* pixels 4 * i .. 4 * i + 3 are where the bits of i, turned left by one, say */
    HW_UNROLL
    for (i = 0; i < 8; i++) {
        const __m512i y = v[(i & 1) * 4 + i / 2];
        uint8_t *own = to + (size_t)(4 * i) * step;
        if (step == 16 && n >= 4 * i + 4) {
            _mm512_storeu_si512((void *)own, y);
        } else {
            uint8_t four[64];
            _mm512_storeu_si512((void *)four, y);
            for (j = 0; j < hw_min(4, n - 4 * i); j++) memcpy(own + (size_t)j * step, four + 16 * j, 16);
        }
    }
}

/* Bits of sixteen channels of n pixels, `step` bytes apart; `flip` inverts. `limit` has a channel's every 12 bytes. */
HW_AVX512 HW_INLINE void hw_pack_pixels(const __m512i *x, const uint8_t *limit, unsigned flip, uint8_t *to, size_t step, int n) {
    static const uint16_t order[HW_PIXELS] = {0, 8,  16, 24, 1, 9,  17, 25, 2, 10, 18, 26, 3, 11, 19, 27,
                                              4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31};
    __m512i bits = _mm512_setzero_si512();
    uint16_t out[HW_PIXELS];
    int i;
    HW_UNROLL
    for (i = 0; i < HW_LANE; i++) /* 1 where a channel is below its limit */
        bits = _mm512_mask_add_epi16(bits, _mm512_cmpgt_epi16_mask(hw_twice(limit + 12 * i), x[i]), bits, _mm512_set1_epi16((short)(1u << i)));
    bits = _mm512_xor_si512(bits, _mm512_set1_epi16((short)~flip));
    bits = _mm512_permutexvar_epi16(_mm512_loadu_si512((const void *)order), bits);
    if (step == 2 && n == HW_PIXELS) {
        _mm512_storeu_si512((void *)to, bits);
        return;
    }
    _mm512_storeu_si512((void *)out, bits);
    for (i = 0; i < n; i++) memcpy(to + (size_t)i * step, out + i, 2);
}

/* One stage of sixteen channels from c, n pixels from `first`; `own` are its constants. */
HW_AVX512 HW_INLINE void hw_stage_pixels(const hw_run *run, const hw_gemm *g, const hw_stage *s, int shift, int clips, const uint8_t *own, __m512i *x, int first, int n, int c) {
    const int channels = g->lines.c;
    int i;
    switch (s->what) {
    case HW_RESCALE: {
        const __m512i lo = _mm512_set1_epi16((short)s->lo), hi = _mm512_set1_epi16((short)s->hi), one = _mm512_set1_epi16(1);
        if (shift > 0) {
            HW_UNROLL
            for (i = 0; i < HW_LANE; i++) x[i] = _mm512_sll_epi16(x[i], _mm_cvtsi32_si128(shift));
        }
        if (shift >= 0) {
            HW_UNROLL
            for (i = 0; i < HW_LANE; i++) {
                const __m512i a = hw_twice(own + 12 * i), v = x[i];
                const __mmask32 carry = _mm512_cmpgt_epu16_mask(_mm512_mullo_epi16(a, v), hw_twice(own + 12 * i + 8));
                x[i] = _mm512_add_epi16(_mm512_mulhi_epi16(a, v), hw_twice(own + 12 * i + 4));
                x[i] = _mm512_mask_add_epi16(x[i], carry, x[i], one);
            }
        }
        if (clips) {
            HW_UNROLL
            for (i = 0; i < HW_LANE; i++) x[i] = _mm512_min_epi16(_mm512_max_epi16(x[i], lo), hi);
        }
        break;
    }
    case HW_ADD: hw_add_pixels(x, hw_read(run, s->tensor) + (size_t)(first * channels + c), (size_t)channels, n); break;
    case HW_STORE: hw_store_pixels(x, hw_at(run, s->tensor) + (size_t)(first * channels + c), (size_t)channels, n); break;
    default: /* HW_PACK */
        hw_pack_pixels(x, own, hw_flags_512(s->b, c, channels), hw_at(run, s->tensor) + (size_t)((first * channels + c) / 8), (size_t)channels / 8, n);
    }
}

HW_AVX512 HW_FN void hw_gemm_pixels(const hw_run *run, const hw_gemm *g, const uint8_t *arranged) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const int h = hw_reach(l->h, v->sh, v->kh, v->dh), w = hw_reach(l->w, v->sw, v->kw, v->dw), pixels = l->h * l->w;
    const hw_i32 *border = (const hw_i32 *)(const void *)(arranged + sizeof(hw_pixels));
    hw_pixels a;
    int t, c, s;
    memcpy(&a, arranged, sizeof a);
    hw_planes(run, g, arranged + a.order, h, w);
    for (t = 0; t < a.tiles; t++) {
        const int first = HW_PIXELS * t, n = hw_min(HW_PIXELS, pixels - first);
        hw_gather_pixels(run, g, (const hw_i32 *)(const void *)(arranged + a.at), a.words, w, first, n);
        for (c = 0; c < l->c; c += HW_LANE) {
            __m512i x[HW_LANE];
            hw_count_pixels(x, arranged + a.base + 64 * (size_t)(border[t] * l->c + c), run->rows, arranged + a.weights + 4 * (size_t)(c * a.words), a.words);
            for (s = 0; s < l->stages; s++)
                hw_stage_pixels(run, g, l->stage + s, a.in_16.shift[s], a.in_16.clips[s], arranged + a.constants + 12 * (size_t)(s * l->c + c), x, first, n, c);
        }
    }
}
#endif
