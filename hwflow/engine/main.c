/* An example: images from standard input as raw net_input integers, one line of answers for each.
 * The path may be named: plain, neon, avx2 or avx512.
 */
#include <stdio.h>
#include <stdlib.h>

#include "net.h"

int main(int argc, char **argv) {
    static net_input image[NET_INPUTS];
    static net_output answer[NET_OUTPUTS];
    void *arranged, *scratch;
    size_t bytes;
    int i;
    if (argc > 1 && !net_choose(argv[1])) {
        fprintf(stderr, "no %s path here\n", argv[1]);
        return 2;
    }
    bytes = net_arranged_bytes();
    arranged = malloc(bytes ? bytes : 1);
    scratch = malloc(net_scratch_bytes());
    if (!arranged || !scratch) return 1;
    net_arrange(arranged);
    fprintf(stderr, "%s on the %s path\n", NET_NAME, net_path());
    while (fread(image, sizeof *image, NET_INPUTS, stdin) == NET_INPUTS) {
        net_run(arranged, scratch, image, answer, 1);
        for (i = 0; i < NET_OUTPUTS; i++) printf("%d%c", answer[i], i + 1 < NET_OUTPUTS ? ' ' : '\n');
    }
    free(arranged);
    free(scratch);
    return 0;
}
