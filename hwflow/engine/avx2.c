/* XNOR-popcount and small-integer products for AVX2, without a popcount instruction.
 *
 * Four channels of a pixel make a nibble a; four weights of a row make a nibble w. How many of the four agree
 * is a table of sixteen numbers for each a, and VPSHUFB looks up 32 rows at once: one shuffle and one add for
 * 128 binary products, half of what XOR, AND, shift, two shuffles and an add for each half byte cost.
 *
 * The image is spread first: one byte 2a for each nibble (x86 addresses scale by 8 at most: 8 * 2a is the
 * table's offset), with its border. A nibble outside the image is 32, the table of zeros: exact zero padding.
 * Output channels are the lanes. Weights are arranged as [block of 64 rows][byte][64].
 */
#include "engine.h"

#if defined(HW_X86)

static const uint8_t hw_agree[17 * 16] __attribute__((aligned(64))) = {
#define HW_BITS4(x) (((x) & 1) + ((x) >> 1 & 1) + ((x) >> 2 & 1) + ((x) >> 3 & 1))
#define HW_AGREE4(a, w) 4 - HW_BITS4((a) ^ (w)), 4 - HW_BITS4((a) ^ (w + 1)), 4 - HW_BITS4((a) ^ (w + 2)), 4 - HW_BITS4((a) ^ (w + 3))
#define HW_AGREE(a) HW_AGREE4(a, 0), HW_AGREE4(a, 4), HW_AGREE4(a, 8), HW_AGREE4(a, 12)
    HW_AGREE(0), HW_AGREE(1), HW_AGREE(2), HW_AGREE(3), HW_AGREE(4), HW_AGREE(5), HW_AGREE(6), HW_AGREE(7),
    HW_AGREE(8), HW_AGREE(9), HW_AGREE(10), HW_AGREE(11), HW_AGREE(12), HW_AGREE(13), HW_AGREE(14), HW_AGREE(15)};

static const uint8_t hw_fifteens[32] __attribute__((aligned(32))) = {15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
                                                                     15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15};

/* The low half of every byte. The mask stays in memory: all sixteen registers have other work. */
HW_AVX2 HW_INLINE __m256i hw_nibbles(__m256i x) {
    __asm__("vpand %2, %1, %0" : "=x"(x) : "x"(x), "m"(*(const __m256i *)(const void *)hw_fifteens));
    return x;
}

/* One nibble of one pixel: its table, looked up by 32 or 64 rows. Written out because compilers, left to order
 * the additions, keep more sums alive than there are registers. */
HW_AVX2 HW_INLINE void hw_look_up(const int B, __m256i *a, const __m256i *i, size_t twice) {
    const __m128i *t = (const __m128i *)(const void *)(hw_agree + 8 * twice);
    __m256i x, y;
    if (B == 2)
        __asm__("vbroadcasti128 %6, %2\n\tvpshufb %4, %2, %3\n\tvpaddb %3, %0, %0\n\tvpshufb %5, %2, %2\n\tvpaddb %2, %1, %1"
                : "+x"(a[0]), "+x"(a[1]), "=&x"(x), "=&x"(y)
                : "x"(i[0]), "x"(i[1]), "m"(*t));
    else
        __asm__("vbroadcasti128 %3, %1\n\tvpshufb %2, %1, %1\n\tvpaddb %1, %0, %0" : "+x"(a[0]), "=&x"(x) : "x"(i[0]), "m"(*t));
}

/* The first n of eight numbers. */
HW_AVX2 HW_INLINE void hw_store8(hw_i32 *to, int n, __m256i x) {
    if (n >= 8) _mm256_storeu_si256((__m256i *)(void *)to, x);
    else if (n > 0)
        _mm256_maskstore_epi32((int *)(void *)to, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)), x);
}

/* Where the sums of 64 rows go: lines of 32-bit sums, or where `limits` are given, bits. */
typedef struct {
    int rows, pitch, step;
    hw_i32 *line;
    uint8_t *bits;
    const uint8_t *limits;
} hw_target;

enum { HW_LIMITS = 192 };

