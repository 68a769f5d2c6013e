"""hwflow: binary neural networks from PyTorch to hardware, the same integers at every step.

`read / fold / lower / emit / simulate / verify / synth / report` are the stages, as on the command line.
"""

from hwflow import emit
from hwflow.build import Build
from hwflow.errors import HwflowError, ModelError, RecipeError, ToolError
from hwflow.fold import fold
from hwflow.lower import lower
from hwflow.net import Net
from hwflow.predict import load
from hwflow.qonnx import check, read
from hwflow.simulate import simulate
from hwflow.synth import synth
from hwflow.verify import verify

__all__ = [
    "Build",
    "HwflowError",
    "ModelError",
    "Net",
    "RecipeError",
    "ToolError",
    "check",
    "emit",
    "fold",
    "load",
    "lower",
    "read",
    "simulate",
    "synth",
    "verify",
]
