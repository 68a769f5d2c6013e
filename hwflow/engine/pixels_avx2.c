/* Binary convolutions of few channels for AVX2: output pixels are the lanes while bits are counted, channels afterwards.
 *
 * Four input channels of a pixel make a nibble x, four weights a nibble w. A table of sixteen bytes says how many of the
 * four agree for each x, with one output channel in the low half of a byte and the next one in the high half. So one
 * VPSHUFB makes 256 products: 32 pixels, four inputs, two outputs. Three look-ups still fit the halves; `total` then
 * takes both halves, and `high` the high ones alone, which leaves the low ones as total - 16 * high, modulo 256.
 *
 * Counts are turned over, sixteen channels by sixteen pixels, and pass the stages in 16 bits with the channels as lanes:
 * a pixel of the residual stream is then one load, and constants are read as they lie. Nothing is written but results.
 * A layer goes this way only where 16 bits are proven to hold every value of it.
 *
 * A nibble outside the image is 128, for which VPSHUFB gives 0: exact zero padding.
 */
#include "engine.h"

#if defined(HW_X86)

enum { HW_TOGETHER = 60 };                         /* nibbles whose agreements a byte counts */
enum { HW_MOST_PARTS = 4, HW_MOST_NIBBLES = 240 };  /* of a window; with more, the rows of AVX2's other way lie better in caches */
enum { HW_FEW_PIXELS = 24 };

/* [w1][w0][x]: agreements of x and w0, and 16 times those of x and w1. */
static const uint8_t hw_pairs[256 * 16] __attribute__((aligned(64))) = {
#define HW_PAIR(w, x) 4 - HW_BITS4(((w) & 15) ^ (x)) + 16 * (4 - HW_BITS4(((w) >> 4) ^ (x)))
#define HW_PAIR4(w, x) HW_PAIR(w, x), HW_PAIR(w, (x) + 1), HW_PAIR(w, (x) + 2), HW_PAIR(w, (x) + 3)
#define HW_PAIR16(w) HW_PAIR4(w, 0), HW_PAIR4(w, 4), HW_PAIR4(w, 8), HW_PAIR4(w, 12)
#define HW_PAIR64(w) HW_PAIR16(w), HW_PAIR16((w) + 1), HW_PAIR16((w) + 2), HW_PAIR16((w) + 3)
#define HW_PAIR256(w) HW_PAIR64(w), HW_PAIR64((w) + 4), HW_PAIR64((w) + 8), HW_PAIR64((w) + 12)
    HW_PAIR256(0), HW_PAIR256(16), HW_PAIR256(32), HW_PAIR256(48), HW_PAIR256(64), HW_PAIR256(80), HW_PAIR256(96), HW_PAIR256(112),
    HW_PAIR256(128), HW_PAIR256(144), HW_PAIR256(160), HW_PAIR256(176), HW_PAIR256(192), HW_PAIR256(208), HW_PAIR256(224), HW_PAIR256(240)};

/* Where the parts of such a layer's arranged weights begin, after this itself: for each pixel what counts are taken from;
 * pairs of weights, as bytes into hw_pairs: [four channels][nibble][2]; constants of 16 bits: [stage][3][channel]. A
 * window's nibbles are counted in `parts` of `triples` times three. */
typedef struct {
    size_t way; /* HW_BY_PIXELS */
    int nibbles, parts, triples, narrow; /* narrow: 16 bits hold every value, counts are half accumulators */
    hw_in_16 in_16;
    size_t less, weights, constants, work, all;
} hw_pixels_2;

/* Whether a layer goes this way, and how. */
HW_FN int hw_by_pixels_2(const hw_gemm *g, hw_pixels_2 *a) {
    const int pixels = g->lines.h * g->lines.w, c = g->lines.c, up = hw_up(c, HW_LANE), tiles = hw_up(pixels, HW_WIDE / 2);
    memset(a, 0, sizeof *a);
    a->way = HW_BY_PIXELS;
    a->nibbles = g->win.kh * g->win.kw * 2 * hw_bytes(HW_BIT, g->x->c);
    a->parts = hw_up(a->nibbles, HW_TOGETHER) / HW_TOGETHER;
    a->triples = hw_up(a->nibbles, 3 * a->parts) / (3 * a->parts);
    if (g->kind != HW_BIT || g->groups != 1 || g->pad_counts < 0 || a->nibbles > HW_MOST_NIBBLES) return 0;
    if (pixels < HW_FEW_PIXELS || tiles > pixels + pixels / 4 || up > c + c / 4) return 0;
    a->narrow = up == c && g->x->c % 2 == 0 && hw_stages_of_halves(g, &a->in_16, (uint8_t *)0);
    a->less = hw_lines_up(sizeof *a);
    a->weights = a->less + hw_lines_up((size_t)hw_up(pixels, 8) * 2);
    a->constants = a->weights + hw_lines_up((size_t)(a->parts * a->triples * 3 * up));
    a->work = a->constants + (a->narrow ? (size_t)(g->lines.stages * c) * 6 : 0);
    a->all = a->work + (a->narrow ? (size_t)(g->lines.stages * c) * 12 : 0);
    return 1;
}

