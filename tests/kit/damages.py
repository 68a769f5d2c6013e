"""Files that come back damaged, given to the commands that read them: each is a clear line or still whole.

    python tests/kit/damages.py --times 1000

Every trial forks, damages one file of a build, a training or a user, and runs the command line on it. A traceback, an exit code
that is none of the command line's, more than 10 s of processor time or 1 GB of memory is a fault. Prints a line for each file.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SECONDS, WALL, BYTES = 10, 120, 1 << 30  # of one command
Rng = np.random.Generator


def damaged(value: Any, rng: Rng) -> Any:
    """A JSON value with one part exchanged for something else, or left out."""
    value = copy.deepcopy(value)
    at, path = value, []
    while isinstance(at, dict | list) and at:
        key = rng.choice(sorted(at)) if isinstance(at, dict) else int(rng.integers(len(at)))
        path.append((at, str(key) if isinstance(at, dict) else key))
        at = at[path[-1][1]]
        if rng.random() < 0.3:
            break
    holder, key = path[-1]
    options = [
        None, -1, 1 << 70, 0.5, "x", [], {}, [[[]]], True, "\n\x1b[31m", float("nan"),
        {"array": {"type": "<i8", "shape": [1 << 40], "data": ""}},
    ]  # fmt: skip
    if rng.random() < 0.15:
        del holder[key]
    else:
        holder[key] = options[rng.integers(len(options))]
    return value


class Evil:
    """What a pickle could do if anything it names were called."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (77,)


def hostile_array(rng: Rng) -> bytes:
    """A .npy file that is no array of images, or says that it is larger than any memory."""
    arrays: list[Any] = [
        np.array([Evil(), None], object), np.zeros((3, 2), complex), np.array(["a", "b"]), np.full((2, 64), np.nan),
        np.full((2, 64), np.inf), np.zeros((0, 64)), np.float64(3), np.zeros((2, 64, 1, 1, 1, 1)), np.array([], "M8[s]"),
        np.zeros(2, [("a", "<i4")]), np.full((2, 64), 1e300), np.full((2, 64), -(1 << 62)), np.zeros((2, 63), np.uint8),
    ]  # fmt: skip
    k = int(rng.integers(len(arrays) + 2))
    if k >= len(arrays):
        shape = ((1 << 40, 64), (-1, 64))[k - len(arrays)]
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(64)
    file = io.BytesIO()
    np.save(file, arrays[k], allow_pickle=True)
    return file.getvalue()


def damage(path: Path, rng: Rng) -> None:
    """One of many kinds of damage to a file, by what it is."""
    good = path.read_bytes()
    kind = int(rng.integers(8))
    if path.suffix == ".json" and kind < 5:
        path.write_text(json.dumps(damaged(json.loads(good), rng)))
    elif path.suffix == ".npy" and kind < 4:
        path.write_bytes(hostile_array(rng))
    elif path.suffix == ".npz" and kind < 4:
        _exchange(path, rng)
    elif path.suffix == ".h5" and kind < 4:
        _reconfigure(path, rng)
    elif path.suffix == ".keras" and kind < 4:
        with zipfile.ZipFile(path) as bundle:
            entries = {name: bundle.read(name) for name in bundle.namelist()}
        entries["config.json"] = json.dumps(damaged(json.loads(entries["config.json"]), rng)).encode()
        with zipfile.ZipFile(path, "w") as bundle:
            for name, data in entries.items():
                bundle.writestr(name, data)
    elif kind == 7:
        path.unlink()
        match rng.integers(5):
            case 0 | 1:
                path.mkdir()
            case 2:
                os.mkfifo(path)
            case 3:
                path.symlink_to(rng.choice(["/dev/zero", str(path)]))
            case _:
                pass  # absent
    else:
        bad = bytearray(good[: rng.integers(len(good))] if kind % 2 else good)
        for at in rng.integers(0, max(len(bad), 1), int(rng.choice((1, 4, 40)))):
            if bad:
                bad[at] = rng.integers(256)
        path.write_bytes(bad)


def _reconfigure(path: Path, rng: Rng) -> None:
    """The configuration of a Keras file with one part exchanged, or an array of 8 TB that takes no room."""
    import h5py

    with h5py.File(path, "r+") as file:
        if rng.random() < 0.8:
            file.attrs["model_config"] = json.dumps(damaged(json.loads(file.attrs["model_config"]), rng))
            return
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        name = names[rng.integers(len(names))]
        del file[name]
        file.create_dataset(name, (1 << 20, 1 << 20), "f8", chunks=(64, 64))


