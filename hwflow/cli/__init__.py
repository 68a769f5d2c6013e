"""The command line: one verb, one library call, one exit code.

Stands on everything; nothing stands on it. Errors become clear lines and exit 1, never a traceback.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from types import FrameType

import typer

from hwflow.cli import boards, looking, making, measuring, proving
from hwflow.cli.common import Stopped, app, err
from hwflow.errors import HwflowError

__all__ = ["app", "boards", "looking", "main", "making", "measuring", "proving"]


def main() -> None:
    """Run the command line; the three kinds of error, Ctrl-C and a polite kill end it with a line, not a traceback."""
    with suppress(ValueError):  # only the main thread of a process may
        signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(standalone_mode=False)  # a verb's typer.Exit comes back as a number here
        sys.exit(code if isinstance(code, int) else 0)
    except HwflowError as e:
        for line in str(e).splitlines():
            err.print(
                f"{type(e).__name__}: {line}" if line == str(e).splitlines()[0] else f"  {line}",
                style="red",
                markup=False,
            )
        sys.exit(1)
    except typer.Exit as e:
        sys.exit(e.exit_code)
    except (Stopped, typer.Abort, KeyboardInterrupt) as e:
        err.print(str(e) or "stopped; what was finished is kept, what was under way is as it was before", markup=False)
        sys.exit(130)
    except Exception as e:
        if hasattr(e, "format_message"):  # a usage error of the command line itself
            err.print(e.format_message(), style="red", markup=False)
            sys.exit(getattr(e, "exit_code", 2))
        if isinstance(e, MemoryError):
            err.print("ToolError: there is not enough memory; give fewer images, -n N", style="red", markup=False)
            sys.exit(1)
        if isinstance(e, OSError) or str(e).startswith("Symlink loop"):  # what Path.resolve raises before Python 3.13
            err.print(f"ToolError: {e}; check the path, its permissions and the free space", style="red", markup=False)
            sys.exit(1)
        raise


def _terminate(number: int, _: FrameType | None) -> None:
    """End as an exception does, so that unfinished folders are removed; the exit code is the shell's for the signal."""
    sys.exit(128 + number)
