// Two rewrites after which a schedule takes fewer turns to find: without the needs that are not enforced, and with the
// backpressure of registers taken out of the loop they form.

#include "events.h"

#include <stdlib.h>

// Keep the enforced needs alone. A pipeline that no need is left to stall becomes three plain processes, each a fixed
// number of cycles after the one before.
struct network keep_enforced(int32_t count, const struct process *processes, const struct need *needs, const uint8_t *enforced) {
  struct network f = {malloc((count + 1) * sizeof *f.processes), NULL, count};
  f.needs = malloc((processes[count].needs + count + 1) * sizeof *f.needs);
  int32_t at = 0;
  for (int32_t a = 0; a < count; a++) {
    const struct process *from = &processes[a];
    struct process *p = &f.processes[a];
    *p = *from;
    p->needs = at;
    const int pipe = from->kind == HEAD || from->kind == LANDS || from->kind == GOES;
    const struct process *goes = pipe ? &processes[from->goes] : NULL;
    int stalls = 0;
    for (int32_t g = pipe ? goes->needs : 0; pipe && g < goes[1].needs; g++) stalls |= enforced[g];
    if (pipe && !stalls) p->kind = PLAIN;
    if (pipe && !stalls && from->kind == GOES) f.needs[at++] = (struct need){from->lands, 0, from->n, 0, 1, 0, 1};
    for (int32_t g = from->needs; g < from[1].needs; g++) {
      if (g == from->some) p->some = at;
      if (!enforced[g]) continue;
      f.needs[at] = needs[g];
      if (pipe && !stalls && from->kind == LANDS) f.needs[at].later += from->depth;
      at++;
    }
    if (from->some == from[1].needs) p->some = at;
  }
  f.processes[count].needs = at;
  return f;
}

// Whether what `on` asks of process r never makes it wait for `back`: the word `d` before, later by both, is no later than
// the reader's own steps since.
static inline int outruns(const struct need *on, int32_t r, const struct need *back) {
  return on->source == r && on->step_by == 1 && on->step == 0 && back->later + on->later <= -back->step;
}

// The need by which a reader exerts backpressure on process r through a register, or NULL.
//
// R waits until W has taken the word `d` before, and W takes what R offers. Let Y be R without that backpressure. W has
// the same schedule behind Y as behind R, because what delays R is an earlier step of W itself, and W is no faster than
// its gap, nor R than W: R's gap is 1. So W can follow Y, which depends only on what comes before it; R = max(Y, W[k - d])
// is needed only by the other processes that wait for R.
static const struct need *find_backpressure(const struct process *processes, const struct need *needs, int32_t r) {
  const struct process *p = &processes[r];
  if (p->kind != PLAIN || p->gaps >= 0 || p->gap != 1) return NULL;
  const struct need *backpressure = NULL;
  for (const struct need *back = needs + p->needs; back < needs + p->some; back++) {
    const struct process *w = &processes[back->source];
    if (back->step_by != 1 || back->step >= 0 || w->n != p->n || w->kind > HEAD || (w->gaps < 0 && w->gap < 1)) continue;
    for (const struct need *on = needs + w->needs; on < needs + w->some; on++)
      if (outruns(on, r, back)) {
        if (backpressure && backpressure != back) return NULL;
        backpressure = back;
      }
  }
  return backpressure;
}

// Add an unblocked copy (Y above) at the end for each process that can have one.
struct network add_unblocked(int32_t count, const struct process *processes, const struct need *needs) {
  const struct need **backpressure = malloc(count * sizeof *backpressure);
  int32_t *unblocked = malloc(count * sizeof *unblocked);
  struct network f = {NULL, NULL, count};
  for (int32_t a = 0; a < count; a++) {
    backpressure[a] = find_backpressure(processes, needs, a);
    unblocked[a] = backpressure[a] ? f.count++ : -1;
  }
  f.processes = malloc((f.count + 1) * sizeof *f.processes);
  f.needs = malloc((processes[count].needs + f.count - count + 1) * sizeof *f.needs);
  int32_t at = 0;
  for (int32_t turn = 0; turn < 2; turn++)
    for (int32_t a = 0; a < count; a++) {
      if (turn && !backpressure[a]) continue;
      struct process *p = &f.processes[turn ? unblocked[a] : a];
      *p = processes[a];
      p->needs = at;
      if (!turn && backpressure[a]) {
        f.needs[at++] = (struct need){unblocked[a], 0, p->n, 0, 1, 0, 1};
        f.needs[at++] = *backpressure[a];
        p->some = at;
        continue;
      }
      for (const struct need *need = needs + processes[a].needs; need < needs + processes[a + 1].needs; need++) {
        if (need == needs + processes[a].some) p->some = at;
        if (need == backpressure[a]) continue;
        f.needs[at] = *need;
        const int32_t r = need->source;
        if (need < needs + processes[a].some && backpressure[r] && backpressure[r]->source == a && outruns(need, r, backpressure[r]))
          f.needs[at].source = unblocked[r];
        at++;
      }
      if (processes[a].some == processes[a + 1].needs) p->some = at;
    }
  f.processes[f.count].needs = at;
  free(backpressure);
  free(unblocked);
  return f;
}
