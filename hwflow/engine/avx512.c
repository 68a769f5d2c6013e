/* Convolution and dense layers for AVX-512: sixteen output channels are the lanes, six windows meet two such registers.
 *
 * A window is gathered into a row of 32-bit words. Each word is broadcast and meets one word of every channel:
 *   bits:    sum += popcount(x ^ w), how many differ
 *   bytes:   sum += x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3, data without and weights with a sign (VNNI)
 *   shorts:  sum += x0 * w0 + x1 * w1
 * Bits beyond the border are gathered as 0. What they add, and what the padding would have given, is known
 * beforehand: for each channel and each set of taps inside the image (a class of windows) there is a number it
 * is part of. So every padding is exact and costs nothing.
 *
 * Where a layer's only stage packs its signs, that number is the limit of the sum itself: no line is written.
 */
#include "engine.h"

#if defined(HW_X86)

HW_INLINE int hw_kind_512(const hw_gemm *g) { return g->kind == HW_I16 && g->bytes ? HW_U8 : g->kind; }

HW_FN int hw_fast_512(const hw_gemm *g) { return g->kind == HW_BIT || (g->kind == HW_I16 && (g->bytes || g->weights.kind != HW_I32)); }

/* Bytes of one pixel's part of a window, and of a gathered row. */
HW_INLINE int hw_tap_512(const hw_gemm *g) {
    const int kind = hw_kind_512(g), depth = g->x->c / g->groups;
    return kind == HW_BIT ? hw_bytes(HW_BIT, depth) : depth * (kind == HW_U8 ? 1 : 2);
}
HW_INLINE int hw_row_512(const hw_gemm *g) { return hw_up(g->win.kh * g->win.kw * hw_tap_512(g), 4); }

HW_INLINE int hw_to_bits_512(const hw_gemm *g) { return g->groups == 1 && g->lines.stages == 1 && g->lines.stage[0].what == HW_PACK; }

/* Classes of windows along each axis: a new one wherever the taps inside change. Data of several bits have their
 * padding in the image, so all their windows are alike. */
HW_FN void hw_classes_512(const hw_gemm *g, int *rows, int *cols) {
    int i;
    *rows = *cols = 1;
    if (g->kind != HW_BIT) return;
    for (i = 1; i < g->lines.h; i++) *rows += hw_differ(hw_rows_at(g, i - 1), hw_rows_at(g, i));
    for (i = 1; i < g->lines.w; i++) *cols += hw_differ(hw_cols_at(g, i - 1), hw_cols_at(g, i));
}

/* What a channel's sum is part of, for windows whose taps `y` by `x` lie inside: its accumulator is base - 2 * sum
 * for bits, else base + sum. */
HW_FN hw_i32 hw_base_512(const hw_gemm *g, int row, hw_span y, hw_span x) {
    const int cols = g->win.kh * g->win.kw * (g->x->c / g->groups);
    hw_i32 base = 0;
    int k;
    if (g->kind == HW_BIT) return hw_base_of_bits(g, row, y, x);
    for (k = 0; hw_kind_512(g) == HW_U8 && g->x->kind != HW_U8 && k < cols; k++) base -= 128 * hw_weight(g->weights, (size_t)row * (size_t)cols + (size_t)k);
    return base;
}

/* The largest sum for which a bit is 1 (bits), or for which it is 0 (others): floor((base - t) / 2), t - base - 1. */
HW_FN hw_i32 hw_limit_512(const hw_gemm *g, int row, hw_i32 base) {
    const hw_stage *s = g->lines.stage;
    hw_i32 t;
    int64_t limit;
    hw_widen(&t, (const uint8_t *)s->a.at, s->a.kind, row, 1);
    limit = g->kind == HW_BIT ? ((int64_t)base - t) >> 1 : (int64_t)t - base - 1;
    return (hw_i32)(limit < INT32_MIN ? INT32_MIN : limit > INT32_MAX ? INT32_MAX : limit);
}

/* Whether a sum above its limit is a bit 0. */
HW_INLINE int hw_turned_512(const hw_gemm *g, int row) { return (g->kind == HW_BIT) ^ hw_flag(g->lines.stage[0].b.at, row); }

/* Where the parts of a layer's arranged weights begin, after this list itself: for each output row and then each
 * output column how far its class is into the bases; the bases; flags of what is turned; the weights of each group. */
