"""Planted faults of the host: the driver, what images and answers mean, files that come back.

Stands on kinds.
"""

from .kinds import Mutant, of_room

D, DMA, INPUTS, ANSWERS = "hwflow/driver.py", "hwflow/driver_dma.py", "hwflow/inputs.py", "hwflow/answers.py"
T, T_DMA, T_INPUTS, T_ANSWERS = (
    "tests/test_driver.py",
    "tests/deploy/test_driver_dma.py",
    "tests/test_inputs.py",
    "tests/test_answers.py",
)
BYTES = "hwflow/driver_bytes.py"
FILES, BUILD = "hwflow/files.py", "hwflow/build.py"

# fmt: off
MUTANTS = of_room(
    "driver",
    Mutant(D, "if (kind, tag) == (wire.HELLO_BACK, nonce):", "if kind == wire.HELLO_BACK:", T),
    Mutant(D, "if kind == wire.ANSWER and len(payload) == out_bytes:", "if kind == wire.ANSWER:", T),
    Mutant(BYTES, " or (self.step == 2 and (v == 0).any())", "", T),
    Mutant(BYTES, "if v.size and (v.min() < self.lo or v.max() > self.hi", "if v.size and (v.max() > self.hi", T),
    Mutant(BYTES, "np.where(codes > self.hi, codes - (1 << self.bits), codes)", "np.where(codes >= self.hi, codes - (1 << self.bits), codes)", T),
    Mutant(BYTES, 'body.replace(b"\\x7d", b"\\x7d\\x5d").replace(b"\\x7e", b"\\x7d\\x5e")', 'body.replace(b"\\x7e", b"\\x7d\\x5e").replace(b"\\x7d", b"\\x7d\\x5d")', T),
    Mutant(BYTES, '.to_bytes(4, "little") != body[-4:]:', '.to_bytes(4, "little")[:1] != body[-4:-3]:', T + " -k every_bit"),
    Mutant(D, "if payload[:1] != bytes([VERSION]):", "if not payload:", T),
    Mutant(D, '!= self.owner.design["id"]:', '== 0:', T),
    Mutant(D, "if (kind, tag, len(payload)) == (wire.VALUE, address, 4):", "if kind == wire.VALUE:", T),
    Mutant(D, "if silent > TRIES:", "if silent > 99 * TRIES:", T),
    Mutant("hwflow/driver_line.py", "or par * words != size:", ":", T),
    Mutant("hwflow/driver_line.py", "exclusive=True", "exclusive=False", "tests/deploy/test_link.py"),
    Mutant(D, "return (self.first + index) & 0xFFFF", "return index & 0xFFFF", T),
    Mutant(D, "self.bad = BAD\n", "self.bad = 0\n", T),
    Mutant(D, "window = max(1.0, window / 2)", "window = window / 2", T),
    Mutant(DMA, "np.pad(data, ((0, 0), (0, -data.shape[1] % beat)))", "np.pad(data, ((0, 0), (-data.shape[1] % beat, 0)))", T_DMA),
    Mutant(DMA, "if self.errors() == errors:", "if True:", T_DMA),
    Mutant(DMA, 'if self.read(REGISTERS["design"]) != design["id"]:', "if False:", T_DMA),
    Mutant(DMA, "if held is None or held.nbytes < size:", "if True:", T_DMA),
    Mutant(INPUTS, "and (takes.step == 1 or x.all()))", ")", T_INPUTS),
    Mutant(INPUTS, "off |= steps == 0", "off |= steps > 1", T_INPUTS),
    Mutant(INPUTS, "x = x.transpose(0, 2, 3, 1)", "x = x.transpose(0, 3, 2, 1)", T_INPUTS),
    Mutant(INPUTS, "x = x.transpose(0, 2, 1)", "x = x.transpose(0, 1, 2)", T_INPUTS),
    Mutant(INPUTS, "outside = ~((steps >= takes.lo) & (steps <= takes.hi))", "outside = steps > takes.hi", T_INPUTS),
    Mutant(ANSWERS, "np.where(y == self.hi, above, below)", "below", T_ANSWERS),
    Mutant(ANSWERS, ">= np.float32(0.5)).astype", "> np.float32(0.5)).astype", T_ANSWERS + " -k one_half"),
    Mutant(ANSWERS, "own[:, self.places] = y", "own = y[:, self.places]", T_ANSWERS + " tests/qonnx/test_ends.py tests/qonnx/test_moves.py"),
) + of_room(
    "files",
    Mutant(FILES, "or wanted > entry.file_size:", ":", "tests/test_files.py"),
    Mutant(FILES, "if total > most:", "if total > most << 9:", "tests/test_files.py"),
    Mutant(FILES, "LOCK_NB)\n            shutil.rmtree(left", "LOCK_NB) if False else None\n            shutil.rmtree(left", "tests/test_files.py -k swept"),
    Mutant(FILES, "exchange(part, target)", "shutil.copytree(part, target, dirs_exist_ok=True)", "tests/test_files.py tests/test_kills.py -k 'rewritten or folder or compile'"),
    Mutant(BUILD, 'if net.hash != self.ask["net"]:', "if False:", "tests/test_build.py tests/test_sources.py -k 'part or another'"),
    Mutant(BUILD, 'if path.is_file() and digest(path) != self.ask["dataflow"]:', "if False:", "tests/test_build.py"),
    Mutant(BUILD, 'if read_json(path, self.again).get("build") != self.hash:', "if False:", "tests/test_build.py"),
    Mutant(BUILD, 'if value.get("build", self.hash) != self.hash:', "if False:", "tests/test_build.py"),
    Mutant(BUILD, "(want and digest(self.model) != want)", "False", "tests/test_build.py"),
    Mutant(BUILD, "labels.shape != x.shape[:1]", "False", "tests/test_build.py"),
)
