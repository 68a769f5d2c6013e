/* The AVX-512 instructions that the C engine uses, computed by SIMDe, and those that SIMDe 0.7 does not have.
 * Included before net.c by a compiler flag, on machines without AVX-512. */
#define HW_EMULATE_AVX512
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <stdint.h>
#include <string.h>

#include <simde/x86/avx512.h>

#define EACH512(to_type, to_lanes, from, from_type, value)                   \
    from_type x[sizeof(from) / sizeof(from_type)];                           \
    to_type y[to_lanes];                                                     \
    int i;                                                                   \
    memcpy(x, &from, sizeof x);                                              \
    for (i = 0; i < to_lanes; i++) y[i] = (to_type)(value);

#define WIDEN512(name, vector, type)                                         \
    static __m512i name(vector v) {                                          \
        __m512i out;                                                         \
        EACH512(int32_t, 16, v, type, x[i])                                  \
        memcpy(&out, y, sizeof out);                                         \
        return out;                                                          \
    }
WIDEN512(emulated_widen_u8, __m128i, uint8_t)
WIDEN512(emulated_widen_i8, __m128i, int8_t)
WIDEN512(emulated_widen_i16, __m256i, int16_t)

#define NARROW512(name, vector, type)                                        \
    static vector name(__m512i v) {                                          \
        vector out;                                                          \
        EACH512(type, 16, v, int32_t, x[i])                                  \
        memcpy(&out, y, sizeof out);                                         \
        return out;                                                          \
    }
NARROW512(emulated_narrow_8, __m128i, int8_t)
NARROW512(emulated_narrow_16, __m256i, int16_t)

#define SHIFT512(name, type, lanes)                                          \
    static __m512i name(__m512i v, int n) {                                  \
        __m512i out;                                                         \
        EACH512(type, lanes, v, type, x[i] >> n)                             \
        memcpy(&out, y, sizeof out);                                         \
        return out;                                                          \
    }
SHIFT512(emulated_shift_32, int32_t, 16)
SHIFT512(emulated_shift_64, int64_t, 8)

#define COMPARE512(name, type)                                               \
    static __mmask32 name(__m512i a, __m512i b) {                            \
        __mmask32 mask = 0;                                                  \
        type x[32], y[32];                                                   \
        int i;                                                               \
        memcpy(x, &a, sizeof x);                                             \
        memcpy(y, &b, sizeof y);                                             \
        for (i = 0; i < 32; i++) mask |= (__mmask32)(x[i] > y[i]) << i;      \
        return mask;                                                         \
    }
COMPARE512(emulated_above_i16, int16_t)
COMPARE512(emulated_above_u16, uint16_t)

static __m512i emulated_load_16(__m512i v, __mmask32 mask, const void *from) {
    int i;
    for (i = 0; i < 32; i++)
        if (mask >> i & 1) memcpy((char *)&v + 2 * i, (const char *)from + 2 * i, 2);
    return v;
}

static __m512i emulated_load_8(__mmask64 mask, const void *from) {
    __m512i out = _mm512_setzero_si512();
    int i;
    for (i = 0; i < 64; i++)
        if (mask >> i & 1) memcpy((char *)&out + i, (const char *)from + i, 1);
    return out;
}

static __m512i emulated_permute_8(__m512i v, __mmask64 mask, __m512i places, __m512i from) {
    uint8_t x[64], y[64], place[64];
    int i;
    memcpy(x, &from, sizeof x);
    memcpy(y, &v, sizeof y);
    memcpy(place, &places, sizeof place);
    for (i = 0; i < 64; i++)
        if (mask >> i & 1) y[i] = x[place[i] % 64];
    memcpy(&v, y, sizeof v);
    return v;
}

static void emulated_store(void *to, __mmask16 mask, __m512i v) {
    int32_t x[16];
    int i;
    memcpy(x, &v, sizeof x);
    for (i = 0; i < 16; i++)
        if (mask >> i & 1) memcpy((char *)to + 4 * i, x + i, 4);
}

#define _mm512_maskz_cvtepu8_epi32(mask, x) emulated_widen_u8(x)
#define _mm512_maskz_cvtepi8_epi32(mask, x) emulated_widen_i8(x)
#define _mm512_maskz_cvtepi16_epi32(mask, x) emulated_widen_i16(x)
#define _mm512_maskz_cvtepi32_epi8(mask, x) emulated_narrow_8(x)
#define _mm512_maskz_cvtepi32_epi16(mask, x) emulated_narrow_16(x)
#define _mm512_sra_epi32(x, n) emulated_shift_32(x, _mm_cvtsi128_si32(n))
#define _mm512_sra_epi64(x, n) emulated_shift_64(x, _mm_cvtsi128_si32(n))
#define _mm512_srai_epi64(x, n) emulated_shift_64(x, n)
#define _mm512_cmpgt_epi16_mask(a, b) emulated_above_i16(a, b)
#define _mm512_cmpgt_epu16_mask(a, b) emulated_above_u16(a, b)
#define _mm512_mask_loadu_epi16(v, mask, from) emulated_load_16(v, mask, from)
#define _mm512_maskz_loadu_epi8(mask, from) emulated_load_8(mask, from)
#define _mm512_mask_permutexvar_epi8(v, mask, places, from) emulated_permute_8(v, mask, places, from)
#define _mm512_mask_storeu_epi32(to, mask, x) emulated_store(to, mask, x)
