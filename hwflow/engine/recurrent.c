/* A recurrent network: pixel by pixel, the sums of its input and of the state become the next state.
 */
#include "engine.h"

HW_FN void hw_run_recurrent(const hw_run *run, const hw_recurrent *d) {
    const hw_lines *l = &d->lines;
    const hw_tensor *x = d->x;
    const int steps = x->h * x->w, n = l->c;
    const size_t step = (size_t)hw_bytes(x->kind, x->c);
    const uint8_t *from = hw_read(run, x), *mask = d->mask ? hw_read(run, d->mask) : NULL;
    hw_i32 *h = (hw_i32 *)(void *)run->rows, *next = h + n, sums[2], limit, live = 1;
    int t, s, k, r;
    hw_widen(h, (const uint8_t *)d->start.at, d->start.kind, 0, n);
    for (t = 0; t < steps; t++, from += step) {
        if (mask) hw_widen(&live, mask + (size_t)t * (size_t)hw_bytes(d->mask->kind, 1), d->mask->kind, 0, 1);
        for (s = 0; live > 0 && s < n; s++) {
            for (r = 0; r < d->rows; r++) {
                const int row = s * d->rows + r;
                hw_widen(sums + r, from, x->kind, row, 1);
                sums[r] = (hw_i32)((uint32_t)sums[r] + (uint32_t)hw_dot32(h, d->weights, (size_t)row * (size_t)n, n));
            }
            next[s] = h[s];
            if (d->rows == 2) {
                hw_widen(&limit, (const uint8_t *)d->gates.at, d->gates.kind, s, 1);
                if (sums[1] < limit) continue;
            }
            next[s] = d->base;
            for (k = 0; k < d->levels; k++) {
                hw_widen(&limit, (const uint8_t *)d->limits.at, d->limits.kind, s * d->levels + k, 1);
                if (sums[0] >= limit) next[s] += d->by;
            }
        }
        if (live > 0) memcpy(h, next, (size_t)n * sizeof *h);
        if (d->every || t == steps - 1) {
            memcpy(run->line, h, (size_t)n * sizeof *h);
            hw_stages_run(run, l, d->every ? t : 0, 1);
        }
    }
}
