/* Steps: one call each, from tensors to tensors, a tile of pixels at a time.
 */
#include "engine.h"

/* Convolution and dense layers without any arranged weights. */
HW_INLINE void hw_gemm_plain(const hw_run *run, const hw_gemm *g) {
    const hw_lines *l = &g->lines;
    const int pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE), per = l->c / g->groups;
    const int taps = g->win.kh * g->win.kw, depth = g->x->c / g->groups;
    const int bytes = g->kind == HW_BIT ? taps * hw_bytes(HW_BIT, depth) : taps * depth * hw_size(g->kind);
    uint8_t *row = run->rows, *mask = run->rows + hw_up(bytes, HW_ALIGN);
    int first, p, q, r;
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        for (p = 0; p < n; p++) {
            const int oy = (first + p) / l->w, ox = (first + p) % l->w;
            const int inside = hw_inside(&g->win, g->x, oy, ox);
            hw_i32 *line = run->line + p * pitch;
            for (q = 0; q < g->groups; q++) {
                if (g->kind == HW_BIT) {
                    const int counts = hw_gather_bits(run, g, q, oy, ox, row, inside ? (uint8_t *)0 : mask);
                    const uint8_t *w = (const uint8_t *)g->weights.at + (size_t)(q * per) * (size_t)bytes;
                    for (r = q * per; r < (q + 1) * per; r++, w += bytes)
                        line[r] = 2 * (inside ? hw_equal_bits(row, w, bytes) : hw_equal_bits_masked(row, w, mask, bytes)) - counts;
                } else {
                    const int cols = taps * depth;
                    hw_gather_values(run, g, q, oy, ox, row);
                    for (r = q * per; r < (q + 1) * per; r++)
                        line[r] = g->kind == HW_I16 ? hw_dot16((const hw_i16 *)(const void *)row, g->weights, (size_t)r * (size_t)cols, cols)
                                                    : hw_dot32((const hw_i32 *)(const void *)row, g->weights, (size_t)r * (size_t)cols, cols);
                }
            }
        }
        hw_stages_run(run, l, first, n);
    }
}

HW_INLINE void hw_depthwise_body(const hw_run *run, const hw_depthwise *d) {
    const hw_lines *l = &d->lines;
    const hw_window *w = &d->win;
    const hw_tensor *x = d->x;
    const int pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE), step = hw_bytes(x->kind, x->c);
    const uint8_t *from = hw_read(run, x);
    hw_i32 a[HW_LANE], b[HW_LANE];
    int first, p, i, j, c, k;
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        for (p = 0; p < n; p++) {
            const int y0 = (first + p) / l->w * w->sh - w->top, x0 = (first + p) % l->w * w->sw - w->left;
            hw_i32 *line = run->line + p * pitch;
            memset(line, 0, (size_t)pitch * sizeof *line);
            for (i = 0; i < w->kh; i++)
                for (j = 0; j < w->kw; j++) {
                    const int y = y0 + i * w->dh, z = x0 + j * w->dw;
                    const int inside = y >= 0 && y < x->h && z >= 0 && z < x->w;
                    const uint8_t *at = from + (inside ? ((size_t)y * (size_t)x->w + (size_t)z) * (size_t)step : 0);
                    for (c = 0; c < l->c; c += HW_LANE) {
                        const int m = hw_min(HW_LANE, l->c - c);
                        if (inside) hw_widen(a, at, x->kind, c, m);
                        else hw_widen(a, (const uint8_t *)d->pad.at, d->pad.kind, c, m);
                        hw_widen(b, (const uint8_t *)d->weights.at, d->weights.kind, (i * w->kw + j) * l->c + c, m);
                        for (k = 0; k < m; k++) line[c + k] = (int32_t)((uint32_t)line[c + k] + (uint32_t)a[k] * (uint32_t)b[k]);
                    }
                }
        }
        hw_stages_run(run, l, first, n);
    }
}

/* Sum or maximum of the taps inside the image; the minimum is the maximum of what is negated bit by bit. */
HW_INLINE void hw_pool_body(const hw_run *run, const hw_pool *d) {
    const hw_lines *l = &d->lines;
    const hw_window *w = &d->win;
    const hw_tensor *x = d->x;
    const int pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE), step = hw_bytes(x->kind, x->c);
    const uint8_t *from = hw_read(run, x);
    hw_i32 a[HW_LANE], flip[HW_LANE], best[HW_LANE];
    int first, p, i, j, c, k;
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        for (p = 0; p < n; p++) {
            const int y0 = (first + p) / l->w * w->sh - w->top, x0 = (first + p) % l->w * w->sw - w->left;
            for (c = 0; c < l->c; c += HW_LANE) {
                const int m = hw_min(HW_LANE, l->c - c);
#if defined(HW_X86)
                if (run->path >= HW_PATH_AVX2 && m == HW_LANE) {
                    hw_pool16_avx2(d, from, y0, x0, c, run->line + p * pitch + c);
                    continue;
                }
#endif
                hw_constants(flip, d->minimum, 0, c, l->c);
                for (k = 0; k < HW_LANE; k++) best[k] = d->what == HW_SUM ? 0 : INT32_MIN;
                for (i = 0; i < w->kh; i++)
                    for (j = 0; j < w->kw; j++) {
                        const int y = y0 + i * w->dh, z = x0 + j * w->dw;
                        if (y < 0 || y >= x->h || z < 0 || z >= x->w) continue;
                        hw_widen(a, from + ((size_t)y * (size_t)x->w + (size_t)z) * (size_t)step, x->kind, c, m);
                        if (d->what == HW_SUM)
                            for (k = 0; k < m; k++) best[k] += a[k];
                        else
                            for (k = 0; k < m; k++) best[k] = best[k] > (a[k] ^ flip[k]) ? best[k] : (a[k] ^ flip[k]);
                    }
                for (k = 0; k < m; k++) run->line[p * pitch + c + k] = best[k] ^ flip[k];
            }
        }
        hw_stages_run(run, l, first, n);
    }
}

