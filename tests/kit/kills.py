"""kill -9 and races at random moments of a tiny network's life: what is left is old or new, never mixed, and a rerun is a fresh build.

    python tests/kit/kills.py --compile 80 --train 40 --verify 30 --synth 20 --deploy 20 --bench 10 --race 50 --threads 50

Every trial forks, lets the child run one command in a folder that holds an older result, kills it and everything it
started after a random part of the time the command takes, and looks at what is left. Prints a line for each command.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwflow.files import PART, rewritten

Contents = dict[str, str]


def contents(folder: Path, skip: tuple[str, ...] = ()) -> Contents:
    """The hash of every file of a folder by its path, parts of unfinished writing and `skip` left out."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and PART not in str(p) and not any(s in str(p.relative_to(folder)) for s in skip)
    }


def in_child(work: Callable[[], object], kill_after: float | None = None) -> float:
    """Seconds that `work` took in a forked child of its own session, which is killed after `kill_after` seconds."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            work()
            code = 0
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if kill_after is None and status:
        raise RuntimeError(f"the command itself failed with status {status}")
    return time.monotonic() - began


def trials(
    times: int,
    folder: Path,
    old: Callable[[], object],
    new: Callable[[], object],
    check: Callable[[], object],
    seed: int = 0,
    see: Callable[[Path], object] = contents,
) -> dict[str, int]:
    """Kill `new` `times` times over the result of `old`; how often the old and the new was found. AssertionError for a mixture.

    `check` opens what is left as a user would. In the end `new` runs to its end once more and equals a fresh result.
    """
    rng = np.random.default_rng(seed)
    in_child(new)
    fresh = see(folder)
    shutil.rmtree(folder)
    in_child(old)
    before = see(folder)
    kept = Path(shutil.copytree(folder, folder.with_name(f"{folder.name}-old"), symlinks=True))
    spent = in_child(new)
    found = {"old": 0, "new": 0}
    for k in range(times):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(kept, folder, symlinks=True)
        in_child(new, rng.random() * spent * 1.05)
        left = see(folder)
        assert left in (before, fresh), f"kill {k}: a mixture: {str(left)[:300]}"
        check()
        found["new" if left == fresh else "old"] += 1
    in_child(new)
    assert see(folder) == fresh, "the rerun is not a fresh result"
    with rewritten(folder):
        pass
    assert not [p for p in folder.parent.rglob(f"*{PART}*") if p.name.startswith(f".{folder.name}")], "parts are left"
    return found


# -- the commands of a life


def compiles(times: int, home: Path, seed: int = 0) -> dict[str, int]:
    """Recompile a folder from another network."""
    from hwflow import flow
    from hwflow.build import Build
    from hwflow.generate.nets import random_net

    folder = home / "build"
    for name, net in (("a", random_net(3)), ("b", random_net(8))):
        (home / name).mkdir()
        net.save(home / name / "m.npz")

    def check() -> None:
        build = Build.load(folder)
        build.net, build.dataflow  # noqa: B018
        for stage in ("rtl", "hls", "c"):
            build.stage(stage)

    def compile_(name: str) -> Callable[[], object]:
        return lambda: flow.compile_model(str(home / name / "m.npz"), folder)

    return trials(times, folder, compile_("a"), compile_("b"), check, seed)


def races(times: int, home: Path, seed: int = 0) -> dict[str, int]:
    """Two processes compile two networks into one folder at once: what is there in the end is one of the two builds."""
    from hwflow import flow
    from hwflow.generate.nets import random_net

    folder, rng, fresh = home / "build", np.random.default_rng(seed), {}
    for name, net in (("a", random_net(3)), ("b", random_net(8))):
        (home / name).mkdir()
        net.save(home / name / "m.npz")
        flow.compile_model(str(home / name / "m.npz"), folder)
        fresh[name] = contents(folder)
    found = {"old": 0, "new": 0}
    for k in range(times):
        if k % 2:
            shutil.rmtree(folder)
        children = []
        for name in ("a", "b"):
            time.sleep(rng.random() * 0.01)
            children.append(os.fork())
            if children[-1] == 0:
                code = 1
                try:
                    flow.compile_model(str(home / name / "m.npz"), folder)
                    code = 0
                finally:
                    os._exit(code)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0], f"race {k}: a compilation failed"
        left = contents(folder)
        assert left in (fresh["a"], fresh["b"]), f"race {k}: a mixture"
        found["old" if left == fresh["a"] else "new"] += 1
    assert not list(home.glob(f"*{PART}*")), "parts are left"
    return found


def threads(times: int, home: Path, seed: int = 0) -> dict[str, int]:  # noqa: ARG001  threads draw their own lots
    """Four threads compile four networks into one folder at once: what is there in the end is one of the four builds."""
    from hwflow import flow
    from hwflow.build import Build
    from hwflow.generate.nets import random_net

    folder, fresh = home / "build", {}
    for name, number in (("a", 3), ("b", 8), ("c", 9), ("d", 11)):
        (home / name).mkdir()
        random_net(number).save(home / name / "m.npz")
        flow.compile_model(str(home / name / "m.npz"), folder)
        fresh[name] = contents(folder)
    found = {"old": 0, "new": 0}
    for k in range(times):
        if k % 2:
            shutil.rmtree(folder)
        errors: list[BaseException] = []

        def work(name: str, errors: list[BaseException] = errors) -> None:
            try:
                flow.compile_model(str(home / name / "m.npz"), folder)
            except BaseException as e:
                errors.append(e)

        every = [threading.Thread(target=work, args=(name,)) for name in fresh]
        for t in every:
            t.start()
        for t in every:
            t.join()
        assert not errors, f"race {k}: {errors}"
        left = contents(folder)
        assert left in fresh.values(), f"race {k}: a mixture"
        build = Build.load(folder)
        x = np.zeros((1, *build.net.input.shape), int) + build.net.input.ints.lo
        assert np.array_equal(build.dataflow.run(x), build.net.run(x))
        found["old" if left == fresh["a"] else "new"] += 1
    assert not list(home.glob(f"*{PART}*")), "parts are left"
    return found


def _built(home: Path) -> Path:
    from builds import build_of

    from hwflow.generate.nets import random_net

    return build_of(home / "build", random_net(3)).folder


def verifies(times: int, home: Path, seed: int = 0) -> dict[str, int]:
    """Verify a build that was verified with fewer images."""
    import json

    from hwflow.build import Build
    from hwflow.verify import verify

    folder = _built(home)
    aside = home / "aside"
    folder.rename(aside)

    def run(n: int) -> Callable[[], object]:
        def work() -> None:
            if not folder.exists():
                shutil.copytree(aside, folder)
            verify(Build.load(folder), n=n, engines=("numpy", "dataflow"))

        return work

    def see(_: Path) -> object:
        proof = Build.load(folder).json("runs/verify.json")
        return json.dumps(proof.get("rungs")), contents(folder, ("runs",))

    return trials(times, folder, run(2), run(40), lambda: Build.load(folder).json("runs/verify.json"), seed, see)


def synths(times: int, home: Path, seed: int = 0, fake: bool = False) -> dict[str, int]:
    """Synthesise a build again; `fake` takes a stand-in for Yosys, which only writes files."""
    from hwflow import flow
    from hwflow.build import Build

    folder = _built(home)
    aside = home / "aside"
    folder.rename(aside)
    real = flow.synth

    def stand_in(stamp: int) -> Callable[..., dict[str, object]]:
        def synth(_: Path, target: object, *, out: Path, **__: object) -> dict[str, object]:
            for k in range(20):
                (out / f"log{k}").write_text(f"{stamp}")
                time.sleep(0.002)
            return {"family": str(target), "lut": stamp, "ff": 1, "bram": 0, "dsp": 0, "units": {}}

        return synth

    def run(stamp: int) -> Callable[[], object]:
        def work() -> None:
            if not folder.exists():
                shutil.copytree(aside, folder)
            flow.synth = stand_in(stamp) if fake else real  # type: ignore[assignment]
            flow.measure(Build.load(folder), "xc7")

        return work

    def see(_: Path) -> object:
        made = contents(folder, ("synth",))
        results = {
            p.name: Build.load(folder).json(f"synth/{p.name}").get("lut") for p in (folder / "synth").glob("*.json")
        }
        logs = {p.read_text() for p in (folder / "synth").glob("xc7/log*")} if fake else set()
        return made, results, logs

    return trials(times, folder, run(0), run(1), lambda: Build.load(folder).json("synth/xc7.json"), seed, see)


def deploys(times: int, home: Path, seed: int = 0) -> dict[str, int]:
    """Deploy a build as an AMD project again, with other example images."""
    import json

    from hwflow.board import load_board
    from hwflow.build import Build
    from hwflow.deploy import package

    build = Build.load(_built(home))
    out = home / "deploy"

    def run(n: int) -> Callable[[], object]:
        board = load_board("pynq_z1")
        return lambda: package(
            build.net, build.dataflow, build.folder / "rtl", board, out, build.images(n)[0], build=build.hash
        )

    return trials(
        times,
        out,
        run(2),
        run(5),
        lambda: json.loads((out / "deploy.json").read_text()),
        seed,
        lambda folder: contents(folder, ("deploy.json",)),
    )


def trains(times: int, home: Path, seed: int = 0) -> dict[str, int]:
    """Train into a folder that holds an earlier training: model, metrics and held-out images are of one of the two."""
    import json
    from dataclasses import replace

    from hwflow.build import read_arrays
    from hwflow.files import digest
    from hwflow.train import load_recipe, train
    from hwflow.train.checkpoint import read_checkpoint

    folder = home / "run"

    def run(number: int) -> Callable[[], object]:
        recipe = load_recipe("models/mlp.py:digits")
        return lambda: train(
            replace(recipe, training=replace(recipe.training, epochs=1, seed=number)), folder, progress=False
        )

    def see(_: Path) -> object:
        return {name: digest(folder / name) for name in ("model.onnx", "test.npz")}, _said(folder)

    def _said(folder: Path) -> str:
        return str(json.loads((folder / "metrics.json").read_text())["training"]["seed"])

    def check() -> None:
        read_checkpoint(folder / "checkpoint.pt")
        read_arrays(folder / "test.npz", "train again")
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["sha256"]["model.onnx"] == digest(folder / "model.onnx")

    return trials(times, folder, run(1), run(2), check, seed, see)


def benches(times: int, home: Path, seed: int = 0) -> dict[str, int]:
    """Replace a table of a page."""
    from hwflow.bench.tables import write

    page = home / "pages" / "README.md"

    def run(rows: int) -> Callable[[], object]:
        def work() -> None:
            page.parent.mkdir(exist_ok=True)
            if not page.is_file():
                page.write_text("top\n<!-- bench cpu -->\n<!-- end -->\nbottom\n")
            for _ in range(20):
                write(page, "cpu", [{"row": k} for k in range(rows)])

        return work

    def see(_: Path) -> object:
        return page.read_text().count("\n| ")

    return trials(times, page.parent, run(3), run(60), page.read_text, seed, see)


LIFE = {
    "compile": compiles,
    "train": trains,
    "verify": verifies,
    "synth": synths,
    "deploy": deploys,
    "bench": benches,
    "race": races,
    "threads": threads,
}


def main() -> None:
    """The command line: how many kills of each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in LIFE:
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name, life in LIFE.items():
        times = getattr(given, name)
        if times:
            with tempfile.TemporaryDirectory() as home:
                found = life(times, Path(home), given.seed)
            kills = "kills, {old} found the old result, {new} the new"
            what = (
                "races, {old} ended with the first build, {new} with another" if name in ("race", "threads") else kills
            )
            print(f"{name}: {times} {what.format(**found)}, none mixed", flush=True)


if __name__ == "__main__":
    main()
