/* What a network is to the engine: tensors, tables, stages and steps. All of it is constant data.
 *
 * Bit 1 is +1 and element 0 is the low bit. Images are rasters with the channel fastest. A pixel of
 * bits takes whole bytes; the bits past its last channel are 0. Nothing here allocates; memcpy and
 * memset are all that is asked of a C library. C99 and C++11.
 */
#ifndef HW_ENGINE_H
#define HW_ENGINE_H

#include <stddef.h>
#include <stdint.h>
#if defined(__STDC_HOSTED__) && __STDC_HOSTED__ == 0 /* no C library: bare.c, or whoever links, has these two */
#ifdef __cplusplus
extern "C" {
#endif
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
#ifdef __cplusplus
}
#endif
#else
#include <string.h>
#endif

#if defined(__GNUC__)
#define HW_FN static __attribute__((unused))
#define HW_INLINE static inline __attribute__((always_inline, unused))
#define HW_ALIAS __attribute__((may_alias))
#else
#define HW_FN static
#define HW_INLINE static inline
#define HW_ALIAS
#endif

/* A loop of few, known turns that must vanish, so that its array lives in registers. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* one that stays a loop at -O1 is slower, not wrong */
#define HW_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define HW_UNROLL _Pragma("GCC unroll 16")
#else
#define HW_UNROLL
#endif

/* A table of bits is written as 64-bit words whose first byte is the lowest. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HW_L(word) __builtin_bswap64(word)
#else
#define HW_L(word) word
#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(HW_PLAIN)
#define HW_X86 1
#endif
#if defined(__ARM_NEON) && defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN) && !defined(HW_PLAIN)
#define HW_NEON 1
#endif

/* Pixels that are worked on together: more is faster, fewer need less memory. */
#ifndef HW_TILE
#if defined(HW_X86) || defined(HW_NEON)
#define HW_TILE 24
#else
#define HW_TILE 1
#endif
#endif

/* Gathered rows that there is room for: vector paths gather 32 pixels, and some bytes more than they need. */
#if defined(HW_X86) && HW_TILE < 32
enum { HW_GATHERED = 34 };
#else
enum { HW_GATHERED = HW_TILE + 2 };
#endif

enum { HW_LANE = 16 };   /* lines are padded to this many channels */
enum { HW_ALIGN = 64 };

typedef int16_t HW_ALIAS hw_i16;
typedef int32_t HW_ALIAS hw_i32;
typedef uint64_t HW_ALIAS hw_u64;

/* How an element is stored. BIT means -1 or +1 where it is a value, 0 or 1 where it is a flag. */
enum { HW_BIT, HW_U8, HW_I8, HW_I16, HW_I32 };
enum { HW_SCRATCH, HW_INPUT, HW_OUTPUT };

/* Where a value lies: `at` bytes into the scratch memory, or the caller's own array. */
typedef struct {
    int place;
    uint32_t at;
    int kind;
    int h, w, c;
} hw_tensor;

typedef struct {
    int kind;
    const void *at;
} hw_table;

/* What is done to a line of accumulators, channel by channel. */
enum {
    HW_TIMES,    /* x = n * x */
    HW_ADD,      /* x = x + n * tensor */
    HW_MOST,     /* x = max(x, tensor) */
    HW_BY,       /* x *= tensor */
    HW_RESCALE,  /* x = clip((a * x + b) >> shift, lo, hi), all of it within 32 bits */
    HW_RESCALE64,/* the same where the product needs 64 bits */
    HW_LEVELS,   /* x = lo + (how many of the n rows of a are <= x), or lo + n - that where b */
    HW_SIGNS,    /* x = +1 where x >= a, else -1; the other way round where b */
    HW_STORE,    /* tensor = x */
    HW_PACK      /* tensor (bits) = x >= a, inverted where b */
};

typedef struct {
    int what;
    int n, shift;
    int32_t lo, hi;
    hw_table a, b;
    const hw_tensor *tensor;
} hw_stage;

/* A sliding window: kernel, stride, dilation, and how far it starts above and left of the image. */
typedef struct {
    int kh, kw, sh, sw, dh, dw, top, left;
} hw_window;

/* Every pixel's line of accumulators, and the stages it passes. `h`, `w`, `c` are of the result. */
typedef struct {
    int h, w, c;
    int stages;
    const hw_stage *stage;
} hw_lines;

