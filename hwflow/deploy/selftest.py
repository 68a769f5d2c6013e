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
    except LinkError as e:
        print(f"selftest: {e}")
        return 1
    wrong, other = int((answers != expected).sum()), int((labels != np.load(here / "labels.npy")).sum())
    print(f"selftest: {wrong} of {expected.size} answers differ, {other} of {labels.size} labels")
    return 1 if wrong or other else 0


if __name__ == "__main__":
    sys.exit(main())
