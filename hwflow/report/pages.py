"""What only the page shows: drawings, the network as boxes, answers on held-out images, the commands that made it.

Stands on the facts, the build's held-out images and its integer network.
"""

from __future__ import annotations

import math
import shlex
from typing import Any

import numpy as np
from markupsafe import Markup

from hwflow.bits import Array
from hwflow.build import Build
from hwflow.report.pipeline import pipeline_values, waterfall
from hwflow.report.svg import bars, curves, png

MOST_IMAGES = 2000  # held-out images that the confusion matrix is drawn from
MOST_PRODUCTS = 2_000_000_000  # products that may be spent on them
WORST = 12  # mistakes that are shown as images
FILTERS = 64  # weights of the first layer that are shown


def page_values(build: Build, facts: dict[str, Any]) -> dict[str, Any]:
    """Everything the page's template needs beside the facts and the headline figures."""
    pipeline = pipeline_values(build.dataflow)
    return {
        "pipeline": pipeline,
        "waterfall": Markup(waterfall(pipeline)) if pipeline else "",
        "drawings": {name: Markup(text) for name, text in _drawings(build, facts).items() if text},
        "boxes": _boxes(facts, {u.name for u in build.dataflow.units if u.glue}),
        "answers": _answers(build),
        "filters": _filters(build),
        "commands": _commands(build, facts),
    }


def _drawings(build: Build, facts: dict[str, Any]) -> dict[str, str]:
    """SVG text by name: cycles and areas of each unit, the board, the training."""
    glue = {u.name for u in build.dataflow.units if u.glue}
    units = [u for u in facts["units"] if u["name"] not in glue]
    names = [u["name"] for u in units]
    slow = facts["throughput"]["bottleneck"]
    out = {"cycles": bars("cycles an image of each unit", names, {"claimed": [u["cycles"] for u in units]}, mark=slow)}
    for resource, title in (("lut", "LUTs"), ("ff", "flip-flops"), ("bram", "block RAMs"), ("dsp", "multipliers")):
        claimed = [u["estimate"][resource] for u in units]
        found = [u["synth"][resource] if u["synth"] else None for u in units]
        if any(claimed) or any(found):
            series = {"estimated": claimed} | ({"synthesised": found} if any(f is not None for f in found) else {})
            out[resource] = bars(f"{title} of each unit", names, series, mark=slow)
    percent = facts["resources"]["percent"]
    if percent:
        out["board"] = bars(
            "share of the board in use", [r.upper() for r in percent], {"used": list(percent.values())}, " %"
        )
    history = [row for row in build.json("metrics.json").get("history", []) if isinstance(row, dict)]
    lines = {
        label: [(row["epoch"], row[key]) for row in history if row.get(key) is not None]
        for label, key in (("training", "train_accuracy"), ("held out", "accuracy"))
    }
    out["accuracy"] = curves("accuracy over epochs", {k: v for k, v in lines.items() if len(v) > 1}, percent=True)
    loss = [(row["epoch"], row["loss"]) for row in history if row.get("loss") is not None]
    out["loss"] = curves("loss over epochs", {"loss": loss} if len(loss) > 1 else {})
    return out


def _boxes(facts: dict[str, Any], glue: set[str]) -> list[dict[str, Any]]:
    """The units in order, each with the size of its box: the square root of its share of all LUTs, 0 to 1.

    `glue` names the units that only join others; they are drawn small.
    """
    units = facts["units"]
    area = [(u["synth"] or u["estimate"])["lut"] for u in units]
    most = max(area, default=1) or 1
    before = dict(zip((u["name"] for u in units[1:]), (u["name"] for u in units), strict=False))
    return [
        {
            **u,
            "lut": a,
            "size": math.sqrt(a / most),
            "glue": u["name"] in glue,
            "slow": u["name"] == facts["throughput"]["bottleneck"],
            "joins": [i for i in u["inputs"] if i != before.get(u["name"]) and i != "input"],
        }
        for u, a in zip(units, area, strict=True)
    ]


