// When every step of every process happens: a timed event graph, evaluated token by token.
//
// Process a takes n steps an image. A step comes at least its gap after the one before it, and after every step it
// needs: of the process `source`, that many cycles later (its number negative in images before). What a process needs
// is a list of needs; need k of one list concerns step index(k) of its process and step(k) of the source. Numbers are
// a start and a stride, or lie in `lists`.
//
// A pipeline that stops as a whole is three processes, which name each other as head, lands and goes:
//   head   its steps enter the pipeline; while it stands still, none can
//   lands  the result of a step of head reaches the end, `depth` moving cycles later; its first need is that step
//   goes   there is room for it; until then the pipeline stands still
// aux[] keeps, step by step, the moving cycle (head, lands) and the cycles stood still so far (goes).
//
// time[] receives the cycle of every step of every image. Returns 0, 1 when no step can ever happen again, 2 when a
// cycle is beyond what 32 bits hold.

#include <stdint.h>
#include <stdlib.h>

enum { PLAIN, HEAD, LANDS, GOES, OFF };
enum { LATEST = INT32_MAX / 2 };

struct process { // gaps: where its list of gaps lies, -1: all are `gap`; needs: where its needs begin, first those of
                 // every step, from `some` on those of some steps
  int32_t n, kind, head, lands, goes, depth, gap, gaps, needs, some;
};
struct need { // index, step: first and stride, or the place of a list and -1
  int32_t source, later, count, index, index_by, step, step_by;
};
struct state {
  int64_t at; // steps taken so far: s of this image
  int64_t until; // steps of another that it waits for
  int64_t passed; // of a head: results that its next step comes after
  int32_t image, s;
  int32_t *time, *aux;
};

static inline int64_t number(const int32_t *lists, int32_t first, int32_t by, int64_t k) {
  return by < 0 ? lists[first + k] : first + by * k;
}

struct follow { // a step of the source for each of a run of steps
  const int32_t *time;
  int64_t by;
  int32_t later;
};

// After `run` steps: what is met is met, and the next image begins where this one is over.
static inline void forward(const struct process *p, struct state *me, int32_t *cursor, const int32_t *met, int64_t run) {
  me->at += run;
  me->s += (int32_t)run;
  for (int32_t g = p->some; g < p[1].needs; g++) cursor[g] = met[g];
  if (me->s == p->n) {
    me->s = 0;
    me->image++;
    for (int32_t g = p->some; g < p[1].needs; g++) cursor[g] = 0;
  }
}

