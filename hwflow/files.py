"""Files that are whole or absent: written beside and moved into place, locked while written, checked when read back.

Stands on errors and numpy. `rewritten` replaces a whole folder in one step; `read_json` and `read_arrays` bound what
a file may take of memory before any is taken.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
import stat
import sys
import threading
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hwflow.errors import HwflowError, RecipeError

try:
    import fcntl
except ImportError:  # pragma: no cover  Windows, where nothing is locked
    fcntl = None  # type: ignore[assignment]

MOST_JSON = 256 << 20  # bytes of a JSON file
MOST_ARRAYS = 1 << 29  # bytes that the arrays of one .npz file may take
PART = ".hwflow-part-"  # in the name of what is not in its place yet
Say = Callable[[str], None]


# -- writing


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old content or the new, also after a kill or a crash."""
    _replace(path, lambda file: file.write(data))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Write JSON in one step; numpy values and paths are taken too."""
    write_text(path, json.dumps(value, indent=1, default=plain) + "\n")


def write_arrays(path: Path, /, **arrays: np.ndarray) -> None:
    """Write a compressed .npz in one step, the same bytes for the same arrays; any name will do."""
    _replace(path, lambda file: _savez(file, arrays))


def check_answers_path(path: Path | None, names: Collection[str], option: str) -> None:
    """RecipeError where a file of answers has the end of another kind: .npz holds several outputs, .npy one; or is a folder."""
    if path is not None and (path.is_dir() or not path.name):
        raise RecipeError(f"{option} {path}: is a folder; give the name of a file")
    if path is not None and len(names) > 1 and path.suffix != ".npz":
        raise RecipeError(
            f"{option} {path}: the network has {len(names)} outputs ({', '.join(names)}); give a file that ends in .npz"
        )


def write_answers(path: Path, answers: np.ndarray | dict[str, np.ndarray]) -> None:
    """Write answers as .npy, or those of several outputs as .npz with an array for each, named as in the file.

    In one step; a name without an end gets .npy, as numpy.save gives it.
    """
    if isinstance(answers, dict):
        write_arrays(path, **answers)
    else:
        named = path if path.suffix == ".npy" else path.with_name(path.name + ".npy")
        _replace(named, lambda file: np.save(file, answers))


def _savez(file: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """`numpy.savez_compressed` with a fixed time in every entry."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, values in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with bundle.open(entry, "w", force_zip64=values.nbytes >= 1 << 30) as stream:
                np.lib.format.write_array(stream, np.asanyarray(values), allow_pickle=False)


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    if path.exists():
        size_of(path)  # a device or a pipe would be replaced by a file
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}{PART}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def plain(value: object) -> object:
    """The JSON form of numpy values and paths, for `json.dumps(default=plain)`."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


# -- folders


class _Held(threading.local):
    """The folders this thread holds, by resolved path, each with the open handle that locks it."""

    def __init__(self) -> None:
        self.handles: dict[Path, int] = {}


_held = _Held()


@contextmanager
def locked(folder: Path, say: Say | None = None) -> Iterator[Path]:
    """Hold a folder, which is made when it is not there: no other process and no other thread holds it meanwhile.

    Gives its resolved path. Waits for whoever has it and says so. A thread may hold a folder it holds already. The lock
    ends with the process, however it ends.
    """
    target = folder.resolve()
    if target in _held.handles:
        yield target
        return
    _held.handles[target], made = _open_locked(target, say)
    try:
        yield target
    finally:
        if made:
            with suppress(OSError):
                target.rmdir()  # nothing was put in
        os.close(_held.handles.pop(target))


def _open_locked(target: Path, say: Say | None) -> tuple[int, bool]:
    """A handle that locks the folder which has this path now, and whether the folder was made here."""
    while True:
        made = not target.exists()
        target.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(target, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            _lock(handle, target, say)
            with suppress(FileNotFoundError):
                if target.stat().st_ino == os.fstat(handle).st_ino:
                    return handle, made
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the folder was replaced while we waited


def _lock(handle: int, target: Path, say: Say | None) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if say:
            say(f"wait: another hwflow is writing {target}")
        fcntl.flock(handle, fcntl.LOCK_EX)


@contextmanager
def rewritten(folder: Path, drop: Callable[[str], bool] = lambda _: False) -> Iterator[Path]:
    """A new folder that takes the place of `folder` in one step when the block ends without an error.

    It begins with what `folder` holds (hard links, so a file in it is replaced, never written into), less the entries
    whose name `drop` holds for. An error or a kill leaves `folder` as it was. `folder` is locked meanwhile.
    """
    with locked(folder) as target:
        if target in _folders_here():  # whoever stands in it would be left in one that is gone
            raise RecipeError(
                f"{folder}: is the folder this runs in, and it is replaced whole; cd .. and give its path"
            )
        _sweep(target)
        part = target.with_name(f".{target.name}{PART}{os.getpid()}-{secrets.token_hex(4)}")
        part.mkdir()
        handle = os.open(part, os.O_RDONLY)
        try:
            _lock(handle, part, None)
            shutil.copymode(target, part)
            for entry in sorted(target.iterdir()):
                if not drop(entry.name) and PART not in entry.name:
                    _link(entry, part / entry.name)
            yield part
            exchange(part, target)
            # this folder is what others wait for from now on
            handle, _held.handles[target] = _held.handles[target], handle
        finally:
            shutil.rmtree(part, ignore_errors=True)
            os.close(handle)


def _folders_here() -> list[Path]:
    """The folder this process runs in and those around it; none where it was removed."""
    try:
        here = Path.cwd().resolve()
    except OSError:
        return []
    return [here, *here.parents]


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """An empty folder beside `beside`, gone at the end of the block; a later `rewritten` sweeps it up after a kill."""
    part = beside.with_name(f".{beside.name}{PART}{os.getpid()}-{secrets.token_hex(4)}")
    part.mkdir(parents=True)
    handle = os.open(part, os.O_RDONLY)
    try:
        _lock(handle, part, None)  # so that nobody sweeps it up meanwhile
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(handle)


def _link(entry: Path, to: Path) -> None:
    """A hard link to a file, a copy where there are none; for a folder, a folder of links."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.copytree(entry, to, symlinks=True, copy_function=_link_file)
    else:
        _link_file(entry, to)


