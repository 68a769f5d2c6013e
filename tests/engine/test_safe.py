"""The C engine may be shared: threads, processes, damaged cache entries and mixed builds never give a wrong answer."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwflow import cached, tools
from hwflow.emit.c import emit
from hwflow.errors import ModelError
from hwflow.generate.nets import random_images, tfc
from hwflow.predict import Predictor, load
from hwflow.simulate import c

pytestmark = pytest.mark.skipif(tools.find("g++") is None, reason="no C++ compiler: apt install g++")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of this test's own, with cheap compilations."""
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(c, "FAST", ("-O1", *c.FLAGS[1:]))
    return tmp_path / "cache" / "c"


@pytest.mark.slow
def test_one_predictor_answers_eight_threads_at_once(cache, tmp_path):
    net = tfc(3)
    x, user = random_images(net, 2000), Predictor(net, tmp_path / "c")
    want = net.labels(net.run(x))
    start = threading.Barrier(8)

    def ask(thread: int) -> int:
        start.wait()
        random, wrong = np.random.default_rng(thread), 0
        for _ in range(120):
            at, n = int(random.integers(0, 1900)), int(random.integers(1, 60))
            wrong += int((user.predict(x[at : at + n]) != want[at : at + n]).sum())
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 0
    assert len(list(cache.iterdir())) == 1


@pytest.mark.slow
def test_engines_on_different_paths_do_not_disturb_one_another(cache, tmp_path):  # noqa: ARG001
    net = tfc(3)
    emit(net, tmp_path)
    x = random_images(net, 50)
    engines = [c.load(net, tmp_path), c.load(net, tmp_path, "plain"), c.load(net, tmp_path)]
    assert engines[1].path == "plain" and engines[0].path == engines[2].path
    for _ in range(2):
        for engine in engines:
            assert (engine.run(x) == net.run(x)).all()


@pytest.mark.slow
def test_a_build_of_mixed_networks_is_refused(cache, tmp_path):  # noqa: ARG001
    tfc(3).save(tmp_path / "net.npz")
    emit(tfc(4), tmp_path / "c")
    user = load(tmp_path)
    with pytest.raises(ModelError, match=r"TFC: the engine .* is of another network .* compile the model again"):
        user.predict(random_images(user.net, 2))


@pytest.mark.slow
def test_sources_from_before_engines_had_a_name_are_refused(cache, tmp_path):  # noqa: ARG001
    net = tfc(3)
    emit(net, tmp_path)
    source = (tmp_path / "net.c").read_text()
    (tmp_path / "net.c").write_text(source.replace("net_hash", "net_other"))
    with pytest.raises(ModelError, match="hash none, not"):
        c.load(net, tmp_path, flags=c.FAST)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "another"])
def test_a_damaged_entry_is_built_again(damage, cache, tmp_path):  # noqa: ARG001
    net = tfc(3)
    emit(net, tmp_path)
    flags = ("-O0", *c.FLAGS[1:])
    built = c.library(tmp_path, flags=flags)
    whole = built.read_bytes()
    other = whole.replace(net.hash.encode(), tfc(4).hash.encode())
    assert other != whole
    built.write_bytes({"cut": whole[:5000], "garbage": b"no library", "empty": b"", "another": other}[damage])
    assert c.library(tmp_path, flags=flags).read_bytes() == whole
    assert (c.load(net, tmp_path, flags=flags).run(random_images(net, 5)) == net.run(random_images(net, 5))).all()


@pytest.mark.slow
def test_a_library_is_found_by_network_compiler_and_flags(cache, tmp_path):  # noqa: ARG001
    emit(tfc(3), tmp_path / "a")
    emit(tfc(4), tmp_path / "b")
    flags = ("-O0", *c.FLAGS[1:])
    first = c.library(tmp_path / "a", flags=flags)
    assert c.library(tmp_path / "a", flags=flags) == first
    assert c.library(tmp_path / "b", flags=flags).parent != first.parent
    assert c.library(tmp_path / "a", flags=("-O0", "-g0", *c.FLAGS[1:])).parent != first.parent


@pytest.mark.slow
def test_processes_that_build_the_same_entry_all_answer(cache, tmp_path):
    net = tfc(3)
    net.save(tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", random_images(net, 20))
    program = (
        "import sys, numpy as np; from pathlib import Path; from hwflow.net import Net; from hwflow.simulate import c\n"
        "net = Net.load(Path(sys.argv[1], 'net.npz')); x = np.load(Path(sys.argv[1], 'x.npy'))\n"
        "assert (c.load(net, None, flags=('-O0', *c.FLAGS[1:])).run(x) == net.run(x)).all()\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, tmp_path]) for _ in range(3)]
    assert [run.wait(300) for run in runs] == [0, 0, 0]
    (entry,) = cache.iterdir()
    assert [f.name for f in entry.iterdir()] == [cached._name_of(f, "net.so") for f in entry.iterdir()]
