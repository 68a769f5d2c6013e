"""A unit is one thing in three languages: Python class, SystemVerilog module, C++ template."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hwflow.places import HLS
from hwflow.units import UNITS, samples

SAMPLES = samples()


def sv_parameters(module: str) -> list[str]:
    """Names in the parameter list of hls/units/<module>.sv, in order, localparams left out."""
    text = re.sub(r"//[^\n]*", "", (HLS / "units" / f"{module}.sv").read_text())
    head = re.search(rf"\bmodule\s+{module}\s*#\((.*?)\)\s*\(\s*(?:input|output)", text, re.DOTALL)
    assert head, f"hls/units/{module}.sv has no parameter list"
    return re.findall(r"\bparameter\s+(?:int unsigned\s+|int\s+|bit\s+|logic\s*(?:\[[^\]]*\])?\s*)?(\w+)\s*=", head[1])


def cpp_parameters(module: str) -> list[str]:
    """Names of the template parameters of the function `module` in hls/units/<module>.hpp, in order."""
    text = re.sub(r"//[^\n]*", "", (HLS / "units" / f"{module}.hpp").read_text())
    head = re.search(rf"template\s*<([^<>]*)>\s*(?:inline\s+|static\s+)*void\s+{module}\s*\(", text)
    assert head, f"hls/units/{module}.hpp has no template function {module}"
    return [re.split(r"\s+", p.strip())[-1].split("=")[0] for p in head[1].split(",") if "..." not in p]


def ports(module: str) -> list[str]:
    text = re.sub(r"//[^\n]*", "", (HLS / "units" / f"{module}.sv").read_text())
    head = text[text.index("module ") : text.index(");\n")]
    return re.findall(r"\b(?:input|output)\s+logic\s*(?:\[[^\]]*\]\s*)*(\w+)", head)


@pytest.mark.parametrize("unit", UNITS, ids=lambda c: c.__name__)
def test_every_unit_has_samples_of_awkward_shapes(unit):
    assert [s for s in SAMPLES if type(s) is unit], f"{unit.__name__} has no samples"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda u: u.name)
def test_parameters_have_the_same_names_and_order_in_python_and_systemverilog(sample):
    assert list(sample.params()) == sv_parameters(sample.module)
    module, params = sample.rtl()
    assert list(params) == sv_parameters(module)


@pytest.mark.parametrize("sample", {u.module: u for u in SAMPLES}.values(), ids=lambda u: u.module)
def test_parameters_have_the_same_names_and_order_in_python_and_cpp(sample):
    numbers = [k for k, v in sample.params().items() if not isinstance(v, str)]
    template = cpp_parameters(sample.module)
    assert template[: len(numbers)] == numbers, (
        "numbers first, in the order of the module; the template may end with more"
    )


@pytest.mark.parametrize("module", sorted({u.module for u in SAMPLES}))
def test_every_unit_has_the_same_eight_ports_and_two_more_where_its_memories_can_be_loaded(module):
    loads = any(u.load_ports for u in SAMPLES if u.module == module)
    assert ports(module) == [
        "clk_i", "rst_ni", "x_valid_i", "x_ready_o", "x_data_i", "y_valid_o", "y_ready_i", "y_data_o",
        *(("load_i", "load_o") if loads else ()),
    ]  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda u: u.name)
def test_a_unit_whose_memories_can_be_loaded_means_the_same_and_is_wide_enough_for_any(sample):
    if getattr(sample, "style", "") in ("const", "stream"):
        return
    loads = sample.reloadable()
    rng = np.random.default_rng(0)
    xs = [rng.integers(s.ints.lo, s.ints.hi + 1, (3, *s.port.shape)) for s in sample.ins]
    xs = [np.where(x >= 0, 1, -1) if s.ints.is_bipolar else x for x, s in zip(xs, sample.ins, strict=True)]
    assert all((a == b).all() for a, b in zip(sample.run(*xs), loads.run(*xs), strict=True))
    if loads.load_ports:
        assert loads.loads and loads.params()["Load"] == 1
        for narrow, wide in zip(sample.outs, loads.outs, strict=True):
            assert wide.ints.lo <= narrow.ints.lo and narrow.ints.hi <= wide.ints.hi


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda u: u.name)
def test_strings_come_last_and_each_names_a_memory(sample):
    kinds = [isinstance(v, str) for v in sample.params().values()]
    assert kinds == sorted(kinds), "file names stand behind the numbers"
    assert {v for v in sample.params().values() if isinstance(v, str) and v} == set(sample.memories())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda u: u.name)
def test_memory_words_fit_their_width(sample):
    for memory in sample.memories().values():
        assert memory.words
        assert max(memory.words).bit_length() <= memory.bits


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda u: u.name)
def test_every_folding_offered_is_accepted_and_none_is_offered_twice(sample):
    seen = [tuple(sorted(f.items())) for f in sample.foldings()]
    assert len(seen) == len(set(seen)) >= 1
    rng = np.random.default_rng(0)
    for k in rng.permutation(len(seen))[:20]:
        folded = sample.folded(**dict(seen[k]))
        assert folded.cycles >= max(s.words for s in (*folded.ins, *folded.outs))
