"""The one way from images to the integers that the hardware receives, for every verb, for Python and beside the driver.

Stands on numpy and errors. Integer arrays are the hardware's integers, float arrays are real values, and nothing is
reshaped, rounded or clipped silently. A copy of this one file serves on a host without hwflow.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

import numpy as np

if __package__:
    from hwflow.errors import RecipeError
else:  # a copy beside the driver
    RecipeError = ValueError  # type: ignore[misc,assignment]

Array = np.ndarray
LAYOUTS = ("nhwc", "nchw", "nct")


@dataclass(frozen=True)
class Takes:
    """What a network takes: images of `shape`, integers lo .. hi in steps of `step`, one of which is worth 1/denominator."""

    shape: tuple[int, ...]
    lo: int
    hi: int
    step: int = 1
    denominator: int = 1

    def __str__(self) -> str:
        return "-1 and +1" if self.step == 2 else f"integers {self.lo} .. {self.hi}"


def load(path: Path | str, takes: Takes, layout: str = "nhwc", n: int | None = None) -> Array:
    """The integers (n, *shape) of the first `n` images of a .npy file; RecipeError says what is wrong with it."""
    return integers(_load_array(path, "images")[:n], takes, layout, str(path))


def load_labels(path: Path | str) -> Array:
    """Labels (n,), or (n, ...) of every pixel, of a .npy file of whole numbers; RecipeError says what is wrong with it."""
    labels = _load_array(path, "labels")
    if labels.dtype.kind not in "iu":
        raise RecipeError(f"{path}: holds {labels.dtype} values; give whole numbers, one for each image")
    return np.array(labels, np.int64)


def _load_array(path: Path | str, what: str) -> Array:
    """The one array of a .npy file of images or labels, still on disk."""
    if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for
        raise RecipeError(f"{path}: is no regular file; save {what} with numpy.save")
    try:
        x = np.load(Path(path), mmap_mode="r", allow_pickle=False)
    except Exception as e:  # numpy parses the header as Python, and what a damaged one raises is not its promise
        if isinstance(e, MemoryError) or getattr(e, "errno", 0) == errno.ENOMEM:
            raise RecipeError(f"{path}: is larger than the memory that is free; give a part of the {what}") from e
        why = (str(e).strip().splitlines() or [type(e).__name__])[0]
        raise RecipeError(f"{path}: is not a .npy file of {what} ({why}); save them with numpy.save") from e
    if not isinstance(x, np.ndarray):
        x.close()
        raise RecipeError(f"{path}: holds several arrays; save one array of {what} with numpy.save")
    if x.ndim == 0 or x.size == 0:
        raise RecipeError(f"{path}: holds no {what}, its shape is {x.shape}; save {what} with numpy.save")
    return x


def integers(
    images: Array, takes: Takes, layout: str = "nhwc", what: str = "images", dtype: type[np.generic] = np.int64
) -> Array:
    """The integers (n, *shape) of images: integers as they are, real values times the denominator.

    `layout` is the order of their axes: nhwc is the hardware's, nchw and nct are those of PyTorch's files. `dtype` holds
    what the network takes; images that are of it already are not copied. RecipeError where shape, type or values are
    not the network's; a real value must be k/denominator, rounded to its own type.
    """
    x = np.asarray(images)
    if x.dtype.kind not in "biuf":
        raise RecipeError(f"{what}: holds {x.dtype} values; give integers, or real values as floats")
    x = _lay_out(x, takes, layout, what)
    return _real(x, takes, what, dtype) if x.dtype.kind == "f" else _whole(x, takes, what, dtype)


def single(images: Array, takes: Takes, layout: str = "nhwc") -> bool:
    """True for one image without its first axis; an array (n, T, C) holds n signals."""
    h, *rest = takes.shape
    if h == 1 and len(rest) == 2:
        return images.shape in _shapes(takes.shape).get(layout, ())
    return images.ndim == len(takes.shape)


def _lay_out(x: Array, takes: Takes, layout: str, what: str) -> Array:
    """Images in the hardware's order of axes."""
    if layout not in LAYOUTS:
        raise RecipeError(f"layout {layout!r} is not known; choose one of {', '.join(LAYOUTS)}")
    shapes = _shapes(takes.shape)
    if layout not in shapes:
        raise RecipeError(f"{what}: layout {layout} has no meaning where the network takes {takes.shape}; leave it out")
    wanted = shapes[layout]
    if x.ndim == 0 or x.shape[1:] not in wanted:
        hints = [f"with --layout {name} it would do" for name, some in shapes.items() if x.ndim and x.shape[1:] in some]
        if x.ndim and x.shape == wanted[0]:
            hints = ["give images with a first axis, even a single one"]
        hint = hints[0] if hints else "nothing is reshaped silently"
        shown = f"images of shape {x.shape[1:]}" if x.ndim else "a single number"
        raise RecipeError(f"{what}: holds {shown}, the network takes {wanted[0]} in layout {layout}; {hint}")
    match layout:
        case "nchw":
            x = x.transpose(0, 2, 3, 1)
        case "nct":
            x = x.transpose(0, 2, 1)
        case "nhwc":
            pass
        case _:
            raise AssertionError(layout)
    return x.reshape(len(x), *takes.shape)


