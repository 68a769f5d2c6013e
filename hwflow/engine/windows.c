/* Windows without gathering: an image with its border in scratch memory, and the runs of bytes a window is made of.
 */
#include "engine.h"

enum { HW_SEGMENTS = 32 }; /* runs of one window; more make a layer take the plain path */

/* `count` runs of `bytes`, `at` bytes from a window's corner. */
typedef struct {
    int count, bytes;
    size_t at[HW_SEGMENTS];
} hw_runs;

/* How many runs a window has: kernel rows where taps lie side by side, else taps. */
HW_INLINE int hw_run_count(const hw_gemm *g) { return g->win.kh * (g->win.dw == 1 && g->groups == 1 ? 1 : g->win.kw); }

/* The runs of a window in an image of `w` pixels a row, `pixel` bytes each, a group's own `part` of them. */
HW_INLINE hw_runs hw_window_runs(const hw_gemm *g, size_t w, size_t pixel, size_t part) {
    const hw_window *v = &g->win;
    const int whole = v->dw == 1 && g->groups == 1;
    hw_runs runs;
    int i, j;
    runs.count = 0;
    runs.bytes = (int)part * (whole ? v->kw : 1);
    for (i = 0; i < v->kh; i++)
        for (j = 0; j < (whole ? 1 : v->kw); j++) runs.at[runs.count++] = (size_t)(i * v->dh) * w * pixel + (size_t)(j * v->dw) * pixel;
    return runs;
}

/* Rows and columns of an image with its border: as many as the windows reach. */
HW_INLINE int hw_reach(int out, int stride, int kernel, int dilation) { return (out - 1) * stride + (kernel - 1) * dilation + 1; }

/* Where column x of an image with its border lies in a row of a plane: columns that are a stride apart are neighbours. */
HW_INLINE int hw_column(int x, int stride, int w) { return stride == 1 ? x : x % stride * ((w + stride - 1) / stride) + x / stride; }
HW_INLINE int hw_plane_row(const hw_gemm *g, int w) { return hw_up(w, g->win.sw); }

/* Taps of the window of output row or column `at` that lie inside an image of `size`. */
HW_INLINE int hw_taps_inside(int at, int stride, int before, int kernel, int dilation, int size) {
    int i, n = 0;
    for (i = 0; i < kernel; i++) {
        const int y = at * stride - before + i * dilation;
        n += y >= 0 && y < size;
    }
    return n;
}

/* Where the windows of n output pixels begin, and how many taps of each lie inside. */
HW_INLINE void hw_corners(const hw_gemm *g, const uint8_t *image, size_t w, size_t pixel, int first, int n, const uint8_t **corner, int *taps) {
    const hw_window *v = &g->win;
    int p, oy = first / g->lines.w, ox = first % g->lines.w, ty = -1;
    for (p = 0; p < n; p++) {
        const int y = oy * v->sh, x = ox * v->sw;
        if (ty < 0) ty = hw_taps_inside(oy, v->sh, v->top, v->kh, v->dh, g->x->h);
        taps[p] = ty * (x >= v->left && x - v->left + (v->kw - 1) * v->dw < g->x->w ? v->kw : hw_taps_inside(ox, v->sw, v->left, v->kw, v->dw, g->x->w));
        corner[p] = image + ((size_t)y * w + (size_t)x) * pixel;
        if (++ox == g->lines.w) ox = 0, oy++, ty = -1;
    }
}
