"""The network alive in a page: what Chromium answers, for images and for a drawn stroke, is what numpy answers."""

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from hwflow.build import Build
from hwflow.emit import wasm
from hwflow.errors import RecipeError
from hwflow.report.live import picture_shape, pixel_range, pixels_of, publish

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCRIPT = """<script type="module">
const wait = () => document.documentElement.dataset.ready ? Promise.resolve() : new Promise((r) => setTimeout(r, 20)).then(wait);
await wait();
const out = {answers: IMAGES.map((image) => { const r = window.hwflow.run(image); return [[...r.answer], [...r.labels]]; })};
const pad = document.getElementById("pad"), box = pad.getBoundingClientRect();
document.getElementById("clear").click();
const at = (x, y, type) => pad.dispatchEvent(new PointerEvent(type, {clientX: box.left + x * box.width, clientY: box.top + y * box.height, buttons: 1}));
at(0.5, 0.1, "pointerdown");
for (let k = 1; k < 9; k++) at(0.5, 0.1 * k, "pointermove");
out.drawn = window.hwflow.pixels();
out.said = document.getElementById("label").textContent;
const pre = document.createElement("pre");
pre.id = "out";
pre.textContent = btoa(JSON.stringify(out));
document.body.append(pre);
</script></body>"""


@pytest.fixture(scope="module")
def page(digits, tmp_path_factory):
    if not wasm.has_zig():
        pytest.skip("needs ziglang: pip install ziglang")
    return publish(Build.load(digits.folder), tmp_path_factory.mktemp("live") / "live.html")


def test_the_page_asks_the_network_for_nothing(page):
    text = page.read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", text)
    assert "fetch(" not in text and "import(" not in text


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")
def test_a_browser_answers_as_numpy_does_and_a_stroke_is_read(page, digits, tmp_path):
    x = digits.images(100)[0]
    script = SCRIPT.replace("IMAGES", json.dumps(x.tolist()))
    (tmp_path / "t.html").write_text(page.read_text().replace("</body>", script))
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000")  # fmt: skip
    command = [CHROMIUM, *flags, "--dump-dom", (tmp_path / "t.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="out">([^<]+)</pre>', done.stdout)
    assert found, done.stdout[-500:] + done.stderr[-500:]
    out = json.loads(base64.b64decode(found[1]))
    want = digits.net.run(x)
    assert [a for a, _ in out["answers"]] == want.tolist()
    assert [labels[0] for _, labels in out["answers"]] == digits.net.labels(want).tolist()
    drawn = np.array(out["drawn"])
    dark, bright = pixel_range(digits.net)
    assert drawn.max() > (dark + bright) / 2 and (drawn == dark).sum() > drawn.size // 2
    assert int(out["said"]) == digits.net.labels(digits.net.run(drawn[None]))[0]


def test_a_network_that_takes_no_picture_is_refused(digits, tmp_path):
    from dataclasses import replace

    from hwflow.ops import Port

    odd = (
        replace(digits.net.input, shape=(7,))
        if hasattr(digits.net.input, "shape")
        else Port((7,), digits.net.input.ints)
    )

    class Flat:
        input, denominator = odd, 1

    assert picture_shape(Flat()) is None
    build = Build.load(digits.folder)
    build.__dict__["net"] = Flat()
    with pytest.raises(RecipeError, match="no picture of one or three channels"):
        publish(build, tmp_path / "p.html")


def test_grey_becomes_what_the_hardware_takes(digits):
    dark, bright = pixel_range(digits.net)
    assert pixels_of(digits.net, np.array([0, 255])).tolist() == [dark, bright]
