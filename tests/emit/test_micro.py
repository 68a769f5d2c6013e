"""A network for microcontrollers: the same folder builds as an Arduino library and as a Zephyr module, and answers."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from builds import build_of

from hwflow.emit.micro import write
from hwflow.emit.wasm import has_zig, zig_cc
from hwflow.errors import RecipeError
from hwflow.flow import compile_model
from hwflow.generate.nets import tfc
from hwflow.net import Net

ARDUINO = """#include <stdint.h>
#include <stdio.h>
struct Port { void begin(long) {} void println(int v) { printf("%d\\n", v); } } Serial;
void delay(int) {}
#include "answer.ino"
int main() { setup(); loop(); }
"""
ZEPHYR = """cmake_minimum_required(VERSION 3.13)
project(app C)
function(zephyr_library_named name)
  add_library(${name} STATIC)
  set(LIBRARY ${name} PARENT_SCOPE)
endfunction()
macro(zephyr_library_sources)
  target_sources(${LIBRARY} PRIVATE ${ARGN})
endmacro()
macro(zephyr_include_directories)
  include_directories(${ARGN})
endmacro()
set(CONFIG_DIGITS y)
include(../digits/zephyr/CMakeLists.txt)
add_executable(app ../digits/samples/answer/main.c)
target_include_directories(app PRIVATE . ../digits/examples/answer)
target_link_libraries(app digits)
"""


@pytest.fixture
def library(tmp_path) -> tuple[Path, int]:
    """The library of a network, and the label that its example must print."""
    net = tfc(3)
    paths = write(net, tmp_path / "digits", "digits")
    assert all(p.is_file() for p in paths)
    ints = net.input.ints
    x = np.random.default_rng(0).integers(ints.lo, ints.hi + 1, (1, *net.input.shape))
    return tmp_path / "digits", int(net.labels(net.run(x))[0])


def ran(*command, cwd) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("g++")), reason="needs gcc and g++")
def test_the_sketch_of_the_arduino_library_prints_the_label(library):
    folder, label = library
    properties = dict(line.split("=", 1) for line in (folder / "library.properties").read_text().split("\n") if line)
    wanted = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert wanted <= set(properties) and properties["includes"] == "digits.h"
    (folder / "board.cpp").write_text(ARDUINO)
    ran("gcc", "-O0", "-Wall", "-Wextra", "-Werror", "-c", "src/digits.c", "-o", "net.o", cwd=folder)
    ran("g++", "-O0", "-Isrc", "-Iexamples/answer", "board.cpp", "net.o", "-o", "board", cwd=folder)
    assert ran("./board", cwd=folder) == f"{label}\n"


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("gcc")), reason="needs cmake and gcc")
def test_the_sample_of_the_zephyr_module_prints_the_label(library, tmp_path):
    folder, label = library
    assert (folder / "zephyr" / "module.yml").read_text().splitlines()[0] == "name: digits"
    assert "config DIGITS" in (folder / "zephyr" / "Kconfig").read_text()
    app = tmp_path / "app"
    (app / "zephyr").mkdir(parents=True)
    (app / "zephyr" / "kernel.h").write_text("#include <stdio.h>\n#include <stdint.h>\n#define printk printf\n")
    (app / "CMakeLists.txt").write_text(ZEPHYR)
    ran("cmake", "-S", ".", "-B", "out", cwd=app)
    ran("cmake", "--build", "out", cwd=app)
    assert ran("out/app", cwd=app) == f"{label}\n"


@pytest.mark.slow
@pytest.mark.skipif(not has_zig(), reason="needs ziglang: pip install ziglang")
@pytest.mark.parametrize("cpu", ["cortex_m0plus", "cortex_m33"])
def test_the_library_compiles_for_a_core_without_a_c_library(cpu, library):
    folder, _ = library
    zig_cc(
        [
            "-target",
            "thumb-freestanding-eabi",
            f"-mcpu={cpu}",
            "-Os",
            "-ffreestanding",
            "-c",
            "src/digits.c",
            "-o",
            "net.o",
        ],
        folder,
    )
    assert (folder / "net.o").stat().st_size > 1000


def test_a_folder_of_another_name_than_c_allows_is_refused(tmp_path):
    net: Net = tfc(3)
    with pytest.raises(RecipeError, match="must be a C name in lower case"):
        write(net, tmp_path, "My Net")
    assert not list(tmp_path.iterdir())


def test_a_build_has_the_library_where_it_is_asked_for(tmp_path):
    build = build_of(tmp_path / "build", tfc(3), prefix="digits")
    assert (build.folder / "c" / "digits" / "src" / "digits.h").is_file() and (build.folder / "c" / "net.c").is_file()
    assert not (build_of(tmp_path / "other", tfc(3)).folder / "c" / "digits").exists()
    with pytest.raises(RecipeError, match="must be a C name in lower case"):
        compile_model(str(build.folder / "net.npz"), tmp_path / "none", prefix="No")
    assert not (tmp_path / "none").exists()