/* Bits of 32 rows of one pixel, from the counts of its even and its odd rows. */
HW_AVX2 HW_INLINE void hw_compare32(const __m256i *sum, int counts, const hw_target *to, int p, int b) {
    const __m256i c = _mm256_set1_epi16((short)counts);
    const __m256i *limit = (const __m256i *)(const void *)(to->limits + 64 * b);
    const __m256i even = _mm256_cmpgt_epi16(_mm256_load_si256(limit), _mm256_sub_epi16(_mm256_slli_epi16(sum[0], 1), c));
    const __m256i odd = _mm256_cmpgt_epi16(_mm256_load_si256(limit + 1), _mm256_sub_epi16(_mm256_slli_epi16(sum[1], 1), c));
    const __m256i below = _mm256_blendv_epi8(odd, even, _mm256_set1_epi16(255));
    uint8_t *out = to->bits + (size_t)p * (size_t)to->step + 4 * b;
    const int rows = to->rows - 32 * b;
    uint32_t turned, bits;
    memcpy(&turned, to->limits + 128 + 4 * b, 4);
    bits = ~(uint32_t)_mm256_movemask_epi8(below) ^ turned;
    if (rows >= 32) {
        memcpy(out, &bits, 4);
    } else if (rows > 0) {
        bits &= (1u << rows) - 1;
        memcpy(out, &bits, (size_t)(rows + 7) / 8);
    }
}

/* Sums of `P` pixels by 32 * B rows: 2 * (how many agree) - counts[p]. */
HW_AVX2 HW_INLINE void hw_agree_tile(const int P, const int B, const uint8_t *const *corner, const hw_runs *runs,
                                     const uint8_t *w, const int *counts, const hw_target *to) {
    const __m256i even = _mm256_set1_epi16(255);
    __m256i sum[6][2][2], a[6][2], i[2];
    int p, b, s, k = 0, used = 0;
    HW_UNROLL
    for (p = 0; p < P; p++)
        HW_UNROLL
        for (b = 0; b < B; b++) sum[p][b][0] = sum[p][b][1] = a[p][b] = _mm256_setzero_si256();
    for (s = 0; s < runs->count; s++) {
        const uint8_t *x[6];
        int left = runs->bytes;
        HW_UNROLL
        for (p = 0; p < P; p++) x[p] = corner[p] + runs->at[s];
        while (left) {
            const int n = hw_min(left, 31 - used); /* 31 bytes of 8 reach 248, still a byte */
            for (k = 0; k < n; k++, w += 64) {
                HW_UNROLL
                for (b = 0; b < B; b++) i[b] = hw_nibbles(_mm256_load_si256((const __m256i *)(const void *)(w + 32 * b)));
                HW_UNROLL
                for (p = 0; p < P; p++) hw_look_up(B, a[p], i, x[p][2 * k]);
                HW_UNROLL
                for (b = 0; b < B; b++)
                    i[b] = hw_nibbles(_mm256_srli_epi16(_mm256_load_si256((const __m256i *)(const void *)(w + 32 * b)), 4));
                HW_UNROLL
                for (p = 0; p < P; p++) hw_look_up(B, a[p], i, x[p][2 * k + 1]);
            }
            used += n;
            left -= n;
            if (used == 31 || (s + 1 == runs->count && !left)) {
                HW_UNROLL
                for (p = 0; p < P; p++)
                    HW_UNROLL
                    for (b = 0; b < B; b++) {
                        sum[p][b][0] = _mm256_add_epi16(sum[p][b][0], _mm256_and_si256(a[p][b], even));
                        sum[p][b][1] = _mm256_add_epi16(sum[p][b][1], _mm256_srli_epi16(a[p][b], 8));
                        a[p][b] = _mm256_setzero_si256();
                    }
                used = 0;
            }
            HW_UNROLL
            for (p = 0; p < P; p++) x[p] += 2 * n;
        }
    }
    HW_UNROLL
    for (p = 0; p < P; p++) {
        const __m256i c = _mm256_set1_epi32(counts[p]);
        HW_UNROLL
        for (b = 0; b < B; b++) {
            if (to->limits) {
                hw_compare32(sum[p][b], counts[p], to, p, b);
                continue;
            }
            {
                const __m256i lo = _mm256_unpacklo_epi16(sum[p][b][0], sum[p][b][1]), hi = _mm256_unpackhi_epi16(sum[p][b][0], sum[p][b][1]);
                const __m256i x = _mm256_permute2x128_si256(lo, hi, 0x20), y = _mm256_permute2x128_si256(lo, hi, 0x31);
                const __m128i part[4] = {_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1), _mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1)};
                HW_UNROLL
                for (k = 0; k < 4; k++)
                    hw_store8(to->line + (size_t)p * (size_t)to->pitch + 32 * b + 8 * k, to->rows - 32 * b - 8 * k,
                              _mm256_sub_epi32(_mm256_slli_epi32(_mm256_cvtepu16_epi32(part[k]), 1), c));
            }
        }
    }
}

