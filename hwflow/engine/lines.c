/* Lines of 32-bit accumulators: reading them, writing them, and the stages between.
 *
 * A line is one pixel's channels, padded to HW_LANE. Each stage walks sixteen channels at a time down
 * all the pixels of a tile, so that its constants stay in registers.
 */
#include "engine.h"

/* y[i] = element i of p, as the integer it means. */
HW_INLINE void hw_widen(hw_i32 *y, const uint8_t *p, int kind, int from, int n) {
    int i;
    switch (kind) {
    case HW_BIT:
        for (i = 0; i < n; i++) y[i] = 2 * hw_flag(p, from + i) - 1;
        break;
    case HW_U8:
        for (i = 0; i < n; i++) y[i] = p[from + i];
        break;
    case HW_I8:
        for (i = 0; i < n; i++) y[i] = ((const int8_t *)p)[from + i];
        break;
    case HW_I16:
        for (i = 0; i < n; i++) y[i] = ((const hw_i16 *)(const void *)p)[from + i];
        break;
    default:
        for (i = 0; i < n; i++) y[i] = ((const hw_i32 *)(const void *)p)[from + i];
    }
}

/* The inverse of hw_widen, from element 0. Bits past the last are 0. */
HW_INLINE void hw_narrow(uint8_t *p, const hw_i32 *x, int kind, int n) {
    int i;
    switch (kind) {
    case HW_BIT:
        memset(p, 0, (size_t)(n + 7) / 8);
        for (i = 0; i < n; i++) p[i >> 3] = (uint8_t)(p[i >> 3] | ((x[i] > 0) << (i & 7)));
        break;
    case HW_U8:
    case HW_I8:
        for (i = 0; i < n; i++) p[i] = (uint8_t)x[i];
        break;
    case HW_I16:
        for (i = 0; i < n; i++) ((hw_i16 *)(void *)p)[i] = (int16_t)x[i];
        break;
    default:
        for (i = 0; i < n; i++) ((hw_i32 *)(void *)p)[i] = x[i];
    }
}

/* Sixteen elements of a table from channel `from`; 0 where it has no more. A BIT table gives 0 or -1. */
HW_FN void hw_constants(hw_i32 *y, hw_table t, int row, int from, int channels) {
    int i, n = hw_min(HW_LANE, channels - from);
    for (i = 0; i < HW_LANE; i++) y[i] = 0;
    if (!t.at) return;
    if (t.kind == HW_BIT)
        for (i = 0; i < n; i++) y[i] = -hw_flag(t.at, from + i);
    else
        hw_widen(y, (const uint8_t *)t.at, t.kind, row * channels + from, n);
}

/* One stage over sixteen channels from c of `pixels` lines, the first of them pixel `first` of the image. */
HW_FN void hw_stage_plain_16(const hw_run *run, const hw_stage *s, hw_i32 *x, int first, int pixels, int pitch, int channels, int c) {
    hw_i32 a[HW_LANE], b[HW_LANE], high[HW_LANE];
    const int n = hw_min(HW_LANE, channels - c);
    int p, i, k;
    hw_constants(a, s->a, 0, c, channels);
    hw_constants(b, s->b, 0, c, channels);
    switch (s->what) {
    case HW_TIMES:
        for (p = 0; p < pixels; p++, x += pitch)
            for (i = 0; i < HW_LANE; i++) x[i] = (int32_t)((uint32_t)x[i] * (uint32_t)s->n);
        break;
    case HW_ADD: {
        const int step = hw_bytes(s->tensor->kind, channels);
        const uint8_t *from = hw_read(run, s->tensor) + (size_t)first * (size_t)step;
        for (p = 0; p < pixels; p++, x += pitch, from += step) {
            hw_widen(a, from, s->tensor->kind, c, n);
            for (i = 0; i < n; i++) x[i] += a[i] * s->n;
        }
        break;
    }
    case HW_MOST: {
        const int step = hw_bytes(s->tensor->kind, channels);
        const uint8_t *from = hw_read(run, s->tensor) + (size_t)first * (size_t)step;
        for (p = 0; p < pixels; p++, x += pitch, from += step) {
            hw_widen(a, from, s->tensor->kind, c, n);
            for (i = 0; i < n; i++) x[i] = x[i] > a[i] ? x[i] : a[i];
        }
        break;
    }
    case HW_BY: {
        const int step = hw_bytes(s->tensor->kind, channels);
        const uint8_t *from = hw_read(run, s->tensor) + (size_t)first * (size_t)step;
        for (p = 0; p < pixels; p++, x += pitch, from += step) {
            hw_widen(a, from, s->tensor->kind, c, n);
            for (i = 0; i < n; i++) x[i] *= a[i];
        }
        break;
    }
    case HW_RESCALE:
        for (p = 0; p < pixels; p++, x += pitch)
            for (i = 0; i < HW_LANE; i++) {
                int32_t y = (int32_t)((uint32_t)a[i] * (uint32_t)x[i] + (uint32_t)b[i]) >> s->shift;
                y = y < s->lo ? s->lo : y;
                x[i] = y > s->hi ? s->hi : y;
            }
        break;
    case HW_RESCALE64: /* b has two rows: 16 low bits, then the rest */
        hw_constants(high, s->b, 1, c, channels);
        for (p = 0; p < pixels; p++, x += pitch)
            for (i = 0; i < n; i++) {
                int64_t y = ((int64_t)a[i] * x[i] + b[i] + (int64_t)high[i] * 65536) >> s->shift;
                y = y < s->lo ? s->lo : y;
                x[i] = (int32_t)(y > s->hi ? s->hi : y);
            }
        break;
    case HW_LEVELS:
        for (p = 0; p < pixels; p++, x += pitch) {
            int32_t count[HW_LANE] = {0};
            for (k = 0; k < s->n; k++) {
                hw_constants(a, s->a, k, c, channels);
                for (i = 0; i < HW_LANE; i++) count[i] += x[i] >= a[i];
            }
            for (i = 0; i < HW_LANE; i++) x[i] = s->lo + (b[i] ? s->n - count[i] : count[i]);
        }
        break;
    case HW_SIGNS:
        for (p = 0; p < pixels; p++, x += pitch)
            for (i = 0; i < HW_LANE; i++) x[i] = ((x[i] >= a[i]) ^ (b[i] & 1)) ? 1 : -1;
        break;
    case HW_STORE: {
        const int step = hw_bytes(s->tensor->kind, channels);
        uint8_t *to = hw_at(run, s->tensor) + (size_t)first * (size_t)step + hw_bytes(s->tensor->kind, c);
        for (p = 0; p < pixels; p++, x += pitch, to += step) hw_narrow(to, x, s->tensor->kind, n);
        break;
    }
    default: { /* HW_PACK */
        const int step = hw_bytes(HW_BIT, channels);
        uint8_t *to = hw_at(run, s->tensor) + (size_t)first * (size_t)step + c / 8;
        for (p = 0; p < pixels; p++, x += pitch, to += step) {
            unsigned bits = 0;
            for (i = 0; i < n; i++) bits |= (unsigned)((x[i] >= a[i]) ^ (b[i] & 1)) << i;
            to[0] = (uint8_t)bits;
            if (n > 8) to[1] = (uint8_t)(bits >> 8);
        }
    }
    }
}

/* The same over all channels. */
HW_FN void hw_stage_plain(const hw_run *run, const hw_stage *s, hw_i32 *lines, int first, int pixels, int channels) {
    int c;
    for (c = 0; c < channels; c += HW_LANE) hw_stage_plain_16(run, s, lines + c, first, pixels, hw_up(channels, HW_LANE), channels, c);
}
