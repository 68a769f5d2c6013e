"""Faults that are planted in the code on purpose, and whether its tests notice: `python -m tests.mutants`."""
