"""Build folders for tests, made of a network alone."""

import shutil

from hwflow.build import Build
from hwflow.files import digest
from hwflow.flow import write_build
from hwflow.lower import lower
from hwflow.version import VERSION


def build_of(folder, net, dataflow=None, model=None, **asked):
    """The build of a network in `folder`; `model` is the file it was made from."""
    kept = f"model{model.suffix}" if model else "net.npz"
    folder.mkdir(parents=True, exist_ok=True)
    if model and model != folder / kept:
        shutil.copyfile(model, folder / kept)
    whole = {
        "name": net.name, "model": kept, "source": str(model or kept), "input": None, "board": None, "clock_mhz": 100,
        "fps": None, "fit": False, "max_util": 0.8, "latency_us": None, "hwflow": VERSION,
        "model_sha256": digest(folder / kept) if model else None,
    }  # fmt: skip
    write_build(folder, net, dataflow or lower(net), whole | asked)
    return Build.load(folder)
