"""Planted faults of the planner: the search, the fifos, the event model, its estimates.

Stands on kinds.
"""

from .kinds import Mutant, of_room

P = "hwflow/plan/"
T = "tests/plan -k "
T_SEARCH = T + "'no_legal_folding or elimination or least_cost or every_pace'"
T_PLAN = (
    T + "'a_rate or nonsense or by_hand or small_network or a_plan_survives or small_network_fits or leave_no_room'"
)
T_FIFOS, T_POWER = T + "fifo", "tests/plan/test_speed_power.py"
T_EVENTS = "tests/plan/test_event_graphs.py"

# fmt: off
MUTANTS = of_room(
    "plan",
    Mutant(P + "search.py", "within = self.cycles <= target", "within = self.cycles < target",T_SEARCH),
    Mutant(P + "search.py", "whole.argmin(-1)", "whole.argmax(-1)",T_SEARCH),
    Mutant(P + "search.py", "slack[j] += spread", "slack[j] -= spread",T_SEARCH),
    Mutant(P + "search.py", "return every[every >= self.fastest]", "return every[every > self.fastest]",T_SEARCH),
    Mutant(P + "search.py", "return max(int(o.cycles.min()) for o in self.choices)", "return min(int(o.cycles.min()) for o in self.choices)",T_SEARCH),
    Mutant(P + "search.py", "if self.units[source].width_bound or gives[1] or takes[1]:", "if gives[1] or takes[1]:", "tests/plan/test_pixels.py -k cost_more_than"),
    Mutant(P + "search.py", "if self.units[source].width_bound or gives[1] or takes[1]:", "if self.units[source].width_bound:", "tests/plan/test_pixels.py -k only_where"),
    Mutant(P + "search.py", "within &= ~self.hurries", "within &= True", "tests/plan/test_pixels.py -k 'only_where or no_choice'"),
    Mutant(P + "search.py", "if any(s.by_row for s in outer):", "if False:", "tests/plan/test_pixels.py -k joined_or_refused"),
    Mutant(P + "__init__.py", "limits = limits * (1 - RESERVE) if fit else limits", "limits = limits if fit else limits * (1 - RESERVE)", T + "free_by_fit"),
    Mutant(P + "__init__.py", "if target < search.fastest:", "if target <= search.fastest:", T + "'a_rate or by_hand or every_pace or small_network'"),
    Mutant(P + "__init__.py", "if not 0 < max_util <= 1:", "if not 0 < max_util <= 2:", T + "nonsense"),
    Mutant(P + "__init__.py", "if any(o.unit.name in folding for o in search.choices):", "if False:", T + "by_hand"),
    Mutant(P + "__init__.py", "if (as_vector(dataflow.cost(family)) <= limits).all():", "if True:", T + "'small_network_fits or a_rate_beyond or leave_no_room'"),
    Mutant(P + "fifos.py", "return max(occupied + 1, LEAST)", "return max(occupied - 1, LEAST)",T_FIFOS),
    Mutant(P + "fifos.py", "if first.interval > slowest:", "if False:", "tests/plan/test_depths.py -k no_depth"),
    Mutant(P + "fifos.py", "if effect.loss == 0:", "if not effect.loss:",T_FIFOS),
    Mutant(P + "fifos.py", "if trace is None:\n        raise RecipeError", "if False:\n        raise RecipeError",T_PLAN),
    Mutant(P + "explain.py", "target = max(cycles // 2, search.fastest)", "target = max(cycles // 3, search.fastest)",T + "'explanation or doubling'"),
    Mutant(P + "power.py", "share * unit.cycles / dataflow.cycles", "share", T_POWER + " -k waits_half"),
    Mutant(P + "power.py", "(process.volts / 1.5) ** 2", "(process.volts / 1.5)", T_POWER + " -k power"),
    Mutant(P + "events.c", "if (then > me->from) me->from = then;", "me->from = then;", T_EVENTS),
    Mutant(P + "events.c", "const int64_t landed = me->aux[me->entered] + lands->depth;", "const int64_t landed = me->aux[me->entered];", T_EVENTS),
    Mutant(P + "events.c", "mine[k] = now = then > now ? then : now;\n    }\n  } else if", "mine[k] = now = then;\n    }\n  } else if", T_EVENTS),
    Mutant(P + "needs.c", "back->later + on->later <= -back->step;", "back->later + on->later <= 1 - back->step;", T_EVENTS),
    Mutant(P + "needs.c", "backpressure[r]->source == a && outruns(need, r, backpressure[r]))", "backpressure[r]->source == a)", T_EVENTS),
    Mutant(P + "needs.c", "p->gap != 1) return NULL;", "p->gap < 1) return NULL;", T_EVENTS),
)
