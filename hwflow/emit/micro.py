"""One network as a library for microcontrollers: a folder that is an Arduino library and a Zephyr module at once.

Stands on emit.c. Every public name carries the prefix, so several networks live in one program.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from hwflow.emit.c import check_prefix, emit
from hwflow.emit.c_memory import plain_scratch
from hwflow.emit.c_program import make_program
from hwflow.emit.names import plain
from hwflow.emit.rtl import TEMPLATES
from hwflow.net import Net

# files of the folder by their template; `src/` holds the network itself
FILES = {
    "library.properties.j2": "library.properties", "sketch.ino.j2": "examples/answer/answer.ino", "image.h.j2": "examples/answer/image.h",
    "module.yml.j2": "zephyr/module.yml", "Kconfig.j2": "zephyr/Kconfig", "CMakeLists.txt.j2": "zephyr/CMakeLists.txt",
    "sample.txt.j2": "samples/answer/CMakeLists.txt", "main.c.j2": "samples/answer/main.c",
}  # fmt: skip
SMALL = """/* Built without flags of its own: the plain path, one pixel at a time. */
#include <limits.h>
#if INT_MAX < 2147483647
#error "the network needs a processor whose int has 32 bits"
#endif
#if !defined(HW_PLAIN)
#define HW_PLAIN 1
#endif
#if !defined(HW_TILE)
#define HW_TILE 1
#endif
"""


def write(net: Net, folder: Path, prefix: str) -> list[Path]:
    """Write the library into `folder`; the paths written. RecipeError where the prefix is no C name in lower case."""
    check_prefix(prefix)
    ints, rng = net.input.ints, np.random.default_rng(0)
    x = rng.integers(ints.lo, ints.hi + 1, (1, *net.input.shape))
    x = np.where(x >= 0, 1, -1) if ints.is_bipolar else x
    facts = {
        "name": plain(net.name), "prefix": prefix, "PREFIX": prefix.upper(), "inputs": net.input.size, "outputs": net.output.size,
        "lo": ints.lo, "hi": ints.hi, "ram": plain_scratch(make_program(net)), "image": ", ".join(map(str, x.ravel().tolist())),
        "label": int(np.ravel(net.labels(net.run(x)))[0]),
    }  # fmt: skip
    files = {name: TEMPLATES.get_template(f"micro/{template}").render(facts) + "\n" for template, name in FILES.items()}
    with TemporaryDirectory() as place:
        emit(net, Path(place), prefix)
        source, header = (Path(place, f"{prefix}.{end}").read_text() for end in ("c", "h"))
    files |= {
        f"src/{prefix}.c": SMALL + source,
        f"src/{prefix}.h": re.sub("(#define HW_.*_H\n)", r"\1#include <stdint.h>\n", header, count=1),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return [folder / name for name in files]
