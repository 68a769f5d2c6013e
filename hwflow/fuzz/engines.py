"""Networks of accepted files through the C engine, many in one compilation, and through HLS C++ and stalled RTL.

Stands on emit, lower and simulate. The answers must be those of `Net.run`.
"""

from __future__ import annotations

import ctypes
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import emit, tools
from hwflow.bits import Array
from hwflow.emit import c_answers
from hwflow.emit.c import input_type
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.simulate import hls, rtl
from hwflow.simulate.c import FLAGS, TYPES, fill_by_image

SPLIT = '#include "net.h"\n'  # the engine, the same for all, is before it; a network's own data behind it
LINKAGE = re.compile(r'#ifdef __cplusplus\n(?:extern "C" \{|\})\n#endif\n')


class NetsInC:
    """Several networks in one shared library: one copy of the engine, each network's data in a namespace of its own."""

    def __init__(self, nets: Sequence[Net], folder: Path, effort: str = "-O2"):
        self.nets = nets
        (folder / "all.cpp").write_text(_together([_sources(net, folder / str(k)) for k, net in enumerate(nets)]))
        tools.run_program(
            tools.need("g++"), [*FLAGS, effort, "-o", "all.so", "all.cpp", "-lpthread"], cwd=folder, timeout=900,
            log=folder / "g++.log",
        )  # fmt: skip
        self.library = ctypes.CDLL(str(folder / "all.so"))

    def run(self, k: int, x: Array, path: str | None = None) -> Array:
        """Answers (n, outputs) of network `k` on one processor path, the best one without a name."""
        net = self.nets[k]

        def of(name: str, kind: Any = ctypes.c_size_t) -> Any:
            return self._function(f"n{k}_{name}", kind)

        if not of("choose", ctypes.c_int)(path.encode() if path else None):
            raise LookupError(f"no path {path}")
        arranged = np.empty(max(of("arranged_bytes")(), 1), np.uint8)
        of("arrange", None)(_at(arranged))
        scratch = np.empty(of("scratch_bytes")(), np.uint8)
        images = np.ascontiguousarray(x.reshape(len(x), -1), TYPES[input_type(net)])
        out = np.empty((len(x), net.output.size), np.int32)
        of("run", None)(_at(arranged), _at(scratch), _at(images), _at(out), ctypes.c_size_t(len(x)))
        return out.astype(np.int64)

    def labels(self, k: int, answers: Array) -> Array:
        """What net_labels of network `k` makes of its answers, (n, labels)."""
        return self._by_image(
            f"n{k}_labels", answers, np.empty((len(answers), c_answers.labels(self.nets[k])), np.int32)
        )

    def scores(self, k: int, answers: Array) -> Array:
        """What net_scores of network `k` makes of its answers, (n, scores) float32."""
        return self._by_image(
            f"n{k}_scores", answers, np.empty((len(answers), c_answers.scores(self.nets[k])), np.float32)
        )

    def _by_image(self, name: str, answers: Array, out: Array) -> Array:
        return fill_by_image(self._function(name, None), answers, out)

    def _function(self, name: str, kind: Any) -> Any:
        function = getattr(self.library, name)
        function.restype = kind
        return function


def _at(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def _sources(net: Net, folder: Path) -> tuple[str, str]:
    """The engine, and the network's own part with its header in place of the include."""
    emit.c(net, folder)
    engine, _, own = (folder / "net.c").read_text().partition(SPLIT)
    assert own, "net.c has no line that includes net.h"
    return engine, LINKAGE.sub("", (folder / "net.h").read_text()) + own


def _together(parts: Sequence[tuple[str, str]]) -> str:
    """One C++ file of all networks."""
    engine = parts[0][0]
    assert all(one == engine for one, _ in parts), "the engine differs from network to network"
    text = ["#include <pthread.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n", engine]
    for k, (_, own) in enumerate(parts):
        macros = sorted(set(re.findall(r"^#define (\w+)", own, re.MULTILINE)))
        text += [f"namespace n{k} {{\n", own, "}\n", *(f"#undef {name}\n" for name in macros), _calls(k)]
    return "".join(text)


def _calls(k: int) -> str:
    return f"""extern "C" int n{k}_choose(const char *path) {{ return n{k}::net_choose(path); }}
extern "C" size_t n{k}_arranged_bytes(void) {{ return n{k}::net_arranged_bytes(); }}
extern "C" void n{k}_arrange(void *a) {{ n{k}::net_arrange(a); }}
extern "C" size_t n{k}_scratch_bytes(void) {{ return n{k}::net_scratch_bytes(); }}
extern "C" void n{k}_run(const void *a, void *s, const void *x, int *y, size_t n) {{
    n{k}::net_run(a, s, (const n{k}::net_input *)x, y, n);
}}
extern "C" void n{k}_labels(const void *y, int *out) {{ n{k}::net_labels((const n{k}::net_output *)y, out); }}
extern "C" void n{k}_scores(const void *y, float *out) {{ n{k}::net_scores((const n{k}::net_output *)y, out); }}
"""


def differing_in_c(nets: Sequence[Net], xs: Sequence[Array], effort: str = "-O2") -> list[str]:
    """For each network what its C answers wrongly, or nothing; on the best processor path and on the plain one.

    Labels and scores, as net.h offers them, must be those of the integers too.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = NetsInC(nets, Path(scratch), effort)
        out = []
        for k, (net, x) in enumerate(zip(nets, xs, strict=True)):
            want = net.run(x)
            wrong = [str(p or "best") for p in (None, "plain") if not np.array_equal(made.run(k, x, p), want)]
            text = f"C differs on the paths {', '.join(wrong)}" if wrong else _find_wrong_answers(made, k, want)
            out.append(text)
        return out


def _find_wrong_answers(made: NetsInC, k: int, answers: Array) -> str:
    """Which labels or scores of right answers are wrong in C; scores behind an exponential are left out."""
    labels, scores = made.labels(k, answers), made.scores(k, answers)
    at = 0
    for part in c_answers.parts(made.nets[k]):
        mine = answers[:, part.at : part.at + part.size]
        if not np.array_equal(labels[:, : part.labels], part.answer.label(mine).reshape(len(mine), -1)):
            return f"labels {part.name} differ in C"
        labels = labels[:, part.labels :]
        if part.scores and part.answer.head in ("", "top_k"):
            want = part.answer.scores(mine) if part.answer.head else part.answer.real(mine).reshape(len(mine), -1)
            if not np.array_equal(scores[:, at : at + part.scores], want):
                return f"scores {part.name} differ in C"
        at += part.scores
    return ""


def differing_in_hls(nets: Sequence[Net], xs: Sequence[Array]) -> list[str]:
    """For each network what its HLS C++ answers wrongly, or nothing; one compilation of all."""
    answers = hls.run_many([lower(net) for net in nets], xs)
    return [
        "" if np.array_equal(y, net.run(x)) else "HLS C++ differs" for y, net, x in zip(answers, nets, xs, strict=True)
    ]


def differing_in_rtl(nets: Sequence[Net], xs: Sequence[Array], stalls: int) -> list[str]:
    """For each network what its RTL with stalls answers wrongly, or nothing; one simulation of all."""
    runs = rtl.run_many([lower(net) for net in nets], xs, stalls=stalls, listen=False)
    return [
        "" if np.array_equal(run.outputs, net.run(x)) else "RTL differs"
        for run, net, x in zip(runs, nets, xs, strict=True)
    ]