/* Convolution or dense layer. Rows of BIT are compared by XNOR, others multiplied as I16 or I32. */
typedef struct {
    int index;           /* which arranged weights are its own */
    const hw_tensor *x;
    hw_window win;
    int groups;
    int kind;            /* of a gathered row: HW_BIT, HW_I16 or HW_I32 */
    hw_table weights;    /* BIT rows: taps of whole bytes, spare bits 1; others: rows x (taps * channels) */
    hw_table pad;        /* what lies outside: BIT rows: bits then mask (1 where it counts); else one value per channel */
    int pad_counts;      /* BIT rows: how many channels of a group have a padding that counts; -1 where groups differ or only some do */
    int small;           /* 8-bit data: how many sums of two products fit 16 bits; 0: not even one, or wider data */
    int bytes;           /* data and padding fit 8 bits, weights -128 .. 127 */
    hw_lines lines;
} hw_gemm;

/* Convolution whose every output channel sees its own input channel. */
typedef struct {
    const hw_tensor *x;
    hw_window win;
    hw_table weights;    /* taps x channels */
    hw_table pad;
    hw_lines lines;
} hw_depthwise;

enum { HW_SUM, HW_MAX };

typedef struct {
    const hw_tensor *x;
    hw_window win;
    int what;
    hw_table minimum;    /* BIT flag per channel */
    hw_lines lines;
} hw_pool;

/* Channels of one input of a join: where they begin in the result and what they are multiplied by. */
typedef struct {
    const hw_tensor *x;
    int offset;
    int32_t scale;
} hw_part;

/* Inputs side by side, shifted, repeated or thinned; what no input covers is 0. */
typedef struct {
    int parts;
    const hw_part *part;
    int top, left, uh, uw, sh, sw;
    hw_lines lines;
} hw_join;

/* A state that every pixel of x changes: x holds the sums of the pixel's own, one for each row of weights. A pixel of
 * the mask, where there is one, that is not above 0 leaves the state as it is. */
typedef struct {
    const hw_tensor *x;
    const hw_tensor *mask;
    int rows;            /* of a state: its own, and that of its gate where it has one */
    int every;           /* the state behind each pixel is given, not only the last */
    int levels;
    int32_t base, by;    /* state = base + by * (how many of its limits its sum reaches) */
    hw_table weights;    /* (states * rows) x states */
    hw_table limits;     /* states x levels */
    hw_table gates;      /* what the sum of a state's gate must reach, or the state stays */
    hw_table start;      /* the states before the first pixel */
    hw_lines lines;
} hw_recurrent;

/* Everything one image needs while it runs. */
typedef struct {
    int path;            /* HW_PATH_..., with which `arranged` was made */
    const uint8_t *input;
    uint8_t *output;
    uint8_t *scratch;
    const uint8_t *arranged;
    hw_i32 *line;        /* HW_TILE lines */
    uint8_t *rows;       /* HW_GATHERED rows */
    uint8_t *spread;     /* an image of bits as bytes, with its border */
} hw_run;

HW_INLINE int hw_min(int a, int b) { return a < b ? a : b; }
HW_INLINE int hw_up(int n, int to) { return (n + to - 1) / to * to; }

HW_INLINE int hw_size(int kind) { return kind == HW_I32 ? 4 : kind == HW_I16 ? 2 : 1; }

/* Bytes of `c` elements that begin on a whole byte. */
HW_INLINE int hw_bytes(int kind, int c) { return kind == HW_BIT ? (c + 7) / 8 : c * hw_size(kind); }

HW_INLINE uint8_t *hw_at(const hw_run *run, const hw_tensor *t) {
    return (t->place == HW_OUTPUT ? run->output : run->scratch) + t->at;
}

HW_INLINE const uint8_t *hw_read(const hw_run *run, const hw_tensor *t) {
    return t->place == HW_INPUT ? run->input : hw_at(run, t);
}

/* The arranged weights of one layer: behind the path they were arranged for stands where each begins. */
HW_INLINE const uint8_t *hw_own_weights(const hw_run *run, const hw_gemm *g) {
    return run->arranged + ((const hw_u64 *)(const void *)run->arranged)[g->index + 1];
}

HW_INLINE int hw_flag(const void *bits, int i) { return (((const uint8_t *)bits)[i >> 3] >> (i & 7)) & 1; }

#endif
