/* Layers of -1/+1 weights on bytes, for AVX2: what four inputs may add up to is tabled for 64 pixels, and looked up by each channel.
 *
 * Four inputs x of a window and four weights of a channel give one of sixteen sums, -x0-x1-x2-x3 .. +x0+x1+x2+x3. They are
 * computed once, each from another by one addition of 2x, in 16 bits and for 64 output pixels side by side. A channel then
 * takes one addition for every four of its inputs, where products by VPMADDUBSW take a multiplication and an addition for
 * every two, and its sums are compared with its threshold as they are. The image is parted into a plane for each input
 * channel, as nibbles.c does with bits, so that windows of neighbouring pixels are neighbouring bytes.
 *
 * It pays where many channels share the tables: in a first layer that reads an image.
 */
#include "engine.h"

#if defined(HW_X86)

enum { HW_SUBSET = 4, HW_SUMS = 16 };                                      /* inputs of a group; what they may add up to */
enum { HW_MOST_INPUTS = 64, HW_MANY_CHANNELS = 32 };                       /* of a window: 32 kB of tables, and 64 * 255 fits 16 bits */
enum { HW_ENTRY = 2 * HW_WIDE, HW_GROUP = HW_SUMS * HW_ENTRY };            /* bytes of one sum for 64 pixels, and of a group's table */

/* Whether a layer goes this way. */
HW_FN int hw_by_subsets(const hw_gemm *g) {
    const int pixels = g->lines.h * g->lines.w, w = hw_reach(g->lines.w, g->win.sw, g->win.kw, g->win.dw);
    return g->kind == HW_I16 && g->bytes && (g->x->kind == HW_U8 || g->x->kind == HW_I8) && g->weights.kind == HW_BIT && g->groups == 1 &&
           g->win.kh * g->win.kw * g->x->c <= HW_MOST_INPUTS && pixels >= HW_FEW_PIXELS && g->lines.c >= HW_MANY_CHANNELS && g->lines.c % 8 == 0 &&
           g->lines.stages == 1 && g->lines.stage[0].what == HW_PACK && hw_plane_row(g, w) <= 2 * w;
}

HW_INLINE int hw_subsets(const hw_gemm *g) { return hw_up(g->win.kh * g->win.kw * g->x->c, HW_SUBSET) / HW_SUBSET; }

/* [channel][group]: where its sum stands, as bytes into the tables; then the thresholds in 16 bits. */
HW_FN size_t hw_arrange_subsets(const hw_gemm *g, uint8_t *to) {
    const int cols = g->win.kh * g->win.kw * g->x->c, groups = hw_subsets(g), c = g->lines.c;
    uint16_t *at = (uint16_t *)(void *)to;
    hw_i16 *limit = (hw_i16 *)(void *)(to + 2 * (size_t)(c * groups));
    int r, k;
    if (!hw_by_subsets(g)) return 0;
    for (r = 0; to && r < c; r++) {
        hw_i32 t;
        for (k = 0; k < groups; k++) at[r * groups + k] = (uint16_t)(k * HW_GROUP);
        for (k = 0; k < cols; k++)
            if (hw_flag(g->weights.at, r * cols + k)) at[r * groups + k / HW_SUBSET] = (uint16_t)(at[r * groups + k / HW_SUBSET] + (HW_ENTRY << k % HW_SUBSET));
        hw_widen(&t, (const uint8_t *)g->lines.stage[0].a.at, g->lines.stage[0].a.kind, r, 1);
        limit[r] = (int16_t)(t < -32768 ? -32768 : t > 32767 ? 32767 : t); /* sums stay within 16320 of 0 */
    }
    return 2 * (size_t)(c * (groups + 1));
}

/* Bytes 3 i + k of 48, in three registers. */
static const uint8_t hw_thirds[3][3][16] __attribute__((aligned(16))) = {
#define HW_THIRD(k, r, i) (3 * (i) + (k)) / 16 == (r) ? (3 * (i) + (k)) % 16 : 128
#define HW_THIRD4(k, r, i) HW_THIRD(k, r, i), HW_THIRD(k, r, (i) + 1), HW_THIRD(k, r, (i) + 2), HW_THIRD(k, r, (i) + 3)
#define HW_THIRD16(k, r) {HW_THIRD4(k, r, 0), HW_THIRD4(k, r, 4), HW_THIRD4(k, r, 8), HW_THIRD4(k, r, 12)}
    {HW_THIRD16(0, 0), HW_THIRD16(0, 1), HW_THIRD16(0, 2)}, {HW_THIRD16(1, 0), HW_THIRD16(1, 1), HW_THIRD16(1, 2)}, {HW_THIRD16(2, 0), HW_THIRD16(2, 1), HW_THIRD16(2, 2)}};