/* Four weights of channel r: nibble k of its row; none where there is no such channel or nibble. */
HW_INLINE unsigned hw_weight_nibble(const hw_gemm *g, int nibbles, int r, int k) {
    if (r >= g->lines.c || k >= nibbles) return 0;
    return ((const uint8_t *)g->weights.at)[(size_t)r * (size_t)(nibbles / 2) + (size_t)(k / 2)] >> (k & 1 ? 4 : 0) & 15;
}

HW_FN size_t hw_arrange_pixels_2(const hw_gemm *g, uint8_t *to) {
    const int pixels = g->lines.h * g->lines.w, c = g->lines.c, taps = g->win.kh * g->win.kw;
    hw_pixels_2 a;
    uint16_t *out;
    int p, r, k, s;
    if (!hw_by_pixels_2(g, &a)) return 0;
    if (!to) return a.all;
    memset(to, 0, a.all);
    if (a.narrow) (void)hw_stages_of_halves(g, &a.in_16, to + a.work);
    memcpy(to, &a, sizeof a);
    for (p = 0; p < pixels; p++) {
        const int y = hw_taps_inside(p / g->lines.w, g->win.sh, g->win.top, g->win.kh, g->win.dh, g->x->h);
        const int n = y * hw_taps_inside(p % g->lines.w, g->win.sw, g->win.left, g->win.kw, g->win.dw, g->x->w);
        ((hw_i16 *)(void *)(to + a.less))[p] = (int16_t)((n * g->x->c + (taps - n) * g->pad_counts) / (a.narrow ? 2 : 1));
    }
    out = (uint16_t *)(void *)(to + a.weights);
    for (r = 0; r < c; r += 4)
        for (k = 0; k < a.parts * a.triples * 3; k++)
            for (s = 0; s < 4; s += 2)
                *out++ = (uint16_t)(16 * (hw_weight_nibble(g, a.nibbles, r + s, k) | hw_weight_nibble(g, a.nibbles, r + s + 1, k) << 4));
    for (s = 0; a.narrow && s < g->lines.stages; s++)
        for (k = 0; k < 3; k++)
            for (r = 0; r < c; r++) {
                uint16_t v;
                memcpy(&v, to + a.work + 12 * (size_t)(s * c + r) + 4 * k, 2);
                if (k == 2) v = (uint16_t)(v ^ 0x8000); /* compared with a sign */
                memcpy(to + a.constants + 2 * (size_t)((s * 3 + k) * c + r), &v, 2);
            }
    return a.all;
}

/* Two channels' agreements with a nibble of 32 * X pixels, alone or added to others. Written out because compilers, left
 * to order the look-ups, keep more of them alive than there are registers. */
HW_AVX2 HW_INLINE void hw_first_pair(const int X, __m256i *sum, size_t w, const uint8_t *x) {
    const __m128i *t = (const __m128i *)(const void *)(hw_pairs + w);
    const __m256i *v = (const __m256i *)(const void *)x;
    if (X == 2)
        __asm__("vbroadcasti128 %2, %1\n\tvpshufb %3, %1, %0\n\tvpshufb %4, %1, %1" : "=&x"(sum[0]), "=&x"(sum[1]) : "m"(*t), "m"(v[0]), "m"(v[1]));
    else
        __asm__("vbroadcasti128 %1, %0\n\tvpshufb %2, %0, %0" : "=&x"(sum[0]) : "m"(*t), "m"(v[0]));
}

HW_AVX2 HW_INLINE void hw_next_pair(const int X, __m256i *sum, size_t w, const uint8_t *x) {
    const __m128i *t = (const __m128i *)(const void *)(hw_pairs + w);
    const __m256i *v = (const __m256i *)(const void *)x;
    __m256i a, b;
    if (X == 2)
        __asm__("vbroadcasti128 %4, %2\n\tvpshufb %5, %2, %3\n\tvpshufb %6, %2, %2\n\tvpaddb %3, %0, %0\n\tvpaddb %2, %1, %1"
                : "+x"(sum[0]), "+x"(sum[1]), "=&x"(a), "=&x"(b)
                : "m"(*t), "m"(v[0]), "m"(v[1]));
    else
        __asm__("vbroadcasti128 %2, %1\n\tvpshufb %3, %1, %1\n\tvpaddb %1, %0, %0" : "+x"(sum[0]), "=&x"(a) : "m"(*t), "m"(v[0]));
}

