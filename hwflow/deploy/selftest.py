"""Is this the accelerator it should be? Sends the example images to the board and compares every answer.

Stands on driver.py, design.json, inputs.npy and expected.npy beside it.   python selftest.py PORT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    """Exit 0 when every answer is equal, 1 when one differs or the board does not answer."""
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here))
    import numpy as np
    from driver import Accelerator, LinkError

    usual = json.loads((here / "design.json").read_text())["port"]
    port = sys.argv[1] if len(sys.argv) > 1 else usual
    images, expected = np.load(here / "inputs.npy"), np.load(here / "expected.npy")
    try:
        with Accelerator(port, here / "design.json") as board:
            answers = board.infer(images)
            print(board.stats)
            labels = board.meaning().label(answers)
            parts = board.meaning().split(answers) if isinstance(labels, dict) else {"answers": answers}
    except LinkError as e:
        print(f"selftest: {e}")
        return 1
    wrong, other, count = int((answers != expected).sum()), 0, 0
    with np.load(here / "labels.npz") as known:
        said = labels if isinstance(labels, dict) else {"labels": labels}
        for name, own in said.items():
            other, count = other + int((own != known[name]).sum()), count + own.size
    at = 0
    for name, own in parts.items():
        off = int((own != expected[:, at : at + own.shape[1]]).sum())
        at += own.shape[1]
        if len(parts) > 1:
            print(f"selftest: output {name}: {off} of {own.size} differ")
    print(f"selftest: {wrong} of {expected.size} answers differ, {other} of {count} labels")
    return 1 if wrong or other else 0


if __name__ == "__main__":
    sys.exit(main())
