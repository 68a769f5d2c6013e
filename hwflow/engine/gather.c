/* Gathering: the window of one output pixel as one contiguous row.
 */
#include "engine.h"

/* Elements from..from+n of p as 16- or 32-bit integers, or as bytes: unsigned ones as they are, signed ones plus 128. */
HW_INLINE void hw_convert(uint8_t *y, int to, const uint8_t *p, int kind, int from, int n) {
    int i;
    if (to == HW_I32) {
        hw_widen((hw_i32 *)(void *)y, p, kind, from, n);
    } else if (to == HW_I16) {
        hw_i16 *out = (hw_i16 *)(void *)y;
        switch (kind) {
        case HW_BIT:
            for (i = 0; i < n; i++) out[i] = (int16_t)(2 * hw_flag(p, from + i) - 1);
            break;
        case HW_U8:
            for (i = 0; i < n; i++) out[i] = p[from + i];
            break;
        case HW_I8:
            for (i = 0; i < n; i++) out[i] = ((const int8_t *)p)[from + i];
            break;
        default:
            for (i = 0; i < n; i++) out[i] = ((const hw_i16 *)(const void *)p)[from + i];
        }
    } else {
        switch (kind) {
        case HW_BIT:
            for (i = 0; i < n; i++) y[i] = (uint8_t)(127 + 2 * hw_flag(p, from + i));
            break;
        case HW_U8:
            for (i = 0; i < n; i++) y[i] = p[from + i];
            break;
        default:
            for (i = 0; i < n; i++) y[i] = p[from + i] ^ 128;
        }
    }
}

/* The padding's own values as a row's elements. */
HW_INLINE void hw_outside(uint8_t *y, int to, hw_table pad, int from, int n, int offset) {
    hw_i32 v[HW_LANE];
    int i, c;
    for (c = 0; c < n; c += HW_LANE) {
        const int m = hw_min(HW_LANE, n - c);
        hw_widen(v, (const uint8_t *)pad.at, pad.kind, from + c, m);
        for (i = 0; i < m; i++) {
            if (to == HW_I32) ((hw_i32 *)(void *)y)[c + i] = v[i];
            else if (to == HW_I16) ((hw_i16 *)(void *)y)[c + i] = (int16_t)v[i];
            else y[c + i] = (uint8_t)(v[i] + offset);
        }
    }
}

/* True where the whole window of output pixel (oy, ox) lies inside the image. */
HW_INLINE int hw_inside(const hw_window *w, const hw_tensor *x, int oy, int ox) {
    const int y = oy * w->sh - w->top, z = ox * w->sw - w->left;
    return y >= 0 && z >= 0 && y + (w->kh - 1) * w->dh < x->h && z + (w->kw - 1) * w->dw < x->w;
}

/* Bits of one window, tap by tap in whole bytes; `mask` (or null) is 1 where a bit counts. Returns how many count. */
HW_INLINE int hw_gather_bits(const hw_run *run, const hw_gemm *g, int group, int oy, int ox, uint8_t *row, uint8_t *mask) {
    const hw_window *w = &g->win;
    const hw_tensor *x = g->x;
    const uint8_t *from = hw_read(run, x);
    const int step = hw_bytes(HW_BIT, x->c), depth = x->c / g->groups, bytes = hw_bytes(HW_BIT, depth);
    const int y0 = oy * w->sh - w->top, x0 = ox * w->sw - w->left;
    const uint8_t *pad = (const uint8_t *)g->pad.at + 2 * group * bytes;
    int i, j, counts = 0, pads = g->pad_counts;
    if (pads < 0)
        for (i = pads = 0; i < bytes; i++) pads += hw_popcount(pad[bytes + i]);
    for (i = 0; i < w->kh; i++) {
        const int y = y0 + i * w->dh;
        for (j = 0; j < w->kw; j++, row += bytes) {
            const int z = x0 + j * w->dw;
            const int inside = y >= 0 && y < x->h && z >= 0 && z < x->w;
            memcpy(row, inside ? from + ((size_t)y * (size_t)x->w + (size_t)z) * (size_t)step + group * bytes : pad, (size_t)bytes);
            counts += inside ? depth : pads;
            if (mask) {
                if (inside) memset(mask, 255, (size_t)bytes);
                else memcpy(mask, pad + bytes, (size_t)bytes);
                mask += bytes;
            }
        }
    }
    return counts;
}

/* Values of one window as 16- or 32-bit integers. Taps side by side in a raster are copied together. */
HW_INLINE void hw_gather_values_as(const hw_run *run, const hw_gemm *g, int to, int group, int oy, int ox, uint8_t *row) {
    const hw_window *w = &g->win;
    const hw_tensor *x = g->x;
    const uint8_t *from = hw_read(run, x);
    const int step = hw_bytes(x->kind, x->c), depth = x->c / g->groups, bytes = depth * hw_size(to);
    const int y0 = oy * w->sh - w->top, x0 = ox * w->sw - w->left, whole = w->dw == 1 && g->groups == 1 && (x->kind != HW_BIT || depth % 8 == 0);
    int i, j;
    for (i = 0; i < w->kh; i++) {
        const int y = y0 + i * w->dh;
        if (whole && y >= 0 && y < x->h && x0 >= 0 && x0 + w->kw <= x->w) {
            hw_convert(row, to, from + ((size_t)y * (size_t)x->w + (size_t)x0) * (size_t)step, x->kind, 0, w->kw * depth);
            row += w->kw * bytes;
            continue;
        }
        for (j = 0; j < w->kw; j++, row += bytes) {
            const int z = x0 + j * w->dw;
            if (y >= 0 && y < x->h && z >= 0 && z < x->w)
                hw_convert(row, to, from + ((size_t)y * (size_t)x->w + (size_t)z) * (size_t)step, x->kind, group * depth, depth);
            else
                hw_outside(row, to, g->pad, group * depth, depth, 0);
        }
    }
}

HW_FN void hw_gather_values(const hw_run *run, const hw_gemm *g, int group, int oy, int ox, uint8_t *row) {
    if (g->kind == HW_I32) hw_gather_values_as(run, g, HW_I32, group, oy, ox, row);
    else hw_gather_values_as(run, g, HW_I16, group, oy, ox, row);
}
