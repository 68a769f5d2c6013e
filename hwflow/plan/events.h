// A network of processes, the steps that their steps wait for, and rewrites of it.
//
// Process a takes n steps an image. A step comes at least its gap after the one before it, and after every step it
// needs: of the process `source`, that many cycles later (its number negative in images before). What a process needs
// is a list of needs; need k of one list concerns step index(k) of its process and step(k) of the source. Numbers are
// a start and a stride, or lie in `lists`; those of a list ascend.
//
// A pipeline that stalls as a whole is three processes, which name each other as head, lands and goes:
//   head   its steps enter the pipeline; while it stalls, none can
//   lands  the result of a step of head reaches the end, `depth` moving cycles later; its first need is that step
//   goes   the reader takes the result; until then the pipeline stalls
// aux[] keeps, step by step, the moving cycle (head, lands) and the cycles stalled so far (goes).
#pragma once

#include <stdint.h>

enum { PLAIN, HEAD, LANDS, GOES, OFF };

struct process { // gaps: where its list of gaps lies, -1: all are `gap`; needs: where its needs begin, first those of
                 // every step, from `some` on those of some steps
  int32_t n, kind, head, lands, goes, depth, gap, gaps, needs, some;
};
struct need { // index, step: first and stride, or the place of a list and -1
  int32_t source, later, count, index, index_by, step, step_by;
};

// The same processes with other needs, and possibly more processes at the end.
struct network {
  struct process *processes;
  struct need *needs;
  int32_t count;
};
struct network keep_enforced(int32_t count, const struct process *processes, const struct need *needs, const uint8_t *enforced);
struct network add_unblocked(int32_t count, const struct process *processes, const struct need *needs);
