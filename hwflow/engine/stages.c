/* All the stages of a tile, for the path in use.
 */
#include "engine.h"

HW_FN void hw_stages_run(const hw_run *run, const hw_lines *l, int first, int pixels) {
    void (*f)(const hw_run *, const hw_stage *, hw_i32 *, int, int, int) = hw_stage_plain;
    int i;
#if defined(HW_X86)
    if (run->path == HW_PATH_AVX512) {
        hw_stages_512(run, l, first, pixels);
        return;
    }
    if (run->path >= HW_PATH_AVX2) f = hw_stage_avx2;
#endif
    for (i = 0; i < l->stages; i++) f(run, l->stage + i, run->line, first, pixels, l->c);
}
