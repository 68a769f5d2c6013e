"""Images and labels: digits, MNIST, Fashion-MNIST, CIFAR-10, any folder of images; and batches of them on a device.

Stands on numpy and torch. Images are uint8 (n, H, W, C): the very integers the hardware receives.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import pickle
import queue
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hwflow.bits import Array
from hwflow.errors import RecipeError, ToolError
from hwflow.files import brief
from hwflow.places import cache
from hwflow.recipe import Recipe, Training

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Images:
    """Images uint8 (n, H, W, C) and what they show, int64: labels (n,), masks (n, H, W) or boxes (n, most, 5)."""

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.y)


Split = tuple[Images, Images]  # train, test

MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "gunzip-sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "gunzip-sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "gunzip-sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "gunzip-sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FASHION_FILES = {
    "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
}
MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR_SUM = "md5:c58f30108f718f92721af3b95e74349a"


@lru_cache(maxsize=4)
def load(name: str) -> Split:
    """Training and held-out images of `name`: digits, mnist, fashion, cifar10 or folder:PATH[@SIZE].

    `boxes:SOURCE` and `masks:SOURCE` are scenes with boxes or masks, see annotated; `rows:SOURCE`, `tones:` and
    `sounds:PATH` are sequences, see sequences.
    """
    kind, colon, source = name.partition(":")
    if colon and kind in MADE:
        made: Split = getattr(import_module(f"hwflow.train.{MADE[kind]}"), kind)(source)
        return made
    if name.startswith("folder:"):
        return _folder(name.removeprefix("folder:"))
    if name not in SETS:
        raise RecipeError(f"data: must be one of {', '.join(SETS)} or folder:PATH[@SIZE], not {name!r}")
    return SETS[name]()


def test_split(recipe: Recipe) -> tuple[Array, Array]:
    """The held-out images of a recipe as the network's input integers, and what they show.

    uint8 (n, features) for a flat network, else (n, H, W, C); labels int64 (n,), masks or boxes.
    """
    test = load(recipe.data)[1]
    return (test.x.reshape(len(test), -1) if recipe.flat else test.x), test.y


def _digits() -> Split:
    """scikit-learn's bundled 8x8 digits, pixels 0 .. 16; every fifth of a fixed shuffle is held out."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    x, y = bunch.images[order].astype(np.uint8)[..., None], bunch.target[order].astype(np.int64)
    held = np.arange(len(y)) % 5 == 0
    return Images(x[~held], y[~held]), Images(x[held], y[held])


def _idx(folder: str, url: str, files: dict[str, str]) -> Split:
    def read(name: str) -> Array:
        raw = gzip.decompress(fetch(folder, name, url + name, files[name]).read_bytes())
        shape = np.frombuffer(raw, ">i4", raw[3], 4)
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)

    def images(stem: str) -> Images:
        x, y = read(f"{stem}-images-idx3-ubyte.gz"), read(f"{stem}-labels-idx1-ubyte.gz")
        return Images(x[..., None], y.astype(np.int64))

    return images("train"), images("t10k")


def _cifar10() -> Split:
    """CIFAR-10 from its standard python batches."""
    folder = found("cifar-10-batches-py")
    if folder is None:
        archive = fetch(".", "cifar-10-python.tar.gz", CIFAR_URL, CIFAR_SUM)
        with tarfile.open(archive) as tar:
            tar.extractall(archive.parent, filter="data")
        folder = archive.parent / "cifar-10-batches-py"

    def images(*names: str) -> Images:
        batches = [_batch(folder / n) for n in names]
        x = np.concatenate([x for x, _ in batches]).reshape(-1, 3, 32, 32)
        return Images(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), np.concatenate([y for _, y in batches]))

    return images(*(f"data_batch_{i}" for i in range(1, 6))), images("test_batch")


