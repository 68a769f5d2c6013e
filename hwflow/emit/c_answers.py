"""What the integers of a network mean, in C: net_label and net_scores, beside net_run.

Stands on answers. The float32 arithmetic is that of `Answer.scores`, step by step; `volatile` keeps a compiler from
fusing a product with a sum and from keeping more than 32 bits.
"""

from __future__ import annotations

import numpy as np

from hwflow.answers import Array, headed
from hwflow.net import Net

OPS = {"mul": "v * {}", "div": "v / {}", "add": "v + {}", "sub": "v - {}"}
CLIPS = {"max": ">", "min": "<"}


def declarations(net: Net) -> str:
    """The part of net.h that says what answers mean."""
    answer = net.answer
    order = (
        "sort exactly as the network's scores do, equal ones included"
        if answer.ordered
        else "do NOT sort as the network's scores do: take net_label or net_scores"
    )
    meaning = "are labels" if net.gives_labels else order
    return f"""
/* The integers of an answer {meaning}. */
enum {{ NET_ORDERED = {int(answer.ordered)}, NET_GIVES_LABELS = {int(net.gives_labels)}, NET_SCORES = {scores(net)}, NET_LABELS = {labels(net)} }};

#ifdef __cplusplus
extern "C" {{
#endif

/* The class of the largest score, the first of equal ones{_half(net)}. */
int net_label(const net_output *answer);

/* The same for each of the NET_LABELS pixels of an image of scores. */
void net_labels(const net_output *answer, int *labels);

/* The trained network's own NET_SCORES real scores, in its own order{_headed(net)}. With NET_SCORES 0 there are none:
 * the hardware sends labels. */
void net_scores(const net_output *answer, float *scores);

#ifdef __cplusplus
}}
#endif
"""


def definitions(net: Net) -> str:
    """The part of net.c that says what answers mean."""
    return "\n".join([*_scores(net), *_labels(net)]) + "\n"


def needs_heads(net: Net) -> bool:
    """True where net_scores takes exponentials."""
    return net.answer.head not in ("", "top_k")


def scores(net: Net) -> int:
    """How many real scores an image has."""
    return 0 if net.gives_labels else net.output.size


def labels(net: Net) -> int:
    """How many labels an image has."""
    if net.gives_labels:
        return 1 if net.answer.k > 1 else net.output.size
    return 1 if net.answer.head == "top_k" else net.output.size // (net.answer.channels or net.output.size)


def _half(net: Net) -> str:
    decides = net.answer.decides and (net.answer.channels or net.output.size) == 1
    return "; of a single score, whether it reaches one half" if decides else ""


def _headed(net: Net) -> str:
    return f", its {net.answer.head} applied" if needs_heads(net) else ""


def _scores(net: Net) -> list[str]:
    """hw_real: each score in front of the head, step by step; net_scores: the head over them, each at the file's own place."""
    if not scores(net):
        return [
            "void net_scores(const net_output *answer, float *scores) {",
            "    (void)answer;",
            "    (void)scores;",
            "}",
        ]
    answer, size = net.answer, net.output.size
    out, body = _sums(net)
    for k, step in enumerate(answer.finish):
        name = f"hw_step{k}"
        out.append(_array("float", name, step.value))
        value = f"{name}[{'i' if len(step.value) > 1 else 0}]"
        if step.op in CLIPS:
            body.append(f"        if ({value} {CLIPS[step.op]} v) v = {value};")
        else:
            body.append(f"        v = {OPS[step.op].format(value)};")
    real = [
        "static void hw_real(const net_output *answer, float *scores) {", "    int i;",
        f"    for (i = 0; i < {size}; i++) {{", *body, "        scores[i] = v;", "    }", "}",
    ]  # fmt: skip
    head = HEADS.get(answer.head, "").format(size=size, channels=answer.channels or size)
    if not len(answer.places):
        return [
            *out,
            *real,
            "",
            "void net_scores(const net_output *answer, float *scores) {",
            "    hw_real(answer, scores);",
            head,
            "}",
        ]
    out.append(_array("int", "hw_places", answer.places))
    own = [
        f"    float own[{size}];", "    int i;", "    hw_real(answer, own);", head.replace("scores", "own"),
        f"    for (i = 0; i < {size}; i++) scores[hw_places[i]] = own[i];",
    ]  # fmt: skip
    return [*out, *real, "", "void net_scores(const net_output *answer, float *scores) {", *own, "}"]