/* The image with its border, a plane for each channel. */
HW_AVX2 HW_FN void hw_byte_planes(const hw_run *run, const hw_gemm *g, int h, int w) {
    const hw_tensor *x = g->x;
    const int left = hw_min(g->win.left, w), inside = hw_min(x->w, w - left), sw = g->win.sw, row = hw_plane_row(g, w), c = x->c;
    const uint8_t *from = hw_read(run, x);
    const size_t plane = (size_t)(h * row);
    int y, i, k;
    for (k = 0; k < c; k++) {
        hw_i32 pad;
        hw_widen(&pad, (const uint8_t *)g->pad.at, g->pad.kind, k, 1);
        memset(run->spread + (size_t)k * plane, pad, plane);
    }
    for (y = g->win.top; y < h && y - g->win.top < x->h; y++, from += x->w * c) {
        uint8_t *to = run->spread + (size_t)(y * row);
        i = 0;
        if (sw == 1 && c == 3)
            for (; i + 16 <= inside; i += 16) {
                __m128i v[3];
                HW_UNROLL
                for (k = 0; k < 3; k++) v[k] = _mm_loadu_si128((const __m128i *)(const void *)(from + 3 * i + 16 * k));
                HW_UNROLL
                for (k = 0; k < 3; k++) {
                    const __m128i *at = (const __m128i *)(const void *)hw_thirds[k];
                    const __m128i two = _mm_or_si128(_mm_shuffle_epi8(v[0], at[0]), _mm_shuffle_epi8(v[1], at[1]));
                    _mm_storeu_si128((__m128i *)(void *)(to + (size_t)k * plane + left + i), _mm_or_si128(two, _mm_shuffle_epi8(v[2], at[2])));
                }
            }
        for (; i < inside; i++) {
            uint8_t *own = to + hw_column(left + i, sw, w);
            for (k = 0; k < c; k++, own += plane) *own = from[i * c + k];
        }
    }
}

/* The tables of 16 * X pixels, of whose windows `rows` holds the inputs: [input][64]. */
HW_AVX2 HW_INLINE void hw_table_sums(const int X, const int has_sign, const uint8_t *rows, int cols, uint8_t *table) {
    int k, b, j, m;
    for (k = 0; k < cols; k += HW_SUBSET, rows += HW_SUBSET * HW_WIDE, table += HW_GROUP) {
        const int n = hw_min(HW_SUBSET, cols - k);
        for (b = 0; b < X; b++) {
            __m256i *e = (__m256i *)(void *)(table + 32 * b);
            __m256i twice[HW_SUBSET], sum = _mm256_setzero_si256();
            for (j = 0; j < n; j++) {
                const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(rows + j * HW_WIDE + 16 * b));
                const __m256i x = has_sign ? _mm256_cvtepi8_epi16(v) : _mm256_cvtepu8_epi16(v);
                sum = _mm256_sub_epi16(sum, x);
                twice[j] = _mm256_add_epi16(x, x);
            }
            e[0] = sum;
            for (j = 0; j < n; j++)
                for (m = 0; m < 1 << j; m++) e[(HW_ENTRY / 32) * (m + (1 << j))] = _mm256_add_epi16(e[(HW_ENTRY / 32) * m], twice[j]);
        }
    }
}

/* Bits of eight channels of 16 * X pixels, a byte for each pixel: [64]. */
HW_AVX2 HW_INLINE void hw_look_up_sums(const int X, const uint8_t *table, const uint16_t *at, int groups, const hw_i16 *limit, unsigned turned, uint8_t *to) {
    __m256i bits[2];
    int k, b, i;
    bits[0] = bits[1] = _mm256_setzero_si256();
    HW_UNROLL
    for (k = 0; k < 8; k++) {
        const __m256i t = _mm256_set1_epi16(limit[k]), bit = _mm256_set1_epi8((char)(1 << k));
        __m256i sum[4];
        HW_UNROLL
        for (b = 0; b < 4; b++) sum[b] = _mm256_setzero_si256();
        for (i = 0; i < groups; i++) {
            const __m256i *e = (const __m256i *)(const void *)(table + *at++);
            HW_UNROLL
            for (b = 0; b < X; b++) sum[b] = _mm256_add_epi16(sum[b], e[b]);
        }
        HW_UNROLL
        for (b = 0; b < X; b++) sum[b] = _mm256_cmpgt_epi16(t, sum[b]);
        HW_UNROLL
        for (b = 0; b < (X + 1) / 2; b++) bits[b] = _mm256_or_si256(bits[b], _mm256_and_si256(bit, _mm256_packs_epi16(sum[2 * b], sum[2 * b + 1])));
    }
    HW_UNROLL
    for (b = 0; b < (X + 1) / 2; b++)
        _mm256_store_si256((__m256i *)(void *)(to + 32 * b), _mm256_permute4x64_epi64(_mm256_xor_si256(bits[b], _mm256_set1_epi8((char)~turned)), 0xd8));
}