def _shapes(shape: tuple[int, ...]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """The shapes of one image by layout; a row of pixels is a signal as well, without its axis of one."""
    if len(shape) != 3:
        return {"nhwc": (shape,)}
    h, w, c = shape
    signal = h == 1
    out: dict[str, tuple[tuple[int, ...], ...]] = {"nhwc": ((h, w, c), (w, c)) if signal else ((h, w, c),)}
    return out | {"nchw": ((c, h, w),)} | ({"nct": ((c, w),)} if signal else {})


BLOCK = 1 << 14  # elements that are checked together, so that temporary arrays stay in the nearest caches


def _blocks(x: Array) -> list[slice]:
    """Whole images, BLOCK elements together."""
    n = max(1, BLOCK // max(1, x[:1].size))
    return [slice(at, at + n) for at in range(0, len(x), n)]


def _within(x: Array, takes: Takes) -> bool:
    """True where all values of an array that is not empty are ones the network takes; NaN is none."""
    return bool(x.min() >= takes.lo and x.max() <= takes.hi and (takes.step == 1 or x.all()))


def _guarantees(dtype: np.dtype, takes: Takes) -> bool:
    """True where a type holds no integer that the network does not take."""
    lo, hi = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    return takes.step == 1 and takes.lo <= lo and hi <= takes.hi


def _whole(x: Array, takes: Takes, what: str, dtype: type[np.generic]) -> Array:
    """Integers, in range."""
    if not _guarantees(x.dtype, takes) and not all(_within(x[at], takes) for at in _blocks(x) if x[at].size):
        bad = (x < takes.lo) | (x > takes.hi)
        if takes.step == 2:
            bad |= x == 0
        raise RecipeError(f"{what}: {_place(x, bad)}; the network takes {takes}, so clip or rescale the images")
    return x.astype(dtype, copy=False)


def _real(x: Array, takes: Takes, what: str, dtype: type[np.generic]) -> Array:
    """Integers of real values, each of which must be one step's multiple exactly, as its own type rounds it."""
    out = np.empty(x.shape, dtype)
    for at in _blocks(x):
        steps = np.rint(x[at].astype(np.float64) * takes.denominator)
        exact = (steps / takes.denominator).astype(x.dtype)
        if steps.size and not (_within(steps, takes) and np.array_equal(exact, x[at])):
            return _check(x, takes, what).astype(dtype)
        out[at] = steps
    return out


def _check(x: Array, takes: Takes, what: str) -> Array:
    """The same for values that are not all exact in their own type: those of float32 may stand in a wider one."""
    wide = x.astype(np.float64)
    steps = np.rint(wide * takes.denominator)
    outside = ~((steps >= takes.lo) & (steps <= takes.hi))
    if outside.any():
        raise RecipeError(
            f"{what}: {_place(x, outside)}, a real value outside {takes.lo}/{takes.denominator} .. {takes.hi}/{takes.denominator}; "
            "save the hardware's integers in an integer type, or scale the real values"
        )
    exact = steps / takes.denominator
    off = (exact.astype(x.dtype) != x) & (exact.astype(np.float32) != wide)
    if takes.step == 2:
        off |= steps == 0
    if off.any():
        near = float(exact[tuple(np.argwhere(off)[0])])
        raise RecipeError(
            f"{what}: {_place(x, off)}, which is no multiple of 1/{takes.denominator} (the nearest is {near:.9g}); "
            "round the images to the hardware's integers yourself"
        )
    return steps


def _place(x: Array, bad: Array) -> str:
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"image {at[0]} holds {x[at]} at {at[1:]}"
