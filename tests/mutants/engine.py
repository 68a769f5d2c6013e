"""Planted faults of the C engine.

Stands on kinds.
"""

from .kinds import Mutant, of_room

C = "hwflow/engine/"
E = "tests/engine/test_engine.py::test_"
T = f"'{E}random_branches_equal_the_network_on_every_path[1]'"
T_DEPTHWISE = f"'{E}the_larger_networks_equal_the_reference[depthwise]'"
T_PAD = f"'{E}padding_of_any_kind_is_exact[63-65]'"
T_RESIDUAL = f"'{E}residual_streams_equal_the_network_on_every_path[0-shape0]'"
T_JOIN = f"{E}joins_scale_their_parts_and_of_equal_values_the_first_is_largest"
T_RARE = "tests/engine/test_rare_steps.py"
T_ARM = "tests/engine/test_portability.py::test_64_bit_arm_gives_the_same_answers_with_and_without_neon -k padding"
T_RECURRENT = (
    "tests/lower/test_recurrent.py::test_every_engine_answers_sequences_behind_one_another_as_the_loop_does[C]"
)
T_THREADS = f"{E}threads_give_the_same_answers"

# fmt: off
MUTANTS = of_room(
    "engine",
    Mutant(C + "steps.c", "inside ? hw_equal_bits(row, w, bytes) : hw_equal_bits_masked(row, w, mask, bytes)", "hw_equal_bits(row, w, bytes)", T_PAD),
    Mutant(C + "steps.c", "d->weights.kind, (i * w->kw + j) * l->c + c, m);", "d->weights.kind, (j * w->kh + i) * l->c + c, m);", T_DEPTHWISE),
    Mutant(C + "steps.c", "best[k] = best[k] > (a[k] ^ flip[k]) ? best[k]", "best[k] = best[k] < (a[k] ^ flip[k]) ? best[k]", T),
    Mutant(C + "steps.c", "best[k] = d->what == HW_SUM ? 0 : INT32_MIN;", "best[k] = 0;", T),
    Mutant(C + "steps.c", "for (; b < step; b++) out[b] = (uint8_t)(out[b] ^ flip[b]);", "for (; b < step; b++) out[b] = (uint8_t)(out[b] | flip[b]);", T_RARE),
    Mutant(C + "steps.c", "to[k] *= d->part[i].scale;", "to[k] += d->part[i].scale;", T_JOIN),
    Mutant(C + "steps.c", "(v == last && i <= out[rank - 1])", "(v == last && i < out[rank - 1])", T_JOIN),
    Mutant(C + "steps.c", "if (best < 0 || v > most)", "if (best < 0 || v >= most)", T_JOIN),
    Mutant(C + "words.c", "r < per && k < all ? row[k] : 255;", "r < per && k < all ? row[k] : 0;", T_ARM),
    Mutant(C + "words.c", "line[r] -= own[r];", "line[r] += own[r];", T_ARM),
    Mutant(C + "lines.c", "(int64_t)high[i] * 65536", "(int64_t)high[i] * 32768", T_RARE),
    Mutant(C + "lines.c", "count[i] += x[i] >= a[i];", "count[i] += x[i] > a[i];", T),
    Mutant(C + "lines.c", "(b[i] ? s->n - count[i] : count[i])", "count[i]", T),
    Mutant(C + "lines.c", "x[i] = ((x[i] >= a[i]) ^ (b[i] & 1)) ? 1 : -1;", "x[i] = ((x[i] > a[i]) ^ (b[i] & 1)) ? 1 : -1;", T),
    Mutant(C + "lines.c", "if (n > 8) to[1]", "if (n > 9) to[1]", T_RARE),
    Mutant(C + "lines.c", "x[i] = x[i] > a[i] ? x[i] : a[i];", "x[i] = x[i] < a[i] ? x[i] : a[i];", "tests/lower/test_maximum.py -k every_engine"),
    Mutant(C + "narrow.c", "to + 12 * r + 8, 65535 -", "to + 12 * r + 8, 65534 -", T_RARE),
    Mutant(C + "narrow.c", "(t + 65536 + 1) / 2 - 32768", "(t + 65536) / 2 - 32768", T_RESIDUAL),
    Mutant(C + "gather.c", "counts += inside ? depth : pads;", "counts += depth;", T_PAD),
    Mutant(C + "avx2_values.c", "offset = x->kind == HW_U8 ? 0 : 128;", "offset = 0;", T_RARE),
    Mutant(C + "avx2_values.c", "offset = x->kind == HW_U8 ? 0 : 128;", "offset = 128;", T_RARE),
    Mutant(C + "gather.c", "z + (w->kw - 1) * w->dw < x->w;", "z + (w->kw - 1) * w->dw <= x->w;", T_PAD),
    Mutant(C + "windows.c", "n += y >= 0 && y < size;", "n += y < size;", T_PAD),
    Mutant(C + "run.c", "share[i].answers = answers + from * NET_OUTPUTS;", "share[i].answers = answers + from;", T_THREADS),
    Mutant(C + "recurrent.c", "if (sums[1] < limit) continue;", "if (sums[1] <= limit) continue;", T_RECURRENT),
    Mutant(C + "recurrent.c", "if (sums[0] >= limit) next[s]", "if (sums[0] > limit) next[s]", T_RECURRENT),
    Mutant(C + "recurrent.c", "for (s = 0; live > 0 && s < n; s++) {", "for (s = 0; s < n; s++) {", T_RECURRENT, equal="What is computed in a step that the mask leaves out is never copied to the state."),
    Mutant(C + "recurrent.c", "mask + (size_t)t * (size_t)hw_bytes(d->mask->kind, 1)", "mask", T_RECURRENT),
    Mutant(C + "recurrent.c", "next[s] += d->by;", "next[s] += 1;", T_RECURRENT),
    Mutant(C + "recurrent.c", "d->every ? t : 0", "0", T_RECURRENT),
    Mutant(C + "recurrent.c", "d->limits.kind, s * d->levels + k, 1);", "d->limits.kind, k, 1);", T_RECURRENT),
    Mutant(C + "recurrent.c", "if (live > 0) memcpy(h, next, (size_t)n * sizeof *h);", "", T_RECURRENT),
)
