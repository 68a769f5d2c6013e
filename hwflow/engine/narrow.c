/* Stages in 16 bits: whether every value of a layer's stages fits, and the constants of such stages.
 *
 * Sums of -1/+1 products are even or odd all together, so stages that begin with even ones are given halves.
 */
#include "engine.h"

#if defined(HW_X86) || defined(HW_NEON)

/* What a layer's lanes are: the first number of its arranged weights. */
enum { HW_BY_CHANNELS, HW_BY_PIXELS, HW_BY_BYTES };

enum { HW_STAGES = 8 };

HW_INLINE size_t hw_lines_up(size_t bytes) { return (bytes + HW_ALIGN - 1) / HW_ALIGN * HW_ALIGN; }

typedef struct {
    int shift[HW_STAGES]; /* before a stage multiplies; -1: it does not */
    int clips[HW_STAGES]; /* 0 where what a stage clips makes no difference later */
} hw_in_16;

/* Whether all of n constants of a table are one number. */
HW_FN int hw_all_are(hw_table t, int n, hw_i32 value) {
    hw_i32 v;
    int i;
    for (i = 0; i < n; i++) {
        hw_widen(&v, (const uint8_t *)t.at, t.kind, i, 1);
        if (v != value) return 0;
    }
    return 1;
}

HW_INLINE void hw_set_twice(uint8_t *to, int64_t value) {
    const uint16_t v[2] = {(uint16_t)value, (uint16_t)value};
    memcpy(to, v, 4);
}

/* Constants of a rescaling of `x` half steps, -most .. most of them; how far they are shifted first, or -1 where 16 bits
 * are too few. (a * x + b) >> s is the high half of (a << i) * (x << k), i + k = 16 - s, plus b >> s, and one more where
 * the low half and the rest of b make a carry. `reach` becomes the largest result, not yet clipped. */
HW_FN int hw_rescale_in_16(const hw_stage *s, int channels, int x, int64_t most, int64_t *reach, uint8_t *to) {
    int r, k = 0;
    *reach = 0;
    if (s->shift < 1 || s->shift > 16) return -1;
    while (k < 16 - s->shift && most << (k + 1) <= INT16_MAX) k++;
    for (r = 0; r < channels; r++) {
        hw_i32 a, b;
        int64_t whole, wide, high;
        hw_widen(&a, (const uint8_t *)s->a.at, s->a.kind, r, 1);
        hw_widen(&b, (const uint8_t *)s->b.at, s->b.kind, r, 1);
        whole = ((int64_t)b - (b & ((1 << s->shift) - 1))) / (1 << s->shift);
        wide = (int64_t)a * x * (1 << (16 - s->shift - k));
        high = ((most * x * (a < 0 ? -(int64_t)a : a)) >> s->shift) + (whole < 0 ? -whole : whole) + 2;
        if (wide < INT16_MIN || wide > INT16_MAX) return -1;
        *reach = high > *reach ? high : *reach;
        if (!to) continue;
        hw_set_twice(to + 12 * r, wide);
        hw_set_twice(to + 12 * r + 4, whole);
        hw_set_twice(to + 12 * r + 8, 65535 - ((int64_t)(b & ((1 << s->shift) - 1)) << (16 - s->shift)));
    }
    return k;
}

HW_INLINE int hw_only_clips(const hw_stage *s, int channels) {
    return s->what == HW_RESCALE && s->shift == 0 && hw_all_are(s->a, channels, 1) && hw_all_are(s->b, channels, 0);
}

/* Whether to clip at lo..hi after stage i makes no difference: what is beyond is clipped again, is stored in a byte that
 * saturates, or is compared with limits that say what lo and hi would. */
HW_FN int hw_clips_later(const hw_gemm *g, int i, int lo, int hi) {
    int moved = 0;
    for (i++; i < g->lines.stages; i++) {
        const hw_stage *s = g->lines.stage + i;
        if (s->what == HW_ADD) lo += 127, hi -= 128, moved = 1;
        else if (s->what == HW_STORE && (lo > -128 || hi < 127)) return 0;
        else if (s->what == HW_PACK && moved) return 0;
        else if (s->what == HW_RESCALE) return hw_only_clips(s, g->lines.c) && lo <= s->lo && hi >= s->hi;
    }
    return 1;
}

/* Whether 16 bits hold every value of a layer's stages; what it fills in of `a`, and the constants where `to` is given.
 * Stage 0 is given -most .. most steps of `unit`; or it is done already, a rescaling to what 16 bits hold. */
HW_FN int hw_stages_in_16(const hw_gemm *g, int done, int64_t most, int unit, hw_in_16 *a, uint8_t *to) {
    const int c = g->lines.c;
    hw_i32 lo = INT16_MIN, hi = INT16_MAX, t; /* what the registers mean */
    int i, r;
    if (g->lines.stages > HW_STAGES) return 0;
    if (done) {
        lo = g->lines.stage[0].lo;
        hi = g->lines.stage[0].hi;
        most = hi > -(int64_t)lo ? hi : -(int64_t)lo;
        if (lo < INT16_MIN || hi > INT16_MAX || most > 32000) return 0;
    }
    for (i = done; i < g->lines.stages; i++) {
        const hw_stage *s = g->lines.stage + i;
        const int x = i ? 1 : unit;
        uint8_t *own = to ? to + (size_t)i * (size_t)c * 12 : to;
        switch (s->what) {
        case HW_RESCALE:
            a->shift[i] = -1;
            if (i == 0 || !hw_only_clips(s, c)) {
                a->shift[i] = hw_rescale_in_16(s, c, x, most, &most, own);
                if (a->shift[i] < 0) return 0;
            }
            lo = s->lo;
            hi = s->hi;
            a->clips[i] = !hw_clips_later(g, i, lo, hi);
            if (a->clips[i]) most = hi > -(int64_t)lo ? hi : -(int64_t)lo;
            if (lo < INT16_MIN || hi > INT16_MAX) return 0;
            break;
        case HW_ADD:
            if (i == 0 || s->n != 1 || s->tensor->kind != HW_I8) return 0;
            most += 128;
            lo -= 128;
            hi += 127;
            break;
        case HW_STORE:
            if (i == 0 || s->tensor->kind != HW_I8) return 0;
            break;
        case HW_PACK:
            if (i == 0 && g->lines.stages > 1) return 0;
            for (r = 0; own && r < c; r++) {
                hw_widen(&t, (const uint8_t *)s->a.at, s->a.kind, r, 1);
                t = t <= lo ? INT16_MIN : t > hi ? INT16_MAX : x == 2 ? (t + 65536 + 1) / 2 - 32768 : t;
                hw_set_twice(own + 12 * r, t);
            }
            break;
        default: return 0;
        }
        if (most > 32000) return 0;
    }
    return 1;
}

/* The same where stage 0 is given halves of accumulators of -1/+1 products, which are all even. */
HW_FN int hw_stages_of_halves(const hw_gemm *g, hw_in_16 *a, uint8_t *to) {
    return hw_stages_in_16(g, 0, g->win.kh * g->win.kw * g->x->c / 2, 2, a, to);
}
#endif