typedef struct {
    size_t way; /* HW_BY_CHANNELS */
    size_t base, turned, weights, group, all;
} hw_layout;

HW_FN hw_layout hw_layout_512(const hw_gemm *g) {
    hw_layout a;
    const size_t lanes = (size_t)hw_up(g->lines.c, HW_LANE);
    int rows, cols;
    hw_classes_512(g, &rows, &cols);
    a.way = HW_BY_CHANNELS;
    a.base = hw_lines_up(sizeof a + (size_t)(g->lines.h + g->lines.w) * 4);
    a.turned = a.base + (size_t)(rows * cols) * lanes * 4;
    a.weights = a.turned + (hw_to_bits_512(g) ? hw_lines_up(lanes / 8) : 0);
    a.group = (size_t)hw_up(g->lines.c / g->groups, HW_LANE) * (size_t)hw_row_512(g);
    a.all = a.weights + a.group * (size_t)g->groups;
    return a;
}

/* Weights of one row where its word k begins; words of two registers lie side by side. */
HW_INLINE size_t hw_word_512(int per, int bytes, int r, int k) {
    const int block = r / 32 * 32, wide = per - block > 16 ? 32 : 16;
    return (size_t)block * (size_t)bytes + (size_t)(k * wide * 4 + r % 32 * 4);
}

/* The classes of output rows and columns, and every channel's base in each of them. */
HW_FN void hw_arrange_bases_512(const hw_gemm *g, hw_i32 *rows, hw_i32 *base) {
    const int bits = g->kind == HW_BIT, pitch = hw_up(g->lines.c, HW_LANE);
    hw_i32 *cols = rows + g->lines.h;
    int i, j, r, classes = 1, row = 0;
    for (j = 0; j < g->lines.w; j++) {
        classes += bits && j && hw_differ(hw_cols_at(g, j - 1), hw_cols_at(g, j));
        cols[j] = (classes - 1) * pitch;
    }
    for (i = 0; i < g->lines.h; i++) {
        const int first = !i || (bits && hw_differ(hw_rows_at(g, i - 1), hw_rows_at(g, i)));
        row += first && i;
        rows[i] = row * classes * pitch;
        for (j = 0; first && j < g->lines.w; j++) {
            if (j && cols[j] == cols[j - 1]) continue;
            for (r = 0; r < g->lines.c; r++) {
                const hw_i32 x = hw_base_512(g, r, hw_rows_at(g, i), hw_cols_at(g, j));
                base[rows[i] + cols[j] + r] = hw_to_bits_512(g) ? hw_limit_512(g, r, x) : x;
            }
        }
    }
}

HW_FN size_t hw_arrange_512(const hw_gemm *g, uint8_t *to) {
    const hw_layout a = hw_layout_512(g);
    const int kind = hw_kind_512(g), bytes = hw_row_512(g), per = g->lines.c / g->groups, depth = g->x->c / g->groups;
    const int taps = g->win.kh * g->win.kw, tap = hw_tap_512(g), cols = taps * depth;
    int r, k;
    if (!hw_fast_512(g)) return 0;
    if (!to) return a.all;
    memset(to, 0, a.all);
    memcpy(to, &a, sizeof a);
    hw_arrange_bases_512(g, (hw_i32 *)(void *)(to + sizeof a), (hw_i32 *)(void *)(to + a.base));
    for (r = 0; hw_to_bits_512(g) && r < g->lines.c; r++) to[a.turned + (size_t)r / 8] = (uint8_t)(to[a.turned + (size_t)r / 8] | hw_turned_512(g, r) << (r & 7));
    for (r = 0; r < g->lines.c; r++) {
        uint8_t *own = to + a.weights + (size_t)(r / per) * a.group;
        for (k = 0; k < (kind == HW_BIT ? taps * tap : cols); k++) {
            if (kind == HW_BIT) {
                const int from = k % tap * 8, spare = from + 8 <= depth ? 255 : (1 << (depth - from)) - 1;
                own[hw_word_512(per, bytes, r % per, k / 4) + (size_t)(k % 4)] = (uint8_t)(((const uint8_t *)g->weights.at)[(size_t)r * (size_t)(taps * tap) + (size_t)k] & spare);
            } else {
                const int w = hw_weight(g->weights, (size_t)r * (size_t)cols + (size_t)k);
                if (kind == HW_U8) own[hw_word_512(per, bytes, r % per, k / 4) + (size_t)(k % 4)] = (uint8_t)w;
                else ((hw_i16 *)(void *)(own + hw_word_512(per, bytes, r % per, k / 2)))[k % 2] = (int16_t)w;
            }
        }
    }
    return a.all;
}

