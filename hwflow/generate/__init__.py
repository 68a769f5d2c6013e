"""Random networks from seeds: QONNX files, integer networks, inputs; one generator for fuzz, bench, fits and tests.

Stands on ops, net and onnx.
"""

from hwflow.generate.draw import Choose, Draw, choices
from hwflow.generate.files import RandomFile, drawn, drawn_file, random_file
from hwflow.generate.model import Build, Q

__all__ = ["Build", "Choose", "Draw", "Q", "RandomFile", "choices", "drawn", "drawn_file", "random_file"]
