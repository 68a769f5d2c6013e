"""Write docs/pages/reference/cli.md from the command line's own help. `make docs` runs it; a test keeps it true."""

from pathlib import Path

import typer

from hwflow.cli import app
from hwflow.cli.common import EXAMPLES, GROUPS

PAGE = Path(__file__).parent / "pages" / "reference" / "cli.md"


def text() -> str:
    """The page: every verb with what it does, an example, its arguments and options, in the groups of `hwflow --help`."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = ["# Command line", "", "Written by `make docs` from `hwflow --help`. Every verb takes `--help`.", ""]
    for group, verbs in GROUPS.items():
        lines += [f"## {group}", ""]
        for name in (v for v in verbs if v in commands):
            command = commands[name]
            lines += [f"### {name}", "", (command.help or "").strip(), "", f"    {EXAMPLES[name]}", ""]
            lines += ["| option | meaning |", "|---|---|", *(_row(p) for p in command.params), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(param: object) -> str:
    options = [*getattr(param, "opts", []), *getattr(param, "secondary_opts", [])]
    named = ", ".join(options) if options and options[0].startswith("-") else str(getattr(param, "name", "")).upper()
    said = (getattr(param, "help", None) or "").strip().replace("|", "\\|")
    return f"| `{named}` | {said} |"


if __name__ == "__main__":
    PAGE.write_text(text())
