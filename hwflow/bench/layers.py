"""The table of `hwflow bench layers`: microseconds of each step of ResNet-20, beside those of an older engine.

Stands on simulate.profile. The older engine's times are kept in `layers_before.json`, measured by the same clock from the
sources that the older commit writes: `python -m hwflow.bench.layers FOLDER COMMIT`, where FOLDER has its net.c and net.h.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hwflow import tools
from hwflow.bench import cpu
from hwflow.bits import Array
from hwflow.errors import ModelError
from hwflow.generate.nets import NETS, random_images
from hwflow.places import ENGINE
from hwflow.simulate import c
from hwflow.simulate.profile import profile, step_times

NETWORK = "resnet20"
BEFORE = Path(__file__).with_name("layers_before.json")
STEP = re.compile(r"^    (hw_\w+\(run, &step\d+\));( /\* (.*?) \*/)$", re.MULTILINE)


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each path, step, and for the whole network."""
    before = json.loads(BEFORE.read_text())
    out = []
    for path in cpu.paths():
        say(f"{NETWORK} on {path}")
        found, old = profile(NETS[NETWORK](1), None, path), before["us"].get(path, {})
        steps = [(r.name, r.work, r.us, r.products) for r in found.rows]
        steps.append(("whole", "", found.us, sum(r.products for r in found.rows)))
        for name, work, us, products in steps:
            was = sum(old.values()) if name == "whole" else old.get(name)
            row: dict[str, Any] = {"network": found.network, "path": path, "step": name, "work": work}
            row |= (
                {"before_us": round(was, 2), "now_us": round(us, 2), "times_faster": round(was / us, 2)}
                if was
                else {"now_us": round(us, 2)}
            )
            row |= {"gmac_s": round(products / us / 1e3)} if products else {}
            out.append(row)
    return [
        *out,
        {
            "what follows": f"Before is the engine of commit {before['commit']}, timed by `{before['command']}` on {before['processor']}."
        },
    ]


def count_steps(source: str) -> tuple[str, list[str]]:
    """A net.c that knows nothing of NET_PROFILE with its steps counted, and their names in order."""
    names = [found[3] for found in STEP.finditer(source)]
    if not names:
        raise ModelError(
            "net.c: has no steps of the form `hw_run_...(run, &step0); /* name */`; give one of an older hwflow"
        )
    begin = "static void net_image(const hw_run *run) {\n"
    numbers = iter(range(len(names)))
    source = STEP.sub(lambda found: f"    HW_STEP({next(numbers)}, {found[1]}){found[2]}", source)
    timing = (ENGINE / "profile.c").read_text().replace('#include "engine.h"\n', "")
    spent = (ENGINE / "run.c").read_text().split("#if defined(NET_PROFILE)", 1)[1].split("#endif", 1)[0]
    source = source.replace(begin, f"{timing}\nenum {{ NET_STEPS = {len(names)} }};\n{begin}    HW_BEGIN\n", 1)
    return f'{source}\nextern "C" {{{spent}}}\n', names


def time_steps(folder: Path, path: str) -> dict[str, float] | None:
    """Microseconds of each step of the network whose net.c is in a folder; None where the processor has no such path."""
    source, names = count_steps((folder / "net.c").read_text())
    (folder / "counted.cpp").write_text(source)
    tools.run_program(
        tools.need("g++"),
        [*c.FAST, "-w", "-DNET_PROFILE", "-o", folder / "counted.so", "counted.cpp"],
        cwd=folder,
        timeout=600,
    )
    library = ctypes.CDLL(str(folder / "counted.so"))
    if not library.net_choose(path.encode()):
        return None
    library.net_arranged_bytes.restype = library.net_scratch_bytes.restype = ctypes.c_size_t
    net = NETS[NETWORK](1)
    memory: list[Array] = [
        np.empty(int(n), np.uint8) for n in (library.net_arranged_bytes(), library.net_scratch_bytes())
    ]
    data: list[Array] = [
        np.ascontiguousarray(random_images(net, 1), np.uint8),
        np.empty((1, net.output.size), np.int32),
    ]
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*memory, *data)]
    library.net_arrange(pointers[0])
    times = step_times(library, lambda: library.net_run(*pointers, ctypes.c_size_t(1)), len(names))
    if not (data[1].ravel() == net.run(random_images(net, 1)).ravel()).all():
        raise ModelError(f"{folder}: its answers are not those of {NETWORK} today; the two are not the same network")
    return dict(zip(names, times, strict=True))


def main() -> None:
    """Measure the net.c in a folder on every vector path of this processor and keep the times as those before."""
    from hwflow.bench.tables import processor

    folder, commit = Path(sys.argv[1]), sys.argv[2]
    us = {path: times for path in cpu.paths() if (times := time_steps(folder, path))}
    rounded = {path: {name: round(t, 3) for name, t in times.items()} for path, times in us.items()}
    said = {
        "commit": commit,
        "command": f"python -m hwflow.bench.layers FOLDER {commit}",
        "processor": processor(),
        "us": rounded,
    }
    BEFORE.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