def _exchange(path: Path, rng: Rng) -> None:
    """One array of an archive is left out, or is a hostile one, or unpacks to 2 GB."""
    with zipfile.ZipFile(path) as bundle:
        entries = {name: bundle.read(name) for name in bundle.namelist()}
    name = sorted(entries)[rng.integers(len(entries))]
    kind = int(rng.integers(4))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for other, data in entries.items():
            if other != name:
                bundle.writestr(other, data)
            elif kind == 1:
                header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (2147483648,), }".ljust(117) + b"\n"  # fmt: skip
                with bundle.open(name, "w", force_zip64=True) as file:
                    file.write(header)
                    for _ in range(64):
                        file.write(bytes(1 << 20))
            elif kind > 1:
                bundle.writestr(name, hostile_array(rng))


@dataclass(frozen=True)
class Case:
    """A file that is damaged, and the command that reads it; both name things in a home that `make` has filled."""

    file: str
    command: str
    share: float = 1.0  # of the trials; less for commands of seconds
    code: int = 0  # what the command ends with where nothing is damaged


CASES = (
    Case("model.onnx", "check {home}/model.onnx"),
    Case("model.onnx", "compile {home}/model.onnx --input u8/16 -o {home}/new"),
    Case("net.npz", "compile {home}/net.npz -o {home}/new"),
    Case("folding.json", "compile {home}/net.npz --folding {home}/folding.json -o {home}/new"),
    Case("own.toml", "compile {home}/net.npz --board {home}/own.toml -o {home}/new"),
    Case("b/build.json", "report {home}/b"),
    Case("b/net.npz", "simulate {home}/b --engine numpy"),
    Case("b/test.npz", "simulate {home}/b --engine numpy"),
    Case("b/dataflow.json", "verify {home}/b -n 5 --engines numpy,dataflow"),
    Case("b/rtl/made.json", "simulate {home}/b --engine rtl -n 1"),
    Case("b/runs/verify.json", "report {home}/b"),
    Case("b/measured.json", "report {home}/b"),
    Case("b/synth/xc7.json", "report {home}/b"),
    Case("b/report.json", "compare {home}/b {home}/b"),
    Case("b/build.json", "compare {home}/b {home}/b", 0.5),
    Case("x.npy", "simulate {home}/b --engine numpy --inputs {home}/x.npy"),
    Case("x.npy", "verify {home}/b -n 5 --engines numpy,dataflow --inputs {home}/x.npy --labels {home}/y.npy"),
    Case("y.npy", "verify {home}/b -n 5 --engines numpy,dataflow --inputs {home}/x.npy --labels {home}/y.npy"),
    Case("b/net.npz", "look {home}/b --image 0", 0.5),
    Case("b/test.npz", "publish {home}/b", 0.3),
    Case("b/net.npz", "publish {home}/b", 0.3),
    Case("model.onnx", "quicklook {home}/model.onnx"),
    Case("net.npz", "split {home}/net.npz -n 2 -o {home}/new", 0.3),
    Case("other.npz", "run {home}/b --port sim --weights {home}/other.npz -n 2", 0.5),
    Case("x.npy", "go {home}/net.npz --data {home}/x.npy --labels {home}/y.npy --boards tangnano9k -o {home}/new", 0.3),
    Case("y.npy", "go {home}/net.npz --data {home}/x.npy --labels {home}/y.npy --boards tangnano9k -o {home}/new", 0.3),
    Case("model.h5", "check {home}/model.h5"),
    Case("model.keras", "check {home}/model.keras"),
    Case("run/checkpoint.pt", "train models/mlp.py:digits --start {home}/run --epochs 1 -o {home}/new", 0.15),
    Case("run/run.json", "runs {home}"),
    Case("run/metrics.json", "compile {home}/run -o {home}/new", 0.5),
)


@dataclass
class Found:
    """What the trials of one case came to."""

    times: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0  # the most of one command
    megabytes: float = 0.0


def make(home: Path) -> None:
    """A build with every stage file, a training, and what a user gives."""
    from hwflow import flow
    from hwflow.build import Build
    from hwflow.net import Net
    from hwflow.places import MODELS
    from hwflow.report import report
    from hwflow.verify import verify

    demo = MODELS / "demo"
    shutil.copyfile(demo / "model.onnx", home / "model.onnx")
    flow.compile_model(str(home / "model.onnx"), home / "b", flow.Target(reload=True))
    shutil.copyfile(demo / "test.npz", home / "b" / "test.npz")
    build = Build.load(home / "b")
    for name in ("net.npz", "other.npz"):
        shutil.copyfile(home / "b" / "net.npz", home / name)
    assert Net.load(home / "net.npz").hash == build.net.hash
    shutil.copyfile(home / "b" / "folding.json", home / "folding.json")
    shutil.copyfile(Path(flow.__file__).parent / "boards" / "ulx3s_85f.toml", home / "own.toml")
    x, y = build.images(20)
    np.save(home / "x.npy", x)
    np.save(home / "y.npy", y)
    for end, name in (("h5", "qkeras_mlp.h5"), ("keras", "keras_keras3.keras")):
        shutil.copyfile(Path(__file__).parent / "golden" / name, home / f"model.{end}")
    verify(build, n=2, engines=("numpy", "dataflow"))
    build.write("measured.json", {"fps": 3.0})
    build.write(
        "synth/xc7.json", {"family": "xc7", "lut": 1, "ff": 2, "bram": 0, "dsp": 0, "units": {}, "fmax_mhz": None}
    )
    report(build)
    flow.train("models/mlp.py:digits", home / "run", epochs=1, progress=False)


