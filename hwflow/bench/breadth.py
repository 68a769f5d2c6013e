"""Networks as users of Brevitas write and export them, end to end: read, proven in every engine, and what they cost.

Stands on torch, Brevitas and the rooms it measures. A network is one entry of NETWORKS.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hwflow import proof
from hwflow.board import load_board
from hwflow.emit.rtl import emit
from hwflow.fold import fold
from hwflow.plan import plan
from hwflow.qonnx import explained, read, reference
from hwflow.simulate import c, hls, rtl

INPUT = "u8/255"
IMAGES = 24
BOARDS = ("pynq_z2", "ulx3s_85f")
STALLS = 7


def yolo_head() -> Any:
    """A backbone of 4 bits and a detector's head at two scales, joined by nearest upsampling: boxes and classes of each."""
    import brevitas.nn as qnn
    import torch
    from torch import Tensor, nn

    def block(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
        conv = qnn.QuantConv2d(inputs, outputs, 3, stride, 1, bias=False, weight_bit_width=4)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), qnn.QuantReLU(bit_width=4))

    def head(inputs: int, outputs: int) -> nn.Module:
        return qnn.QuantConv2d(inputs, outputs, 1, bias=True, weight_bit_width=6)

    class Head(nn.Module):
        def __init__(self, classes: int = 5, channels: int = 8):
            super().__init__()
            self.image = qnn.QuantIdentity(bit_width=8, return_quant_tensor=False)
            self.stem, self.fine = block(3, channels, 2), block(channels, channels, 2)
            self.coarse, self.back = block(channels, 2 * channels, 2), block(2 * channels, channels)
            self.up, self.joined = nn.Upsample(scale_factor=2), qnn.QuantReLU(bit_width=4)
            self.neck = block(2 * channels, channels)
            self.boxes = nn.ModuleList([head(channels, 4), head(2 * channels, 4)])
            self.classes = nn.ModuleList([head(channels, classes), head(2 * channels, classes)])

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            fine = self.fine(self.stem(self.image(x)))
            coarse = self.coarse(fine)
            neck = self.neck(self.joined(torch.cat([fine, self.up(self.back(coarse))], 1)))
            scales = (neck, coarse)
            return tuple(
                made(y) for made_of in (self.boxes, self.classes) for made, y in zip(made_of, scales, strict=True)
            )

    return Head()


# name -> what makes the module, its images (channels, height, width), the names of its outputs
NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, int, int], tuple[str, ...]]] = {
    "YOLO-like head, two scales": (yolo_head, (3, 32, 32), ("boxes8", "boxes4", "classes8", "classes4")),
}


def export(name: str, path: Path, seed: int = 0) -> None:
    """The QONNX file of a network of NETWORKS with seeded weights and norms that have seen random images."""
    import torch
    from brevitas.export import export_qonnx
    from torch import nn

    build, shape, outputs = NETWORKS[name]
    torch.manual_seed(seed)
    module = build()
    for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    module.train()
    with torch.no_grad():
        for _ in range(8):
            module(torch.rand(8, *shape))
    module.eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        export_qonnx(
            module, args=torch.rand(1, *shape), export_path=str(path), opset_version=13, dynamo=False, input_names=["x"],
            output_names=list(outputs),
        )  # fmt: skip


def prove(path: Path, folder: Path, images: int = IMAGES, simulate: bool = True) -> dict[str, Any]:
    """What differs between engines on random images, by rung, with cycles and the cost on each of BOARDS."""
    graph = read(path, INPUT)
    net = fold(graph)
    x = np.random.default_rng(1).integers(0, 256, (images, *net.input.shape))
    x[1::2] = np.repeat(np.repeat(x[1::2, ::8, ::8], 8, 1), 8, 2)  # squares of one colour, whose answers vary more
    want, own = net.run(x), proof.exported(graph, x)
    nodes = proof.of_reference(lambda part: explained(path, part, INPUT))
    file = proof.judged(graph, x, reference(path, x, INPUT), own, nodes)
    row: dict[str, Any] = {
        "outputs": ", ".join(f"{p.name} {' x '.join(map(str, p.answer.shape))}" for p in net.outputs), "images": images,
        "file": int(file.wrong.sum()), "numpy": int(proof.differing(net, graph, own, want).sum()),
        "answers": len(np.unique(want)), "c": int((c.load(net, None).run(x) != want).sum()),
    }  # fmt: skip
    flow = plan(net)
    row["hls"] = int((hls.run(flow, folder / "hls", x).outputs != want).sum())
    row["cycles_claimed"] = flow.cycles
    if simulate:
        emit(flow, folder / "rtl")
        plain, stalled = (rtl.run(flow, folder / "rtl", x, stalls=s) for s in (None, STALLS))
        row["cycles_simulated"] = plain.cycles_per_image
        row["rtl"], row["rtl_stalls"] = (int((run.outputs != want).sum()) for run in (plain, stalled))
    for name in BOARDS:
        board = load_board(name)
        cost = plan(net, board=board).cost(board.family)
        row[f"{name}_lut"], row[f"{name}_bram"], row[f"{name}_dsp"] = round(cost.lut), float(cost.bram), int(cost.dsp)
    return row


def breadth_rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One line a network: elements that differ between engines, cycles, estimated cost on two boards."""
    rows = []
    for name in NETWORKS:
        say(name)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "net.onnx"
            export(name, path)
            rows.append({"network": name, **prove(path, Path(folder))})
    return rows
