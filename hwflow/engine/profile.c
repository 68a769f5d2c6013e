/* Where the time goes: with NET_PROFILE, nanoseconds of each step, summed over images of one thread. Else nothing.
 */
#include "engine.h"

#if defined(NET_PROFILE)
#include <time.h>

enum { HW_MOST_STEPS = 1024 };

static uint64_t hw_spent[HW_MOST_STEPS], hw_last;

static uint64_t hw_now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void hw_tick(int step) {
    const uint64_t now = hw_now();
    hw_spent[step] += now - hw_last;
    hw_last = hw_now();
}

#define HW_BEGIN hw_last = hw_now();
#define HW_STEP(i, call) call; hw_tick(i);
#elif !defined(HW_STEP) /* who counts otherwise has defined both */
#define HW_BEGIN
#define HW_STEP(i, call) call;
#endif
