/* Bits as nibbles, for AVX2: an image of packed bits becomes planes of four channels, a byte for each pixel and its border.
 *
 * So that the windows of pixels side by side are bytes side by side; where a layer strides, its columns are parted.
 */
#include "engine.h"

#if defined(HW_X86)

enum { HW_WIDE = 64 }; /* pixels of a tile */

/* Even and odd bytes of n registers, in their first and second halves. */
HW_AVX2 HW_INLINE void hw_part_bytes(__m128i *v, int n) {
    const __m128i low = _mm_set1_epi16(255);
    __m128i even[4], odd[4];
    int i;
    HW_UNROLL
    for (i = 0; i < n / 2; i++) {
        even[i] = _mm_packus_epi16(_mm_and_si128(v[2 * i], low), _mm_and_si128(v[2 * i + 1], low));
        odd[i] = _mm_packus_epi16(_mm_srli_epi16(v[2 * i], 8), _mm_srli_epi16(v[2 * i + 1], 8));
    }
    HW_UNROLL
    for (i = 0; i < n / 2; i++) v[i] = even[i], v[i + n / 2] = odd[i];
}

/* Byte b of each of sixteen pixels of `B` bytes: register b. */
HW_AVX2 HW_INLINE void hw_bytes_of_pixels(const int B, __m128i *v, const uint8_t *from) {
    int i;
    HW_UNROLL
    for (i = 0; i < B; i++) v[i] = _mm_loadu_si128((const __m128i *)(const void *)(from + 16 * i));
    if (B == 2) {
        hw_part_bytes(v, 2);
    } else if (B == 4) {
        __m128i t;
        hw_part_bytes(v, 4);
        hw_part_bytes(v, 2);
        hw_part_bytes(v + 2, 2);
        t = v[1], v[1] = v[2], v[2] = t; /* bytes 0 2 1 3 */
    } else if (B == 8) {
        __m128i t;
        hw_part_bytes(v, 8);
        hw_part_bytes(v, 4);
        hw_part_bytes(v + 4, 4);
        for (i = 0; i < 8; i += 2) hw_part_bytes(v + i, 2);
        t = v[1], v[1] = v[4], v[4] = t; /* bytes 0 4 2 6 1 5 3 7 */
        t = v[3], v[3] = v[6], v[6] = t;
    }
}

/* Sixteen bytes, of which n are wanted. */
HW_AVX2 HW_INLINE void hw_some_bytes(uint8_t *to, __m128i x, int n) {
    if (n >= 16) {
        _mm_storeu_si128((__m128i *)(void *)to, x);
    } else if (n == 8) {
        _mm_storel_epi64((__m128i *)(void *)to, x);
    } else {
        uint8_t v[16];
        int i;
        _mm_storeu_si128((__m128i *)(void *)v, x);
        for (i = 0; i < n; i++) to[i] = v[i];
    }
}

/* One row of n pixels as nibbles in their planes, `plane` bytes apart, where columns lie side by side. */
HW_AVX2 HW_INLINE void hw_row_nibbles(const int B, const uint8_t *from, int n, uint8_t *to, size_t plane) {
    const __m128i low = _mm_set1_epi8(15);
    int i, b;
    for (i = 0; i < n; i += 16) {
        __m128i v[8];
        hw_bytes_of_pixels(B, v, from + i * B);
        HW_UNROLL
        for (b = 0; b < B; b++) {
            hw_some_bytes(to + (size_t)(2 * b) * plane + i, _mm_and_si128(v[b], low), n - i);
            hw_some_bytes(to + (size_t)(2 * b + 1) * plane + i, _mm_and_si128(_mm_srli_epi16(v[b], 4), low), n - i);
        }
    }
}

