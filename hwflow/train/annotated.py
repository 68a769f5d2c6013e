"""Images with boxes or masks: composed scenes, folders as Pascal VOC and COCO lay them out, folders of images and masks.

Stands on scenes and data's single images. Every image is resized to a square; boxes and masks go with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from hwflow.bits import Array
from hwflow.errors import RecipeError
from hwflow.files import brief
from hwflow.tasks.boxes import NONE
from hwflow.train.data import Images, Split
from hwflow.train.data import load as images_of
from hwflow.train.scenes import KINDS, Scenes, compose

SIDE = 64  # of images in a folder, unless @SIZE says otherwise


def boxes(source: str) -> Split:
    """`SOURCE` (digits, mnist), `voc:PATH[@SIZE]` or `coco:PATH[@SIZE]`: images and their boxes (n, most, 5)."""
    if source in KINDS:
        return tuple(Images(s.x, s.boxes) for s in _scenes(source))  # type: ignore[return-value]
    reader, path, side = _split_name(source, {"voc": _voc, "coco": _coco})
    return reader(path, side)


def masks(source: str) -> Split:
    """`SOURCE` (digits, mnist) or `folder:PATH[@SIZE]`: images and the class of each of their pixels (n, side, side)."""
    if source in KINDS:
        return tuple(Images(s.x, s.masks) for s in _scenes(source))  # type: ignore[return-value]
    reader, path, side = _split_name(source, {"folder": _read_masks})
    return reader(path, side)


def _scenes(source: str) -> tuple[Scenes, Scenes]:
    train, test = images_of(source)
    kind = KINDS[source]
    return compose(train, kind, kind.train, 0), compose(test, kind, kind.test, 1)


Reader = Callable[[Path, int], Split]


def _split_name(source: str, readers: dict[str, Reader]) -> tuple[Reader, Path, int]:
    name, _, spec = source.partition(":")
    if name not in readers:
        raise RecipeError(
            f"data: must be one of {', '.join([*KINDS, *(f'{n}:PATH[@SIZE]' for n in readers)])}, not {source!r}"
        )
    path, _, side = spec.partition("@")
    if not Path(path).is_dir():
        raise RecipeError(f"data: there is no folder {path}")
    if side and not side.isdecimal():
        raise RecipeError(f"data: the size behind @ must be a number of pixels, not {side!r}")
    return readers[name], Path(path), int(side or SIDE)


def _voc(root: Path, side: int) -> Split:
    """JPEGImages, Annotations and ImageSets/Main/train.txt, val.txt (else test.txt); classes in alphabetical order."""
    held = next((n for n in ("val", "test") if (root / "ImageSets" / "Main" / f"{n}.txt").is_file()), "val")
    lists = {n: _lines(root / "ImageSets" / "Main" / f"{n}.txt") for n in ("train", held)}
    read = {n: [_voc_boxes(root / "Annotations" / f"{i}.xml") for i in ids] for n, ids in lists.items()}
    names = sorted({label for part in read.values() for rows in part for label, _ in rows})

    def split(name: str) -> Images:
        found = [[(names.index(label), box) for label, box in rows] for rows in read[name]]
        return _resize([root / "JPEGImages" / f"{i}.jpg" for i in lists[name]], found, side)

    return split("train"), split(held)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise RecipeError(f"data: {path} is missing; it lists the images, one name a line")
    return [line.split()[0] for line in path.read_text().splitlines() if line.strip()]


def _voc_boxes(path: Path) -> list[tuple[str, list[float]]]:
    try:
        tree = ElementTree.parse(path)
        return [
            (
                str(o.findtext("name")),
                [float(o.findtext(f"bndbox/{k}") or "") for k in ("xmin", "ymin", "xmax", "ymax")],
            )
            for o in tree.iter("object")
        ]
    except (OSError, ElementTree.ParseError, ValueError) as e:
        raise RecipeError(
            f"data: {path} is no annotation of Pascal VOC ({brief(e)}); remove its name from the list"
        ) from e


def _coco(root: Path, side: int) -> Split:
    """annotations/instances_train*.json and instances_val*.json, images in the folder of the same name."""

    def split(name: str) -> Images:
        found = sorted((root / "annotations").glob(f"instances_{name}*.json"))
        if not found:
            raise RecipeError(f"data: {root}/annotations holds no instances_{name}*.json")
        try:
            kept: dict[str, Any] = json.loads(found[0].read_text())
            order = {c["id"]: i for i, c in enumerate(sorted(kept["categories"], key=lambda c: c["id"]))}
            rows: dict[int, list[tuple[int, list[float]]]] = {image["id"]: [] for image in kept["images"]}
            for a in kept["annotations"]:
                x, y, w, h = a["bbox"]
                rows[a["image_id"]].append((order[a["category_id"]], [x, y, x + w, y + h]))
            folder = root / found[0].stem.removeprefix("instances_")
            return _resize([folder / i["file_name"] for i in kept["images"]], list(rows.values()), side)
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise RecipeError(f"data: {found[0]} is no COCO annotation of instances ({brief(e)})") from e

    return split("train"), split("val")


def _resize(paths: Sequence[Path], rows: Sequence[Sequence[tuple[int, list[float]]]], side: int) -> Images:
    """Images of `paths` at side x side and their boxes, scaled with them and rounded to whole pixels, never empty."""
    if not paths:
        raise RecipeError("data: the list of images is empty")
    most = max(1, *(len(r) for r in rows))
    out = np.zeros((len(paths), most, 5), np.int64)
    out[..., 4] = NONE
    x = []
    for i, (path, found) in enumerate(zip(paths, rows, strict=True)):
        image, (width, height) = _picture(path, side)
        x.append(image)
        for k, (label, box) in enumerate(found):
            scaled = np.rint(np.array(box) * side / np.array([width, height, width, height]))
            scaled = scaled.astype(np.int64).clip(0, side)
            out[i, k] = (*scaled[:2], *np.maximum(scaled[2:], scaled[:2] + 1), label)
    return Images(np.stack(x), out)


def _picture(path: Path, side: int) -> tuple[Array, tuple[int, int]]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((side, side))), image.size
    except OSError as e:
        raise RecipeError(f"data: {path} is not an image ({e}); remove it from the list") from e


def _read_masks(root: Path, side: int) -> Split:
    """train/images/*, train/masks/* and the same below test: a mask's pixels are class numbers, under the image's name."""
    from PIL import Image

    def split(name: str) -> Images:
        paths = sorted((root / name / "images").glob("*"))
        if not paths:
            raise RecipeError(f"data: {root / name / 'images'} holds no images")
        x, y = [], []
        for path in paths:
            match = sorted((root / name / "masks").glob(f"{path.stem}.*"))
            if not match:
                raise RecipeError(f"data: {root / name / 'masks'} holds no mask for {path.name}")
            x.append(_picture(path, side)[0])
            with Image.open(match[0]) as mask:
                if mask.mode not in ("L", "P", "1"):
                    raise RecipeError(f"data: {match[0]} must hold one class number a pixel, not {mask.mode}")
                y.append(np.asarray(mask.resize((side, side), Image.Resampling.NEAREST), np.int64))
        return Images(np.stack(x), np.stack(y))

    return split("train"), split("test")
