"""hwflow: binary neural networks from PyTorch to hardware, the same integers at every step.

`read / fold / lower / emit / simulate / verify / synth / report` are the stages, as on the command line; `compile` goes
through them and `load` answers with what was compiled. Names are imported when they are first used, so that
`import hwflow` is quick and needs no tool that is not used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hwflow.version import VERSION

if TYPE_CHECKING:
    from hwflow import emit
    from hwflow.api import Compiled, compile
    from hwflow.build import Build
    from hwflow.errors import HwflowError, ModelError, RecipeError, ToolError
    from hwflow.fold import fold
    from hwflow.lower import lower
    from hwflow.net import Net
    from hwflow.predict import load
    from hwflow.qonnx import check, read
    from hwflow.report import report
    from hwflow.simulate import simulate
    from hwflow.synth import synth
    from hwflow.verify import verify

__version__ = VERSION

__all__ = [
    "Build", "Compiled", "HwflowError", "ModelError", "Net", "RecipeError", "ToolError", "check", "compile", "emit", "fold",
    "load", "lower", "read", "report", "simulate", "synth", "verify",
]  # fmt: skip

_HOMES = {
    "Build": "build", "Compiled": "api", "HwflowError": "errors", "ModelError": "errors", "Net": "net", "RecipeError": "errors",
    "ToolError": "errors", "check": "qonnx", "compile": "api", "fold": "fold", "load": "predict", "lower": "lower",
    "read": "qonnx", "report": "report", "simulate": "simulate", "synth": "synth", "verify": "verify",
}  # fmt: skip


class _Package(ModuleType):
    """The package: a stage such as `hwflow.fold` is the function, although a module of that name lies beside it."""

    def __getattr__(self, name: str) -> Any:
        if name == "emit":
            return import_module("hwflow.emit")
        if name not in _HOMES:
            raise AttributeError(f"module 'hwflow' has no attribute {name!r}")
        value = getattr(import_module(f"hwflow.{_HOMES[name]}"), name)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # importing hwflow.fold sets the package's attribute to the module; the function is what people ask for
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