/* Agreements of four channels with 32 * X pixels, counted over so many triples of nibbles: [channel][64]. */
HW_AVX2 HW_INLINE void hw_count_pairs(const int X, const uint8_t *x, const uint16_t *w, int triples, uint8_t *to) {
    const __m256i half = _mm256_set1_epi8(15);
    __m256i total[2][2], high[2][2];
    int i, p, b;
    HW_UNROLL
    for (p = 0; p < 2; p++)
        HW_UNROLL
        for (b = 0; b < X; b++) total[p][b] = high[p][b] = _mm256_setzero_si256();
    for (i = 0; i < triples; i++, x += 3 * HW_WIDE, w += 6) {
        __m256i sum[2][2];
        HW_UNROLL
        for (p = 0; p < 2; p++) {
            hw_first_pair(X, sum[p], w[p], x);
            hw_next_pair(X, sum[p], w[2 + p], x + HW_WIDE);
            hw_next_pair(X, sum[p], w[4 + p], x + 2 * HW_WIDE);
        }
        HW_UNROLL
        for (p = 0; p < 2; p++)
            HW_UNROLL
            for (b = 0; b < X; b++)
                __asm__("vpaddb %2, %0, %0\n\tvpsrlw $4, %2, %2\n\tvpand %3, %2, %2\n\tvpaddb %2, %1, %1" : "+x"(total[p][b]), "+x"(high[p][b]), "+x"(sum[p][b]) 
                        : "x"(half));
    }
    HW_UNROLL
    for (p = 0; p < 2; p++)
        HW_UNROLL
        for (b = 0; b < X; b++) {
            const __m256i up = _mm256_slli_epi16(_mm256_and_si256(high[p][b], half), 4);
            _mm256_store_si256((__m256i *)(void *)(to + 2 * p * HW_WIDE + 32 * b), _mm256_sub_epi8(total[p][b], up));
            _mm256_store_si256((__m256i *)(void *)(to + (2 * p + 1) * HW_WIDE + 32 * b), high[p][b]);
        }
}
HW_AVX2 HW_FN void hw_count_pairs_64(const uint8_t *x, const uint16_t *w, int triples, uint8_t *to) { hw_count_pairs(2, x, w, triples, to); }
HW_AVX2 HW_FN void hw_count_pairs_32(const uint8_t *x, const uint16_t *w, int triples, uint8_t *to) { hw_count_pairs(1, x, w, triples, to); }

/* Sixteen channels of 32 pixels turned over: from [channel][64] to [pixel][16]. */
HW_AVX2 HW_FN void hw_turn_over(const uint8_t *from, uint8_t *to) {
    __m256i v[16];
    int i, round;
    HW_UNROLL
    for (i = 0; i < 16; i++) v[i] = _mm256_load_si256((const __m256i *)(const void *)(from + HW_WIDE * i));
    HW_UNROLL
    for (round = 0; round < 4; round++) { /* each time, register i meets i + 8 and both go to 2 * i */
        __m256i u[16];
        HW_UNROLL
        for (i = 0; i < 8; i++) {
            u[2 * i] = _mm256_unpacklo_epi8(v[i], v[i + 8]);
            u[2 * i + 1] = _mm256_unpackhi_epi8(v[i], v[i + 8]);
        }
        HW_UNROLL
        for (i = 0; i < 16; i++) v[i] = u[i];
    }
    HW_UNROLL
    for (i = 0; i < 16; i++) {
        _mm_store_si128((__m128i *)(void *)(to + 16 * i), _mm256_castsi256_si128(v[i]));
        _mm_store_si128((__m128i *)(void *)(to + 256 + 16 * i), _mm256_extracti128_si256(v[i], 1));
    }
}

HW_AVX2 HW_INLINE __m256i hw_load_256(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* Two pixels of sixteen numbers as bytes, the first in the low half. */
HW_AVX2 HW_INLINE __m256i hw_two_pixels(__m256i a, __m256i b) { return _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8); }

