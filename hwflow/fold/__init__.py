"""Folding: a trained network of real numbers becomes a network of integers, exactly.

Stands on real and net.
"""

from hwflow.fold.answers import in_one_unit, labelled, note, raw
from hwflow.fold.folding import fold
from hwflow.fold.trace import Difference, first_difference

__all__ = ["Difference", "first_difference", "fold", "in_one_unit", "labelled", "note", "raw"]