/* Maximum of -1/+1 data in its packed form: OR, or AND where `minimum`. */
HW_FN void hw_pool_bits(const hw_run *run, const hw_pool *d, const hw_tensor *to) {
    const hw_window *w = &d->win;
    const hw_tensor *x = d->x;
    const int step = hw_bytes(HW_BIT, x->c);
    const uint8_t *from = hw_read(run, x), *flip = (const uint8_t *)d->minimum.at;
    uint8_t *out = hw_at(run, to);
    int oy, ox, i, j, b;
    for (oy = 0; oy < to->h; oy++)
        for (ox = 0; ox < to->w; ox++, out += step) {
            const int y0 = oy * w->sh - w->top, x0 = ox * w->sw - w->left;
            memset(out, 0, (size_t)step);
            for (i = 0; i < w->kh; i++)
                for (j = 0; j < w->kw; j++) {
                    const int y = y0 + i * w->dh, z = x0 + j * w->dw;
                    const uint8_t *in;
                    if (y < 0 || y >= x->h || z < 0 || z >= x->w) continue;
                    in = from + ((size_t)y * (size_t)x->w + (size_t)z) * (size_t)step;
                    for (b = 0; b + 8 <= step; b += 8) hw_set_word(out + b, hw_word(out + b) | (hw_word(in + b) ^ hw_word(flip + b)));
                    for (; b < step; b++) out[b] = (uint8_t)(out[b] | (in[b] ^ flip[b]));
                }
            for (b = 0; b + 8 <= step; b += 8) hw_set_word(out + b, hw_word(out + b) ^ hw_word(flip + b));
            for (; b < step; b++) out[b] = (uint8_t)(out[b] ^ flip[b]);
        }
}

/* Whether a join only moves, thins or fills up the channels of one image, in the kind it has. */
HW_INLINE int hw_moves(const hw_join *d) {
    const hw_stage *s = d->lines.stage;
    const hw_tensor *x = d->part[0].x;
    return d->parts == 1 && d->part[0].scale == 1 && d->lines.stages == 1 && s->what == HW_STORE && s->tensor->kind == x->kind && x->kind != HW_BIT &&
           d->uh == 1 && d->uw == 1;
}

HW_INLINE void hw_move(const hw_run *run, const hw_join *d) {
    const hw_lines *l = &d->lines;
    const hw_tensor *x = d->part[0].x;
    const size_t from_step = (size_t)hw_bytes(x->kind, x->c), step = (size_t)hw_bytes(x->kind, l->c);
    const uint8_t *from = hw_read(run, x);
    uint8_t *to = hw_at(run, l->stage[0].tensor);
    int y, z;
    size_t k;
    memset(to, 0, (size_t)(l->h * l->w) * step);
    to += d->part[0].offset * hw_size(x->kind);
    for (y = -d->top; y < l->h * d->sh - d->top; y += d->sh)
        for (z = -d->left; z < l->w * d->sw - d->left; z += d->sw, to += step) {
            const uint8_t *own = from + (size_t)(y * x->w + z) * from_step;
            if (y < 0 || z < 0 || y >= x->h || z >= x->w) continue;
            for (k = 0; k + 16 <= from_step; k += 16) memcpy(to + k, own + k, 16);
            for (; k < from_step; k++) to[k] = own[k];
        }
}

HW_INLINE void hw_join_body(const hw_run *run, const hw_join *d) {
    const hw_lines *l = &d->lines;
    const int pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE);
    int first, p, i, k;
    if (hw_moves(d)) {
        hw_move(run, d);
        return;
    }
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        for (p = 0; p < n; p++) {
            const int y = (first + p) / l->w * d->sh - d->top, z = (first + p) % l->w * d->sw - d->left;
            hw_i32 *line = run->line + p * pitch;
            memset(line, 0, (size_t)pitch * sizeof *line);
            for (i = 0; i < d->parts; i++) {
                const hw_tensor *x = d->part[i].x;
                const size_t step = (size_t)hw_bytes(x->kind, x->c);
                hw_i32 *to = line + d->part[i].offset;
                if (y < 0 || z < 0 || y >= x->h * d->uh || z >= x->w * d->uw) continue;
                hw_widen(to, hw_read(run, x) + ((size_t)(y / d->uh) * (size_t)x->w + (size_t)(z / d->uw)) * step, x->kind, 0, x->c);
                if (d->part[i].scale != 1)
                    for (k = 0; k < x->c; k++) to[k] *= d->part[i].scale;
            }
        }
        hw_stages_run(run, l, first, n);
    }
}

/* Indices of the k largest of the c channels of each pixel, largest first; of equal ones the lowest. */
HW_FN void hw_top(const hw_run *run, const hw_tensor *x, const hw_tensor *to, int k) {
    const uint8_t *from = hw_read(run, x);
    hw_i32 *out = (hw_i32 *)(void *)hw_at(run, to);
    hw_i32 v, last = 0;
    int p, i, rank, best;
    for (p = 0; p < x->h * x->w; p++, from += hw_bytes(x->kind, x->c), out += k)
        for (rank = 0; rank < k; rank++) {
            hw_i32 most = INT32_MIN;
            best = -1;
            for (i = 0; i < x->c; i++) {
                hw_widen(&v, from, x->kind, i, 1);
                /* after the one before it: smaller, or equal with a higher index */
                if (rank && (v > last || (v == last && i <= out[rank - 1]))) continue;
                if (best < 0 || v > most) most = v, best = i;
            }
            out[rank] = best;
            last = most;
        }
}