/* One stage of sixteen channels from c, eight pixels from `first` of which n exist; `own` are its constants. */
HW_AVX2 HW_INLINE void hw_stage_pixels_2(const int whole_8, const hw_run *run, const hw_gemm *g, const hw_stage *s, int shift, int clips, const uint8_t *own, __m256i *x, int first, int some, int c) {
    const int n = whole_8 ? 8 : some;
    const int channels = g->lines.c;
    int i;
    switch (s->what) {
    case HW_RESCALE: {
        if (shift > 0) {
            const __m128i by = _mm_cvtsi32_si128(shift);
            HW_UNROLL
            for (i = 0; i < 8; i++) x[i] = _mm256_sll_epi16(x[i], by);
        }
        if (shift >= 0) {
            const __m256i a = hw_load_256(own), whole = hw_load_256(own + 2 * channels), limit = hw_load_256(own + 4 * channels), sign = _mm256_set1_epi16(-32768);
            HW_UNROLL
            for (i = 0; i < 8; i++) {
                const __m256i low = _mm256_xor_si256(_mm256_mullo_epi16(a, x[i]), sign);
                x[i] = _mm256_add_epi16(_mm256_mulhi_epi16(a, x[i]), whole);
                x[i] = _mm256_sub_epi16(x[i], _mm256_cmpgt_epi16(low, limit));
            }
        }
        if (clips) {
            const __m256i lo = _mm256_set1_epi16((short)s->lo), hi = _mm256_set1_epi16((short)s->hi);
            HW_UNROLL
            for (i = 0; i < 8; i++) x[i] = _mm256_min_epi16(_mm256_max_epi16(x[i], lo), hi);
        }
        break;
    }
    case HW_ADD: {
        const uint8_t *from = hw_read(run, s->tensor) + (size_t)(first * channels + c);
        HW_UNROLL
        for (i = 0; i < 8; i++) x[i] = _mm256_add_epi16(x[i], _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(from + (size_t)(i < n ? i * channels : 0)))));
        break;
    }
    case HW_STORE: {
        uint8_t *to = hw_at(run, s->tensor) + (size_t)(first * channels + c);
        HW_UNROLL
        for (i = 0; i < 8; i += 2, to += 2 * channels) {
            const __m256i y = hw_two_pixels(x[i], x[i + 1]);
            if (i >= n) break;
            _mm_storeu_si128((__m128i *)(void *)to, _mm256_castsi256_si128(y));
            if (i + 1 < n) _mm_storeu_si128((__m128i *)(void *)(to + channels), _mm256_extracti128_si256(y, 1));
        }
        break;
    }
    default: { /* HW_PACK */
        const __m256i limit = hw_load_256(own);
        const uint32_t turn = ~(hw_flags_512(s->b, c, channels) * 0x10001u);
        const int step = channels / 8;
        uint8_t *to = hw_at(run, s->tensor) + (size_t)((first * channels + c) / 8);
        HW_UNROLL
        for (i = 0; i < 8; i += 2, to += 2 * step) {
            const __m256i below = hw_two_pixels(_mm256_cmpgt_epi16(limit, x[i]), _mm256_cmpgt_epi16(limit, x[i + 1]));
            const uint32_t bits = (uint32_t)_mm256_movemask_epi8(below) ^ turn;
            const uint16_t one = (uint16_t)bits, two = (uint16_t)(bits >> 16);
            if (step == 2 && i + 1 < n) {
                memcpy(to, &bits, 4);
                continue;
            }
            if (i < n) memcpy(to, &one, 2);
            if (i + 1 < n) memcpy(to + step, &two, 2);
        }
    }
    }
}

/* Eight pixels from `first`, of which n exist: all stages of sixteen channels from c in 16 bits. */
HW_AVX2 HW_INLINE void hw_finish_pixels(const int whole_8, const hw_run *run, const hw_gemm *g, const hw_pixels_2 *a, const uint8_t *arranged, __m256i *x, int first, int n, int c) {
    const uint8_t *own = arranged + a->constants + 2 * (size_t)c;
    int s;
    for (s = 0; s < g->lines.stages; s++, own += 6 * (size_t)g->lines.c)
        hw_stage_pixels_2(whole_8, run, g, g->lines.stage + s, a->in_16.shift[s], a->in_16.clips[s], own, x, first, n, c);
}

