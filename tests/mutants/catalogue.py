"""Every planted fault, room by room.

Stands on the rooms beside this file.
"""

from __future__ import annotations

from . import cpp, engine, fold, hardware, host, passes, plan, proof, reader, train, units
from .kinds import Mutant

MUTANTS: tuple[Mutant, ...] = tuple(
    m for room in (fold, passes, units, hardware, cpp, engine, plan, host, train, reader, proof) for m in room.MUTANTS
)
ROOMS = tuple(dict.fromkeys(m.room for m in MUTANTS))