/* Where the sums of up to six windows go: lines, or bits where `turned` is given. */
typedef struct {
    const uint8_t *row;          /* gathered, `bytes` each */
    int bytes, n, rows;          /* windows and channels that exist */
    const hw_i32 *base[6];
    hw_i32 *line;
    int pitch, step;
    uint8_t *bits;
    const uint8_t *turned;
} hw_target_512;

HW_AVX512 HW_INLINE __m512i hw_meet_512(const int kind, __m512i sum, __m512i x, __m512i w) {
    if (kind == HW_BIT) return _mm512_add_epi32(sum, _mm512_popcnt_epi32(_mm512_xor_si512(x, w)));
    return kind == HW_U8 ? _mm512_dpbusd_epi32(sum, x, w) : _mm512_dpwssd_epi32(sum, x, w);
}

/* P windows and 16 * B channels. */
HW_AVX512 HW_INLINE void hw_tile_512(const int kind, const int P, const int B, const hw_target_512 *t, const uint8_t *w) {
    __m512i sum[6][2];
    int p, b, k;
    HW_UNROLL
    for (p = 0; p < P; p++)
        HW_UNROLL
        for (b = 0; b < B; b++) sum[p][b] = _mm512_setzero_si512();
    for (k = 0; k < t->bytes; k += 4, w += 64 * B) {
        __m512i v[2];
        HW_UNROLL
        for (b = 0; b < B; b++) v[b] = _mm512_load_si512((const void *)(w + 64 * b));
        HW_UNROLL
        for (p = 0; p < P; p++) {
            const __m512i x = _mm512_set1_epi32(*(const hw_i32 *)(const void *)(t->row + (size_t)p * (size_t)t->bytes + k));
            HW_UNROLL
            for (b = 0; b < B; b++) sum[p][b] = hw_meet_512(kind, sum[p][b], x, v[b]);
        }
    }
    HW_UNROLL
    for (p = 0; p < P; p++) {
        if (p >= t->n) break;
        HW_UNROLL
        for (b = 0; b < B; b++) {
            const __m512i base = _mm512_loadu_si512((const void *)(t->base[p] + 16 * b));
            const int rows = t->rows - 16 * b;
            if (t->turned) {
                uint16_t bits;
                memcpy(&bits, t->turned + 2 * b, 2);
                bits = (uint16_t)(bits ^ _mm512_cmpgt_epi32_mask(sum[p][b], base));
                if (rows < 16) bits = (uint16_t)(bits & ((1u << rows) - 1));
                if (rows > 8) memcpy(t->bits + (size_t)p * (size_t)t->step + 2 * b, &bits, 2);
                else t->bits[(size_t)p * (size_t)t->step + 2 * (size_t)b] = (uint8_t)bits;
            } else {
                const __m512i x = kind == HW_BIT ? _mm512_sub_epi32(base, _mm512_slli_epi32(sum[p][b], 1)) : _mm512_add_epi32(base, sum[p][b]);
                hw_i32 *line = t->line + (size_t)p * (size_t)t->pitch + 16 * b;
                if (rows >= 16) _mm512_storeu_si512((void *)line, x);
                else _mm512_mask_storeu_epi32((void *)line, (__mmask16)((1u << rows) - 1), x);
            }
        }
    }
}

