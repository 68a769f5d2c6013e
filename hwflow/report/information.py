"""The information page of a training run: what the papers argue with, as pictures, from metrics.json alone.

Stands on the drawings. One offline file, light and dark, without a plotting library.
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from typing import Any

from hwflow.report.svg import curves, heat

# what a layer's row holds, how the picture is called, and how it is read
PICTURES = {
    "entropy": (
        "entropy [bit]",
        "The information in one bit, mean over channels: 1 where +1 and -1 are equally frequent, 0 where a channel never"
        " changes. IR-Net and DIR-Net balance weights to raise it.",
    ),
    "updatable": (
        "share of updatable values",
        "Values whose estimated slope is at least a tenth of the estimator's peak: those that training can still move.",
    ),
    "gradient_error": (
        "gradient error of the estimator",
        "Mean |slope|: sign has slope 0 wherever it has one, so all of it is invented. EDE and DTE lower it as they sharpen.",
    ),
    "gradient": ("mean |gradient| that arrives", "What is left of the loss's gradient at this layer's quantizer."),
    "sharpness": ("sharpness t", "EDE's schedule, and DTE's, which each tensor's distribution moves."),
}
KINDS = {"weight": "weights", "act": "activations"}


def information_page(metrics: dict[str, Any]) -> str:
    """The page of a run: loss and accuracy over epochs, each quantity of each binary layer over epochs, distances to the twin.

    `metrics` is metrics.json's content. Runs whose history has no layers give the curves alone.
    """
    history = [row for row in metrics.get("history", []) if isinstance(row, dict)]
    figures = [
        _figure("accuracy over epochs", curves("accuracy over epochs", _lines(history, {"training": "train_accuracy", "held out": "accuracy"}), percent=True)),
        _figure("loss over epochs", curves("loss over epochs", _lines(history, {"loss": "loss"}))),
    ]  # fmt: skip
    looked = [row for row in history if row.get("layers")]
    epochs = [f"epoch {row['epoch']}" for row in looked]
    for key, (title, text) in PICTURES.items():
        for kind, of in KINDS.items():
            figures.append(_figure(f"{title}, {of}", _field(looked, epochs, key, kind, f"{title}, {of}"), text))
    far = [row for row in history if row.get("distances")]
    if far:
        count = len(far[-1]["distances"])
        drawn = heat(
            "distance to the full-precision twin",
            [f"norm {i}" for i in range(count)],
            [f"epoch {row['epoch']}" for row in far],
            [[row["distances"][i] for row in far] for i in range(count)],
        )
        text = "Between the normalised representations behind each norm; RBD makes it small."
        figures.append(_figure("distance to the full-precision twin", drawn, text))
    name = escape(str(metrics.get("name", "run")))
    style = files("hwflow.report").joinpath("report.css").read_text()
    method, training = (escape(json.dumps(metrics.get(key, {}))) for key in ("method", "training"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Information in {name}</title><style>{style}</style></head><body><header><h1>Information in {name}</h1>"
        f'<p class="note">Each picture has a row for each binary layer and a column for each epoch; a cell says its value.</p></header>'
        f'<main class="charts">{"".join(figures)}</main><h2>Method and training</h2><pre>{method}\n{training}</pre></body></html>\n'
    )


def _lines(history: list[dict[str, Any]], names: dict[str, str]) -> dict[str, list[tuple[float, float]]]:
    lines = {label: [(r["epoch"], r[key]) for r in history if r.get(key) is not None] for label, key in names.items()}
    return {label: line for label, line in lines.items() if line}


def _field(looked: list[dict[str, Any]], epochs: list[str], key: str, kind: str, title: str) -> str:
    """The heat map of one quantity of all layers of one kind; empty where no layer has it."""
    if not looked:
        return ""
    rows = [i for i, layer in enumerate(looked[-1]["layers"]) if layer.get("kind") == kind]
    values = [[row["layers"][i].get(key) if i < len(row["layers"]) else None for row in looked] for i in rows]
    if not any(v is not None for row in values for v in row):
        return ""
    return heat(title, [str(looked[-1]["layers"][i]["name"]) for i in rows], epochs, values)


def _figure(title: str, drawing: str, text: str = "") -> str:
    if not drawing:
        return ""
    note = f'<p class="note">{escape(text)}</p>' if text else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawing}{note}</figure>"