/* Agreements of sixteen channels and n pixels from `first`, in `parts` of bytes, through all stages. */
HW_AVX2 HW_FN void hw_finish_tile(const hw_run *run, const hw_gemm *g, const hw_pixels_2 *a, const uint8_t *arranged, const uint8_t *turned, int first, int n, int c) {
    const hw_i16 *less = (const hw_i16 *)(const void *)(arranged + a->less) + first;
    hw_i32 line[HW_WIDE * HW_LANE] __attribute__((aligned(64)));
    int p, i, q;
    for (p = 0; p < n; p += 8) {
        __m256i x[8];
        HW_UNROLL
        for (i = 0; i < 8; i++) x[i] = _mm256_cvtepu8_epi16(_mm_load_si128((const __m128i *)(const void *)(turned + HW_LANE * (p + i))));
        for (q = 1; q < a->parts; q++) {
            HW_UNROLL
            for (i = 0; i < 8; i++) x[i] = _mm256_add_epi16(x[i], _mm256_cvtepu8_epi16(_mm_load_si128((const __m128i *)(const void *)(turned + HW_LANE * (q * HW_WIDE + p + i)))));
        }
        if (a->narrow) {
            HW_UNROLL
            for (i = 0; i < 8; i++) x[i] = _mm256_sub_epi16(x[i], _mm256_set1_epi16(less[p + i]));
            if (n - p >= 8) hw_finish_pixels(1, run, g, a, arranged, x, first + p, 8, c);
            else hw_finish_pixels(0, run, g, a, arranged, x, first + p, n - p, c);
            continue;
        }
        HW_UNROLL
        for (i = 0; i < 8; i++) {
            hw_x16 v;
            x[i] = _mm256_sub_epi16(_mm256_slli_epi16(x[i], 1), _mm256_set1_epi16(less[p + i]));
            v.lo = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(x[i]));
            v.hi = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(x[i], 1));
            hw_store16(line + HW_LANE * (p + i), v);
        }
    }
    for (i = 0; !a->narrow && i < g->lines.stages; i++) hw_stage16_any(run, g->lines.stage + i, line, first, n, HW_LANE, g->lines.c, c);
}

/* One part of a window's nibbles in `rows`, counted for sixteen channels and turned over: [pixel][16]. */
HW_AVX2 HW_FN void hw_count_part(const uint8_t *rows, const uint16_t *weights, const hw_pixels_2 *a, int n, uint8_t *turned) {
    uint8_t counts[HW_LANE * HW_WIDE] __attribute__((aligned(64)));
    int i;
    for (i = 0; i < 4; i++) (n > 32 ? hw_count_pairs_64 : hw_count_pairs_32)(rows, weights + 2 * i * (a->parts * a->triples * 3), a->triples, counts + 4 * i * HW_WIDE);
    hw_turn_over(counts, turned);
    if (n > 32) hw_turn_over(counts + 32, turned + 32 * HW_LANE);
}

/* A tile: its nibbles are gathered, then every sixteen channels counted and finished. */
HW_AVX2 HW_FN void hw_pixel_tile(const hw_run *run, const hw_gemm *g, const hw_pixels_2 *a, const uint8_t *arranged, const hw_tile_runs *t, int h, int w, int first, int n) {
    uint8_t rows[HW_MOST_NIBBLES * HW_WIDE + 32] __attribute__((aligned(64))), turned[HW_MOST_PARTS * HW_WIDE * HW_LANE] __attribute__((aligned(64)));
    const int nibbles = a->parts * a->triples * 3;
    const uint16_t *weights = (const uint16_t *)(const void *)(arranged + a->weights);
    int c, q;
    hw_gather_planes(run, g, 2 * hw_bytes(HW_BIT, g->x->c), t, h, w, 0, a->nibbles, rows);
    memset(rows + a->nibbles * HW_WIDE, 128, (size_t)((nibbles - a->nibbles) * HW_WIDE));
    for (c = 0; c < g->lines.c; c += HW_LANE, weights += 8 * nibbles) {
        for (q = 0; q < a->parts; q++)
            hw_count_part(rows + q * a->triples * 3 * HW_WIDE, weights + 2 * q * a->triples * 3, a, n, turned + q * HW_WIDE * HW_LANE);
        hw_finish_tile(run, g, a, arranged, turned, first, n, c);
    }
}

HW_AVX2 HW_FN void hw_gemm_pixels_2(const hw_run *run, const hw_gemm *g, const uint8_t *arranged) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const int h = hw_reach(l->h, v->sh, v->kh, v->dh), w = hw_reach(l->w, v->sw, v->kw, v->dw), pixels = l->h * l->w;
    hw_tile_runs runs;
    hw_pixels_2 a;
    int first;
    memcpy(&a, arranged, sizeof a);
    hw_nibble_planes(run, g, h, w);
    for (first = 0; first < pixels; first += HW_WIDE) {
        const int n = hw_min(HW_WIDE, pixels - first);
        hw_tile_begins(&runs, g, hw_plane_row(g, w), first, n);
        hw_pixel_tile(run, g, &a, arranged, &runs, h, w, first, n);
    }
}
#endif