#define HW_TILE_512(name, kind)                                                                                        \
    HW_AVX512 HW_FN void name##_6_2(const hw_target_512 *t, const uint8_t *w) { hw_tile_512(kind, 6, 2, t, w); }       \
    HW_AVX512 HW_FN void name##_6_1(const hw_target_512 *t, const uint8_t *w) { hw_tile_512(kind, 6, 1, t, w); }       \
    HW_AVX512 HW_FN void name##_1_2(const hw_target_512 *t, const uint8_t *w) { hw_tile_512(kind, 1, 2, t, w); }       \
    HW_AVX512 HW_FN void name##_1_1(const hw_target_512 *t, const uint8_t *w) { hw_tile_512(kind, 1, 1, t, w); }       \
    HW_INLINE void name(const hw_target_512 *t, const uint8_t *w) {                                                    \
        if (t->n > 1) (t->rows > 16 ? name##_6_2 : name##_6_1)(t, w);                                                  \
        else (t->rows > 16 ? name##_1_2 : name##_1_1)(t, w);                                                           \
    }
HW_TILE_512(hw_bits_512, HW_BIT)
HW_TILE_512(hw_bytes_512, HW_U8)
HW_TILE_512(hw_shorts_512, HW_I16)

/* An image in memory: where its window of output pixel (0, 0) begins, the bytes of a row and of a pixel. */
typedef struct {
    const uint8_t *at;
    size_t row, pixel;
} hw_image;

/* The layer's own input where no window leaves it, else a copy with its border: bits of 0, or the padding's values.
 * Gathering reads up to 31 bytes past an image: scratch memory has them, the caller's may not. */
HW_AVX512 HW_FN hw_image hw_image_512(const hw_run *run, const hw_gemm *g) {
    const hw_window *v = &g->win;
    const hw_tensor *x = g->x;
    const int kind = hw_kind_512(g), h = hw_reach(g->lines.h, v->sh, v->kh, v->dh), w = hw_reach(g->lines.w, v->sw, v->kw, v->dw);
    const int bits = kind == HW_BIT, as_is = x->kind == kind;
    const int left = hw_min(v->left, w), inside = hw_min(x->w, w - left);
    hw_image m;
    int y;
    m.pixel = bits ? (size_t)hw_bytes(HW_BIT, x->c) : (size_t)(x->c * (kind == HW_U8 ? 1 : 2));
    if (as_is && x->place == HW_SCRATCH && !v->top && !v->left && h <= x->h && w <= x->w) {
        m.at = hw_read(run, x);
        m.row = (size_t)x->w * m.pixel;
        return m;
    }
    m.at = run->spread;
    m.row = (size_t)w * m.pixel;
    if (!bits) {
        hw_value_image(run, g, kind, h, w);
        return m;
    }
    memset(run->spread, 0, (size_t)h * m.row);
    for (y = 0; y < h && inside > 0; y++)
        if (y >= v->top && y - v->top < x->h)
            memcpy(run->spread + (size_t)y * m.row + (size_t)left * m.pixel, hw_read(run, x) + (size_t)(y - v->top) * (size_t)x->w * m.pixel, (size_t)inside * m.pixel);
    return m;
}

/* n bytes and some more. */
HW_AVX512 HW_INLINE void hw_copy_512(uint8_t *to, const uint8_t *from, int n) {
    int k;
    if (n <= 8) hw_set_word(to, hw_word(from));
    else if (n <= 16) _mm_storeu_si128((__m128i *)(void *)to, _mm_loadu_si128((const __m128i *)(const void *)from));
    else
        for (k = 0; k < n; k += 32) _mm256_storeu_si256((__m256i *)(void *)(to + k), _mm256_loadu_si256((const __m256i *)(const void *)(from + k)));
}

/* What VPSHUFB needs to move sixteen bytes up by n places, -16 .. 20, and fill with 0. */
HW_AVX512 HW_INLINE __m128i hw_moved_bytes(int n) {
#define HW_NONE8 128, 128, 128, 128, 128, 128, 128, 128
    static const uint8_t places[64] = {HW_NONE8, HW_NONE8, HW_NONE8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, HW_NONE8, HW_NONE8, HW_NONE8};
    return _mm_loadu_si128((const __m128i *)(const void *)(places + 24 - n));
}

/* Three runs of a window one after the other, 30 bytes at most, then 0: stored at once, so that it can be read at once. */
HW_AVX512 HW_INLINE void hw_three_runs(uint8_t *to, const uint8_t *from, size_t down, const __m128i *moved, __m128i keep) {
    const __m128i a = _mm_and_si128(keep, _mm_loadu_si128((const __m128i *)(const void *)from));
    const __m128i b = _mm_and_si128(keep, _mm_loadu_si128((const __m128i *)(const void *)(from + down)));
    const __m128i c = _mm_and_si128(keep, _mm_loadu_si128((const __m128i *)(const void *)(from + 2 * down)));
    const __m128i low = _mm_or_si128(a, _mm_or_si128(_mm_shuffle_epi8(b, moved[0]), _mm_shuffle_epi8(c, moved[1])));
    const __m128i high = _mm_or_si128(_mm_shuffle_epi8(b, moved[2]), _mm_shuffle_epi8(c, moved[3]));
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_set_m128i(high, low));
}

/* n windows as rows: runs of taps side by side, each copied over the surplus of the one before. */
HW_AVX512 HW_INLINE void hw_gather_512(const hw_gemm *g, const hw_image *m, const uint8_t *const *corner, int n, int part, int tap, int row, uint8_t *to) {
    const hw_window *v = &g->win;
    const int whole = v->dw == 1 && g->groups == 1, bytes = whole ? v->kw * tap : tap, runs = whole ? 1 : v->kw, kh = v->kh;
    const size_t down = (size_t)v->dh * m->row, right = (size_t)v->dw * m->pixel;
    const int three = kh == 3 && runs == 1 && bytes <= 10; /* few channels: copies would be most of the work */
    const __m128i keep = _mm_cmpgt_epi8(_mm_set1_epi8((char)hw_min(bytes, 16)), _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const __m128i moved[4] = {hw_moved_bytes(three ? bytes : 0), hw_moved_bytes(three ? 2 * bytes : 0), hw_moved_bytes(three ? bytes - 16 : 0), hw_moved_bytes(three ? 2 * bytes - 16 : 0)};
    int p, i, j;
    for (p = 0; p < n; p++, to += row) {
        const uint8_t *from = corner[p] + part;
        uint8_t *y = to;
        if (three) {
            hw_three_runs(y, from, down, moved, keep);
            continue;
        }
        for (i = 0; i < kh; i++, from += down)
            for (j = 0; j < runs; j++, y += bytes) hw_copy_512(y, from + (size_t)j * right, bytes);
        memset(y, 0, 4);
    }
}

HW_AVX512 HW_FN void hw_gemm_512(const hw_run *run, const hw_gemm *g, const uint8_t *arranged) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const int kind = hw_kind_512(g), pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE), per = l->c / g->groups;
    const int tap = hw_tap_512(g), bytes = hw_row_512(g), to_bits = hw_to_bits_512(g);
    const hw_i32 *rows = (const hw_i32 *)(const void *)(arranged + sizeof(hw_layout)), *cols = rows + l->h;
    const hw_image m = hw_image_512(run, g);
    const size_t down = (size_t)v->sh * m.row, right = (size_t)v->sw * m.pixel;
    const uint8_t *from = m.at;
    const hw_i32 *own;
    hw_layout a;
    int first, p, q, r, x = 0, y = 0;
    memcpy(&a, arranged, sizeof a);
    own = (const hw_i32 *)(const void *)(arranged + a.base);
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        const uint8_t *corner[HW_TILE];
        const hw_i32 *base[HW_TILE];
        for (p = 0; p < n; p++) {
            corner[p] = from + (size_t)x * right;
            base[p] = own + rows[y] + cols[x];
            if (++x == l->w) x = 0, y++, from += down;
        }
        for (q = 0; q < g->groups; q++) {
            const uint8_t *weights = arranged + a.weights + (size_t)q * a.group;
            hw_gather_512(g, &m, corner, n, q * tap, tap, bytes, run->rows);
            for (r = 0; r < per; r += 32) {
                hw_target_512 t;
                t.bytes = bytes;
                t.rows = per - r;
                t.pitch = pitch;
                t.step = hw_bytes(HW_BIT, l->c);
                t.turned = to_bits ? arranged + a.turned + r / 8 : 0;
                for (p = 0; p < n; p += t.n) {
                    int i;
                    t.n = hw_min(6, n - p);
                    t.row = run->rows + (size_t)p * (size_t)bytes;
                    for (i = 0; i < t.n; i++) t.base[i] = base[p + i] + q * per + r;
                    if (to_bits) t.bits = hw_at(run, l->stage[0].tensor) + (size_t)(first + p) * (size_t)t.step + r / 8;
                    else t.line = run->line + (size_t)p * (size_t)pitch + q * per + r;
                    if (kind == HW_BIT) hw_bits_512(&t, weights + (size_t)r * (size_t)bytes);
                    else if (kind == HW_U8) hw_bytes_512(&t, weights + (size_t)r * (size_t)bytes);
                    else hw_shorts_512(&t, weights + (size_t)r * (size_t)bytes);
                }
            }
        }
        if (!to_bits) hw_stages_run(run, l, first, n);
    }
}
#endif
