typedef int net_output;

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which network this is: the hash of its operations, weights and input, as NET_HASH. */
const char *net_hash(void);

/* The processor path that net_arrange arranges for: "plain", "neon", "avx2" or "avx512". The best one unless
 * net_choose named another. */
const char *net_path(void);

/* Name the path; null: the best one. 0 where this build or this processor does not have it. Only net_arranged_bytes
 * and net_arrange ask for it: a run takes the path its arranged weights were made for. */
int net_choose(const char *path);

/* Bytes of the weights as the path in use wants them, and the memory to keep them in (any alignment).
 * Written once by net_arrange, then only read: threads share it. A build for one plain path needs 0 bytes and
 * a null pointer. Where there are more paths, a null pointer takes the plain one. */
size_t net_arranged_bytes(void);
void net_arrange(void *arranged);

/* Bytes of working memory for one thread (any alignment, no need to clear it). */
size_t net_scratch_bytes(void);

/* n images of NET_INPUTS integers into n answers of NET_OUTPUTS integers. */
void net_run(const void *arranged, void *scratch, const net_input *images, net_output *answers, size_t n);

/* The same with several threads; scratch holds net_scratch_bytes() for each. Without NET_THREADS at
 * compile time, one thread does it all. */
void net_run_threads(const void *arranged, void *scratch, const net_input *images, net_output *answers, size_t n, int threads);

#ifdef NET_PROFILE
/* Nanoseconds spent in each step of the network since the last call, by one thread; then they are 0 again. */
void net_spent(unsigned long long *spent);
#endif

#ifdef __cplusplus
}
#endif
