"""Three ways to write a network down: SystemVerilog, HLS C++, C. Only instances and numbers are generated.

Stands on units and net; the logic itself lives in `hls/` and in the C engine's sources.
"""

from hwflow.emit.c import emit as c
from hwflow.emit.hls import emit as hls
from hwflow.emit.kit import write as kit
from hwflow.emit.micro import write as micro
from hwflow.emit.rtl import emit as rtl

__all__ = ["c", "hls", "kit", "micro", "rtl"]
