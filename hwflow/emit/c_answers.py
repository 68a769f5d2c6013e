"""What the integers of a network mean, in C: net_label and net_scores, beside net_run.

Stands on answers. The float32 arithmetic is that of `Answer.scores`, step by step; `volatile` keeps a compiler from
fusing a product with a sum and from keeping more than 32 bits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from hwflow.answers import Answer, Array, headed
from hwflow.net import Net

OPS = {"mul": "v * {}", "div": "v / {}", "add": "v + {}", "sub": "v - {}"}
CLIPS = {"max": ">", "min": "<"}


@dataclass(frozen=True, eq=False)
class Part:
    """One output: its name in the file and in C (neither where it is the only one), its integers, what they mean."""

    name: str
    suffix: str
    at: int
    size: int
    answer: Answer

    def own(self, name: str) -> str:
        """The C name of something of this output."""
        return f"{name}_{self.suffix}" if self.suffix else name

    @property
    def scores(self) -> int:
        """How many real scores an image has; none where labels hide them."""
        return 0 if self.answer.labels else self.size

    @property
    def labels(self) -> int:
        """How many labels an image has."""
        answer = self.answer
        if answer.labels:
            return self.size // max(answer.k, 1)
        return self.size // (answer.channels or self.size)


def parts(net: Net) -> tuple[Part, ...]:
    """The outputs of a network in the order of its answers."""
    out: list[Part] = []
    taken: set[str] = set()
    for output in net.outputs:
        suffix = first = re.sub(r"\W+", "_", output.name, flags=re.ASCII).strip("_") or (
            "output" if output.name else ""
        )
        k = 2
        while suffix.upper() in taken:
            suffix, k = f"{first}_{k}", k + 1
        taken.add(suffix.upper())
        out.append(Part(output.name, suffix, sum(part.size for part in out), output.size, output.answer))
    return tuple(out)


def declarations(net: Net) -> str:
    """The part of net.h that says what answers mean."""
    each = parts(net)
    several = len(each) > 1
    ordered = all(part.answer.ordered for part in each)
    lines = [
        f"/* The integers of an answer {_meaning(net.gives_labels, ordered)}. */",
        f"enum {{ NET_ORDERED = {int(ordered)}, NET_GIVES_LABELS = {int(net.gives_labels)}, "
        f"NET_SCORES = {scores(net)}, NET_LABELS = {labels(net)} }};",
    ]
    for part in each if several else ():
        name, up = re.sub(r"[^ -~]|[*/\\]", "_", part.name), part.suffix.upper()
        lines += [
            f"/* Output {name}: integers {part.at} .. {part.at + part.size - 1} of an answer, which "
            f"{_meaning(part.answer.labels, part.answer.ordered)}. */",
            f"enum {{ NET_AT_{up} = {part.at}, NET_SIZE_{up} = {part.size}, NET_SCORES_{up} = {part.scores}, NET_LABELS_{up} = {part.labels} }};",
        ]
    lines += ["", "#ifdef __cplusplus", 'extern "C" {', "#endif", ""]
    for part in each:
        lines.append(
            _prototypes(part, "the whole answer, of all outputs, in; what follows is of this output" if several else "")
        )
    if several:
        lines.append(TOGETHER)
    return "\n".join(["", *lines, "#ifdef __cplusplus", "}", "#endif", ""])


def _meaning(is_labels: bool, ordered: bool) -> str:
    if is_labels:
        return "are labels"
    if ordered:
        return "sort exactly as the network's scores do, equal ones included"
    return "do NOT sort as the network's scores do: take net_label or net_scores"


def _prototypes(part: Part, note: str) -> str:
    said = f" ({note})" if note else ""
    return f"""/* The class of the largest score, the first of equal ones{_half(part)}{said}. */
int {part.own("net_label")}(const net_output *answer);

/* The same for each of the {part.own("NET_LABELS").upper()} pixels of an image of scores. */
void {part.own("net_labels")}(const net_output *answer, int *labels);

/* The trained network's own {part.own("NET_SCORES").upper()} real scores, in its own order{_apply_head(part)}. Where that is 0 there are none:
 * the hardware sends labels. */
void {part.own("net_scores")}(const net_output *answer, float *scores);
"""


TOGETHER = """/* The label of the first output; NET_LABELS labels and NET_SCORES scores of all outputs, one after the other. */
int net_label(const net_output *answer);
void net_labels(const net_output *answer, int *labels);
void net_scores(const net_output *answer, float *scores);
"""


def definitions(net: Net) -> str:
    """The part of net.c that says what answers mean."""
    each = parts(net)
    out = [line for part in each for line in (*_scores(part), *_labels(part))]
    if any(part.answer.unit is not None for part in each):
        out.insert(0, ABOVE)
    if len(each) > 1:
        for what, kind in (("scores", "float"), ("labels", "int")):
            out.append(f"void net_{what}(const net_output *answer, {kind} *{what}) {{")
            at = 0
            for part in each:
                out.append(f"    {part.own(f'net_{what}')}(answer, {what} + {at});")
                at += getattr(part, what)
            out.append("}")
        out.append(f"int net_label(const net_output *answer) {{ return {each[0].own('net_label')}(answer); }}")
    return "\n".join(out) + "\n"


def needs_heads(net: Net) -> bool:
    """True where net_scores takes exponentials."""
    return any(part.answer.head not in ("", "top_k") for part in parts(net))


def scores(net: Net) -> int:
    """How many real scores an image has."""
    return sum(part.scores for part in parts(net))


def labels(net: Net) -> int:
    """How many labels an image has."""
    return sum(part.labels for part in parts(net))


def _half(part: Part) -> str:
    decides = part.answer.decides and (part.answer.channels or part.size) == 1
    return "; of a single score, whether it reaches one half" if decides else ""


def _apply_head(part: Part) -> str:
    return f", its {part.answer.head} applied" if part.answer.head not in ("", "top_k") else ""


def _answer_of(part: Part) -> list[str]:
    """The line that makes `answer` this output's own integers."""
    return [f"    answer += {part.at};"] if part.at else []