int events(int32_t count, int32_t images, const struct process *processes, const struct need *needs,
           const int32_t *lists, int32_t *time, int32_t *aux) {
  struct state *states = calloc(count, sizeof *states);
  int32_t *cursor = calloc(processes[count].needs + 1, sizeof *cursor); // of each need: how many of this image are met
  int32_t *met = calloc(processes[count].needs + 1, sizeof *met);
  int32_t *waiter = malloc(count * sizeof *waiter); // first process that waits for this one
  int32_t *next = malloc(count * sizeof *next);     // the next that waits for the same
  int32_t *ready = malloc(count * sizeof *ready);
  int32_t top = 0, finished = 0, late = 0, most = 1;
  for (int32_t a = 0; a < count; a++)
    if (processes[a + 1].needs - processes[a].needs > most) most = processes[a + 1].needs - processes[a].needs;
  struct follow *followed = malloc(most * sizeof *followed);
  int64_t first = 0;
  for (int32_t a = 0; a < count; a++) {
    states[a].time = time + first;
    states[a].aux = aux + first;
    first += (int64_t)processes[a].n * images;
    waiter[a] = -1;
    if (processes[a].kind == OFF) {
      states[a].at = (int64_t)processes[a].n * images;
      finished++;
    }
  }
  for (int32_t a = count - 1; a >= 0; a--)
    if (processes[a].kind != OFF) ready[top++] = a;
  while (top && !late) {
    const int32_t a = ready[--top];
    const struct process *p = &processes[a];
    struct state *me = &states[a];
    const int64_t total = (int64_t)p->n * images, before = me->at;
    int32_t blocked = -1;
    while (me->at < total) {
      const int64_t at = me->at;
      const int32_t gap = p->gaps < 0 ? p->gap : lists[p->gaps + me->s];
      int64_t when = at && (p->kind == PLAIN || p->kind == GOES) ? me->time[at - 1] + gap : 0;
      int64_t run = p->n - me->s; // steps from here on that need only the next of what this one needs
      int32_t follow = 0;
      for (int32_t g = p->needs; g < p->some && blocked < 0; g++) {
        const struct need *need = &needs[g];
        const struct state *other = &states[need->source];
        const int64_t by = need->step_by;
        const int64_t needed = number(lists, need->step, need->step_by, me->s) + (int64_t)me->image * processes[need->source].n;
        if (by < 0) run = 1;
        if (needed < 0) {
          if (by > 0 && -needed < run * by) run = (-needed + by - 1) / by;
        } else if (needed >= other->at) {
          blocked = need->source;
          me->until = needed;
        } else {
          if (by == 1 && other->at - needed < run) run = other->at - needed;
          if (by > 1 && other->at - 1 - needed < (run - 1) * by) run = (other->at - 1 - needed) / by + 1;
          followed[follow++] = (struct follow){other->time + needed, by, need->later};
        }
      }
      for (int32_t g = p->some; g < p[1].needs && blocked < 0; g++) {
        const struct need *need = &needs[g];
        const struct state *other = &states[need->source];
        const int64_t base = (int64_t)me->image * processes[need->source].n;
        int32_t k = cursor[g];
        for (; k < need->count && number(lists, need->index, need->index_by, k) == me->s; k++) {
          const int64_t needed = number(lists, need->step, need->step_by, k) + base;
          if (needed < 0) continue;
          if (needed >= other->at) {
            blocked = need->source;
            me->until = needed;
            break;
          }
          const int64_t then = (int64_t)other->time[needed] + need->later;
          if (then > when) when = then;
        }
        met[g] = k;
        if (k < need->count) {
          const int64_t until = number(lists, need->index, need->index_by, k) - me->s;
          if (until < run) run = until;
        }
      }
      if (blocked >= 0) break;
      if (p->kind == PLAIN && p->gaps < 0) {
        if (when + run * gap > LATEST) {
          late = 1;
          break;
        }
        int32_t *mine = me->time + at, now = (int32_t)when;
        if (follow == 1) {
          const struct follow f = followed[0];
          for (int64_t k = 0; k < run; k++, now += gap) {
            const int32_t then = f.time[k * f.by] + f.later;
            mine[k] = now = then > now ? then : now;
          }
        } else if (follow == 2) {
          const struct follow f = followed[0], h = followed[1];
          for (int64_t k = 0; k < run; k++, now += gap) {
            const int32_t one = f.time[k * f.by] + f.later, two = h.time[k * h.by] + h.later;
            const int32_t then = one > two ? one : two;
            mine[k] = now = then > now ? then : now;
          }
        } else {
          for (int64_t k = 0; k < run; k++, now += gap) {
            for (int32_t j = 0; j < follow; j++) {
              const int32_t then = followed[j].time[k * followed[j].by] + followed[j].later;
              if (then > now) now = then;
            }
            mine[k] = now;
          }
        }
        if (mine[run - 1] > LATEST) {
          late = 1;
          break;
        }
        forward(p, me, cursor, met, run);
        continue;
      }
      for (int32_t j = 0; j < follow; j++) {
        const int64_t then = (int64_t)followed[j].time[0] + followed[j].later;
        if (then > when) when = then;
      }
      if (p->kind == HEAD) {
        const struct process *lands = &processes[p->lands];
        const struct need *give = &needs[lands->needs];
        const struct state *goes = &states[p->goes];
        const int64_t results = (int64_t)lands->n * images;
        int64_t slot = at ? me->aux[at - 1] + gap : 0; // its first moving cycle
        for (;;) {
          const int64_t k = me->passed, image = k / lands->n;
          const int64_t still = k ? goes->aux[k - 1] : 0;
          if (k) { // what came while the result before stood still enters when it moves
            const int64_t j = k - 1, of = j / lands->n;
            const int64_t landed =
                me->aux[number(lists, give->step, give->step_by, j - of * lands->n) + of * p->n] + lands->depth;
            if (landed > slot) slot = landed;
          }
          const int64_t moving = when - still > slot ? when - still : slot;
          const int64_t entered = number(lists, give->step, give->step_by, k - image * lands->n) + image * p->n;
          // a result is on its way; does it land before this step?
          if (k < results && entered < at && me->aux[entered] + lands->depth <= moving) {
            if (k >= goes->at) {
              blocked = p->goes;
              me->until = k;
              break;
            }
            me->passed++;
            continue;
          }
          me->aux[at] = (int32_t)moving;
          when = moving + still;
          break;
        }
        if (blocked >= 0) break;
      } else if (p->kind == LANDS) {
        const struct state *goes = &states[p->goes];
        if (at > goes->at) {
          blocked = p->goes;
          me->until = at - 1;
          break;
        }
        const struct need *give = &needs[p->needs];
        const int64_t still = at ? goes->aux[at - 1] : 0;
        const int64_t entered =
            number(lists, give->step, give->step_by, me->s) + (int64_t)me->image * processes[p->head].n;
        me->aux[at] = states[p->head].aux[entered] + p->depth;
        when = me->aux[at] + still;
      } else if (p->kind == GOES) {
        const struct state *lands = &states[p->lands];
        if (at >= lands->at) {
          blocked = p->lands;
          me->until = at;
          break;
        }
        const int64_t landed = lands->time[at];
        if (landed > when) when = landed;
        me->aux[at] = (int32_t)((at ? me->aux[at - 1] : 0) + when - landed);
      }
      if (when > LATEST) {
        late = 1;
        break;
      }
      me->time[at] = (int32_t)when;
      forward(p, me, cursor, met, 1);
    }
    const int moved = me->at > before;
    if (me->at == total) {
      finished += moved;
    } else if (blocked >= 0 && blocked != a) {
      next[a] = waiter[blocked];
      waiter[blocked] = a;
    }
    if (moved) {
      int32_t still = -1;
      for (int32_t b = waiter[a], then; b >= 0; b = then) {
        then = next[b];
        if (states[b].until < me->at) {
          ready[top++] = b;
        } else {
          next[b] = still;
          still = b;
        }
      }
      waiter[a] = still;
    }
  }
  free(states);
  free(cursor);
  free(met);
  free(waiter);
  free(next);
  free(ready);
  free(followed);
  return late ? 2 : finished != count;
}
