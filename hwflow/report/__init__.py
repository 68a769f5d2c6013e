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

__all__ = ["FORMAT", "gather", "render", "report"]

TEMPLATES = Path(__file__).parent


def report(build: Build) -> dict[str, Any]:
    """Write report.json, report.md and report.html into the build folder; returns report.json's content.

    The page is one file that needs no network: styles, drawings (inline SVG) and images are inside it. All text that
    comes from a model file is escaped. The same build gives the same bytes.
    """
    facts = gather(build)
    write_json(build.folder / "report.json", facts)
    figures = headline(facts)
    write_text(build.folder / "report.md", render("report.md.j2", figures=figures, **facts))
    page = render("report.html.j2", figures=figures, **page_values(build, facts), **facts)
    write_text(build.folder / "report.html", page)
    return facts


def render(template: str, **values: Any) -> str:
    """The text of a template; in pages (.html.j2) whatever a model file named is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=".html" in template,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
