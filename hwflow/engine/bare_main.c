/* A program without a C library: the images of images.h, compared with the answers they must have; leaves with 0 where all
 * are right. A board is left by semihosting, Linux by its system call. The example for a microcontroller of your own.
 */
#include <stdint.h>
#include "net.h"
#include "images.h"

static uint8_t scratch[NET_PLAIN_SCRATCH];

#if defined(__arm__) && !defined(__linux__)
static __attribute__((noreturn)) void leave(int code) { /* semihosting: the application's exit */
    register int what __asm__("r0") = 0x18, why __asm__("r1") = code ? 0x20023 : 0x20026;
    for (;;) __asm__ volatile("bkpt 0xab" : : "r"(what), "r"(why) : "memory");
}
#elif defined(__aarch64__)
static __attribute__((noreturn)) void leave(int code) {
    register long n __asm__("x8") = 93, a __asm__("x0") = code;
    for (;;) __asm__ volatile("svc 0" : : "r"(n), "r"(a) : "memory");
}
#elif defined(__arm__)
static __attribute__((noreturn)) void leave(int code) {
    register int n __asm__("r7") = 1, a __asm__("r0") = code;
    for (;;) __asm__ volatile("svc 0" : : "r"(n), "r"(a) : "memory");
}
#elif defined(__riscv)
static __attribute__((noreturn)) void leave(int code) {
    register long n __asm__("a7") = 93, a __asm__("a0") = code;
    for (;;) __asm__ volatile("ecall" : : "r"(n), "r"(a) : "memory");
}
#elif defined(__s390x__)
static __attribute__((noreturn)) void leave(int code) {
    register long n __asm__("r1") = 1, a __asm__("r2") = code;
    for (;;) __asm__ volatile("svc 0" : : "r"(n), "r"(a) : "memory");
}
#elif defined(__mips__)
static __attribute__((noreturn)) void leave(int code) {
    register long n __asm__("$2") = 4001, a __asm__("$4") = code;
    for (;;) __asm__ volatile("syscall" : : "r"(n), "r"(a) : "memory");
}
#endif

__attribute__((noreturn, used)) void begin(void) {
    static net_output answer[NET_OUTPUTS];
    int i, k, wrong = 0;
    for (i = 0; i < IMAGES; i++) {
        net_run(0, scratch, images + i * NET_INPUTS, answer, 1);
        for (k = 0; k < NET_OUTPUTS; k++) wrong |= answer[k] != answers[i * NET_OUTPUTS + k];
    }
    leave(wrong);
}

#if defined(__arm__) && !defined(__linux__)
extern char stack_top[];
__attribute__((section(".vectors"), used)) const void *const vectors[2] = {stack_top, (const void *)begin};
#else
#if defined(__mips__)
#define _start __start
#endif
void _start(void);
__attribute__((noreturn, used)) void _start(void) { begin(); }
#endif
