/* The network as a WebAssembly module: where an image goes, where its answer, labels and scores come from, and `run`.
 * It imports nothing and allocates nothing: one page of memory more would be one too many.
 */
#include "net.c"
#include "bare.c"

#define HW_EXPORT(name) __attribute__((export_name(#name), used))

static net_input hw_image_in[NET_INPUTS];
static net_output hw_answer_out[NET_OUTPUTS];
static int hw_labels_out[NET_LABELS];
static float hw_scores_out[NET_SCORES ? NET_SCORES : 1];
static uint8_t hw_scratch[NET_PLAIN_SCRATCH] __attribute__((aligned(64)));

HW_EXPORT(image) net_input *hw_image(void) { return hw_image_in; }
HW_EXPORT(answer) net_output *hw_answer(void) { return hw_answer_out; }
HW_EXPORT(labels) int *hw_labels(void) { return hw_labels_out; }
HW_EXPORT(scores) float *hw_scores(void) { return hw_scores_out; }
HW_EXPORT(hash) const char *hw_hash(void) { return NET_HASH; }

HW_EXPORT(run) void hw_run_image(void) {
    net_run(0, hw_scratch, hw_image_in, hw_answer_out, 1);
    net_labels(hw_answer_out, hw_labels_out);
    net_scores(hw_answer_out, hw_scores_out);
}
