"""What all tests share: where real data may lie, and one digits build for those that need a whole network."""

import os
import sys
import zlib
from functools import cache
from pathlib import Path

import budgets
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
KIT = ROOT / "tests" / "kit"  # what several rooms' tests share
GOLDEN = KIT / "golden"
# random shapes of each hardware unit; `make test-all` takes 200
SHAPES = int(os.environ.get("HWFLOW_SHAPES", "24"))
# images of each whole network; 0 leaves each test its own few, `make test-all` takes 100
IMAGES = int(os.environ.get("HWFLOW_IMAGES", "0"))
SHARED = Path(os.environ.get("HWFLOW_SHARED", ROOT.parent / "shared"))


@cache
def as_users_do():
    """The flags with which users' C engines are compiled."""
    from hwflow.simulate import c

    return c.FLAGS, c.FAST


def pytest_collection_modifyitems(config, items):
    """Leaves out what is marked long, unless every image is asked for."""
    if not IMAGES:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def draw_anew(item):
    """Every test draws the values that belong to its name, whatever ran before it in the same process."""
    for module in (item.module, sys.modules.get("reading")):
        if isinstance(drawn := getattr(module, "RNG", None), np.random.Generator):
            drawn.bit_generator.state = np.random.default_rng(zlib.crc32(item.nodeid.encode())).bit_generator.state


def pytest_runtest_setup(item):
    """Fast tests compile C engines without optimisation, a quarter of the time; slow ones compile them as users do."""
    from hwflow.simulate import c

    draw_anew(item)
    c.FLAGS, c.FAST = flags = as_users_do()
    if item.get_closest_marker("slow") is None:
        c.FLAGS = c.FAST = ("-O0", *flags[0][1:])


def pytest_terminal_summary(terminalreporter):
    """What each room took beside its budget, where several rooms ran."""
    reports = [r for some in terminalreporter.stats.values() for r in some if hasattr(r, "duration")]
    found = budgets.seconds_by_room((r.nodeid, r.duration) for r in reports)
    if len(found) > 3:
        terminalreporter.section("seconds of one worker by room, and their budgets")
        for line in budgets.report(found):
            terminalreporter.write_line(line)


def shared(name):
    """A real file or folder, or a skip that says which one is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"real data {name} is absent (HWFLOW_SHARED names its folder)")
    return path


@pytest.fixture(scope="session")
def mnist_test():
    """The 10,000 MNIST test images as uint8 (n, 28, 28, 1), and their labels."""
    import gzip

    folder = shared("data/mnist")
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    return np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1), np.frombuffer(labels, np.uint8, offset=8)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The digits recipe, trained and compiled once: a Build."""
    from hwflow import flow

    folder, _ = flow.train("models/mlp.py:digits", tmp_path_factory.mktemp("digits"), progress=False)
    return flow.compile_model(str(folder), folder)
