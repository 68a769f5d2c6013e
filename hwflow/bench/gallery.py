"""The gallery: a picture of what each kept network does, drawn from its integers.

Stands on train.kept, tasks and matplotlib. `python -m hwflow.bench.gallery` writes docs/pages/guides/gallery.md and the
pictures beside it, in docs/pages/assets/gallery.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hwflow.answers import parts
from hwflow.bits import Array
from hwflow.files import write_text
from hwflow.net import Net
from hwflow.ops import Multiply, Recurrent
from hwflow.tasks.boxes import NONE, Objects, decode
from hwflow.train.checkpoint import METRICS
from hwflow.train.kept import NET, TRAINED, held_out
from hwflow.train.sequences import KINDS
from hwflow.train.tasks import SIZES

PAGES = Path("docs/pages")  # of a checkout, where the command is run
PAGE, PICTURES = PAGES / "guides" / "gallery.md", PAGES / "assets" / "gallery"
SURE = 0.25  # the score from which a box is drawn
Draw = Callable[[Any, Net, Array, Array], None]


def draw_boxes(figure: Any, net: Net, x: Array, boxes: Array) -> None:
    """Three scenes, the boxes that the network finds, and dotted those that are there."""
    maps = list(parts(net.real(net.run(x[:3]))).values())
    for k, axes in enumerate(figure.subplots(1, 3)):
        axes.imshow(x[k, ..., 0], cmap="gray")
        found: Objects = decode([m[k] for m in maps], SIZES, SURE)
        for box, label, score in zip(found.boxes, found.classes, found.scores, strict=True):
            _box(axes, box, "tab:orange", "-")
            axes.text(box[0], box[1] - 1, f"{label}  {score:.2f}", color="tab:orange", fontsize=7)
        for box in boxes[k][boxes[k][:, 4] != NONE]:
            _box(axes, box[:4], "white", ":")
        axes.axis("off")


def _box(axes: Any, box: Array, colour: str, style: str) -> None:
    x0, y0, x1, y1 = (float(v) - 0.5 for v in box)
    axes.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color=colour, linestyle=style, linewidth=1)


def draw_masks(figure: Any, net: Net, x: Array, masks: Array) -> None:
    """Three scenes above, the class of every pixel that the network finds below, and what is there at the bottom."""
    (scores,) = parts(net.real(net.run(x[:3]))).values()
    found = scores.reshape(3, -1, *masks.shape[1:]).argmax(1)
    rows = figure.subplots(3, 3)
    for k in range(3):
        for axes, image, colours in zip(
            rows[:, k], (x[k, ..., 0], found[k], masks[k]), ("gray", "tab20", "tab20"), strict=True
        ):
            axes.imshow(
                image, cmap=colours, vmin=0, vmax=image.max() if colours == "gray" else 19, interpolation="nearest"
            )
            axes.axis("off")
    for axes, title in zip(rows[:, 0], ("scene", "found", "there"), strict=True):
        axes.set_title(title, fontsize=8, loc="left")


def draw_states(figure: Any, net: Net, x: Array, labels: Array) -> None:
    """One sequence: its features, the state behind every step, and the scores that each state would be answered with."""
    at = next(k for k in range(len(x)) if net.labels(net.run(x[k : k + 1]))[0] == labels[k])
    image, label = x[at : at + 1], int(labels[at])
    place = next(i for i, op in enumerate(net.ops) if isinstance(op, Recurrent))
    step = net.ops[place]
    assert isinstance(step, Recurrent)
    states = replace(step, every=True).run(net.values(image)[step.inputs[0]]).reshape(-1, step.states)
    values = states
    for op in net.ops[place + 1 :]:
        values = op.run(values)
    scores = net.scores(values)
    top, middle, bottom = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [2, 4, 2]})
    top.imshow(image[0, :, 0].T, aspect="auto", origin="lower", cmap="magma")
    middle.imshow(states.T, aspect="auto", cmap="RdBu_r", interpolation="nearest")
    names = KINDS if scores.shape[1] == len(KINDS) else tuple(map(str, range(scores.shape[1])))
    for k, name in enumerate(names):
        bottom.plot(
            scores[:, k],
            color="tab:orange" if k == label else "gray",
            linewidth=2 if k == label else 0.7,
            label=name if k == label else None,
        )
    bottom.legend(fontsize=7, loc="upper left")
    for axes, what in ((top, "features"), (middle, "state"), (bottom, "scores")):
        axes.set_ylabel(what, fontsize=8)
        axes.tick_params(labelsize=6)
    bottom.set_xlabel("step", fontsize=8)


def draw_kinds(figure: Any, net: Net, x: Array, labels: Array) -> None:
    """Three sequences of different kinds: the features above, the scores below, that of the right kind in orange."""
    kinds, at = np.unique(labels, return_index=True)
    chosen = at[[0, len(kinds) // 2, len(kinds) - 1]]
    scores = net.scores(net.run(x[chosen]))
    names = KINDS if scores.shape[1] == len(KINDS) else tuple(map(str, range(scores.shape[1])))
    rows = figure.subplots(2, 3)
    for k, label in enumerate(labels[chosen]):
        rows[0, k].imshow(x[chosen[k], :, 0].T, aspect="auto", origin="lower", cmap="magma")
        colours = ["tab:orange" if name == names[label] else "gray" for name in names]
        rows[1, k].barh(range(len(names)), scores[k], color=colours)
        rows[1, k].set_yticks(range(len(names)), names if k == 0 else [""] * len(names))
        rows[0, k].set_title(names[label], fontsize=8)
        for axes in rows[:, k]:
            axes.tick_params(labelsize=6)
    rows[0, 0].set_ylabel("features", fontsize=8)
    rows[1, 0].set_ylabel("scores", fontsize=8)


def draw_classes(figure: Any, net: Net, x: Array, labels: Array) -> None:
    """The first twelve images and the class that the network answers for each, in orange where it is another."""
    found = net.labels(net.run(x[:12])).reshape(-1)
    for axes, image, label, truth in zip(figure.subplots(2, 6).flat, x, found, labels, strict=False):
        axes.imshow(image)
        right = label == truth
        title = CLASSES[label] if right else f"{CLASSES[label]}, not {CLASSES[truth]}"
        axes.set_title(title, fontsize=7, color="black" if right else "tab:orange")
        axes.axis("off")


def draw_gates(figure: Any, net: Net, x: Array, labels: Array) -> None:
    """Three images of different classes, and below each how far every gate of the last block is open for it."""
    _, at = np.unique(labels, return_index=True)
    chosen = at[[0, len(at) // 2, len(at) - 1]]
    values = net.values(x[chosen])
    last = [op for op in net.ops if isinstance(op, Multiply)][-1]
    port = net.ports[last.inputs[1]]
    gates = values[last.inputs[1]].reshape(len(chosen), -1, port.shape[-1])[:, 0]
    rows = figure.subplots(2, 3, gridspec_kw={"height_ratios": [3, 2]})
    for k, label in enumerate(labels[chosen]):
        rows[0, k].imshow(x[chosen[k]])
        rows[0, k].set_title(CLASSES[label], fontsize=8)
        rows[0, k].axis("off")
        rows[1, k].bar(range(gates.shape[1]), gates[k], width=1, color="tab:orange")
        rows[1, k].set_ylim(0, max(1, port.ints.hi))
        rows[1, k].tick_params(labelsize=6)
    rows[1, 0].set_ylabel("gate", fontsize=8)
    rows[1, 1].set_xlabel("channel", fontsize=8)


CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")  # of CIFAR-10
DRAWN: dict[str, tuple[str, Draw, tuple[float, float], str]] = {
    "detector": (
        "Detection", draw_boxes, (7.5, 2.7),
        "Scenes of held-out digits, the boxes and scores that the integers answer (orange), and the boxes that are there (dotted).",
    ),
    "unet": (
        "Segmentation", draw_masks, (5, 5.2),
        "Scenes of held-out digits, the class of every pixel as the integers answer it, and as it is.",
    ),
    "keywords": (
        "A temporal convolution network tells sounds apart", draw_kinds, (7.5, 4),
        "Spectra of three held-out sounds and the scores that the integers answer, that of the sound's own kind in orange.",
    ),
    "rnn-rows": (
        "A recurrent network reads a digit", draw_states, (6, 4.5),
        "A held-out digit, row after row; the integers of the state behind each row; and the scores that the last layer would "
        "give each of these states, the digit's own in orange.",
    ),
    "rnn-tones": (
        "A recurrent network listens", draw_states, (6, 4.5),
        "The same for the spectrum of a sound.",
    ),
    "cnv-hours": (
        "Classification", draw_classes, (7.5, 2.9),
        "The first held-out images of CIFAR-10 and the class that the integers answer, in orange where it is wrong.",
    ),
    "efficientnet-minutes": (
        "A compact architecture", draw_gates, (7.5, 3.4),
        "Held-out images of CIFAR-10 and, channel by channel, how far the gates of the last block of an EfficientNet are open for "
        "each: integers of four bits.",
    ),
}  # fmt: skip


def draw(name: str, out: Path) -> None:
    """The picture of one kept network, as out/NAME.png; the same bytes each time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    net = Net.load(TRAINED / name / NET)
    x, truth = held_out(json.loads((TRAINED / name / METRICS).read_text())["data"], net)
    _, paint, size, _ = DRAWN[name]
    figure = pyplot.figure(figsize=size, layout="constrained")
    paint(figure, net, x, truth)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / f"{name}.png", dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def page(names: list[str]) -> str:
    """The page of these networks."""
    lines = [
        "# What the kept networks do", "",
        "Every picture is drawn from the integers that hardware computes: the kept networks of `models/trained` on held-out data. "
        "`python -m hwflow.bench.gallery` writes this page and its pictures; [Tasks](../results/tasks.md), [Compact architectures](../results/compact.md) and [Trained networks](../results/trained.md) have the scores.", "",
    ]  # fmt: skip
    for name in names:
        title, _, _, text = DRAWN[name]
        lines += [
            f"## {title}",
            "",
            f"![{text}](../assets/gallery/{name}.png)",
            "",
            f"`models/trained/{name}`. {text}",
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    """Draw every kept network of DRAWN and write the page."""
    names = [name for name in DRAWN if (TRAINED / name / NET).exists()]
    for name in names:
        draw(name, PICTURES)
        print(f"drawn {PICTURES / name}.png")
    write_text(PAGE, page(names))


if __name__ == "__main__":
    main()
