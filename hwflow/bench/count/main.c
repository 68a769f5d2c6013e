/* One image of zeros through a network, without a C library. */
#include "net.h"

static unsigned char arranged[1 << 24], scratch[1 << 23];
static net_input images[NET_INPUTS];
static net_output answers[NET_OUTPUTS];

static __attribute__((noreturn)) void leave(void) {
#if defined(__aarch64__)
    register long n __asm__("x8") = 93, a __asm__("x0") = 0;
    for (;;) __asm__ volatile("svc 0" : : "r"(n), "r"(a) : "memory");
#elif defined(__arm__)
    register int n __asm__("r7") = 1, a __asm__("r0") = 0;
    for (;;) __asm__ volatile("svc 0" : : "r"(n), "r"(a) : "memory");
#else
    register long n __asm__("a7") = 93, a __asm__("a0") = 0;
    for (;;) __asm__ volatile("ecall" : : "r"(n), "r"(a) : "memory");
#endif
}

__attribute__((noreturn, used)) void begin(void) {
    net_arrange(arranged);
    net_run(arranged, scratch, images, answers, 1);
    leave();
}

#if defined(__aarch64__) || defined(__arm__)
__asm__(".globl _start\n_start: bl begin\n");
#else
__asm__(".globl _start\n_start: call begin\n");
#endif
