/* memcpy and memset for targets without a C library: one byte at a time, and never turned into calls of themselves.
 */
#include <stddef.h>

#if defined(__clang__)
#define HW_AS_IT_IS __attribute__((no_builtin("memcpy", "memset"), used))
#else
#define HW_AS_IT_IS __attribute__((optimize("no-tree-loop-distribute-patterns"), used))
#endif

#ifdef __cplusplus
extern "C" {
#endif

HW_AS_IT_IS void *memcpy(void *to, const void *from, size_t n) {
    unsigned char *y = (unsigned char *)to;
    const unsigned char *x = (const unsigned char *)from;
    while (n--) *y++ = *x++;
    return to;
}

HW_AS_IT_IS void *memset(void *to, int value, size_t n) {
    unsigned char *y = (unsigned char *)to;
    while (n--) *y++ = (unsigned char)value;
    return to;
}

#ifdef __cplusplus
}
#endif
