"""What hardware units are built from: the questions they answer, streams, memories, costs, rhythms, adder trees.

A module here is no unit; every unit is one module of the folder above, listed in `hwflow.units`.
"""
