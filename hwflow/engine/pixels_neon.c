/* Binary convolutions of few channels for NEON: eight output pixels of a row are the lanes of a register.
 *
 * A lane is 16 bits wide. It holds sixteen input channels of one tap; CNT counts in its two bytes how many differ from a
 * channel's weights, for four registers of pixels by four channels at a time. Sums become accumulators of 16 bits, sixteen
 * output channels in sixteen registers, and stay there from the first stage to the last. The image lies in planes of sixteen
 * channels with its border, columns that are a stride apart beside each other, so that nothing is gathered.
 */
#include "engine.h"

#if defined(HW_NEON)

enum { HW_OCTET = 8, HW_OCTETS = 4, HW_MOST_WORDS = 31, HW_MOST_BITS = 8192 }; /* pixels of a register; registers; words whose sums fit a byte; of a window */

/* Where the parts of such a layer's arranged weights begin: the class of each output row, then whether
 * each stage only clips; what twice the bits that
 * differ are taken from, [class][octet of a row][channel][8]; weights, [4 channels][word][channel]; where each word of a
 * window begins in the planes; constants of each stage, [stage][channel][two]. */
typedef struct {
    int words, classes;
    size_t base, weights, at, constants, all;
} hw_pixels_neon;

/* Whether 16 bits hold every value of a layer's stages: sums are small, and rescaling clips to 16 bits. */
HW_FN int hw_stages_neon(const hw_gemm *g) {
    const hw_lines *l = &g->lines;
    int i;
    for (i = 0; i < l->stages; i++) {
        const hw_stage *s = l->stage + i;
        switch (s->what) {
        case HW_RESCALE:
            if (s->a.kind == HW_I32 || s->lo < -16000 || s->hi > 16000) return 0;
            break;
        case HW_ADD: /* 128 at most, at most HW_STAGES times */
            if (s->n != 1 || s->tensor->kind != HW_I8) return 0;
            break;
        case HW_STORE:
            if (s->tensor->kind != HW_I8) return 0;
            break;
        case HW_PACK: break;
        default: return 0;
        }
    }
    return l->stages > 0 && l->stages <= HW_STAGES;
}

/* Whether a layer goes this way: whole words of channels, rows of an octet or more. */
HW_FN int hw_by_pixels_neon(const hw_gemm *g) {
    return g->kind == HW_BIT && g->groups == 1 && g->pad_counts >= 0 && g->x->c % 16 == 0 && g->lines.c % HW_LANE == 0 && g->lines.w >= HW_OCTET &&
           g->win.kh * g->win.kw * g->x->c <= HW_MOST_BITS && hw_stages_neon(g);
}

/* Octets of a row, and where one begins: the last ends with the row and may take pixels of the one before once more. */
HW_INLINE int hw_octets_across(const hw_gemm *g) { return hw_up(g->lines.w, HW_OCTET) / HW_OCTET; }
HW_INLINE int hw_octet_at(const hw_gemm *g, int octet) { return hw_min(octet * HW_OCTET, g->lines.w - HW_OCTET); }

HW_FN hw_pixels_neon hw_layout_neon(const hw_gemm *g) {
    const size_t c = (size_t)g->lines.c;
    hw_pixels_neon a;
    int y;
    a.words = g->win.kh * g->win.kw * g->x->c / 16;
    for (y = a.classes = 1; y < g->lines.h; y++) a.classes += hw_differ(hw_rows_at(g, y - 1), hw_rows_at(g, y));
    a.base = hw_lines_up(((size_t)g->lines.h + HW_STAGES) * 4);
    a.weights = a.base + (size_t)(a.classes * hw_octets_across(g)) * c * 16;
    a.at = a.weights + (size_t)a.words * c * 2;
    a.constants = a.at + hw_lines_up((size_t)a.words * 4);
    a.all = a.constants + (size_t)g->lines.stages * c * 8;
    return a;
}

/* What a stage needs of each channel: a factor and what is added, or a limit. */
HW_FN void hw_arrange_stage_neon(const hw_stage *s, int channels, hw_i32 *to) {
    int r;
    for (r = 0; r < channels && (s->what == HW_RESCALE || s->what == HW_PACK); r++, to += 2) {
        hw_widen(to, (const uint8_t *)s->a.at, s->a.kind, r, 1);
        if (s->what == HW_RESCALE) hw_widen(to + 1, (const uint8_t *)s->b.at, s->b.kind, r, 1);
        else to[0] = to[0] < INT16_MIN ? INT16_MIN : to[0] > INT16_MAX ? INT16_MAX : to[0];
    }
}