#define HW_AGREE_TILE(P, B)                                                                                                   \
    HW_AVX2 HW_FN void hw_agree_##P##_##B(const uint8_t *const *corner, const hw_runs *runs, const uint8_t *w, const int *counts, \
                                          const hw_target *to) {                                                              \
        hw_agree_tile(P, B, corner, runs, w, counts, to);                                                                     \
    }
HW_AGREE_TILE(6, 2) HW_AGREE_TILE(6, 1) HW_AGREE_TILE(4, 2) HW_AGREE_TILE(4, 1)
HW_AGREE_TILE(1, 2) HW_AGREE_TILE(1, 1)

/* n packed bytes as 2n bytes, each twice a nibble. */
HW_AVX2 HW_FN void hw_spread(uint8_t *y, const uint8_t *x, size_t n) {
    const __m128i low = _mm_set1_epi8(30);
    size_t i;
    for (i = 0; i + 16 <= n; i += 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(x + i));
        const __m128i a = _mm_and_si128(_mm_slli_epi16(v, 1), low), b = _mm_and_si128(_mm_srli_epi16(v, 3), low);
        _mm_storeu_si128((__m128i *)(void *)(y + 2 * i), _mm_unpacklo_epi8(a, b));
        _mm_storeu_si128((__m128i *)(void *)(y + 2 * i + 16), _mm_unpackhi_epi8(a, b));
    }
    for (; i < n; i++) {
        y[2 * i] = (uint8_t)(2 * (x[i] & 15));
        y[2 * i + 1] = (uint8_t)(2 * (x[i] >> 4));
    }
}

/* The image with its border, spread. Only as many rows and columns as the windows reach. */
HW_AVX2 HW_FN void hw_spread_image(const hw_run *run, const hw_gemm *g, int h, int w) {
    const hw_tensor *x = g->x;
    const size_t step = (size_t)hw_bytes(HW_BIT, x->c), pixel = 2 * step, row = (size_t)w * pixel;
    const int left = hw_min(g->win.left, w), inside = hw_min(x->w, w - left), groups = g->groups;
    const uint8_t *from = hw_read(run, x);
    uint8_t *to = run->spread, *outside = to + (size_t)h * row;
    const size_t bytes = step / (size_t)groups;
    int y, i;
    for (i = 0; i < groups; i++) {
        if (g->pad_counts) hw_spread(outside + (size_t)i * 2 * bytes, (const uint8_t *)g->pad.at + (size_t)(2 * i) * bytes, bytes);
        else memset(outside + (size_t)i * 2 * bytes, 32, 2 * bytes);
    }
    for (y = 0; y < h; y++, to += row) {
        const int in = y - g->win.top;
        const int blank = in < 0 || in >= x->h || inside <= 0;
        for (i = 0; i < (blank ? w : left); i++) memcpy(to + (size_t)i * pixel, outside, pixel);
        if (blank) continue;
        hw_spread(to + (size_t)left * pixel, from + (size_t)in * (size_t)x->w * step, (size_t)inside * step);
        for (i = left + inside; i < w; i++) memcpy(to + (size_t)i * pixel, outside, pixel);
    }
}

/* Which layers this path takes; the others go the plain way. */
HW_FN int hw_fast_bits(const hw_gemm *g) {
    const int all = g->win.kh * g->win.kw * hw_bytes(HW_BIT, g->x->c / g->groups);
    return g->kind == HW_BIT && all < 8192 && g->pad_counts >= 0 && hw_run_count(g) <= HW_SEGMENTS;
}

/* Whether the sums go straight to bits, their thresholds compared in 16 bits. */
HW_INLINE int hw_straight_to_bits(const hw_gemm *g) {
    const int all = g->win.kh * g->win.kw * hw_bytes(HW_BIT, g->x->c);
    return g->groups == 1 && all < 4096 && g->lines.stages == 1 && g->lines.stage[0].what == HW_PACK;
}

