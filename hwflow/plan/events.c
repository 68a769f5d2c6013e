// When every step of every process happens: a timed event graph, evaluated token by token.
//
// A process advances until it waits for another one. Two processes that wait for each other at every step would take
// turns at each, so registers between processes are modelled without their backpressure first, and needs that are not
// enforced are left out: most backpressure never holds a word back. Where the cycles found without those needs meet
// them all, they are the cycles with them; find_violated() checks that.
//
// time[] receives the cycle of every step of every image; aux[] and extra[] are room for as many. Returns 0, 1 when no
// step can ever happen again, 2 when a cycle is beyond what 32 bits hold.

#include "events.h"

#include <stdlib.h>

enum { LATEST = INT32_MAX / 2, SCAN = 64 }; // SCAN: how many numbers of a list are read before a run starts

struct follow { // the step of the source that each step of a run comes after
  const int32_t *time, *list;
  int64_t by, later;
};
struct state {
  int64_t at; // steps taken so far, s of them of this image
  int64_t until; // it waits until another process has taken more steps than this
  int64_t from; // the earliest cycle of its next step
  int64_t passed, entered; // of a head: how many results its next step comes after, and the step of the last of them
  int32_t passed_image, passed_s;
  int32_t image, s;
  int32_t *time, *aux;
  struct follow *follow; // what the steps of its next run come after
  int32_t follows, lists; // how many these are, and how many of them are lists
};
struct schedule {
  const struct process *processes;
  const struct need *needs;
  const int32_t *lists;
  int32_t count, images, finished, late;
  struct state *states;
  int32_t *cursor, *met; // of each need: how many entries of this image are met now, and how many after the run
  struct follow *follows; // room for the `follow` of every process
  int32_t *waiter, *next; // the first process that waits for this one; the next that waits for the same one
  int32_t *ready, top;
  int32_t blocked; // the process that the last run stopped at, and its step `until`; -1: none
  int64_t until;
};

static inline int64_t number(const int32_t *lists, int32_t first, int32_t by, int64_t k) {
  return by < 0 ? lists[first + k] : first + by * k;
}

static inline int64_t met_at(const struct follow *f, int64_t k) {
  return f->time[f->list ? f->list[k] : k * f->by] + f->later;
}

// Note that step k of a run waits for a step of `source`, and return k, the number of steps before it.
static inline int64_t wait_for(struct schedule *c, int64_t k, int32_t source, int64_t step) {
  c->blocked = source;
  c->until = step;
  return k;
}

// How many steps process a can take now, and what each of them comes after; 0 when it must wait.
static int64_t count_runnable(struct schedule *c, int32_t a) {
  const struct process *p = &c->processes[a];
  struct state *me = &c->states[a];
  int64_t run = p->n - me->s;
  me->from = 0;
  c->blocked = -1;
  me->follows = me->lists = 0;
  for (int32_t g = p->needs; g < p->some; g++) {
    const struct need *need = &c->needs[g];
    const struct state *other = &c->states[need->source];
    const int64_t base = (int64_t)me->image * c->processes[need->source].n, by = need->step_by;
    const int32_t *list = by < 0 ? c->lists + need->step + me->s : NULL;
    const int64_t needed = (list ? *list : need->step + by * me->s) + base;
    if (needed < 0) {
      const int64_t more = list ? 1 : by > 0 ? (-needed + by - 1) / by : run;
      if (more < run) run = more, c->blocked = -1;
      continue;
    }
    const int64_t there = other->at;
    if (needed >= there) return wait_for(c, 0, need->source, needed);
    if (list) {
      if (run > SCAN) run = SCAN, c->blocked = -1;
      int64_t k = 1;
      while (k < run && list[k] + base < there) k++;
      if (k < run) run = wait_for(c, k, need->source, list[k] + base);
      me->lists++;
      me->follow[me->follows++] = (struct follow){other->time + base, list, 0, need->later};
    } else {
      if (there - 1 - needed < (run - 1) * by) {
        const int64_t k = by == 1 ? there - needed : (there - 1 - needed) / by + 1;
        run = wait_for(c, k, need->source, needed + k * by);
      }
      me->follow[me->follows++] = (struct follow){other->time + needed, NULL, by, need->later};
    }
  }
  for (int32_t g = p->some; g < p[1].needs; g++) {
    const struct need *need = &c->needs[g];
    const struct state *other = &c->states[need->source];
    const int64_t base = (int64_t)me->image * c->processes[need->source].n;
    int32_t k = c->cursor[g];
    for (; k < need->count; k++) {
      const int64_t until = number(c->lists, need->index, need->index_by, k) - me->s;
      if (until) {
        if (until < run) run = until, c->blocked = -1;
        break;
      }
      const int64_t needed = number(c->lists, need->step, need->step_by, k) + base;
      if (needed < 0) continue;
      if (needed >= other->at) return wait_for(c, 0, need->source, needed);
      const int64_t then = (int64_t)other->time[needed] + need->later;
      if (then > me->from) me->from = then;
    }
    c->met[g] = k;
  }
  return run;
}