HW_FN size_t hw_arrange_pixels_neon(const hw_gemm *g, uint8_t *to) {
    const hw_pixels_neon a = hw_layout_neon(g);
    const hw_window *v = &g->win;
    const int c = g->lines.c, parts = g->x->c / 16, h = hw_reach(g->lines.h, v->sh, v->kh, v->dh), w = hw_reach(g->lines.w, v->sw, v->kw, v->dw);
    const uint8_t *from = (const uint8_t *)g->weights.at;
    hw_i32 *row = (hw_i32 *)(void *)to, *at = (hw_i32 *)(void *)(to + a.at);
    int y, x, r, k;
    if (!to) return a.all;
    for (y = 0; y < g->lines.h; y++) {
        const int begins = !y || hw_differ(hw_rows_at(g, y - 1), hw_rows_at(g, y));
        row[y] = y ? row[y - 1] + begins : 0;
        for (x = 0; begins && x < hw_octets_across(g); x++)
            for (r = 0; r < c; r++) {
                hw_i16 *base = (hw_i16 *)(void *)(to + a.base) + ((row[y] * hw_octets_across(g) + x) * c + r) * HW_OCTET;
                for (k = 0; k < HW_OCTET; k++) base[k] = (int16_t)hw_base_of_bits(g, r, hw_rows_at(g, y), hw_cols_at(g, hw_octet_at(g, x) + k));
            }
    }
    for (r = 0; r < c; r++)
        for (k = 0; k < a.words; k++, from += 2) memcpy(to + a.weights + 2 * (size_t)((r / 4 * a.words + k) * 4 + r % 4), from, 2);
    for (k = 0; k < a.words; k++)
        at[k] = 2 * ((k % parts * h + k / parts / v->kw * v->dh) * hw_plane_row(g, w) + hw_column(k / parts % v->kw * v->dw, v->sw, w));
    for (k = 0; k < g->lines.stages; k++) row[g->lines.h + k] = hw_only_clips(g->lines.stage + k, c);
    for (k = 0; k < g->lines.stages; k++) hw_arrange_stage_neon(g->lines.stage + k, c, (hw_i32 *)(void *)(to + a.constants) + 2 * k * c);
    return a.all;
}

/* The image with its border in planes of sixteen channels. */
HW_FN void hw_planes_neon(const hw_run *run, const hw_gemm *g, int h, int w) {
    const hw_tensor *x = g->x;
    const int parts = x->c / 16, left = hw_min(g->win.left, w), inside = hw_min(x->w, w - left), sw = g->win.sw, row = hw_plane_row(g, w);
    const uint8_t *from = hw_read(run, x);
    int q, y, i;
    memset(run->spread, 0, (size_t)(parts * h * row) * 2);
    for (y = g->win.top; y < h && y - g->win.top < x->h; y++, from += x->w * 2 * parts) {
        uint8_t *to = run->spread + 2 * y * row;
        if (parts * sw == 1 && inside > 0) memcpy(to + 2 * left, from, 2 * (size_t)inside);
        else
            for (i = 0; i < inside; i++) {
                uint8_t *own = to + 2 * hw_column(left + i, sw, w);
                for (q = 0; q < parts; q++, own += 2 * h * row) memcpy(own, from + 2 * (i * parts + q), 2);
            }
    }
}

/* How many bits of P octets of pixels differ from four channels' weights: [channel][HW_OCTETS][8]. */
HW_INLINE void hw_count_octets(const int P, const uint8_t *const *from, const hw_i32 *at, const uint16_t *w, int words, uint16_t *to) {
    uint8x16_t a[HW_OCTETS][4];
    int k = 0, p, i, end;
    do {
        const int first = k == 0;
        HW_UNROLL
        for (p = 0; p < P; p++)
            HW_UNROLL
            for (i = 0; i < 4; i++) a[p][i] = vdupq_n_u8(0);
        for (end = hw_min(words, k + HW_MOST_WORDS); k < end; k++, w += 4) {
            const uint16x4_t four = vld1_u16(w);
            uint8x16_t own[4];
            own[0] = vreinterpretq_u8_u16(vdupq_lane_u16(four, 0));
            own[1] = vreinterpretq_u8_u16(vdupq_lane_u16(four, 1));
            own[2] = vreinterpretq_u8_u16(vdupq_lane_u16(four, 2));
            own[3] = vreinterpretq_u8_u16(vdupq_lane_u16(four, 3));
            HW_UNROLL
            for (p = 0; p < P; p++) {
                const uint8x16_t v = vld1q_u8(from[p] + at[k]);
                HW_UNROLL
                for (i = 0; i < 4; i++) a[p][i] = vaddq_u8(a[p][i], vcntq_u8(veorq_u8(v, own[i])));
            }
        }
        HW_UNROLL
        for (p = 0; p < P; p++)
            HW_UNROLL
            for (i = 0; i < 4; i++) {
                uint16_t *out = to + (i * HW_OCTETS + p) * HW_OCTET;
                vst1q_u16(out, first ? vpaddlq_u8(a[p][i]) : vpadalq_u8(vld1q_u16(out), a[p][i]));
            }
    } while (k < words);
}