def _answers(build: Build) -> dict[str, Any] | None:
    """The confusion matrix and the mistakes made with most confidence; None without labelled held-out images."""
    if not (build.folder / "test.npz").is_file():
        return None
    products = sum(
        op.weights.size * math.prod(build.net.ports[op.name].shape[:-1])
        for op in build.net.ops
        if hasattr(op, "weights")
    )
    x, labels = build.images(int(min(MOST_IMAGES, max(10, MOST_PRODUCTS // max(products, 1)))))
    if len(build.net.outputs) > 1:
        return None
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        return None
    answer = build.net.run(x)
    said = build.net.labels(answer)
    if said.shape != labels.shape or said.min(initial=0) < 0:
        return None  # a label for each pixel, say
    classes = int(max(labels.max(initial=0), said.max(initial=0))) + 1
    if not 2 <= classes <= 50:
        return None
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, said), 1)
    wrong = np.flatnonzero(labels != said)
    if not build.net.gives_labels and len(wrong):
        scores = build.net.scores(answer[wrong])
        lead = scores[np.arange(len(wrong)), said[wrong]] - scores[np.arange(len(wrong)), labels[wrong]]
        wrong = wrong[np.argsort(-lead, kind="stable")]
    pictures = [
        {"image": picture, "label": int(labels[i]), "said": int(said[i])}
        for i in wrong[:WORST]
        if (picture := _picture(x[i]))
    ]
    shade = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    return {"images": len(x), "matrix": matrix.tolist(), "shade": shade.round(3).tolist(), "worst": pictures}


def _picture(x: Array) -> str:
    """An image's integers as a PNG, stretched to full contrast; nothing for what is no image."""
    if x.ndim == 1 or (x.ndim == 3 and min(x.shape[:2]) == 1):
        side = math.isqrt(x.size)
        if side < 4 or side * side != x.size:
            return ""
        x = x.reshape(side, side, 1)
    if x.ndim != 3 or x.shape[2] not in (1, 3):
        return ""
    x = x.astype(np.int64)
    low, high = int(x.min()), int(x.max())
    pixels = ((x - low) * 255 // max(high - low, 1)).astype(np.uint8)
    return png(pixels[:, :, 0] if x.shape[2] == 1 else pixels)


def _filters(build: Build) -> list[str]:
    """The first layer's weights as images, where its shape is one: rows of a dense layer or kernels of a convolution."""
    first = next((op for op in build.net.ops if hasattr(op, "weights")), None)
    if first is None:
        return []
    w = np.asarray(first.weights)[:FILTERS]
    if w.ndim == 4 and w.shape[1] < 3:
        return []
    return [p for row in w if (p := _picture(row if row.ndim != 3 or row.shape[2] in (1, 3) else row[:, :, :1]))]


def _commands(build: Build, facts: dict[str, Any]) -> list[str]:
    """The commands that make this build again, as far as the build knows them."""
    ask, folder = build.ask, shlex.quote(str(build.folder.name))
    words = ["hwflow", "compile", shlex.quote(str(ask.get("source") or build.model.name))]
    words += [f"--input {ask['input']}"] if ask.get("input") else []
    words += [f"--board {ask['board']}"] if ask.get("board") else []
    words += [f"--fps {ask['fps']:g}"] if ask.get("fps") else []
    words += ["--fit"] if ask.get("fit") else []
    out = [" ".join([*words, "-o", folder])]
    if facts["exactness"]["rungs"]:
        out.append(f"hwflow verify {folder} -n {max(r['images'] for r in facts['exactness']['rungs'])}")
    out += [
        f"hwflow synth {folder} --{'board' if m.get('board') else 'family'} {name}{' --place' if m.get('fmax_mhz') else ''}"
        for name, m in facts["resources"]["results"].items()
    ]
    return [*out, f"hwflow report {folder}"]
