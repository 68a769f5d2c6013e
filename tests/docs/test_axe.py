"""Pages that anyone can use: axe-core finds no violation in the report, its live page and the documentation."""

import base64
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from hwflow.build import Build
from hwflow.emit import wasm
from hwflow.report import report
from hwflow.report.live import publish

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FOUND = importlib.util.find_spec("axe_core_python")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium"),
    pytest.mark.skipif(FOUND is None, reason="needs axe-core: pip install axe-core-python"),
]
SCRIPT = """<script>%s</script><script>
axe.run(document, {resultTypes: ["violations"]}).then((found) => {
  const pre = document.createElement("pre");
  pre.id = "axe";
  pre.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(found.violations.map((v) => [v.id, v.impact, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary])))));
  document.body.append(pre);
});
</script></body>"""


def violations(page: Path, folder: Path, width: int = 1280, theme: str = "light") -> list:
    """What axe-core finds in a page, in a window of this width, in one of its two colour schemes."""
    axe = (Path(FOUND.origin).parent / "axe.min.js").read_text().replace("</script>", "<\\/script>")
    text = page.read_text().replace('<html lang="en"', f'<html lang="en" data-theme="{theme}"', 1)
    copy = page.with_name("axe.html")
    copy.write_text(text[: text.rindex("</body>")] + SCRIPT.replace("%s", axe))
    flags = (
        "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},2000", f"--user-data-dir={folder / 'profile'}",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--virtual-time-budget=20000",
    )  # fmt: skip
    done = subprocess.run([CHROMIUM, *flags, "--dump-dom", copy.as_uri()], capture_output=True, text=True, timeout=180)
    found = re.search(r'<pre id="axe">([^<]*)</pre>', done.stdout)
    assert found, done.stdout[-500:] + done.stderr[-500:]
    return json.loads(base64.b64decode(found[1]))


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (400, "dark")])
def test_the_report_has_no_violation(width, theme, digits, tmp_path):
    shutil.copytree(digits.folder, tmp_path / "build")
    report(Build.load(tmp_path / "build"))
    assert violations(tmp_path / "build" / "report.html", tmp_path, width, theme) == []


@pytest.mark.skipif(not wasm.has_zig(), reason="needs ziglang: pip install ziglang")
def test_the_live_page_has_no_violation(digits, tmp_path):
    assert violations(publish(Build.load(digits.folder), tmp_path / "live.html"), tmp_path) == []


def test_pages_of_the_documentation_have_no_violation(tmp_path):
    pytest.importorskip("mkdocs", reason="the docs are built with mkdocs: pip install mkdocs-material")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--quiet",
        "-f",
        ROOT / "docs" / "mkdocs.yml",
        "-d",
        tmp_path / "site",
    ]
    subprocess.run(command, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, timeout=600)
    for page in ("index.html", "results/cpu.html", "tutorials/first-network.html"):
        assert violations(tmp_path / "site" / page, tmp_path) == [], page


def test_a_violation_would_be_seen(tmp_path):
    page = tmp_path / "p.html"
    page.write_text(
        '<!doctype html><html lang="en"><head><title>p</title></head><body><main><h1>p</h1><img src="x.png"></main></body></html>'
    )
    assert [v[0] for v in violations(page, tmp_path)] == ["image-alt"]
