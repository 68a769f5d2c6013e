/* Inner products in plain C: the meaning that every faster path must equal, and all a microcontroller needs.
 */
#include "engine.h"

HW_INLINE int hw_popcount(uint64_t x) {
#if defined(__GNUC__) && (defined(__POPCNT__) || defined(__aarch64__) || defined(__wasm__))
    return __builtin_popcountll(x);
#else
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int)((x * 0x0101010101010101u) >> 56);
#endif
}

HW_INLINE uint64_t hw_word(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

HW_INLINE void hw_set_word(uint8_t *p, uint64_t x) { memcpy(p, &x, 8); }

HW_INLINE uint64_t hw_part_word(const uint8_t *p, int bytes) {
    uint64_t x = 0;
    int i;
    for (i = 0; i < bytes; i++) x |= (uint64_t)p[i] << (8 * i);
    return x;
}

/* How many of the bits of x and w are equal. */
HW_INLINE int hw_equal_bits(const uint8_t *x, const uint8_t *w, int bytes) {
    int i, n = 0;
    for (i = 0; i + 8 <= bytes; i += 8) n += hw_popcount(~(hw_word(x + i) ^ hw_word(w + i)));
    if (i < bytes) n += hw_popcount(~(hw_part_word(x + i, bytes - i) ^ hw_part_word(w + i, bytes - i))) - 8 * (8 - bytes + i);
    return n;
}

/* The same where the mask has a 1. */
HW_INLINE int hw_equal_bits_masked(const uint8_t *x, const uint8_t *w, const uint8_t *mask, int bytes) {
    int i, n = 0;
    for (i = 0; i < bytes; i++) n += hw_popcount((uint64_t)(uint8_t)(~(x[i] ^ w[i]) & mask[i]));
    return n;
}

/* Sum of x[i] * w[first + i] with weights of any kind; the sum wraps, the final one never needs to. */
#define HW_DOT(name, type)                                                                     \
    HW_INLINE int32_t name(const type *x, hw_table w, size_t first, int n) {                   \
        uint32_t sum = 0;                                                                      \
        int i;                                                                                 \
        switch (w.kind) {                                                                      \
        case HW_BIT:                                                                           \
            for (i = 0; i < n; i++) {                                                          \
                const size_t at = first + (size_t)i;                                           \
                const uint32_t v = (uint32_t)(int32_t)x[i];                                    \
                sum += (((const uint8_t *)w.at)[at >> 3] >> (at & 7)) & 1 ? v : 0u - v;        \
            }                                                                                  \
            break;                                                                             \
        case HW_U8:                                                                            \
            for (i = 0; i < n; i++) sum += (uint32_t)x[i] * (uint32_t)((const uint8_t *)w.at + first)[i]; \
            break;                                                                             \
        case HW_I8:                                                                            \
            for (i = 0; i < n; i++) sum += (uint32_t)x[i] * (uint32_t)((const int8_t *)w.at + first)[i]; \
            break;                                                                             \
        case HW_I16:                                                                           \
            for (i = 0; i < n; i++) sum += (uint32_t)x[i] * (uint32_t)((const int16_t *)w.at + first)[i]; \
            break;                                                                             \
        default:                                                                               \
            for (i = 0; i < n; i++) sum += (uint32_t)x[i] * (uint32_t)((const int32_t *)w.at + first)[i]; \
        }                                                                                      \
        return (int32_t)sum;                                                                   \
    }
HW_DOT(hw_dot16, hw_i16)
HW_DOT(hw_dot32, hw_i32)