/* n pixels, `count` bytes of each, from [byte][64 pixels] to pixels that are `step` bytes apart. */
HW_AVX2 HW_INLINE void hw_store_planes(const uint8_t *from, int count, int step, int n, uint8_t *to) {
    int b, p, i, round;
    if (count == 8) {
        for (p = 0; p < n; p += 16) {
            __m128i v[8], u[8];
            HW_UNROLL
            for (i = 0; i < 8; i++) v[i] = _mm_load_si128((const __m128i *)(const void *)(from + i * HW_WIDE + p));
            HW_UNROLL
            for (round = 0; round < 3; round++) { /* each time, register i meets i + 4 and both go to 2 * i */
                HW_UNROLL
                for (i = 0; i < 4; i++) {
                    u[2 * i] = _mm_unpacklo_epi8(v[i], v[i + 4]);
                    u[2 * i + 1] = _mm_unpackhi_epi8(v[i], v[i + 4]);
                }
                HW_UNROLL
                for (i = 0; i < 8; i++) v[i] = u[i];
            }
            HW_UNROLL
            for (i = 0; i < 8; i++) {
                if (p + 2 * i < n) _mm_storel_epi64((__m128i *)(void *)(to + (p + 2 * i) * step), v[i]);
                if (p + 2 * i + 1 < n) _mm_storel_epi64((__m128i *)(void *)(to + (p + 2 * i + 1) * step), _mm_srli_si128(v[i], 8));
            }
        }
        return;
    }
    for (b = 0; b < count; b++)
        for (p = 0; p < n; p++) to[p * step + b] = from[b * HW_WIDE + p];
}

/* A tile of n pixels, 16 * X at most: its tables, then eight channels after eight. */
HW_AVX2 HW_INLINE void hw_subset_tile(const int X, const hw_gemm *g, const uint8_t *rows, const uint8_t *arranged, int n, uint8_t *to) {
    const int cols = g->win.kh * g->win.kw * g->x->c, groups = hw_subsets(g), c = g->lines.c, step = c / 8;
    const uint16_t *at = (const uint16_t *)(const void *)arranged;
    const hw_i16 *limit = (const hw_i16 *)(const void *)(arranged + 2 * (size_t)(c * groups));
    const uint8_t *turned = (const uint8_t *)g->lines.stage[0].b.at;
    uint8_t table[HW_MOST_INPUTS / HW_SUBSET * HW_GROUP] __attribute__((aligned(64))), bytes[8 * HW_WIDE] __attribute__((aligned(64)));
    int b, i;
    if (g->x->kind == HW_U8) hw_table_sums(X, 0, rows, cols, table);
    else hw_table_sums(X, 1, rows, cols, table);
    for (b = 0; b < step; b += 8) {
        const int count = hw_min(8, step - b);
        for (i = 0; i < count; i++) hw_look_up_sums(X, table, at + 8 * (b + i) * groups, groups, limit + 8 * (b + i), turned[b + i], bytes + i * HW_WIDE);
        hw_store_planes(bytes, count, step, n, to + b);
    }
}
#define HW_SUBSET_TILE(X)                                                                                                             \
    HW_AVX2 HW_FN void hw_subset_tile_##X(const hw_gemm *g, const uint8_t *rows, const uint8_t *arranged, int n, uint8_t *to) { \
        hw_subset_tile(X, g, rows, arranged, n, to);                                                                                \
    }
HW_SUBSET_TILE(4) HW_SUBSET_TILE(2) HW_SUBSET_TILE(1)

HW_AVX2 HW_FN void hw_gemm_subsets(const hw_run *run, const hw_gemm *g) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const int h = hw_reach(l->h, v->sh, v->kh, v->dh), w = hw_reach(l->w, v->sw, v->kw, v->dw), pixels = l->h * l->w;
    const uint8_t *arranged = hw_own_weights(run, g);
    uint8_t rows[HW_MOST_INPUTS * HW_WIDE + 32] __attribute__((aligned(64))), *to = hw_at(run, l->stage[0].tensor);
    hw_tile_runs runs;
    int first;
    hw_byte_planes(run, g, h, w);
    for (first = 0; first < pixels; first += HW_WIDE, to += HW_WIDE * (l->c / 8)) {
        const int n = hw_min(HW_WIDE, pixels - first);
        hw_tile_begins(&runs, g, hw_plane_row(g, w), first, n);
        hw_gather_planes(run, g, g->x->c, &runs, h, w, 0, v->kh * v->kw * g->x->c, rows);
        (n > 32 ? hw_subset_tile_4 : n > 16 ? hw_subset_tile_2 : hw_subset_tile_1)(g, rows, arranged, n, to);
    }
}
#endif