// The cycle of the next step of a head, at `when` or later; -1 when that depends on a result that has not left yet.
static inline int64_t enter_pipeline(struct schedule *c, const struct process *p, struct state *me, int64_t gap, int64_t when) {
  const struct process *lands = &c->processes[p->lands];
  const struct need *give = &c->needs[lands->needs];
  const struct state *goes = &c->states[p->goes];
  int64_t slot = me->at ? me->aux[me->at - 1] + gap : 0; // the first cycle, of those in which the pipeline moves, that it can have
  for (;;) {
    const int64_t still = me->passed ? goes->aux[me->passed - 1] : 0;
    if (me->passed) { // a word that came while the result before it stood still enters when that result moves
      const int64_t landed = me->aux[me->entered] + lands->depth;
      if (landed > slot) slot = landed;
    }
    const int64_t moving = when - still > slot ? when - still : slot;
    const int64_t entered =
        number(c->lists, give->step, give->step_by, me->passed_s) + (int64_t)me->passed_image * p->n;
    // a result is in the pipeline: does it land before this step?
    if (me->passed_image == c->images || entered >= me->at || me->aux[entered] + lands->depth > moving) {
      me->aux[me->at] = (int32_t)moving;
      return moving + still;
    }
    if (me->passed >= goes->at) return wait_for(c, -1, p->goes, me->passed);
    me->passed++;
    me->entered = entered;
    if (++me->passed_s == lands->n) {
      me->passed_s = 0;
      me->passed_image++;
    }
  }
}

// Take step k of the run that `count_runnable` found; 0 when it must wait after all.
static inline int take_step(struct schedule *c, int32_t a, int64_t k) {
  const struct process *p = &c->processes[a];
  struct state *me = &c->states[a];
  const int64_t at = me->at, gap = p->gaps < 0 ? p->gap : c->lists[p->gaps + me->s + k];
  int64_t when = k ? 0 : me->from;
  if (p->kind == LANDS) {
    const struct state *head = &c->states[p->head], *goes = &c->states[p->goes];
    if (at > goes->at) return (int)wait_for(c, 0, p->goes, at - 1);
    const struct follow *entered = me->follow;
    const int64_t place = entered->time - head->time + (entered->list ? entered->list[k] : k * entered->by);
    me->aux[at] = head->aux[place] + p->depth;
    when = me->aux[at] + (at ? goes->aux[at - 1] : 0);
  } else {
    for (int32_t j = 0; j < me->follows; j++) {
      const int64_t then = met_at(&me->follow[j], k);
      if (then > when) when = then;
    }
    if (p->kind == HEAD) {
      when = enter_pipeline(c, p, me, gap, when);
      if (when < 0) return 0;
    } else if (at && me->time[at - 1] + gap > when) {
      when = me->time[at - 1] + gap;
    }
    if (p->kind == GOES) {
      const struct state *lands = &c->states[p->lands];
      if (at >= lands->at) return (int)wait_for(c, 0, p->lands, at);
      const int64_t landed = lands->time[at];
      if (landed > when) when = landed;
      me->aux[at] = (int32_t)((at ? me->aux[at - 1] : 0) + when - landed);
    }
  }
  if (when > LATEST) c->late = 1, when = LATEST;
  me->time[at] = (int32_t)when;
  me->at++;
  return 1;
}

// Take a run of steps that all have one gap and come after at most two other processes, whose steps are progressions.
static void take_plain_steps(struct schedule *c, const struct process *p, struct state *me, int64_t run) {
  const int32_t gap = p->gap;
  int64_t first = me->at ? me->time[me->at - 1] + gap : 0;
  if (me->from > first) first = me->from;
  if (first + run * gap > LATEST) {
    c->late = 1;
    return;
  }
  int32_t *mine = me->time + me->at, now = (int32_t)first;
  if (me->follows == 2) {
    const struct follow f = me->follow[0], h = me->follow[1];
    for (int64_t k = 0; k < run; k++, now += gap) {
      const int32_t one = f.time[k * f.by] + (int32_t)f.later, two = h.time[k * h.by] + (int32_t)h.later;
      const int32_t then = one > two ? one : two;
      mine[k] = now = then > now ? then : now;
    }
  } else if (me->follows) {
    const struct follow f = me->follow[0];
    for (int64_t k = 0; k < run; k++, now += gap) {
      const int32_t then = f.time[k * f.by] + (int32_t)f.later;
      mine[k] = now = then > now ? then : now;
    }
  } else {
    for (int64_t k = 0; k < run; k++, now += gap) mine[k] = now;
  }
  if (run && mine[run - 1] > LATEST) c->late = 1;
  me->at += run;
}