def _scores(part: Part) -> list[str]:
    """hw_real: each score in front of the head, step by step; net_scores: the head over them, each at the file's own place."""
    name = part.own("net_scores")
    if not part.scores:
        return [
            f"void {name}(const net_output *answer, float *scores) {{",
            "    (void)answer;",
            "    (void)scores;",
            "}",
        ]
    answer, size = part.answer, part.size
    out, body = _sums(part)
    for k, step in enumerate(answer.finish):
        table = part.own(f"hw_step{k}")
        out.append(_array("float", table, step.value))
        value = f"{table}[{'i' if len(step.value) > 1 else 0}]"
        if step.op in CLIPS:
            body.append(f"        if ({value} {CLIPS[step.op]} v) v = {value};")
        else:
            body.append(f"        v = {OPS[step.op].format(value)};")
    real = [
        f"static void {part.own('hw_real')}(const net_output *answer, float *scores) {{", "    int i;", *_answer_of(part),
        f"    for (i = 0; i < {size}; i++) {{", *body, "        scores[i] = v;", "    }", "}",
    ]  # fmt: skip
    head = HEADS.get(answer.head, "").format(size=size, channels=answer.channels or size)
    begin, asked = (
        f"void {name}(const net_output *answer, float *scores) {{",
        f"    {part.own('hw_real')}(answer, scores);",
    )
    if not len(answer.places) or answer.head == "top_k":  # the places of top_k are those of its classes
        return [*out, *real, "", begin, asked, head, "}"]
    places = part.own("hw_places")
    out.append(_array("int", places, answer.places))
    own = [
        f"    static const int size = {size};", f"    float own[{size}];", "    int i;", asked.replace("scores)", "own)"),
        head.replace("scores", "own"), f"    for (i = 0; i < size; i++) scores[{places}[i]] = own[i];",
    ]  # fmt: skip
    return [*out, *real, "", begin, *own, "}"]


def _sums(part: Part) -> tuple[list[str], list[str]]:
    """The tables and lines that give v, the float32 sum behind answer i."""
    unit = part.answer.unit
    if unit is None:
        return [], ["        volatile float v = (float)answer[i];"]
    mul, add = part.own("hw_mul"), part.own("hw_add")
    tables = [_array("int", name, np.broadcast_to(v, part.size)) for name, v in ((mul, unit.mul), (add, unit.add))]
    lines = [
        f"        const long long by = {mul}[i] < 0 ? -(long long){mul}[i] : {mul}[i] > 0 ? {mul}[i] : 1;",
        f"        const long long off = (long long)answer[i] - {add}[i];",
        f"        const long long sum = answer[i] == {unit.hi} ? hw_above(off, by) : -hw_above(-off, by);",
        f"        volatile float v = (float)({mul}[i] < 0 ? -sum : {mul}[i] > 0 ? sum : 0);",
    ]
    return tables, lines


ABOVE = (
    "/* the least whole number at or above off / by */\n"
    "static long long hw_above(long long off, long long by) { return off > 0 ? (off + by - 1) / by : -(-off / by); }"
)
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


def _labels(part: Part) -> list[str]:
    """The largest integer where integers sort as scores do, else the largest score; a single sigmoid by its boundary."""
    answer, count, size = part.answer, part.labels, part.size
    real = [f"    float real[{size}];"]
    asked = [f"    {part.own('hw_real')}(answer, real);"]
    if answer.labels:
        real, asked, body = [], _answer_of(part), [f"        labels[i] = answer[i * {size // count}];"]
    elif answer.decides and size == count:
        body = [f"        labels[i] = real[i] >= {_number(half())};"]
    else:
        ordered = answer.ordered and answer.head != "top_k"
        if ordered:
            real, asked = [], _answer_of(part)
        kind, source = ("net_output", "answer") if ordered else ("float", "real")
        body = [
            f"        const {kind} *y = {source} + i * {size // count};", "        int c, best = 0;",
            f"        for (c = 1; c < {size // count}; c++) if (y[c] > y[best]) best = c;", "        labels[i] = best;",
        ]  # fmt: skip
    return [
        f"void {part.own('net_labels')}(const net_output *answer, int *labels) {{", *real, "    int i;", *asked,
        f"    for (i = 0; i < {count}; i++) {{", *body, "    }", "}", "",
        f"int {part.own('net_label')}(const net_output *answer) {{", f"    int labels[{count}];",
        f"    {part.own('net_labels')}(answer, labels);", "    return labels[0];", "}",
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
