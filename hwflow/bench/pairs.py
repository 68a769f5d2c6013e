"""How many LUT6 sites hold a netlist when two functions of at most five inputs together share one.

Stands on cells. A Xilinx LUT6 is two LUT5 of the same inputs; Yosys maps each function to a cell of its own and estimates
the sharing by size alone, this looks at the inputs. Greedy, so an upper bound; placement may forbid a pair.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from hwflow.synth.cells import is_logic, logic_cells

INPUTS = 5  # of both functions together
BUSY = 64  # cells on a net beyond which it finds no partners
Inputs = frozenset[int | str]


def count_sites(netlist: dict[str, Any], top: str) -> int:
    """LUT6 sites of all LUT1 .. LUT6 cells below a module."""
    return sum(sites(list(functions(netlist, module))) for module in instances(netlist, top))


def sites_saved(netlist: dict[str, Any], top: str) -> int:
    """Sites saved by looking at inputs, against Yosys' estimate of the same cells."""
    sizes = [0] * 6
    for module in instances(netlist, top):
        for inputs in functions(netlist, module):
            sizes[max(len(inputs), 1) - 1] += 1
    return logic_cells(sizes) - count_sites(netlist, top)


def instances(netlist: dict[str, Any], top: str) -> Iterator[str]:
    """The module and every module instantiated below it, once for each instance."""
    yield top
    for cell in netlist["modules"][top]["cells"].values():
        if is_logic(netlist, cell["type"]):
            yield from instances(netlist, cell["type"])


def functions(netlist: dict[str, Any], module: str) -> Iterator[Inputs]:
    """The inputs of every LUT cell of a module."""
    for cell in netlist["modules"][module]["cells"].values():
        if re.fullmatch(r"LUT[1-6]", cell["type"]):
            yield frozenset(b[0] for pin, b in cell["connections"].items() if pin != "O")


def sites(luts: list[Inputs]) -> int:
    """LUT6 sites for functions of these inputs: equal inputs first, then the most in common, then whatever is small."""
    free = dict(enumerate(luts))
    pairs = 0
    by_inputs: dict[Inputs, list[int]] = defaultdict(list)
    for i, inputs in free.items():
        if len(inputs) <= INPUTS:
            by_inputs[inputs].append(i)
    for same in by_inputs.values():
        while len(same) > 1:
            del free[same.pop()], free[same.pop()]
            pairs += 1
    on_net: dict[int | str, list[int]] = defaultdict(list)
    small = sorted((i for i in free if len(free[i]) <= INPUTS), key=lambda i: -len(free[i]))
    for i in small:
        for net in free[i]:
            on_net[net].append(i)
    for i in small:
        if i not in free:
            continue
        near = {j for net in free[i] if len(on_net[net]) <= BUSY for j in on_net[net] if j in free and j != i}
        fits = [j for j in near if len(free[i] | free[j]) <= INPUTS]
        if fits:
            best = max(fits, key=lambda j: (len(free[i] & free[j]), len(free[j]), -j))
            del free[i], free[best]
            pairs += 1
    left = sorted(len(inputs) for inputs in free.values() if len(inputs) <= INPUTS)
    while len(left) > 1:
        largest = left.pop()
        if left[0] + largest <= INPUTS:
            left.pop(0)
            pairs += 1
    return len(luts) - pairs
