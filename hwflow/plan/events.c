// When every step of every process happens: a timed event graph, evaluated token by token.
//
// Process a takes n[a] steps an image. Step s comes at least gap[s] cycles after the one before it, and after every
// step it needs: source process, step (relative to the image, negative in images before), cycles later.
//
// A pipeline that stops as a whole is three processes, which name each other as head, lands and goes:
//   head   (kind 1) its steps enter the pipeline; while it stands still, none can
//   lands  (kind 2) the result of a step of head reaches the end, `depth` moving cycles later; its first need is that step
//   goes   (kind 3) there is room for it; until then the pipeline stands still
// aux[] keeps, step by step, the moving cycle (head, lands) and the cycles stood still so far (goes).
//
// time[] receives the cycle of every step of every image. Returns 0, or 1 when no step can ever happen again.

#include <stdint.h>
#include <stdlib.h>

enum { PLAIN, HEAD, LANDS, GOES };

int events(int32_t count, int32_t images, const int64_t *n, const int64_t *first, const int32_t *kind,
           const int32_t *head, const int32_t *lands, const int32_t *goes, const int32_t *depth, const int32_t *gap,
           const int64_t *start, const int32_t *source, const int64_t *step, const int32_t *later, int64_t *time,
           int64_t *aux) {
  int64_t *done = calloc(count, sizeof *done);      // steps taken so far
  int64_t *passed = calloc(count, sizeof *passed);  // of a head: results that its next step comes after
  int32_t *waiter = malloc(count * sizeof *waiter); // first process that waits for this one
  int32_t *next = malloc(count * sizeof *next);     // the next that waits for the same
  int32_t *ready = malloc(count * sizeof *ready);
  int32_t top = 0, finished = 0;
  for (int32_t a = 0; a < count; a++) {
    waiter[a] = -1;
    ready[top++] = count - 1 - a;
  }
  while (top) {
    const int32_t a = ready[--top];
    const int64_t total = n[a] * images, mine = first[a] * images;
    const int32_t of_head = head[a], of_lands = lands[a], of_goes = goes[a];
    int64_t at = done[a], image = at / n[a], s = at % n[a];
    int32_t blocked = -1;
    for (; at < total; at++) {
      const int64_t here = first[a] + s;
      int64_t when = at ? time[mine + at - 1] + gap[here] : 0;
      if (kind[a] != PLAIN && kind[a] != GOES) when = 0;
      for (int64_t c = start[here]; c < start[here + 1]; c++) {
        const int32_t b = source[c];
        const int64_t needed = step[c] + image * n[b];
        if (needed < 0) continue;
        if (needed >= (b == a ? at : done[b])) {
          blocked = b;
          break;
        }
        const int64_t then = time[first[b] * images + needed] + later[c];
        if (then > when) when = then;
      }
      if (blocked >= 0) break;
      if (kind[a] == HEAD) {
        int64_t slot = at ? aux[mine + at - 1] + gap[here] : 0; // its first moving cycle
        for (;;) {
          const int64_t k = passed[a];
          const int64_t still = k ? aux[first[of_goes] * images + k - 1] : 0;
          if (k) { // what came while the result before stood still enters when it moves
            const int64_t from = step[start[first[of_lands] + (k - 1) % n[of_lands]]] + (k - 1) / n[of_lands] * n[a];
            if (aux[mine + from] + depth[of_lands] > slot) slot = aux[mine + from] + depth[of_lands];
          }
          const int64_t moving = when - still > slot ? when - still : slot;
          const int64_t entered = step[start[first[of_lands] + k % n[of_lands]]] + k / n[of_lands] * n[a];
          if (k < n[of_lands] * images && entered < at) { // a result is on its way; does it land before this step?
            if (aux[mine + entered] + depth[of_lands] <= moving) {
              if (k >= done[of_goes]) {
                blocked = of_goes;
                break;
              }
              passed[a]++;
              continue;
            }
          }
          aux[mine + at] = moving;
          when = moving + still;
          break;
        }
        if (blocked >= 0) break;
      } else if (kind[a] == LANDS) {
        if (at > done[of_goes]) {
          blocked = of_goes;
          break;
        }
        const int64_t still = at ? aux[first[of_goes] * images + at - 1] : 0;
        const int64_t entered = step[start[here]] + image * n[of_head];
        aux[mine + at] = aux[first[of_head] * images + entered] + depth[a];
        when = aux[mine + at] + still;
      } else if (kind[a] == GOES) {
        if (at >= done[of_lands]) {
          blocked = of_lands;
          break;
        }
        const int64_t landed = time[first[of_lands] * images + at];
        if (landed > when) when = landed;
        aux[mine + at] = (at ? aux[mine + at - 1] : 0) + when - landed;
      }
      time[mine + at] = when;
      if (++s == n[a]) {
        s = 0;
        image++;
      }
    }
    const int moved = at > done[a];
    done[a] = at;
    if (at == total) {
      finished += moved;
    } else if (blocked != a) {
      next[a] = waiter[blocked];
      waiter[blocked] = a;
    }
    if (moved) {
      for (int32_t b = waiter[a]; b >= 0; b = next[b]) ready[top++] = b;
      waiter[a] = -1;
    }
  }
  free(done);
  free(passed);
  free(waiter);
  free(next);
  free(ready);
  return finished != count;
}
