// Needs that a course is found sooner without: those that are not heeded, and those that registers answer themselves.

#include "events.h"

#include <stdlib.h>

// Only the needs that are heeded. A pipeline of which none is left that would make it stand still is three plain
// processes, each a fixed time after the other.
struct freed keep_enforced(int32_t count, const struct process *processes, const struct need *needs, const uint8_t *enforced) {
  struct freed f = {malloc((count + 1) * sizeof *f.processes), NULL, count};
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

// A register between two processes: R waits until W has taken the word `d` before, W takes what R offers. Were R never
// held up (call that Y), W would move as before: what holds R up is an earlier step of W itself, and W is no faster
// than its gap. So W follows Y, which follows only what comes before; R = max(Y, W[k - d]) is left for what waits for R.
static const struct need *held_by(const struct process *processes, const struct need *needs, int32_t r) {
  const struct process *p = &processes[r];
  if (p->kind != PLAIN || p->gaps >= 0 || p->gap < 1) return NULL;
  const struct need *block = NULL;
  for (const struct need *back = needs + p->needs; back < needs + p->some; back++) {
    const struct process *w = &processes[back->source];
    if (back->step_by != 1 || back->step >= 0 || w->n != p->n || w->kind > HEAD || (w->gaps < 0 && w->gap < 1)) continue;
    for (const struct need *on = needs + w->needs; on < needs + w->some; on++)
      if (on->source == r && on->step_by == 1 && on->step == 0 && back->later + on->later <= -back->step) {
        if (block) return NULL;
        block = back;
      }
  }
  return block;
}

// A free process at the end for each that can have one.
struct freed set_free(int32_t count, const struct process *processes, const struct need *needs) {
  const struct need **block = malloc(count * sizeof *block);
  int32_t *free_one = malloc(count * sizeof *free_one);
  struct freed f = {NULL, NULL, count};
  for (int32_t a = 0; a < count; a++) {
    block[a] = held_by(processes, needs, a);
    free_one[a] = block[a] ? f.count++ : -1;
  }
  f.processes = malloc((f.count + 1) * sizeof *f.processes);
  f.needs = malloc((processes[count].needs + f.count - count + 1) * sizeof *f.needs);
  int32_t at = 0;
  for (int32_t turn = 0; turn < 2; turn++)
    for (int32_t a = 0; a < count; a++) {
      if (turn && !block[a]) continue;
      struct process *p = &f.processes[turn ? free_one[a] : a];
      *p = processes[a];
      p->needs = at;
      if (!turn && block[a]) {
        f.needs[at++] = (struct need){free_one[a], 0, p->n, 0, 1, 0, 1};
        f.needs[at++] = *block[a];
        p->some = at;
        continue;
      }
      for (const struct need *need = needs + processes[a].needs; need < needs + processes[a + 1].needs; need++) {
        if (need == needs + processes[a].some) p->some = at;
        if (need == block[a]) continue;
        f.needs[at] = *need;
        const int32_t r = need->source;
        if (need < needs + processes[a].some && block[r] && block[r]->source == a && need->step_by == 1 && need->step == 0)
          f.needs[at].source = free_one[r];
        at++;
      }
      if (processes[a].some == processes[a + 1].needs) p->some = at;
    }
  f.processes[f.count].needs = at;
  free(block);
  free(free_one);
  return f;
}
