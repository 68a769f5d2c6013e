"""The report: figures with their kind, no number that contradicts another, one page that needs no network."""

import dataclasses
import json
import re
import shutil

import jsonschema
import pytest
from conftest import ROOT

from hwflow.build import Build
from hwflow.report import gather, report
from hwflow.report.checks import warnings
from hwflow.report.figures import headline, quantity
from hwflow.report.svg import bars, curves, png, scatter
from hwflow.verify import verify

SCHEMA = json.loads((ROOT / "hwflow" / "report" / "report.schema.json").read_text())


@pytest.fixture(scope="module")
def build(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "digits"
    shutil.copytree(digits.folder, folder)
    done = Build.load(folder)
    verify(done, n=10, engines=("numpy", "dataflow"))
    report(done)
    return done


@pytest.fixture(scope="module")
def facts(build):
    return gather(build)


def test_report_json_is_what_its_schema_says(build):
    on_disk = json.loads((build.folder / "report.json").read_text())
    jsonschema.validate(on_disk, SCHEMA)
    assert on_disk["throughput"]["claimed_cycles_per_image"] == build.dataflow.cycles
    on_disk["throughput"]["kind"] = "measured"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(on_disk, SCHEMA)


def test_two_reports_of_one_build_are_the_same_bytes(build):
    names = ("report.json", "report.html", "report.md")
    before = [(build.folder / n).read_bytes() for n in names]
    report(build)
    assert [(build.folder / n).read_bytes() for n in names] == before


def test_the_page_asks_the_network_for_nothing(build):
    page = (build.folder / "report.html").read_text()
    for found in re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)""", page):
        assert found.startswith("data:")
    assert "@import" not in page and "url(" not in page
    assert page.count("<svg") >= 3  # cycles, LUTs, flip-flops at least


def test_every_headline_figure_says_its_kind(facts):
    figures = headline(facts)
    assert [f.what for f in figures] == ["accuracy", "rate", "latency", "area", "clock", "power"]
    assert all(f.kind for f in figures)


def test_a_name_from_a_model_file_is_text_and_nothing_else(build):
    hostile = '<script>alert("x")</script>'
    named = dataclasses.replace(build, ask={**build.ask, "name": hostile})
    report(named)
    page = (build.folder / "report.html").read_text()
    assert hostile not in page and "&lt;script&gt;" in page
    assert hostile not in bars(hostile, [hostile], {hostile: [1.0]})
    report(build)


def test_a_clock_that_does_not_close_lowers_the_rate_and_is_said(build):
    placed = {"family": "xc7", "lut": 10, "ff": 10, "bram": 0, "dsp": 0, "fmax_mhz": 70.0, "units": {}}
    build.write("synth/xc7.json", placed)
    found = gather(build)
    (build.folder / "synth" / "xc7.json").unlink()
    assert found["throughput"]["clock_mhz"] == 70.0
    assert found["throughput"]["fps"] == pytest.approx(70e6 / build.dataflow.cycles)
    assert any("70.0 MHz close" in w for w in found["warnings"])
    assert any("estimated" in w and "synthesised" in w for w in found["warnings"])


def test_what_a_user_measured_stands_apart_from_every_estimate(build):
    build.write("measured.json", {"fps": 1500.0, "note": "revision B"})
    found = report(build)
    assert found["measured"] == {"fps": 1500.0, "note": "revision B"}
    assert found["throughput"]["kind"] != "measured"
    page = (build.folder / "report.html").read_text()
    assert "Measured on a board by its user" in page and "Nothing on this page was measured" not in page
    (build.folder / "measured.json").unlink()
    report(build)


def test_a_difference_between_engines_comes_first_among_the_warnings(facts):
    broken = json.loads(json.dumps(facts))
    broken["exactness"]["rungs"][0] |= {"differing": 3, "elements": 100, "first": "conv1, channel 2"}
    first = warnings(broken)[0]
    assert "differs" in first and "3 of 100" in first and "conv1, channel 2" in first
    assert not any("differs" in w for w in facts["warnings"])


def test_integers_that_do_not_sort_as_the_scores_do_are_a_warning(facts):
    loose = json.loads(json.dumps(facts))
    loose["outputs"][0]["ordered"] = False
    assert [w for w in warnings(loose) if "sorts the scores exactly as float32 does" in w]
    assert facts["outputs"][0]["ordered"] and not any("sorts the scores" in w for w in facts["warnings"])


def test_an_image_is_a_png_that_readers_accept():
    image = pytest.importorskip("PIL.Image")
    import base64
    import io

    import numpy as np

    for pixels in (np.arange(12, dtype=np.uint8).reshape(3, 4), np.arange(36, dtype=np.uint8).reshape(3, 4, 3)):
        data = base64.b64decode(png(pixels).split(",", 1)[1])
        assert (np.asarray(image.open(io.BytesIO(data))) == pixels).all()


def test_a_curve_of_nothing_is_no_picture():
    assert curves("loss", {}) == ""
    assert "polyline" in curves("loss", {"loss": [(1, 2.0), (2, 1.0)]})


@pytest.mark.parametrize(("value", "text"), [(1.5, "1.5"), (999, "999"), (1562500, "1.56 M"), (95663, "95.7 k")])
def test_rates_are_said_as_people_say_them(value, text):
    assert quantity(value) == text


def test_points_of_equal_rate_and_a_single_point_have_a_picture():
    assert scatter("t", {}, "%", "images/s") == ""
    assert "circle" in scatter("t", {"a": [(10.0, 100.0)]}, "%", "images/s")
    assert "nan" not in scatter("t", {"a": [(10.0, 1.0), (20.0, 1.0)], "b": []}, "%", "images/s")