def _link_file(entry: str | Path, to: str | Path) -> None:
    try:
        os.link(entry, to, follow_symlinks=False)
    except OSError:
        shutil.copy2(entry, to, follow_symlinks=False)


def exchange(part: Path, target: Path) -> None:
    """Put `part` where `target` is and `target`, where there is one, where `part` was: one step where the system has it."""
    if not target.exists():
        part.rename(target)
    elif not _swap(part, target):  # pragma: no cover  a system without such a step: absent for a moment, never mixed
        aside = target.with_name(f".{target.name}{PART}{os.getpid()}-{secrets.token_hex(4)}")
        target.rename(aside)
        part.rename(target)
        aside.rename(part)


def _swap(a: Path, b: Path) -> bool:
    """Exchange two paths by renameat2 (Linux) or renamex_np (macOS); False where the system or its files cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":  # pragma: no cover
            return int(libc.renamex_np(os.fsencode(a), os.fsencode(b), 2)) == 0
        return int(libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2)) == 0  # AT_FDCWD, RENAME_EXCHANGE
    except AttributeError:  # pragma: no cover
        return False


def _sweep(target: Path) -> None:
    """Remove what killed processes left beside a folder: parts that nobody holds a lock on."""
    for left in target.parent.glob(f".{glob.escape(target.name)}{PART}*"):
        try:
            handle = os.open(left, os.O_RDONLY)
        except OSError:
            continue
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(handle)


# -- reading


def brief(error: Exception) -> str:
    """What an error says as one short line, for a message that says where and what to do."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join((text or type(error).__name__).split())
    return line if len(line) <= 160 else f"{line[:157]}..."


def size_of(path: Path) -> int:
    """Bytes of a regular file; OSError for anything else: a pipe or a device may be read for ever."""
    seen = path.stat()
    if not stat.S_ISREG(seen.st_mode):
        raise OSError(errno.EINVAL, "it is a folder" if path.is_dir() else "it is no regular file", str(path))
    return seen.st_size


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    state = hashlib.sha256()
    size_of(path)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def read_json(path: Path, remedy: str, kind: type[HwflowError] = RecipeError) -> Any:
    """What a JSON file holds; an error of `kind`, with the remedy, where it is absent, too large or no JSON."""
    try:
        size = size_of(path)
        if size > MOST_JSON:
            raise kind(f"{path}: holds {size} bytes, more than any file of its kind; {remedy}")
        return json.loads(path.read_bytes())
    except OSError as e:
        raise kind(f"{path}: cannot be read ({brief(e)}); {remedy}") from e
    except (ValueError, RecursionError) as e:
        raise kind(f"{path}: is not JSON ({brief(e)}); {remedy}") from e


def read_arrays(
    path: Path, remedy: str, kind: type[HwflowError] = RecipeError, most: int = MOST_ARRAYS, names: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; `names` must be among them.

    An error of `kind`, with the remedy, where it is none. Sizes are read from the directory and from each array's own
    header first: more than `most` bytes, or a header that says more than its entry holds, is refused unread.
    """
    try:
        size_of(path)
        with zipfile.ZipFile(path) as bundle:
            entries = {e.filename.removesuffix(".npy"): e for e in bundle.infolist()}
            total = sum(e.file_size for e in entries.values())
            if total > most:
                raise kind(f"{path}: would take {total} bytes of memory, more than {most}; {remedy}")
            if absent := sorted(set(names) - entries.keys()):
                raise kind(f"{path}: has no array {absent[0]}; {remedy}")
            return {name: _read_array(bundle, entry) for name, entry in entries.items()}
    except OSError as e:
        raise kind(f"{path}: cannot be read ({brief(e)}); {remedy}") from e
    except HwflowError:
        raise
    except Exception as e:  # what damaged archives raise is an open set: zlib, struct, zip and header errors
        raise kind(f"{path}: is not a whole .npz file ({brief(e)}); {remedy}") from e


def _read_array(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with bundle.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"{entry.filename} is of version {version}")
        shape, _, dtype = read(stream)
        wanted = dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
        if dtype.hasobject or min(shape, default=0) < 0 or wanted > entry.file_size:
            raise ValueError(f"{entry.filename} says it holds {wanted} bytes, its entry has {entry.file_size}")
    with bundle.open(entry) as stream:
        values = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            raise ValueError(f"{entry.filename} holds more than its shape")
    return values