HW_AVX2 HW_FN void hw_gemm_bits_avx2(const hw_run *run, const hw_gemm *g, const uint8_t *arranged) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const int pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE), per = l->c / g->groups, depth = g->x->c / g->groups;
    const int h = hw_reach(l->h, v->sh, v->kh, v->dh), w = hw_reach(l->w, v->sw, v->kw, v->dw), bytes = hw_bytes(HW_BIT, depth), all = v->kh * v->kw * bytes;
    const size_t pixel = 2 * (size_t)hw_bytes(HW_BIT, g->x->c);
    const int straight = hw_straight_to_bits(g);
    hw_runs runs = hw_window_runs(g, (size_t)w, pixel, 2 * (size_t)bytes);
    int first, p, q, r;
    arranged += HW_ALIGN;
    runs.bytes /= 2; /* counted in packed bytes, as the weights are */
    hw_spread_image(run, g, h, w);
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        const uint8_t *corner[HW_TILE];
        int counts[HW_TILE];
        hw_corners(g, run->spread, (size_t)w, pixel, first, n, corner, counts);
        for (p = 0; p < n; p++) counts[p] = counts[p] * depth + (v->kh * v->kw - counts[p]) * g->pad_counts;
        for (q = 0; q < g->groups; q++) {
            hw_i32 *line = run->line + q * per;
            const uint8_t *weights = arranged + (size_t)q * (size_t)hw_up(per, 64) * (size_t)all;
            for (r = 0; r < per; r += 64, weights += (size_t)64 * (size_t)all) {
                hw_target to;
                const int wide = per - r > 32;
                to.rows = hw_min(per - r, 64);
                to.pitch = pitch;
                to.step = hw_bytes(HW_BIT, l->c);
                to.limits = straight ? arranged + (size_t)hw_up(per, 64) * (size_t)all + (size_t)(r / 64) * HW_LIMITS : 0;
                for (p = 0; p < n;) {
                    const int take = n - p >= 6 ? 6 : n - p >= 4 ? 4 : 1;
                    to.line = line + (size_t)p * (size_t)pitch + r;
                    if (straight) to.bits = hw_at(run, l->stage[0].tensor) + (size_t)(first + p) * (size_t)to.step + r / 8;
                    (take == 6 ? wide ? hw_agree_6_2 : hw_agree_6_1 : take == 4 ? wide ? hw_agree_4_2 : hw_agree_4_1
                                                                               : wide ? hw_agree_1_2 : hw_agree_1_1)(corner + p, &runs, weights, counts + p, &to);
                    p += take;
                }
            }
            for (p = 0; p < n; p++) corner[p] += 2 * bytes;
        }
        if (!straight) hw_stages_run(run, l, first, n);
    }
}

/* A line that says HW_BY_CHANNELS; [group][64 rows][byte][64]; then, where sums go straight to bits, the limits of each 64 rows: thresholds of the
 * even and of the odd rows of each 32, and 64 flags of what is turned. */
HW_FN size_t hw_arrange_bits_avx2(const hw_gemm *g, uint8_t *to) {
    const int per = g->lines.c / g->groups, up = hw_up(per, 64), all = g->win.kh * g->win.kw * hw_bytes(HW_BIT, g->x->c / g->groups);
    const size_t group = (size_t)up * (size_t)all;
    const uint8_t *from = (const uint8_t *)g->weights.at;
    int q, r, k;
    if (!hw_fast_bits(g)) return 0;
    if (to) {
        const size_t way = HW_BY_CHANNELS;
        memcpy(to, &way, sizeof way);
        to += HW_ALIGN;
    }
    for (q = 0; to && q < g->groups; q++)
        for (r = 0; r < up; r++)
            for (k = 0; k < all; k++)
                to[(size_t)q * group + ((size_t)(r / 64) * (size_t)all + (size_t)k) * 64 + (size_t)(r % 64)] =
                    r < per ? from[(size_t)(q * per + r) * (size_t)all + (size_t)k] : 0;
    if (!hw_straight_to_bits(g)) return HW_ALIGN + group * (size_t)g->groups;
    for (r = 0; to && r < up; r++) {
        uint8_t *own = to + group + (size_t)(r / 64) * HW_LIMITS;
        hw_i32 t = 32767;
        int turned = 0;
        if (r < per) {
            hw_widen(&t, (const uint8_t *)g->lines.stage[0].a.at, g->lines.stage[0].a.kind, r, 1);
            turned = hw_flag(g->lines.stage[0].b.at, r);
        }
        t = t < -32768 ? -32768 : t > 32767 ? 32767 : t; /* sums stay within 32760 of 0 */
        ((hw_i16 *)(void *)own)[r % 64 / 32 * 32 + r % 2 * 16 + r % 32 / 2] = (int16_t)t;
        if (r % 64 == 0) memset(own + 128, 0, HW_LIMITS - 128);
        own[128 + r % 64 / 8] = (uint8_t)(own[128 + r % 64 / 8] | (turned << (r & 7)));
    }
    return HW_ALIGN + group + (size_t)(up / 64) * HW_LIMITS;
}
#endif
