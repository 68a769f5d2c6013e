/* Processor paths: which there are, which is in use.
 */
#include "engine.h"

enum { HW_PATH_UNKNOWN, HW_PATH_PLAIN, HW_PATH_NEON, HW_PATH_AVX2, HW_PATH_AVX512, HW_PATHS };

/* Whether there is more than the plain path, so that weights are arranged for the one in use. */
#if defined(HW_X86) || defined(HW_NEON)
#define HW_PATHS_DIFFER 1
#else
#define HW_PATHS_DIFFER 0
#endif

static int hw_path_in_use = HW_PATH_UNKNOWN; /* for the next weights to be arranged; a run follows its weights */

HW_FN const char *hw_path_name(int path) {
    return path == HW_PATH_NEON ? "neon" : path == HW_PATH_AVX2 ? "avx2" : path == HW_PATH_AVX512 ? "avx512" : "plain";
}

/* True where this build and this processor have a path. */
HW_FN int hw_has(int path) {
    switch (path) {
    case HW_PATH_PLAIN: return 1;
#if defined(HW_X86)
    case HW_PATH_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
#if defined(HW_EMULATE_AVX512)
    case HW_PATH_AVX512: return 1;
#else
    case HW_PATH_AVX512:
        return hw_has(HW_PATH_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq") &&
               __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vbmi");
#endif
#elif defined(HW_NEON)
    case HW_PATH_NEON: return 1;
#endif
    default: return 0;
    }
}

HW_FN int hw_path(void) {
    if (hw_path_in_use == HW_PATH_UNKNOWN) {
        int path = HW_PATHS - 1;
        while (!hw_has(path)) path--;
        hw_path_in_use = path;
    }
    return hw_path_in_use;
}

HW_FN int hw_choose(const char *name) {
    int path;
    if (!name) {
        hw_path_in_use = HW_PATH_UNKNOWN;
        return 1;
    }
    for (path = HW_PATH_PLAIN; path < HW_PATHS; path++) {
        const char *a = hw_path_name(path), *b = name;
        while (*a && *a == *b) a++, b++;
        if (*a == *b && hw_has(path) && (path == HW_PATH_PLAIN || hw_path_name(path)[0] != 'p')) {
            hw_path_in_use = path;
            return 1;
        }
    }
    return 0;
}

#if defined(HW_X86)
#if !defined(__clang__) /* g++ 12 warns of what its own header leaves undefined */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#define HW_AVX2 __attribute__((target("avx2,popcnt")))
#if defined(HW_EMULATE_AVX512) /* by other instructions, included before this: for machines without */
#define HW_AVX512 HW_AVX2
#else
#define HW_AVX512 __attribute__((target("avx2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx512bitalg,avx512vbmi")))
#endif
#endif
