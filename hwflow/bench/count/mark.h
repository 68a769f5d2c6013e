/* Each step of a network ends with a mark for the plugin: a system call that Linux does not have. */
#if defined(__aarch64__)
static inline void hw_mark(long n) {
    register long call __asm__("x8") = 5000 + n, x __asm__("x0") = 0;
    __asm__ volatile("svc 0" : "+r"(x) : "r"(call) : "memory");
}
#elif defined(__arm__)
static inline void hw_mark(int n) {
    register int call __asm__("r7") = 5000 + n, x __asm__("r0") = 0;
    __asm__ volatile("svc 0" : "+r"(x) : "r"(call) : "memory");
}
#else
static inline void hw_mark(long n) {
    register long call __asm__("a7") = 5000 + n, x __asm__("a0") = 0;
    __asm__ volatile("ecall" : "+r"(x) : "r"(call) : "memory");
}
#endif
#define HW_BEGIN hw_mark(1999);
#define HW_STEP(i, call) \
    call;                \
    hw_mark(i);
