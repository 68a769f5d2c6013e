"""Drawings as inline SVG text that follow the page's colours, light and dark.

Stands on nothing but text: no plotting library is needed to write or to read a report.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from hwflow.bits import Array

LABEL, ROW, GAP = 150, 18, 6  # pixels: the column of names, a bar, the space between groups


def bars(
    title: str, names: Sequence[str], series: dict[str, Sequence[float | None]], unit: str = "", mark: str = ""
) -> str:
    """Horizontal bars, one group for each name, one bar for each series; `mark` names the group to emphasise.

    A value of None leaves its bar out. Values stand beside their bars, so that no axis has to be read.
    """
    most = max((v for values in series.values() for v in values if v), default=1) or 1
    group = ROW * len(series) + GAP
    parts, width = [], 640
    for i, name in enumerate(names):
        top = i * group + 4
        weight = ' class="marked"' if name == mark else ""
        parts.append(
            f'<text x="{LABEL - 8}" y="{top + ROW * len(series) / 2 + 4}" text-anchor="end"{weight}>{escape(_short(name))}</text>'
        )
        for j, (_label, values) in enumerate(series.items()):
            value = values[i]
            if value is None:
                continue
            length = max(1.0, (width - LABEL - 90) * value / most)
            y = top + j * ROW
            parts.append(f'<rect class="s{j}" x="{LABEL}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" rx="2"/>')
            parts.append(
                f'<text class="n" x="{LABEL + length + 6:.1f}" y="{y + ROW - 5}">{_number(value)}{escape(unit)}</text>'
            )
    return _picture(title, width, len(names) * group + 8, parts)


def curves(title: str, series: Mapping[str, Sequence[tuple[float, float]]], percent: bool = False) -> str:
    """Lines over a common horizontal axis that starts at the first x, with the last value of each beside it."""
    points = [p for line in series.values() for p in line]
    if not points:
        return ""
    width, height, left, right, foot = 640, 240, 46, 110, 26
    (x0, x1), (y0, y1) = ((min(v), max(v)) for v in zip(*points, strict=True))
    y0, y1 = (0.0, 1.0) if percent else (min(0.0, y0), y1 or 1.0)

    def place(x: float, y: float) -> str:
        across = left + (width - left - right) * ((x - x0) / (x1 - x0) if x1 > x0 else 0)
        return f"{across:.1f},{10 + (height - foot - 10) * (1 - (y - y0) / ((y1 - y0) or 1)):.1f}"

    parts = []
    for k in range(5):
        level = y0 + (y1 - y0) * k / 4
        at = place(x0, level).split(",")[1]
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{at}" y2="{at}"/>')
        parts.append(
            f'<text class="n" x="{left - 6}" y="{float(at) + 4}" text-anchor="end">{_level(level, percent)}</text>'
        )
    free = 0.0  # labels that would overlap move below the one before
    for j, (label, line) in enumerate(sorted(series.items(), key=lambda item: -item[1][-1][1])):
        parts.append(f'<polyline class="l{j}" points="{" ".join(place(*p) for p in line)}"/>')
        x, y = (float(v) for v in place(*line[-1]).split(","))
        free = max(y + 4, free + 14 if j else 0)
        parts.append(
            f'<text class="t{j}" x="{x + 6:.1f}" y="{free:.1f}">{escape(label)} {_level(line[-1][1], percent)}</text>'
        )
    parts.append(f'<text class="n" x="{left}" y="{height - 6}">{x0:g}</text>')
    parts.append(f'<text class="n" x="{width - right}" y="{height - 6}" text-anchor="end">epoch {x1:g}</text>')
    return _picture(title, width, height, parts)


def heat(title: str, names: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float | None]]) -> str:
    """A field of cells, a row for each name and a column for each of `columns`: the fuller a cell, the greater its value.

    The range of the values stands above, the last value of each row beside it; None leaves a cell empty.
    """
    known = [v for row in values for v in row if v is not None]
    if not known or not columns:
        return ""
    low, high = min(known), max(known)
    width, right, top, cell = 640, 60, 18, 12
    step = (width - LABEL - right) / len(columns)
    parts = [f'<text class="n" x="{LABEL}" y="12">{_level(low, False)} (empty) .. {_level(high, False)} (full)</text>']
    for i, (name, row) in enumerate(zip(names, values, strict=True)):
        y = top + i * cell
        parts.append(f'<text x="{LABEL - 8}" y="{y + cell - 2}" text-anchor="end">{escape(_short(name))}</text>')
        for j, value in enumerate(row):
            if value is not None:
                share = (value - low) / (high - low) if high > low else 1.0
                says = escape(f"{name}, {columns[j]}: {_level(value, False)}")
                parts.append(
                    f'<rect class="s0" x="{LABEL + j * step:.1f}" y="{y}" width="{step:.1f}" height="{cell - 1}" '
                    f'fill-opacity="{0.08 + 0.92 * share:.2f}"><title>{says}</title></rect>'
                )
        if row and row[-1] is not None:
            parts.append(f'<text class="n" x="{width - right + 6}" y="{y + cell - 2}">{_level(row[-1], False)}</text>')
    foot = top + len(names) * cell
    parts.append(f'<text class="n" x="{LABEL}" y="{foot + 14}">{escape(columns[0])}</text>')
    parts.append(f'<text class="n" x="{width - right}" y="{foot + 14}" text-anchor="end">{escape(columns[-1])}</text>')
    return _picture(title, width, foot + 20, parts)


def spans(title: str, rows: Sequence[tuple[str, float, float]], unit: str, mark: str = "") -> str:
    """A waterfall: for each row a bar from its begin to its end on one time axis."""
    most = max((end for _, _, end in rows), default=1) or 1
    width, parts = 640, []
    for i, (name, begin, end) in enumerate(rows):
        y = i * (ROW + 2) + 4
        x, length = (
            LABEL + (width - LABEL - 90) * begin / most,
            max(1.5, (width - LABEL - 90) * (end - begin) / most),
        )
        weight = ' class="marked"' if name == mark else ""
        parts.append(f'<text x="{LABEL - 8}" y="{y + ROW - 5}" text-anchor="end"{weight}>{escape(_short(name))}</text>')
        parts.append(f'<rect class="s0" x="{x:.1f}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" rx="2"/>')
        parts.append(f'<text class="n" x="{x + length + 6:.1f}" y="{y + ROW - 5}">{_number(end)}{escape(unit)}</text>')
    return _picture(title, width, len(rows) * (ROW + 2) + 8, parts)


def scatter(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """Points joined by a line for each series over a logarithmic vertical axis; positive values only."""
    points = [p for line in lines.values() for p in line]
    if not points:
        return ""
    width, height, left, right, foot = 640, 320, 92, 120, 40
    most = max(x for x, _ in points) * 1.05
    low, high = (
        math.floor(math.log10(min(y for _, y in points))),
        math.ceil(math.log10(max(y for _, y in points)) + 1e-9),
    )

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(y) - low) / max(high - low, 1)
        return left + (width - left - right) * x / most, 10 + (height - foot - 10) * (1 - share)

    parts = []
    for power in range(low, high + 1):
        y = place(0, 10.0**power)[1]
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="n" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(10.0**power)}</text>')
    for j, (label, line) in enumerate(lines.items()):
        at = [place(*p) for p in line]
        parts.append(f'<polyline class="l{j}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in at)}"/>')
        parts += [f'<circle class="s{j}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in at]
        if at:
            parts.append(
                f'<text class="t{j}" x="{at[-1][0] + 8:.1f}" y="{at[-1][1] + 4 + 14 * (j % 2):.1f}">{escape(_short(label, 16))}</text>'
            )
    parts.append(
        f'<text class="n" x="{left}" y="{height - 8}">0 to {most:.0f} {escape(across)}; {escape(up)}, logarithmic</text>'
    )
    return _picture(title, width, height, parts)


def png(pixels: Array) -> str:
    """A data URI of a PNG image from uint8 pixels (height, width) or (height, width, 3)."""
    pixels = np.ascontiguousarray(pixels, np.uint8)
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    lines = b"".join(b"\0" + pixels[y].tobytes() for y in range(height))  # filter 0 in front of each line
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    body = b"".join(_chunk(*c) for c in ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")))
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _picture(title: str, width: int, height: float, parts: Sequence[str]) -> str:
    label = escape(title, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
    )


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"


def _level(value: float, percent: bool) -> str:
    return f"{100 * value:.0f} %" if percent else f"{value:.3g}"