/* Rows of bytes become columns: register i has channels 2 * i and 2 * i + 1 of eight pixels. */
HW_INLINE void hw_turn_neon(uint8x16_t *v) {
    uint8x16_t u[8];
    int round, i;
    HW_UNROLL
    for (round = 0; round < 3; round++) { /* register i meets i + 4: bytes of pixels 4 apart, then 2, then 1 */
        HW_UNROLL
        for (i = 0; i < 4; i++) {
            u[2 * i] = vzip1q_u8(v[i], v[i + 4]);
            u[2 * i + 1] = vzip2q_u8(v[i], v[i + 4]);
        }
        HW_UNROLL
        for (i = 0; i < 8; i++) v[i] = u[i];
    }
}

/* The inverse. */
HW_INLINE void hw_turn_back_neon(uint8x16_t *v) {
    uint8x16_t u[8];
    int round, i;
    HW_UNROLL
    for (round = 0; round < 3; round++) {
        HW_UNROLL
        for (i = 0; i < 4; i++) {
            u[i] = vuzp1q_u8(v[2 * i], v[2 * i + 1]);
            u[i + 4] = vuzp2q_u8(v[2 * i], v[2 * i + 1]);
        }
        HW_UNROLL
        for (i = 0; i < 8; i++) v[i] = u[i];
    }
}

/* One stage of sixteen channels from c, eight pixels from `first`; `own` are its constants. */
HW_INLINE void hw_stage_octet(const hw_run *run, const hw_gemm *g, const hw_stage *s, int only_clips, const hw_i32 *own, int16x8_t *x, int first, int c) {
    const int channels = g->lines.c;
    int i;
    switch (s->what) {
    case HW_RESCALE: {
        const int16x8_t lo = vdupq_n_s16((int16_t)s->lo), hi = vdupq_n_s16((int16_t)s->hi);
        const int32x4_t shift = vdupq_n_s32(-s->shift);
        HW_UNROLL
        for (i = 0; i < HW_LANE; i++)
            if (only_clips) x[i] = vminq_s16(vmaxq_s16(x[i], lo), hi);
        if (only_clips) break;
        HW_UNROLL
        for (i = 0; i < HW_LANE; i++) {
            const int32x4_t b = vdupq_n_s32(own[2 * i + 1]);
            const int16x4_t a = vdup_n_s16((int16_t)own[2 * i]);
            const int32x4_t low = vshlq_s32(vmlal_s16(b, vget_low_s16(x[i]), a), shift), high = vshlq_s32(vmlal_s16(b, vget_high_s16(x[i]), a), shift);
            x[i] = vminq_s16(vmaxq_s16(vcombine_s16(vqmovn_s32(low), vqmovn_s32(high)), lo), hi);
        }
        break;
    }
    case HW_ADD: {
        const uint8_t *from = hw_read(run, s->tensor) + first * channels + c;
        uint8x16_t v[8];
        HW_UNROLL
        for (i = 0; i < 8; i++) v[i] = vld1q_u8(from + i * channels);
        hw_turn_neon(v);
        HW_UNROLL
        for (i = 0; i < 8; i++) {
            const int8x16_t y = vreinterpretq_s8_u8(v[i]);
            x[2 * i] = vaddw_s8(x[2 * i], vget_low_s8(y));
            x[2 * i + 1] = vaddw_s8(x[2 * i + 1], vget_high_s8(y));
        }
        break;
    }
    case HW_STORE: {
        uint8_t *to = hw_at(run, s->tensor) + first * channels + c;
        uint8x16_t v[8];
        HW_UNROLL
        for (i = 0; i < 8; i++) v[i] = vreinterpretq_u8_s8(vcombine_s8(vqmovn_s16(x[2 * i]), vqmovn_s16(x[2 * i + 1])));
        hw_turn_back_neon(v);
        HW_UNROLL
        for (i = 0; i < 8; i++) vst1q_u8(to + i * channels, v[i]);
        break;
    }
    default: { /* HW_PACK */
        uint8_t *to = hw_at(run, s->tensor) + (first * channels + c) / 8;
        uint16x8_t bits = vdupq_n_u16(0);
        uint16_t out[HW_OCTET], turn = 0;
        if (s->b.at) memcpy(&turn, (const uint8_t *)s->b.at + c / 8, 2);
        HW_UNROLL
        for (i = 0; i < HW_LANE; i++) bits = vorrq_u16(bits, vandq_u16(vcgtq_s16(vdupq_n_s16((int16_t)own[2 * i]), x[i]), vdupq_n_u16((uint16_t)(1 << i))));
        bits = veorq_u16(bits, vdupq_n_u16((uint16_t)~turn));
        vst1q_u16(out, bits);
        for (i = 0; i < HW_OCTET; i++) memcpy(to + i * (channels / 8), out + i, 2);
    }
    }
}

