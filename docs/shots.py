"""Pictures of the report, the live page and the documentation at 400, 1280 and 2560 pixels, light and dark, to be looked at.

    python docs/shots.py BUILD [FOLDER]

BUILD is a build folder with a report.html (and a live.html, if it shall be taken); Chromium takes the pictures, and nothing
is fetched. FOLDER is build/shots without one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTHS = (400, 1280, 2560)
PAGES = (
    "index.html",
    "results/boards.html",
    "tutorials/first-network.html",
    "methods/ir-net.html",
    "reference/operators.html",
)
HEIGHT = 4000
SCHEMES = {"dark": 0, "light": 1}  # Chromium's numbers


def shot(page: Path, width: int, scheme: str, out: Path, height: int = HEIGHT) -> None:
    """One picture of a page in a window of this width, in this colour scheme."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("pictures are taken by Chromium: apt install chromium")
    with tempfile.TemporaryDirectory() as profile:
        flags = (
            "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
            f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", f"--window-size={width},{height}",
            "--virtual-time-budget=8000", f"--screenshot={out}",
        )  # fmt: skip
        subprocess.run([chromium, *flags, page.as_uri()], check=True, capture_output=True, timeout=180)


def main(build: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pages = {p.stem: p for p in (build / "report.html", build / "live.html") if p.is_file()}
    with tempfile.TemporaryDirectory() as scratch:
        options = ["--quiet", "-f", str(ROOT / "docs" / "mkdocs.yml"), "-d", scratch]
        command = [sys.executable, "-m", "mkdocs", "build", *options]
        subprocess.run(command, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, timeout=180)
        pages |= {f"docs-{Path(name).stem}": Path(scratch) / name for name in PAGES}
        for name, page in pages.items():
            for width in WIDTHS:
                for scheme in SCHEMES:
                    shot(page.resolve(), width, scheme, (folder / f"{name}-{width}-{scheme}.png").resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "build/shots"))
