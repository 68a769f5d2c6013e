/* Each step once for every processor path.
 */
#include "engine.h"

#if defined(HW_X86)
#define HW_VERSIONS(name, body, type)                                                               \
    HW_FN void name##_plain(const hw_run *run, const type *step) { body(run, step); }               \
    HW_AVX2 HW_FN void name##_avx2(const hw_run *run, const type *step) { body(run, step); }        \
    HW_FN void name(const hw_run *run, const type *step) {                                          \
        if (run->path >= HW_PATH_AVX2) name##_avx2(run, step);                                      \
        else name##_plain(run, step);                                                               \
    }
#else
#define HW_VERSIONS(name, body, type) \
    HW_FN void name(const hw_run *run, const type *step) { body(run, step); }
#endif

HW_VERSIONS(hw_run_depthwise, hw_depthwise_body, hw_depthwise)
HW_VERSIONS(hw_run_join, hw_join_body, hw_join)

HW_FN void hw_run_pool(const hw_run *run, const hw_pool *d) { hw_pool_body(run, d); }

HW_FN void hw_run_gemm(const hw_run *run, const hw_gemm *g) {
#if defined(HW_X86)
    if (run->path == HW_PATH_AVX512 && hw_fast_512(g)) {
        const uint8_t *arranged = hw_own_weights(run, g);
        size_t way;
        memcpy(&way, arranged, sizeof way);
        (way == HW_BY_PIXELS ? hw_gemm_pixels : way == HW_BY_BYTES ? hw_gemm_bytes : hw_gemm_512)(run, g, arranged);
        return;
    }
    if (run->path == HW_PATH_AVX2 && hw_fast_bits(g)) {
        const uint8_t *arranged = hw_own_weights(run, g);
        size_t way;
        memcpy(&way, arranged, sizeof way);
        (way == HW_BY_PIXELS ? hw_gemm_pixels_2 : hw_gemm_bits_avx2)(run, g, arranged);
        return;
    }
    if (run->path == HW_PATH_AVX2 && hw_by_subsets(g)) {
        hw_gemm_subsets(run, g);
        return;
    }
    if (run->path == HW_PATH_AVX2 && hw_fast_values(g)) {
        hw_gemm_values_avx2(run, g);
        return;
    }
#elif defined(HW_NEON)
    if (run->path == HW_PATH_NEON && hw_by_pixels_neon(g)) {
        hw_gemm_pixels_neon(run, g);
        return;
    }
    if (run->path == HW_PATH_NEON && hw_fast_words(g)) {
        hw_gemm_bits_neon(run, g);
        return;
    }
    if (run->path == HW_PATH_NEON && hw_fast_values_neon(g)) {
        hw_gemm_values_neon(run, g);
        return;
    }
#endif
    hw_gemm_plain(run, g);
}

/* Bytes of one layer's weights for the path in use; writes them where `to` is given. */
HW_FN size_t hw_arrange_one(const hw_gemm *g, uint8_t *to) {
    switch (hw_path()) {
#if defined(HW_X86)
    case HW_PATH_AVX512: {
        const size_t pixels = hw_arrange_pixels(g, to), bytes = pixels ? pixels : hw_arrange_bytes(g, to);
        return bytes ? bytes : hw_arrange_512(g, to);
    }
    case HW_PATH_AVX2: {
        const size_t subsets = hw_arrange_subsets(g, to), bytes = subsets ? subsets : hw_arrange_pixels_2(g, to);
        return bytes ? bytes : g->kind == HW_BIT ? hw_arrange_bits_avx2(g, to) : hw_arrange_values_avx2(g, to);
    }
#endif
#if defined(HW_NEON)
    case HW_PATH_NEON:
        if (hw_by_pixels_neon(g)) return hw_arrange_pixels_neon(g, to);
        return g->kind == HW_BIT ? hw_arrange_words(g, to) : hw_arrange_values_neon(g, to);
#endif
    default: (void)g; (void)to; return 0; /* this path reads the weights as they are stored */
    }
}

/* Bytes of all arranged weights behind the path they are for and a list of where each begins; writes them where `to` is given. */
HW_FN size_t hw_arrange(const hw_gemm *const *gemms, uint8_t *to) {
    size_t n = 0, at;
    if (!HW_PATHS_DIFFER) return 0;
    if (to) ((hw_u64 *)(void *)to)[0] = (hw_u64)hw_path();
    while (gemms[n]) n++;
    at = ((n + 1) * 8 + HW_ALIGN - 1) / HW_ALIGN * HW_ALIGN;
    for (n = 0; gemms[n]; n++) {
        if (to) ((hw_u64 *)(void *)to)[n + 1] = at;
        at += hw_arrange_one(gemms[n], to ? to + at : to);
        at = (at + HW_ALIGN - 1) / HW_ALIGN * HW_ALIGN;
    }
    return at;
}