class _Plain(pickle.Unpickler):
    """Unpickles what CIFAR-10's batches hold: dicts, lists, numbers, bytes and numpy's arrays; nothing else is called."""

    ALLOWED = {
        (m, n) for m in ("numpy.core.multiarray", "numpy._core.multiarray") for n in ("_reconstruct", "scalar")
    } | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch of CIFAR-10 holds")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


MOST_BATCH = 64 << 20  # bytes of one file of CIFAR-10; the real ones have 31 million


def _batch(path: Path) -> tuple[Array, Array]:
    """Pixels (n, 3072) uint8 and labels (n,) int64 of one CIFAR-10 file; ToolError where it is none."""
    remedy = "remove it, and it will be downloaded again, or name its folder in HWFLOW_DATA"
    try:
        if path.stat().st_size > MOST_BATCH:
            raise ValueError(f"{path.stat().st_size} bytes are too many")
        with path.open("rb") as file:
            kept = _Plain(file, encoding="bytes").load()
        x, y = np.asarray(kept[b"data"]), np.asarray(kept[b"labels"])
        if x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != 3072 or y.shape != (len(x),) or y.dtype.kind not in "iu":
            raise ValueError(f"{x.dtype} {x.shape} with labels {y.shape} is not (n, 3072) bytes with n labels")
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < 10:
            raise ValueError("its labels are not 0 to 9")
        return x, y.astype(np.int64)
    except Exception as e:  # what a damaged pickle raises is an open set
        raise ToolError(f"{path}: is not a batch of CIFAR-10 ({brief(e)}); {remedy}") from e


def _folder(spec: str) -> Split:
    """PATH/train/CLASS/* and PATH/test/CLASS/*, or PATH/CLASS/* with every fifth image held out; resized to SIZE."""
    path, _, size = spec.partition("@")
    root = Path(path)
    if not root.is_dir():
        raise RecipeError(f"data: there is no folder {root}; name one that holds a folder of images for each class")
    side = int(size or 32)
    if (root / "train").is_dir() and (root / "test").is_dir():
        names = _classes(root / "train")
        return _pictures(root / "train", names, side), _pictures(root / "test", names, side)
    both = _pictures(root, _classes(root), side)
    held = np.arange(len(both)) % 5 == 0
    return Images(both.x[~held], both.y[~held]), Images(both.x[held], both.y[held])


def _classes(root: Path) -> list[str]:
    names = sorted(p.name for p in root.iterdir() if p.is_dir())
    if len(names) < 2:
        raise RecipeError(f"data: {root} holds {len(names)} class folders; it must hold at least 2")
    return names


def _pictures(root: Path, names: list[str], side: int) -> Images:
    from PIL import Image

    x, y = [], []
    for label, name in enumerate(names):
        for path in sorted((root / name).glob("*")):
            try:
                x.append(np.asarray(Image.open(path).convert("RGB").resize((side, side))))
            except OSError as e:
                raise RecipeError(f"data: {path} is not an image ({e}); remove it") from e
            y.append(label)
    if not x:
        raise RecipeError(f"data: {root} holds no images; put some into its class folders")
    return Images(np.stack(x), np.array(y, np.int64))


# what is made from a source: the function of that name in a module that stands on this one
MADE = {"boxes": "annotated", "masks": "annotated", "rows": "sequences", "tones": "sequences", "sounds": "sequences"}
SETS: dict[str, Callable[[], Split]] = {
    "digits": _digits,
    "mnist": lambda: _idx("mnist", MNIST_URL, MNIST_FILES),
    "fashion": lambda: _idx("fashion-mnist", FASHION_URL, FASHION_FILES),
    "cifar10": _cifar10,
}


def found(name: str) -> Path | None:
    """Where HWFLOW_DATA, HWFLOW_SHARED/data or the cache already holds `name`."""
    shared = os.environ.get("HWFLOW_SHARED")
    roots = [os.environ.get("HWFLOW_DATA"), f"{shared}/data" if shared else None, str(cache() / "data")]
    for root in roots:
        if root and (Path(root) / name).exists():
            return Path(root) / name
    return None


