/* A plugin of qemu-user (API 1): how often each block of instructions runs between two marks of a program.
 *
 * A mark is system call 5000 + n, which Linux does not have. At each one this writes `mark n`, then for every block that ran
 * since the one before its address, its runs and its instructions in hexadecimal. Nothing of qemu's headers is needed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t id_t_;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern void qemu_plugin_register_vcpu_tb_trans_cb(id_t_, void (*)(id_t_, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_syscall_cb(id_t_, void (*)(id_t_, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int add, void *to, uint64_t one);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

typedef struct block {
    uint64_t runs, at;
    char *text;
    struct block *next;
} block;

static block *blocks;
static FILE *out;

static void translated(id_t_ id, struct qemu_plugin_tb *tb) {
    const size_t n = qemu_plugin_tb_n_insns(tb);
    block *b = calloc(1, sizeof *b);
    size_t i, k, at = 0;
    (void)id;
    b->text = calloc(n, 10);
    for (i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint8_t *bytes = qemu_plugin_insn_data(insn);
        b->text[at++] = ' ';
        for (k = 0; k < qemu_plugin_insn_size(insn) && k < 4; k++) at += (size_t)sprintf(b->text + at, "%02x", bytes[k]);
    }
    b->at = qemu_plugin_tb_vaddr(tb);
    b->next = blocks;
    blocks = b;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &b->runs, 1);
}

static void called(id_t_ id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    block *p;
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number < 5000 || number >= 7000) return;
    fprintf(out, "mark %d\n", (int)number - 5000);
    for (p = blocks; p; p = p->next) {
        if (p->runs) fprintf(out, "%llx %llu%s\n", (unsigned long long)p->at, (unsigned long long)p->runs, p->text);
        p->runs = 0;
    }
    fflush(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(id_t_ id, const void *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) || !(out = fopen(argv[0] + 4, "w"))) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
