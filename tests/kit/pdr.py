"""Unbounded proofs by property-directed reachability, with nothing but Yosys: ABC's `pdr` runs inside Yosys' own `abc` pass.

A design with assertions becomes an AIGER file; a second, trivial design is the occasion to run ABC on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hwflow.synth import yosys

STATUS = {"snl_UNSAT": "proved", "snl_SAT": "refuted", "snl_UNK": "open"}


def prove(sources: Sequence[Path], params: Mapping[str, int], folder: Path, seconds: int = 240, frames: int = 0) -> str:
    """ "proved", "refuted" (some assertion fails) or "open" (no verdict in time) for module `t` in `sources`.

    With `frames`, only that many cycles after the reset are looked at: "open" means that none of them breaks an assertion.
    """
    engine = f"bmc3 -F {frames} -T {seconds}" if frames else f"pdr -T {seconds}"
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        (folder / source.name).write_text(source.read_text())
    chparam = [f"chparam {' '.join(f'-set {k} {v}' for k, v in params.items())} t"] if params else []
    (folder / "pdr.abc").write_text(
        f"backup\nread_aiger t.aig\nfold\nstrash\n{engine}\nwrite_status t.status\nrestore\n"
    )
    (folder / "occasion.v").write_text("module occasion (input a, b, output c); assign c = a & b; endmodule\n")
    (folder / "t.status").unlink(missing_ok=True)
    script = [
        f"read_verilog -sv -formal {' '.join(s.name for s in sources)}", *chparam, "hierarchy -check -top t", "prep -flatten -top t",
        "memory_map", "opt -full", "techmap", "opt -fast", "setundef -anyseq", "async2sync", "chformal -lower", "dffunmap",
        "simplemap", "opt_clean", "aigmap", "write_aiger -I -B -zinit t.aig",
        "design -reset", "read_verilog occasion.v", "synth -top occasion", "abc -script pdr.abc",
    ]  # fmt: skip
    yosys.run_script(script, folder, "pdr", seconds + 120)
    status = (folder / "t.status").read_text().split()[0]
    return STATUS[status]
