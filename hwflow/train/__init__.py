"""Training: quantizers, estimators, losses, data, the loop, export. The only room that imports torch and Brevitas.

Stands on recipe. `train`, `load_recipe`, `test_split`, `torch_answers` and `torch_outputs` are what others call.
"""

from hwflow.train.checkpoint import load_model, torch_answers, torch_outputs
from hwflow.train.data import test_split
from hwflow.train.loop import train
from hwflow.train.recipes import known, load_recipe

__all__ = ["known", "load_model", "load_recipe", "test_split", "torch_answers", "torch_outputs", "train"]