/* Eight pixels from `first`, all stages of sixteen channels from c. */
HW_FN void hw_finish_octet(const hw_run *run, const hw_gemm *g, const hw_i16 *base, const uint16_t *counts, const hw_i32 *clips, const hw_i32 *constants, int first, int c) {
    int16x8_t x[HW_LANE];
    int i, s;
    HW_UNROLL
    for (i = 0; i < HW_LANE; i++) {
        const int16x8_t count = vreinterpretq_s16_u16(vld1q_u16(counts + i * HW_OCTETS * HW_OCTET));
        x[i] = vsubq_s16(vld1q_s16((const int16_t *)base + i * HW_OCTET), vaddq_s16(count, count));
    }
    for (s = 0; s < g->lines.stages; s++, constants += 2 * g->lines.c) hw_stage_octet(run, g, g->lines.stage + s, clips[s], constants + 2 * c, x, first, c);
}

HW_FN void hw_gemm_pixels_neon(const hw_run *run, const hw_gemm *g) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const hw_pixels_neon a = hw_layout_neon(g);
    const int h = hw_reach(l->h, v->sh, v->kh, v->dh), w = hw_reach(l->w, v->sw, v->kw, v->dw), across = hw_octets_across(g), octets = l->h * across;
    const uint8_t *arranged = hw_own_weights(run, g);
    const hw_i32 *row = (const hw_i32 *)(const void *)arranged, *at = (const hw_i32 *)(const void *)(arranged + a.at);
    int first, c, i, p;
    hw_planes_neon(run, g, h, w);
    for (first = 0; first < octets; first += HW_OCTETS) {
        const int n = hw_min(HW_OCTETS, octets - first);
        const uint8_t *from[HW_OCTETS];
        int pixel[HW_OCTETS];
        for (p = 0; p < n; p++) {
            const int y = (first + p) / across, x = hw_octet_at(g, (first + p) % across);
            from[p] = run->spread + 2 * (y * v->sh * hw_plane_row(g, w) + x);
            pixel[p] = y * l->w + x;
        }
        for (c = 0; c < l->c; c += HW_LANE) {
            uint16_t counts[HW_LANE * HW_OCTETS * HW_OCTET];
            for (i = 0; i < HW_LANE; i += 4) {
                const uint16_t *weights = (const uint16_t *)(const void *)(arranged + a.weights) + (size_t)((c + i) * a.words);
                uint16_t *to = counts + i * HW_OCTETS * HW_OCTET;
                if (n == HW_OCTETS) hw_count_octets(HW_OCTETS, from, at, weights, a.words, to);
                else
                    for (p = 0; p < n; p++) hw_count_octets(1, from + p, at, weights, a.words, to + p * HW_OCTET);
            }
            for (p = 0; p < n; p++) {
                const hw_i16 *base = (const hw_i16 *)(const void *)(arranged + a.base) + (size_t)(row[(first + p) / across] * across + (first + p) % across) * (size_t)(l->c * HW_OCTET);
                hw_finish_octet(run, g, base + c * HW_OCTET, counts + p * HW_OCTET, row + l->h, (const hw_i32 *)(const void *)(arranged + a.constants), pixel[p], c);
            }
        }
    }
}
#endif
