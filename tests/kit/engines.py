"""Many networks through one engine, in one compilation."""

import tempfile
from pathlib import Path

from hwflow.fuzz.engines import NetsInC
from hwflow.lower import lower
from hwflow.simulate import hls, rtl

ENGINES = ("C", "HLS", "RTL with stalls")


def answers_of(engine, nets, xs, made=lower):
    """The integers that `engine`, one of ENGINES, answers to the images of each network; hardware is `made` of it."""
    if engine == "C":
        with tempfile.TemporaryDirectory() as folder:
            made = NetsInC(nets, Path(folder), "-O0")
            return [made.run(k, x) for k, x in enumerate(xs)]
    if engine == "HLS":
        return hls.run_many([made(net) for net in nets], xs)
    assert engine == "RTL with stalls"
    return [run.outputs for run in rtl.run_many([made(net) for net in nets], xs, stalls=11, listen=False)]