// Account for `run` steps: the needs they met stay met, and the next image begins where this one ends.
static void advance(struct schedule *c, int32_t a, int64_t run) {
  const struct process *p = &c->processes[a];
  struct state *me = &c->states[a];
  if (!run) return;
  me->s += (int32_t)run;
  for (int32_t g = p->some; g < p[1].needs; g++) c->cursor[g] = c->met[g];
  if (me->s == p->n) {
    me->s = 0;
    me->image++;
    for (int32_t g = p->some; g < p[1].needs; g++) c->cursor[g] = 0;
    c->finished += me->image == c->images;
  }
}

// Put the processes that waited for a step which process a has now taken on the list of ready ones.
static void wake_waiters(struct schedule *c, int32_t a) {
  int32_t still = -1;
  for (int32_t b = c->waiter[a], then; b >= 0; b = then) {
    then = c->next[b];
    if (c->states[b].until < c->states[a].at) {
      c->ready[c->top++] = b;
    } else {
      c->next[b] = still;
      still = b;
    }
  }
  c->waiter[a] = still;
}

// Take all steps that process a can take now; then it has finished, or it is put among those that wait.
static void run_process(struct schedule *c, int32_t a) {
  const struct process *p = &c->processes[a];
  struct state *me = &c->states[a];
  const int64_t before = me->at;
  while (me->image < c->images && !c->late) {
    const int64_t run = count_runnable(c, a), from = me->at;
    if (run && p->kind == PLAIN && p->gaps < 0 && me->follows < 3 && !me->lists)
      take_plain_steps(c, p, me, run);
    else
      for (int64_t k = 0; k < run && take_step(c, a, k); k++) {}
    advance(c, a, me->at - from);
    if (me->at - from == run && run && c->blocked < 0) continue;
    me->until = c->until;
    c->next[a] = c->waiter[c->blocked];
    c->waiter[c->blocked] = a;
    break;
  }
  if (me->at > before) wake_waiters(c, a);
}

int events(int32_t count, int32_t images, const struct process *processes, const struct need *needs,
           const int32_t *lists, const uint8_t *enforced, int32_t *time, int32_t *aux, int32_t *extra) {
  struct network some = keep_enforced(count, processes, needs, enforced);
  struct network all = add_unblocked(count, some.processes, some.needs);
  free(some.processes);
  free(some.needs);
  const size_t of_needs = all.processes[all.count].needs + 1;
  struct schedule c = {.processes = all.processes, .needs = all.needs, .lists = lists, .count = all.count, .images = images};
  c.states = calloc(all.count, sizeof *c.states);
  c.follows = malloc(of_needs * sizeof *c.follows);
  int32_t *room = calloc(2 * of_needs + 3 * (size_t)all.count, sizeof *room);
  c.cursor = room;
  c.met = c.cursor + of_needs;
  c.waiter = c.met + of_needs;
  c.next = c.waiter + all.count;
  c.ready = c.next + all.count;
  for (int32_t a = 0; a < all.count; a++) {
    struct state *me = &c.states[a];
    const int64_t steps = (int64_t)all.processes[a].n * images;
    me->follow = c.follows + all.processes[a].needs;
    if (a < count) {
      me->time = time;
      me->aux = aux;
      time += steps;
      aux += steps;
    } else {
      me->time = extra;
      extra += steps;
    }
    c.waiter[a] = -1;
    if (all.processes[a].kind == OFF) {
      me->at = steps;
      me->image = images;
      c.finished++;
    }
  }
  for (int32_t a = all.count - 1; a >= 0; a--)
    if (all.processes[a].kind != OFF) c.ready[c.top++] = a;
  while (c.top && !c.late) run_process(&c, c.ready[--c.top]);
  free(all.processes);
  free(all.needs);
  free(c.states);
  free(c.follows);
  free(room);
  return c.late ? 2 : c.finished != all.count;
}

// Enforce the needs that were left out and that this schedule violates; returns how many these are.
int find_violated(int32_t count, int32_t images, const struct process *processes, const struct need *needs,
          const int32_t *lists, uint8_t *enforced, const int32_t *time) {
  const int32_t **first = malloc((count + 1) * sizeof *first); // where the cycles of each process begin
  first[0] = time;
  for (int32_t a = 0; a < count; a++) first[a + 1] = first[a] + (int64_t)processes[a].n * images;
  int found = 0;
  for (int32_t a = 0; a < count; a++)
    for (int32_t g = processes[a].needs; g < processes[a + 1].needs && processes[a].kind != OFF; g++)
      for (int32_t image = 0; image < images && !enforced[g]; image++) {
        const struct need *need = &needs[g];
        const int32_t *mine = first[a] + (int64_t)image * processes[a].n, *theirs = first[need->source];
        const int64_t base = (int64_t)image * processes[need->source].n;
        for (int64_t k = 0; k < need->count && !enforced[g]; k++) {
          const int64_t needed = number(lists, need->step, need->step_by, k) + base;
          if (needed >= 0 && mine[number(lists, need->index, need->index_by, k)] < theirs[needed] + need->later)
            enforced[g] = 1, found++;
        }
      }
  free(first);
  return found;
}
