"""report.json, report.md and report.html of a build: every number with its kind and its tool.

Stands on the build and on what the stages before wrote into it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hwflow.build import Build
from hwflow.files import write_json, write_text
from hwflow.report.facts import FORMAT, gather
from hwflow.report.figures import headline
from hwflow.report.pages import page_values

__all__ = ["FORMAT", "gather", "report"]

TEMPLATES = Path(__file__).parent


def report(build: Build) -> dict[str, Any]:
    """Write report.json, report.md and report.html into the build folder; returns report.json's content.

    The page is one file that needs no network: styles, drawings (inline SVG) and images are inside it. All text that
    comes from a model file is escaped. The same build gives the same bytes.
    """
    facts = gather(build)
    write_json(build.folder / "report.json", facts)
    figures = headline(facts)
    _render("report.md.j2", build.folder / "report.md", escape=False, figures=figures, **facts)
    _render(
        "report.html.j2",
        build.folder / "report.html",
        escape=True,
        figures=figures,
        **page_values(build, facts),
        **facts,
    )
    return facts


def _render(template: str, target: Path, *, escape: bool, **values: Any) -> None:
    """Write a template's text through a side file, so that an interrupted run leaves no half page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=escape, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    write_text(target, environment.get_template(template).render(**values))
