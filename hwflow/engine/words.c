/* XNOR-popcount with a popcount instruction: gathered rows of whole words against rows or blocks of weights.
 *
 * Spare bits are 0 in the data and 1 in the weights, so they never agree. What lies outside the image is gathered
 * as -1; where it must not count, the agreements it made (the zeros of its weights) are taken off again.
 */
#include "engine.h"

/* Agreements of n gathered rows with `rows` rows of weights, each `bytes` long (a multiple of HW_WORDS). */
typedef void hw_count_fn(const uint8_t *x, int n, const uint8_t *w, int bytes, hw_i32 *to, int pitch, int rows);

enum { HW_WORDS = 16, HW_ROWS = 16 }; /* rows come in blocks of HW_ROWS, so that a block of lanes may be filled up */

HW_INLINE int hw_words_bytes(const hw_gemm *g) { return hw_up(g->win.kh * g->win.kw * hw_bytes(HW_BIT, g->x->c / g->groups), HW_WORDS); }

/* Whether zeros have to be taken off at the border. */
HW_INLINE int hw_words_border(const hw_gemm *g) { return g->pad_counts == 0; }

HW_FN int hw_fast_words(const hw_gemm *g) { return g->kind == HW_BIT && g->pad_counts >= 0; }

/* Zeros of each tap of each row, then the weights row by row. */
HW_FN size_t hw_arrange_words(const hw_gemm *g, uint8_t *to) {
    const int depth = g->x->c / g->groups, tap = hw_bytes(HW_BIT, depth), taps = g->win.kh * g->win.kw, all = tap * taps;
    const int bytes = hw_words_bytes(g), per = g->lines.c / g->groups, up = hw_up(per, HW_ROWS);
    const size_t zeros = hw_words_border(g) ? (size_t)hw_up(g->lines.c, HW_LANE) * (size_t)taps * 4 : 0;
    const uint8_t *from = (const uint8_t *)g->weights.at;
    int q, r, k, t;
    if (!hw_fast_words(g)) return 0;
    for (q = 0; to && q < g->groups; q++)
        for (r = 0; r < up; r++) {
            const uint8_t *row = from + (size_t)(q * per + r) * (size_t)all;
            for (k = 0; k < bytes; k++) to[zeros + (size_t)(q * up + r) * (size_t)bytes + (size_t)k] = r < per && k < all ? row[k] : 255;
            for (t = 0; zeros && r < per && t < taps; t++) {
                int n = 0;
                for (k = 0; k < tap; k++) n += 8 - hw_popcount(row[t * tap + k]);
                ((hw_i32 *)(void *)to)[t * hw_up(g->lines.c, HW_LANE) + q * per + r] = n;
            }
        }
    return zeros + (size_t)(g->groups * up) * (size_t)bytes;
}

HW_INLINE void hw_gemm_words(const hw_run *run, const hw_gemm *g, hw_count_fn *count) {
    const hw_lines *l = &g->lines;
    const hw_window *v = &g->win;
    const int pixels = l->h * l->w, pitch = hw_up(l->c, HW_LANE), per = l->c / g->groups, up = hw_up(per, HW_ROWS), taps = v->kh * v->kw;
    const int bytes = hw_words_bytes(g), all = taps * hw_bytes(HW_BIT, g->x->c / g->groups);
    const uint8_t *arranged = hw_own_weights(run, g);
    const hw_i32 *zeros = (const hw_i32 *)(const void *)arranged;
    const uint8_t *weights = arranged + (hw_words_border(g) ? (size_t)pitch * (size_t)taps * 4 : 0);
    int counts[HW_TILE];
    int first, p, q, r, i, j;
    for (first = 0; first < pixels; first += HW_TILE) {
        const int n = hw_min(HW_TILE, pixels - first);
        for (q = 0; q < g->groups; q++) {
            for (p = 0; p < n; p++) {
                uint8_t *row = run->rows + (size_t)p * (size_t)bytes;
                counts[p] = hw_gather_bits(run, g, q, (first + p) / l->w, (first + p) % l->w, row, (uint8_t *)0);
                memset(row + all, 0, (size_t)(bytes - all));
            }
            count(run->rows, n, weights + (size_t)q * (size_t)up * (size_t)bytes, bytes, run->line + q * per, pitch, per);
        }
        for (p = 0; p < n; p++) {
            const int oy = (first + p) / l->w * v->sh - v->top, ox = (first + p) % l->w * v->sw - v->left;
            hw_i32 *line = run->line + (size_t)p * (size_t)pitch;
            if (hw_words_border(g) && !hw_inside(v, g->x, (first + p) / l->w, (first + p) % l->w))
                for (i = 0; i < v->kh; i++)
                    for (j = 0; j < v->kw; j++) {
                        const int y = oy + i * v->dh, x = ox + j * v->dw;
                        const hw_i32 *own = zeros + (size_t)(i * v->kw + j) * (size_t)pitch;
                        if (y >= 0 && y < g->x->h && x >= 0 && x < g->x->w) continue;
                        for (r = 0; r < l->c; r++) line[r] -= own[r];
                    }
            for (r = 0; r < l->c; r++) line[r] = 2 * line[r] - counts[p];
        }
        hw_stages_run(run, l, first, n);
    }
}
