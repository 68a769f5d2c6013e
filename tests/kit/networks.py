"""The builder of small ONNX files, where tests look for it.

Stands on hwflow.generate, whose builder it hands on.
"""

from hwflow.generate import Build, Q

__all__ = ["Build", "Q"]
