"""Networks of real numbers: nodes, steps, grids and `Graph`, the trained network before it becomes integers.

Stands on ops and graph.
"""

from hwflow.real.graph import INPUT, Graph
from hwflow.real.inputs import Input, parse_input, with_preprocessing
from hwflow.real.nodes import (
    Add,
    Concat,
    Conv,
    Dense,
    Flatten,
    Maximum,
    MaxPool,
    Multiply,
    Outputs,
    Pad,
    Pointwise,
    RealOp,
    Recurrent,
    Reshape,
    SumPool,
    TopK,
    Upsample,
    Weights,
)  # fmt: skip
from hwflow.real.steps import Step

__all__ = [
    "INPUT", "Add", "Concat", "Conv", "Dense", "Flatten", "Graph", "Input", "MaxPool", "Maximum", "Multiply", "Outputs", "Pad",
    "Pointwise", "RealOp", "Recurrent", "Reshape", "Step", "SumPool", "TopK", "Upsample", "Weights", "parse_input", "with_preprocessing",
]  # fmt: skip
