"""Every top is read by parsers of other makers: slang, Icarus (a conversion), Verilator with every warning, Yosys."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from small_nets import FED, NETS

from hwflow import tools
from hwflow.deploy import design as designs
from hwflow.deploy import feeds
from hwflow.deploy.sim import around
from hwflow.emit.rtl import emit
from hwflow.lower import lower

TOPS = ("top", "board_dma", "board_uart")
CASES = {**NETS, **FED}
# slang's opinions on style that we do not share, each with what we hold against it
EXPLAINED = {
    "arith-op-mismatch": "$clog2 is an integer, widths are unsigned; both are small and positive",
    "sign-conversion": "streams are plain bits: their sign is known at the unit, not on the wire",
    "sign-compare": "a size cast of a decimal literal is signed, and positive",
    "useless-cast": "a cast by parameter is the same size for some parameters only",
    "packed-array-conv": "lanes are words of a vector, of the same size",
    "unused-but-set-variable": "`unused` names what a configuration does not look at, for the other linters",
    "case-redundant-default": "`unique case` with a default covers states that cannot occur",
    "case-enum-explicit": "the same",
    "unused-def": "`top` lies beside `network` where a board takes the network",
    "unused-port": "the protection bits of AXI mean nothing here",
}


class Emitted:
    def __init__(self, name: str, folder: Path):
        net, folding = CASES[name]
        self.net = net()
        self.dataflow = lower(self.net, folding)
        self.rtl = emit(self.dataflow, folder / name)

    def files(self, top: str) -> list[Path]:
        return sorted(self.rtl.glob("*.sv")) if top == "top" else around(top, self.rtl)

    def params(self, top: str) -> dict[str, int | str]:
        return (
            {} if top == "top" else {**designs.parameters(self.dataflow, self.rtl), **feeds.parameters(self.dataflow)}
        )


# a serial link brings no weights
PAIRS = [(name, top) for name in CASES for top in TOPS if name not in FED or top != "board_uart"]


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def design(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Emitted, str]:
    """An emitted network and the top that is looked at."""
    name, top = request.param
    return Emitted(name, tmp_path_factory.mktemp("rtl")), top


@pytest.mark.skipif(importlib.util.find_spec("pyslang") is None, reason="pyslang is not installed")
def test_slang_finds_no_error_and_no_warning_that_is_not_explained(
    design: tuple[Emitted, str], capfd: pytest.CaptureFixture
):
    emitted, top = design
    from pyslang.driver import Driver

    driver = Driver()
    driver.addStandardArgs()
    off = " ".join(f"-Wno-{name}" for name in EXPLAINED)
    params = " ".join(f'-G "{k}={v}"' for k, v in emitted.params(top).items())
    files = " ".join(str(f) for f in emitted.files(top))
    assert driver.parseCommandLine(f"slang --top {top} {params} -Weverything {off} {files}")
    assert driver.processOptions() and driver.parseAllSources()
    made = driver.createCompilation()
    driver.reportCompilation(made, False)
    driver.runAnalysis(made)
    good = driver.reportDiagnostics(False)
    said = capfd.readouterr()
    assert good and " warning: " not in said.out + said.err, said.out + said.err


@pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")
def test_verilator_has_no_warning_of_any_kind(design: tuple[Emitted, str]):
    emitted, top = design
    said = tools.run(
        "verilator",
        ["--lint-only", "-Wall", "-Wpedantic", "--quiet", "--top-module", top, *(f"-G{k}={v}" for k, v in emitted.params(top).items()),
         *emitted.files(top)],
        cwd=emitted.rtl, env=tools.verilator_env(),
    )  # fmt: skip
    assert "%" not in said, said
