/* Running a network: its processor path, its arranged weights, its scratch memory, its images.
 *
 * The generated part before this defines net_image and net_gemms; net.h its sizes.
 */
#include "engine.h"
#include "net.h"

static uint8_t *hw_aligned(void *p) { return (uint8_t *)p + (HW_ALIGN - (uintptr_t)p % HW_ALIGN) % HW_ALIGN; }

const char *net_hash(void) { return NET_HASH; }

const char *net_path(void) { return hw_path_name(hw_path()); }

int net_choose(const char *path) { return hw_choose(path); }

size_t net_arranged_bytes(void) {
    const size_t bytes = hw_arrange(net_gemms, (uint8_t *)0);
    return bytes ? bytes + HW_ALIGN : 0;
}

void net_arrange(void *arranged) {
    if (net_arranged_bytes()) (void)hw_arrange(net_gemms, hw_aligned(arranged));
}

size_t net_scratch_bytes(void) {
    return (size_t)hw_up(NET_FIXED, HW_ALIGN) + HW_TILE * (size_t)(NET_LINE * 4) + HW_GATHERED * (size_t)NET_ROW + NET_SPREAD + 4 * HW_ALIGN;
}

void net_run(const void *arranged, void *scratch, const net_input *images, net_output *answers, size_t n) {
    hw_run run;
    size_t i;
    run.path = HW_PATH_PLAIN;
    run.arranged = 0;
    if (HW_PATHS_DIFFER && arranged) {
        run.arranged = hw_aligned((void *)(uintptr_t)arranged);
        run.path = (int)*(const hw_u64 *)(const void *)run.arranged;
    }
    run.scratch = hw_aligned(scratch);
    run.line = (hw_i32 *)(void *)(run.scratch + hw_up(NET_FIXED, HW_ALIGN));
    run.rows = (uint8_t *)run.line + HW_TILE * NET_LINE * 4;
    run.spread = run.rows + HW_GATHERED * NET_ROW;
    for (i = 0; i < n; i++) {
        run.input = (const uint8_t *)(images + i * NET_INPUTS);
        run.output = (uint8_t *)(answers + i * NET_OUTPUTS);
        net_image(&run);
    }
}

#if defined(NET_PROFILE)
void net_spent(unsigned long long *spent) {
    int i;
    for (i = 0; i < NET_STEPS; i++) spent[i] = hw_spent[i], hw_spent[i] = 0;
}
#endif

#ifdef NET_THREADS
#include <pthread.h>

typedef struct {
    const void *arranged;
    void *scratch;
    const net_input *images;
    net_output *answers;
    size_t n;
} hw_share;

static void *hw_do_share(void *p) {
    hw_share *s = (hw_share *)p;
    net_run(s->arranged, s->scratch, s->images, s->answers, s->n);
    return 0;
}

enum { HW_THREADS = 64 };

void net_run_threads(const void *arranged, void *scratch, const net_input *images, net_output *answers, size_t n, int threads) {
    pthread_t thread[HW_THREADS];
    hw_share share[HW_THREADS];
    int started[HW_THREADS];
    int i;
    threads = threads < 1 ? 1 : hw_min(threads, HW_THREADS);
    for (i = 0; i < threads; i++) {
        const size_t from = n * (size_t)i / (size_t)threads, to = n * ((size_t)i + 1) / (size_t)threads;
        share[i].arranged = arranged;
        share[i].scratch = (uint8_t *)scratch + (size_t)i * net_scratch_bytes();
        share[i].images = images + from * NET_INPUTS;
        share[i].answers = answers + from * NET_OUTPUTS;
        share[i].n = to - from;
        started[i] = i > 0 && pthread_create(&thread[i], 0, hw_do_share, &share[i]) == 0;
    }
    for (i = 0; i < threads; i++) /* this thread does the first share, and any for which none could be started */
        if (!started[i]) hw_do_share(&share[i]);
    for (i = 1; i < threads; i++)
        if (started[i]) pthread_join(thread[i], 0);
}
#else
void net_run_threads(const void *arranged, void *scratch, const net_input *images, net_output *answers, size_t n, int threads) {
    (void)threads;
    net_run(arranged, scratch, images, answers, n);
}
#endif