def trial(case: Case, source: Path, rng: Rng | None, found: Found) -> None:
    """Damage the file in a copy of the home and run the command in a forked child; what is wrong is added to `found`.

    Without `rng` nothing is damaged, and the command must end as the case says.
    """
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        shutil.copytree(source, home, copy_function=os.link)
        shutil.copyfile(source / case.file, Path(scratch) / "own")  # what is damaged is no link to the original
        (Path(scratch) / "own").replace(home / case.file)
        if rng is not None:
            damage(home / case.file, rng)
        said = Path(scratch) / "said"
        child = os.fork()
        if child == 0:
            _command(case.command.format(home=home).split(), said)
        code, cpu, most = _wait(child)
        text = said.read_text(errors="replace") if said.is_file() else ""
        if rng is None:
            assert code == case.code, (
                f"{case.command}: ends with {code} where nothing is damaged: {text.strip()[-700:]}"
            )
            return
        found.times += 1
        found.refused += code == 1
        found.seconds, found.megabytes = max(found.seconds, cpu), max(found.megabytes, most / 1e6)
        wrong = [
            f"exit {code}" if code not in (0, 1, 2) else "", "a traceback" if "Traceback" in text else "",
            f"{cpu:.0f} s" if cpu > SECONDS else "", f"{most / 1e6:.0f} MB" if most > BYTES else "",
            "no line" if code and not text.strip() else "",
        ]  # fmt: skip
        if any(wrong):
            found.faults.append(f"{', '.join(w for w in wrong if w)}: {text.strip()[-700:]}")


def _command(words: list[str], said: Path) -> None:
    """In the child: the command line, what it says in a file. Does not come back."""
    code = 99
    try:
        os.setsid()
        os.environ["COLUMNS"] = "250"
        out = os.open(said, os.O_WRONLY | os.O_CREAT)
        for handle in (1, 2):
            os.dup2(out, handle)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
        sys.argv = ["hwflow", *words]
        from hwflow.cli import main

        main()
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 0 if e.code is None else 98
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _wait(child: int) -> tuple[int, float, float]:
    """Exit code, seconds of processor time and bytes of memory of a child, which is ended after WALL seconds."""
    until = time.monotonic() + WALL
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        if time.monotonic() > until:
            os.killpg(child, 9)
        time.sleep(0.01)


def run(
    times: int, seed: int = 0, say: Callable[[str], None] = lambda _: None, cases: tuple[Case, ...] = CASES
) -> dict[Case, Found]:
    """About `times` trials shared among the cases."""
    import hwflow.cli  # once, for all children
    import hwflow.qonnx  # noqa: F401

    rng, whole = np.random.default_rng(seed), sum(c.share for c in cases)
    found = {case: Found() for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        child = os.fork()  # what is imported to make it stays out of the trials' memory
        if child == 0:
            code = 1
            try:
                make(home)
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0, "the home could not be made"
        for case in cases:
            trial(case, home, None, found[case])
        for case in cases:
            for _ in range(max(round(times * case.share / whole), 1)):
                trial(case, home, rng, found[case])
            f = found[case]
            say(f"{case.file}, {case.command.split()[0]}: {f.times} damages, {f.refused} refused, {len(f.faults)} faults, {f.seconds:.1f} s, {f.megabytes:.0f} MB at most")  # fmt: skip
            for fault in sorted(
                {fault if len(fault) < 400 else f"{fault[:60]} ... {fault[-340:]}" for fault in f.faults}
            ):
                say(f"    {fault}")
    return found


def main() -> None:
    """The command line: how many trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="cases whose file or command holds this")
    given = parser.parse_args()
    cases = tuple(c for c in CASES if given.only in c.file + " " + c.command)
    found = run(given.times, given.seed, lambda line: print(line, flush=True), cases)
    sys.exit(any(f.faults for f in found.values()))


if __name__ == "__main__":
    main()