def fetch(folder: str, name: str, url: str, checksum: str) -> Path:
    """The file `folder/name` of the data folders, else downloaded into the cache and checked against `checksum`."""
    have = found(f"{folder}/{name}")
    if have is not None:
        return have
    path = cache() / "data" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{name}.part")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, part.open("wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
    except OSError as e:
        raise ToolError(
            f"data: could not download {url} ({e}); put {folder}/{name} into a folder and name it in HWFLOW_DATA"
        ) from e
    kind, _, want = checksum.partition(":")
    raw = part.read_bytes()
    got = hashlib.new(kind.removeprefix("gunzip-"), gzip.decompress(raw) if "gunzip" in kind else raw).hexdigest()
    if got != want:
        part.unlink()
        raise ToolError(
            f"data: {url} has {kind} {got}, which must be {want}; download it by hand and name its folder in HWFLOW_DATA"
        )
    part.replace(path)
    return path


class Batches:
    """Shuffled, augmented batches of a training split that lives on the device as uint8.

    The order and the augmentation of epoch e follow from (seed, e) alone, so a run can resume anywhere, and every process
    of several takes its own part of the same global batch. A last, smaller batch is left out.
    """

    def __init__(self, images: Images, training: Training, device: torch.device, rank: int = 0, world: int = 1):
        count = min(training.limit or len(images), len(images))
        self.images = torch.from_numpy(images.x[:count]).to(device)  # n, H, W, C: what convolutions read fastest
        self.y = torch.from_numpy(images.y[:count]).to(device)
        self.training, self.rank, self.world = training, rank, world
        self.batch = min(training.batch, count)
        if self.batch % world:
            raise RecipeError(f"training: batch must be a multiple of the {world} processes, not {self.batch}")

    def __len__(self) -> int:
        return len(self.images) // self.batch

    def mean(self) -> Tensor:
        """The mean integer of each channel over the images in use, float32 (C,)."""
        return (self.images.sum((0, 1, 2), dtype=torch.float64) / (self.images.numel() / self.images.shape[3])).float()

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """uint8 images (b, C, H, W) and labels (b,) of this process, batch after batch from batch `first` on."""
        made = self._make(number, first)
        return made if self.training.threads == 1 else ahead(made)

    def _make(self, number: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        dice = torch.Generator().manual_seed(self.training.seed * 1_000_003 + number)
        order = torch.randperm(len(self.images), generator=dice)
        part = self.batch // self.world
        mine = slice(self.rank * part, (self.rank + 1) * part)
        for i in range(len(self)):
            rows = order[i * self.batch : (i + 1) * self.batch]
            moves = self._moves(len(rows), dice)
            if i < first:
                continue  # its random numbers are drawn all the same
            rows = rows[mine].to(self.images.device)
            x = self.images[rows].permute(0, 3, 1, 2)
            yield self._augment(x, {k: m[mine].to(rows.device) for k, m in moves.items()}), self.y[rows]

    def _moves(self, count: int, dice: torch.Generator) -> dict[str, Tensor]:
        """The random numbers of one global batch; every process draws all of them and uses its own rows."""
        training, moves = self.training, {}
        if "shift" in training.augment:
            moves["shift"] = torch.randint(0, 2 * training.shift + 1, (count, 2), generator=dice)
        if "warp" in training.augment:
            moves["warp"] = training.warp * (torch.rand((count, 4 + 2 * FIELD * FIELD), generator=dice) * 2 - 1)
        if "flip" in training.augment:
            moves["flip"] = torch.randint(0, 2, (count,), generator=dice)
        return moves

    def _augment(self, x: Tensor, moves: dict[str, Tensor]) -> Tensor:
        if "warp" in moves:
            x = warped(x, moves["warp"])
        if "shift" in moves:
            x = shifted(x, moves["shift"], self.training.shift)
        if "flip" in moves:
            x = torch.where(moves["flip"].view(-1, 1, 1, 1).bool(), x.flip(3), x)
        return x


def shifted(x: Tensor, move: Tensor, most: int) -> Tensor:
    """Each image of (n, C, H, W) cut at its own (down, right) in 0 .. 2 most from a frame of `most` zeros around it."""
    n, _, h, w = x.shape
    framed = F.pad(x, (most, most, most, most))
    rows = (move[:, :1] + torch.arange(h, device=x.device)).view(n, h, 1)
    cols = (move[:, 1:] + torch.arange(w, device=x.device)).view(n, 1, w)
    picked = torch.arange(n, device=x.device).view(n, 1, 1)
    return framed.permute(0, 2, 3, 1)[picked, rows, cols].permute(0, 3, 1, 2)


def ahead(items: Iterator[Item], most: int = 3) -> Iterator[Item]:
    """`items`, up to `most` of them made by a second thread while the first uses others."""
    ready: queue.Queue[Any] = queue.Queue(most)
    left = threading.Event()

    def make() -> None:
        try:
            for item in items:
                while not left.is_set():
                    with contextlib.suppress(queue.Full):
                        ready.put((item, None), timeout=0.1)
                        break
                if left.is_set():
                    return
            ready.put((None, StopIteration()))
        except Exception as e:  # raised again where it is waited for
            ready.put((None, e))

    threading.Thread(target=make, daemon=True).start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        left.set()


def real_batch(recipe: Recipe, x: Tensor) -> Tensor:
    """What the network of `recipe` is given for uint8 (n, C, H, W): real units, flat or with the channel fastest in memory."""
    real = x.float() / recipe.denominator
    if recipe.flat:
        return real.permute(0, 2, 3, 1).flatten(1)
    return real.contiguous(memory_format=torch.channels_last)


FIELD = 5  # knots of the elastic field in each direction
TURN, ZOOM, SHEAR, BEND = 0.15, 0.12, 0.12, 0.09  # radians, shares, and half images: the most of each


def warped(x: Tensor, dice: Tensor) -> Tensor:
    """Each uint8 image turned, zoomed, sheared and bent a little, by its row of `dice`, -1 .. 1; uint8 again.

    Affine and elastic distortions of handwriting (after Simard et al. 2003), the elastic field from FIELD x FIELD knots.
    """
    turn, zoom, shear = TURN * dice[:, 0], 1 + ZOOM * dice[:, 1], SHEAR * dice[:, 2]
    stretch = zoom * (1 + 0.5 * ZOOM * dice[:, 3])
    across = torch.stack([zoom * turn.cos(), zoom * (shear - turn.sin())], 1)
    down = torch.stack([stretch * turn.sin(), stretch * turn.cos()], 1)
    bends = BEND * dice[:, 4:].unflatten(1, (2, -1))
    parts = torch.cat([torch.stack([across, down], 1), bends], 2)  # n, (across, down), 2 + knots
    height, width = x.shape[2:]
    grid = (parts @ _basis(height, width).to(x.device)).view(len(x), 2, height, width).permute(0, 2, 3, 1)
    return F.grid_sample(x.float(), grid, align_corners=False).round_().clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=4)
def _basis(height: int, width: int) -> Tensor:
    """(2 + knots, height * width): the coordinates across and down of every pixel, and each knot's bicubic share of it."""
    ys, xs = (torch.linspace(-1 + 1 / size, 1 - 1 / size, size) for size in (height, width))
    knots = torch.eye(FIELD * FIELD).view(1, -1, FIELD, FIELD)
    shares = F.interpolate(knots, (height, width), mode="bicubic", align_corners=True)[0]
    lines = torch.stack([xs.expand(height, width), ys.view(-1, 1).expand(height, width)])
    return torch.cat([lines, shares]).flatten(1)
