"""Write docs/pages/reference/cli.md from the command line's own help. `make docs` runs it; a test keeps it true."""

from pathlib import Path

import typer

from hwflow.cli import app

PAGE = Path(__file__).parent / "pages" / "reference" / "cli.md"


def text() -> str:
    """The page: every verb with its first line, arguments and options."""
    group = typer.main.get_command(app)
    lines = ["# Command line", "", "Written by `make docs` from `hwflow --help`. Every verb takes `--help`.", ""]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        usage = " ".join(f"{p.human_readable_name}" if p.param_type_name == "argument" else "" for p in command.params)
        lines += [f"## {name}", "", (command.help or "").strip(), "", f"    hwflow {name} {' '.join(usage.split())} [options]", ""]
        rows = [(", ".join(p.opts), (getattr(p, "help", None) or "").strip()) for p in command.params if p.opts]
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{opts}` | {said.replace('|', chr(92) + '|')} |" for opts, said in rows] + [""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(text())