def _sums(net: Net) -> tuple[list[str], list[str]]:
    """The tables and lines that give v, the float32 sum behind answer i."""
    unit = net.answer.unit
    if unit is None:
        return [], ["        volatile float v = (float)answer[i];"]
    tables = [
        _array("int", name, np.broadcast_to(v, net.output.size))
        for name, v in (("hw_mul", unit.mul), ("hw_add", unit.add))
    ]
    above = (
        "/* the least whole number at or above off / by */\n"
        "static long long hw_above(long long off, long long by) { return off > 0 ? (off + by - 1) / by : -(-off / by); }"
    )
    lines = [
        "        const long long by = hw_mul[i] < 0 ? -(long long)hw_mul[i] : hw_mul[i] > 0 ? hw_mul[i] : 1;",
        "        const long long off = (long long)answer[i] - hw_add[i];",
        f"        const long long sum = answer[i] == {unit.hi} ? hw_above(off, by) : -hw_above(-off, by);",
        "        volatile float v = (float)(hw_mul[i] < 0 ? -sum : hw_mul[i] > 0 ? sum : 0);",
    ]
    return [*tables, above], lines


SOFT = """    {{
        int at, c;
        for (at = 0; at < {size}; at += {channels}) {{
            double most = scores[at], sum = 0;
            for (c = 1; c < {channels}; c++) if (scores[at + c] > most) most = scores[at + c];
            for (c = 0; c < {channels}; c++) sum += hw_exp((double)scores[at + c] - most);
            LAST
        }}
    }}"""
HEADS = {
    "softmax": SOFT.replace(
        "LAST",
        "for (c = 0; c < {channels}; c++) scores[at + c] = (float)(hw_exp((double)scores[at + c] - most) / sum);",
    ),
    "log_softmax": SOFT.replace(
        "LAST",
        "sum = hw_log(sum);\n            for (c = 0; c < {channels}; c++) scores[at + c] = (float)((double)scores[at + c] - most - sum);",
    ),
    "sigmoid": """    {{
        int at;
        for (at = 0; at < {size}; at++) {{
            const double e = hw_exp(scores[at] < 0 ? (double)scores[at] : -(double)scores[at]);
            scores[at] = (float)((scores[at] < 0 ? e : 1.0) / (1.0 + e));
        }}
    }}""",
    "tanh": """    {{
        int at;
        for (at = 0; at < {size}; at++) {{
            const double x = scores[at] < 0 ? -(double)scores[at] : (double)scores[at], e = hw_exp(-2.0 * x);
            const double y = x < 1e-3 ? x - x * x * x / 3.0 : (1.0 - e) / (1.0 + e);
            scores[at] = (float)(scores[at] < 0 ? -y : y);
        }}
    }}""",
}


def _labels(net: Net) -> list[str]:
    """The largest integer where integers sort as scores do, else the largest score; a single sigmoid by its boundary."""
    answer, count, size = net.answer, labels(net), net.output.size
    real = [f"    float real[{size}];"]
    asked = ["    hw_real(answer, real);"]
    if net.gives_labels:
        real, asked, body = [], [], ["        labels[i] = answer[i];"]
    elif answer.decides and size == count:
        body = [f"        labels[i] = real[i] >= {_number(half())};"]
    else:
        ordered = answer.ordered and answer.head != "top_k"
        if ordered:
            real, asked = [], []
        kind, source = ("net_output", "answer") if ordered else ("float", "real")
        body = [
            f"        const {kind} *y = {source} + i * {size // count};", "        int c, best = 0;",
            f"        for (c = 1; c < {size // count}; c++) if (y[c] > y[best]) best = c;", "        labels[i] = best;",
        ]  # fmt: skip
    return [
        "void net_labels(const net_output *answer, int *labels) {", *real, "    int i;", *asked,
        f"    for (i = 0; i < {count}; i++) {{", *body, "    }", "}", "",
        "int net_label(const net_output *answer) {", f"    int labels[{count}];", "    net_labels(answer, labels);",
        "    return labels[0];", "}",
    ]  # fmt: skip


def half() -> float:
    """The least float32 score whose sigmoid, rounded to float32, reaches one half; a little below zero."""
    low, high = np.float32(-1e-3), np.float32(0)
    while np.nextafter(low, high) != high:
        middle = np.float32((float(low) + float(high)) / 2)
        if headed("sigmoid", np.full((1, 1), middle, np.float32), 1)[0, 0] >= np.float32(0.5):
            high = middle
        else:
            low = middle
    return float(high)


def _number(value: float) -> str:
    """A float32 as a C constant that reads back as itself."""
    text = f"{value:.9g}"
    return f"{text if '.' in text or 'e' in text else text + '.0'}f"


def _array(kind: str, name: str, values: Array) -> str:
    texts = [_number(float(v)) for v in values] if kind == "float" else [str(int(v)) for v in values]
    rows = [", ".join(texts[i : i + 12]) for i in range(0, len(texts), 12)]
    return f"static const {kind} {name}[] = {{\n    " + ",\n    ".join(rows) + "};"
