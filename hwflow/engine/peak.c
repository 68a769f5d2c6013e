/* How fast this processor can count agreeing bits: the kernel of the best path with its data in the nearest cache,
 * and the plain way (64-bit words, XOR and popcount, as the compiler makes it). Prints both in 10^9 products a second.
 * Compiled behind the kernels, in one translation unit with them.
 */
#include <stdio.h>
#include <time.h>

enum { BYTES = 144, TIMES = 2000, ROUNDS = 15 }; /* 144 bytes: a 3x3 window of 128 channels */

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

static uint8_t x_data[8 * 2 * BYTES] __attribute__((aligned(64))), w_data[128 * BYTES] __attribute__((aligned(64)));
static hw_i32 sums[24 * 128];

static double words(void) {
    const double started = seconds();
    int i, p, r;
    for (i = 0; i < TIMES / 10; i++)
        for (p = 0; p < 6; p++)
            for (r = 0; r < 64; r++) sums[p * 64 + r] += hw_equal_bits(x_data + p * BYTES, w_data + r * BYTES, BYTES);
    return 64.0 * 6 * 8 * BYTES * (TIMES / 10) / (seconds() - started);
}

#if defined(HW_X86)
static double shuffles(void) {
    const uint8_t *corner[6];
    int counts[6] = {0}, i, p;
    hw_runs runs;
    hw_target to = {64, 64, 8, sums, 0, 0};
    const double started = seconds();
    runs.count = 1;
    runs.bytes = BYTES;
    runs.at[0] = 0;
    for (p = 0; p < 6; p++) corner[p] = x_data + p * 2 * BYTES;
    for (i = 0; i < TIMES; i++) hw_agree_6_2(corner, &runs, w_data, counts, &to);
    return 64.0 * 6 * 8 * BYTES * TIMES / (seconds() - started);
}

static double popcounts(void) {
    hw_target_512 t;
    const double started = seconds();
    int i;
    memset(&t, 0, sizeof t);
    t.row = x_data;
    t.bytes = BYTES;
    t.n = 6;
    t.rows = t.pitch = 32;
    t.line = sums;
    for (i = 0; i < 6; i++) t.base[i] = sums + 1024;
    for (i = 0; i < TIMES; i++) hw_bits_512_6_2(&t, w_data);
    return 32.0 * 6 * 8 * BYTES * TIMES / (seconds() - started);
}
#endif

int main(void) {
    double plain = 0, best = 0;
    int i;
    for (i = 0; i < (int)sizeof x_data; i++) x_data[i] = (uint8_t)(i * 37 % 16 * 2);
    for (i = 0; i < (int)sizeof w_data; i++) w_data[i] = (uint8_t)(i * 61);
    for (i = 0; i < ROUNDS; i++) {
        double t = words();
        plain = t > plain ? t : plain;
#if defined(HW_X86)
        t = hw_path() == HW_PATH_AVX512 ? popcounts() : hw_path() == HW_PATH_AVX2 ? shuffles() : t;
#endif
        best = t > best ? t : best;
    }
    printf("%.1f %.1f\n", plain / 1e9, best / 1e9);
    return 0;
}