/* The image with its border as planes of nibbles. */
HW_AVX2 HW_FN void hw_nibble_planes(const hw_run *run, const hw_gemm *g, int h, int w) {
    const hw_tensor *x = g->x;
    const int bytes = hw_bytes(HW_BIT, x->c), left = hw_min(g->win.left, w), inside = hw_min(x->w, w - left), sw = g->win.sw, row = hw_plane_row(g, w);
    const uint8_t *from = hw_read(run, x), *pad = (const uint8_t *)g->pad.at;
    const size_t plane = (size_t)(h * row);
    int y, i, k;
    if (g->pad_counts == 0) memset(run->spread, 128, plane * (size_t)(2 * bytes));
    else
        for (k = 0; k < 2 * bytes; k++) memset(run->spread + (size_t)k * plane, pad[k / 2] >> (k & 1 ? 4 : 0) & 15, plane);
    for (y = g->win.top; y < h && y - g->win.top < x->h; y++, from += x->w * bytes) {
        uint8_t *to = run->spread + (size_t)(y * row);
        if (sw == 1 && bytes == 2) hw_row_nibbles(2, from, inside, to + left, plane);
        else if (sw == 1 && bytes == 4) hw_row_nibbles(4, from, inside, to + left, plane);
        else if (sw == 1 && bytes == 8) hw_row_nibbles(8, from, inside, to + left, plane);
        else
            for (i = 0; i < inside; i++) {
                uint8_t *own = to + hw_column(left + i, sw, w);
                for (k = 0; k < bytes; k++, own += 2 * plane) {
                    own[0] = from[i * bytes + k] & 15;
                    own[plane] = from[i * bytes + k] >> 4;
                }
            }
    }
}

HW_AVX2 HW_INLINE void hw_copy_32(uint8_t *to, const uint8_t *from) {
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_loadu_si256((const __m256i *)(const void *)from));
}

/* Where the windows of a tile's pixels begin in a plane: runs of pixels side by side. */
typedef struct {
    int count, even, at[HW_WIDE], size[HW_WIDE]; /* even: the size of all but the last, else 0 */
} hw_tile_runs;

HW_FN void hw_tile_begins(hw_tile_runs *r, const hw_gemm *g, int row, int first, int n) {
    int p, y = first / g->lines.w, x = first % g->lines.w;
    r->count = 0;
    for (p = 0; p < n; p += r->size[r->count++], x = 0, y++) {
        r->at[r->count] = y * g->win.sh * row + x;
        r->size[r->count] = hw_min(n - p, g->lines.w - x);
    }
    r->even = r->size[0];
    for (p = 1; p < r->count - 1; p++)
        if (r->size[p] != r->even) r->even = 0;
}

/* Bytes begin..end of the windows of a tile, one from each of `planes` for each tap: [byte][64 pixels]; up to 31 bytes more are written. */
HW_AVX2 HW_FN void hw_gather_planes(const hw_run *run, const hw_gemm *g, int planes, const hw_tile_runs *t, int h, int w, int begin, int end, uint8_t *to) {
    const hw_window *v = &g->win;
    const int row = hw_plane_row(g, w), *at = t->at, size = t->even, runs = t->count;
    const size_t plane = (size_t)(h * row);
    int k, stop, r;
    for (k = begin; k < end; k = stop) {
        const int tap = k / planes, i = tap / v->kw, j = tap % v->kw;
        const uint8_t *from = run->spread + (size_t)(k % planes) * plane + (size_t)(i * v->dh * row + hw_column(j * v->dw, v->sw, w));
        stop = hw_min(end, (tap + 1) * planes);
        if (size == 8) /* small images: whole words */
            for (; k < stop; k++, to += HW_WIDE, from += plane)
                for (r = 0; r < runs; r++) hw_set_word(to + 8 * r, hw_word(from + at[r]));
        else if (size == 16)
            for (; k < stop; k++, to += HW_WIDE, from += plane)
                for (r = 0; r < runs; r++) _mm_storeu_si128((__m128i *)(void *)(to + 16 * r), _mm_loadu_si128((const __m128i *)(const void *)(from + at[r])));
        else if (size == 32 && runs == 2)
            for (; k < stop; k++, to += HW_WIDE, from += plane) hw_copy_32(to, from + at[0]), hw_copy_32(to + 32, from + at[1]);
        else
            for (; k < stop; k++, to += HW_WIDE, from += plane) {
                uint8_t *own = to;
                for (r = 0; r < runs; own += t->size[r++]) {
                    int b;
                    for (b = 0; b < t->size[r]; b += 32) hw_copy_32(own + b, from + at[r] + b);
                }
            }
    }
}
#endif
