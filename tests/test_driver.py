"""The host driver against a board in Python: what goes over the line, and that no fault on it gives a wrong answer."""

import contextlib
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwflow import driver
from hwflow import driver_bytes as wire
from hwflow.bits import BIPOLAR, Ints
from hwflow.bits import words as stream_words
from hwflow.driver import Accelerator, LinkError
from hwflow.driver_bytes import Frames, Words, frame
from hwflow.driver_line import read_design

RANGES = [Ints(0, 255), BIPOLAR, Ints(-1, 1), Ints(-128, 127), Ints(0, 1), Ints(-300, 17), Ints(0, 4095), Ints(3, 9)]


def words_of(ints: Ints, par: int, n: int) -> Words:
    return Words((par * n,), ints.lo, ints.hi, ints.step, ints.bits, par, n)


@pytest.mark.parametrize("ints", RANGES, ids=str)
@pytest.mark.parametrize(("par", "n"), [(1, 1), (1, 63), (7, 3), (13, 5), (64, 2)])
def test_packed_bytes_are_the_stream_words_each_in_whole_bytes(ints: Ints, par: int, n: int):
    rng = np.random.default_rng(par * n)
    x = rng.integers(ints.lo, ints.hi + 1, (4, par * n))
    x = np.where(x >= 0, 1, -1) if ints.is_bipolar else x
    w = words_of(ints, par, n)
    packed = w.pack(x)
    assert packed.shape == (4, w.bytes)
    for row, image in zip(packed, x, strict=True):
        want = b"".join(v.to_bytes(w.word_bytes, "little") for v in stream_words(ints.encode(image), ints.bits, par))
        assert row.tobytes() == want
    assert (w.unpack(packed) == x).all()


def test_an_image_out_of_range_or_of_another_shape_is_refused():
    w = words_of(Ints(0, 3), 2, 2)
    with pytest.raises(ValueError, match=r"images hold 0 \.\. 4, the accelerator takes 0 \.\. 3"):
        w.pack(np.array([[0, 1, 2, 4]]))
    with pytest.raises(ValueError, match=r"images hold -1 \.\. 3"):
        w.pack(np.array([[0, -1, 2, 3]]))
    with pytest.raises(ValueError, match=r"takes -1 \.\. 1 in steps of 2"):
        words_of(BIPOLAR, 2, 2).pack(np.array([[1, 0, -1, 1]]))
    with pytest.raises(ValueError, match="the accelerator takes \\(4,\\)"):
        w.pack(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="round the images first"):
        w.pack(np.full((1, 4), 0.5))


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=40)), max_size=8),
    st.integers(1, 9),
)
def test_frames_come_back_however_the_stream_is_cut(sent: list[tuple[int, int, bytes]], cut: int):
    line = b"".join(frame(*f) for f in sent)
    found, frames = [], Frames()
    for i in range(0, len(line), cut):
        found += frames.feed(line[i : i + cut])
    assert found == sent and frames.damaged == 0


@given(st.binary(max_size=60), st.data())
def test_a_damaged_frame_is_never_taken_and_the_next_one_is(payload: bytes, data: st.DataObject):
    line = bytearray(frame(1, 7, payload))
    where = data.draw(st.integers(0, len(line) - 1))
    how = data.draw(st.sampled_from(["drop", "double", "change"]))
    if how == "drop":
        del line[where]
    elif how == "double":
        line.insert(where, line[where])
    else:
        line[where] ^= data.draw(st.integers(1, 255))
    got = list(Frames().feed(bytes(line) + frame(2, 9)))
    # a flag lost or doubled hurts nothing; whatever is taken is what was sent
    assert [g for g in got if g not in [(1, 7, payload), (2, 9, b"")]] == []
    assert len(got) >= 1 or where >= len(line) - 1 or how == "drop"
    assert list(Frames().feed(bytes(line) + b"\x7e" + frame(2, 9)))[-1] == (2, 9, b"")


def test_every_bit_of_a_frame_is_checked():
    line = frame(1, 7, bytes(range(40)))
    for bit in range(8, 8 * (len(line) - 1)):  # between its two flags
        wrong = bytearray(line)
        wrong[bit // 8] ^= 1 << bit % 8
        assert (1, 7, bytes(range(40))) not in list(Frames().feed(bytes(wrong)))
        assert all(len(g[2]) < 40 for g in Frames().feed(bytes(wrong))), bit


IN, OUT = words_of(Ints(0, 255), 1, 5), words_of(Ints(-512, 511), 1, 3)
DESIGN = {"link": "uart", "baud": 1_000_000, "id": 77, "input": IN.__dict__, "output": OUT.__dict__, "timeout_s": 0.2}


def answer(x: np.ndarray) -> np.ndarray:
    return np.stack([x.sum(-1) - 512, x[..., 0] - x[..., 1], x[..., 4] ^ 0x7E], -1).clip(-512, 511)


class Board:
    """A board in Python with a faulty line: each byte, either way, may be lost, doubled or changed; it may be reset."""

    def __init__(self, seed: int = 0, rate: float = 0.0, resets: float = 0.0, slots: int = 1000):
        self.random, self.rate, self.resets, self.slots = random.Random(seed), rate, resets, slots
        self.frames, self.queue, self.back = Frames(), [], b""

    def _line(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            chance = self.random.random() / (self.rate or 1e-9)
            if chance < 1 / 3:
                continue
            out += (
                bytes([byte] * 2)
                if chance < 2 / 3
                else bytes([byte ^ 1 << self.random.randrange(8)])
                if chance < 1
                else bytes([byte])
            )
        return bytes(out)

    def write(self, data: bytes) -> int:
        if self.random.random() < self.resets:
            data = data[: len(data) // 2]
            self.frames, self.queue = Frames(), []
        for kind, tag, payload in self.frames.feed(self._line(data)):
            if kind == wire.HELLO:
                self.queue = []
                self.back += self._line(
                    frame(wire.HELLO_BACK, tag, bytes([driver.VERSION]) + DESIGN["id"].to_bytes(4, "little"))  # type: ignore[attr-defined]
                )
            elif kind == wire.IMAGE and len(payload) == IN.bytes:
                if len(self.queue) >= self.slots:
                    self.back += self._line(frame(wire.BUSY, tag))
                else:
                    self.queue.append((tag, payload))
        return len(data)

    def read(self, size: int) -> bytes:
        if self.queue and self.random.random() < 0.7:
            tag, payload = self.queue.pop(0)
            image = IN.unpack(np.frombuffer(payload, np.uint8))
            self.back += self._line(frame(wire.ANSWER, tag, OUT.pack(answer(image)).tobytes()))
        out, self.back = self.back[:size], self.back[size:]
        return out


def images(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 5))


def test_answers_come_back_in_the_order_of_images():
    x = images(200, 1)
    board = Accelerator(Board(), DESIGN)
    assert (board.infer(x) == answer(x)).all()
    assert board.stats.images == 200 and board.stats.resent == 0 and board.stats.damaged == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.005, 0.02]), st.sampled_from([0.0, 0.05]))
def test_no_fault_on_the_line_gives_a_wrong_answer(seed: int, rate: float, resets: float):
    x = images(30, seed)
    port = Board(seed, rate, resets)
    with contextlib.suppress(LinkError):  # giving up is allowed, a wrong answer is not
        assert (Accelerator(port, {**DESIGN, "timeout_s": 0.05}).infer(x) == answer(x)).all()


def test_a_line_that_loses_one_byte_in_a_hundred_is_recovered_from():
    x = images(200, 3)
    board = Accelerator(Board(3, 0.01, 0.02), {**DESIGN, "timeout_s": 0.1})
    assert (board.infer(x) == answer(x)).all()
    assert board.stats.resent > 0 and board.stats.damaged > 0


def test_a_busy_board_gets_its_images_again():
    x = images(60, 4)
    board = Accelerator(Board(4, slots=1), DESIGN)
    assert (board.infer(x) == answer(x)).all()
    assert board.stats.busy > 0


class Refusing(Board):
    """A board that says it is busy to the first images, as often as it is told."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def write(self, data: bytes) -> int:
        refused = [f for f in Frames().feed(data) if f[0] == wire.IMAGE][: self.times]
        self.times -= len(refused)
        self.back += b"".join(frame(wire.BUSY, tag) for _, tag, _ in refused)
        return len(data) if refused else super().write(data)


def test_a_board_that_is_busy_many_times_still_gets_one_image_at_a_time():
    x = images(5, 4)
    board = Accelerator(Refusing(9), DESIGN)
    assert (board.infer(x) == answer(x)).all()
    assert board.stats.busy == 9 and board.stats.resent == 0


LARGE = words_of(Ints(0, 255), 1, 100)


class Narrow(Board):
    """A board behind a line that no frame of more than 80 bytes passes, which joins parts to images."""

    def __init__(self):
        super().__init__()
        self.parts: dict[int, dict[int, bytes]] = {}

    def write(self, data: bytes) -> int:
        for kind, tag, payload in Frames().feed(data):
            if kind == wire.HELLO:
                super().write(frame(kind, tag, payload))
            elif kind == wire.READ:
                self.back += frame(wire.VALUE, tag, bytes(4))
            elif kind == wire.PART:
                mine = self.parts.setdefault(tag, {})
                mine[payload[0]] = payload[1:]
                if len(mine) == 2:
                    image = LARGE.unpack(np.frombuffer(mine[0] + mine[1], np.uint8))
                    self.back += frame(wire.ANSWER, tag, OUT.pack(answer(image)).tobytes())
        return len(data)

    def read(self, size: int) -> bytes:
        out, self.back = self.back[:size], self.back[size:]
        return out


def test_an_image_that_no_line_carries_whole_goes_in_parts():
    x = np.random.default_rng(8).integers(0, 256, (3, 100))
    board = Accelerator(Narrow(), {**DESIGN, "input": LARGE.__dict__, "timeout_s": 0.05})
    assert (board.infer(x) == answer(x)).all()
    assert board.stats.resent > 0


def test_answers_left_from_before_are_not_taken():
    board = Board()
    stale = frame(wire.ANSWER, 0, OUT.pack(np.array([[1, 2, 3]])).tobytes())
    board.back = stale * 3
    x = images(2, 5)
    assert (Accelerator(board, DESIGN).infer(x) == answer(x)).all()


class Echoing(Board):
    """A board on a line that says things nobody asked for: `before`, given each frame's kind and tag, in front of its own."""

    def __init__(self, before, value=0):
        super().__init__()
        self.before, self.value = before, value

    def write(self, data: bytes) -> int:
        for kind, tag, _ in Frames().feed(data):
            self.back += self.before(kind, tag)
            if kind == wire.READ:
                self.back += frame(wire.VALUE, tag, self.value.to_bytes(4, "little"))
        return super().write(data)


def test_the_reply_to_an_older_hello_is_not_taken():
    other = bytes([driver.VERSION]) + (DESIGN["id"] + 1).to_bytes(4, "little")  # of another design, long ago
    stale = lambda kind, tag: frame(wire.HELLO_BACK, tag ^ 1, other) if kind == wire.HELLO else b""  # noqa: E731
    x = images(3, 5)
    assert (Accelerator(Echoing(stale), DESIGN).infer(x) == answer(x)).all()


def test_an_answer_of_another_length_is_not_taken():
    odd = lambda kind, tag: b"".join(frame(wire.ANSWER, tag, bytes(n)) for n in (0, OUT.bytes - 1, OUT.bytes + 1)) if kind == wire.IMAGE else b""  # noqa: E731  # fmt: skip
    x = images(20, 5)
    assert (Accelerator(Echoing(odd), DESIGN).infer(x) == answer(x)).all()


def test_a_register_is_the_value_of_its_own_address_whole():
    odd = lambda kind, tag: frame(wire.VALUE, tag ^ 4, bytes(4)) + frame(wire.VALUE, tag, bytes(3)) if kind == wire.READ else b""  # noqa: E731  # fmt: skip
    status = Accelerator(Echoing(odd, 7), DESIGN).status()
    assert set(status) == set(driver.REGISTERS) and set(status.values()) == {7}


def test_a_board_of_another_protocol_is_said_plainly(monkeypatch):
    board = Board()
    monkeypatch.setattr(driver, "VERSION", driver.VERSION + 1)
    x = images(1, 0)
    assert (Accelerator(board, DESIGN).infer(x) == answer(x)).all()
    old = Echoing(lambda kind, tag: frame(wire.HELLO_BACK, tag, b"\1" + bytes(4)) if kind == wire.HELLO else b"")
    with pytest.raises(LinkError, match="speaks version 01 of the protocol, this driver"):
        Accelerator(old, DESIGN).infer(x)


def test_a_board_that_dies_is_given_up_after_so_many_tries():
    class Dies(Board):
        sent = 0

        def write(self, data: bytes) -> int:
            self.slots, self.sent = 0, self.sent + (data[1] == wire.IMAGE)
            return super().write(data) if data[1] == wire.HELLO else len(data)

    with pytest.raises(LinkError, match="no answer to 2 images after 10 tries"):
        Accelerator(dead := Dies(), {**DESIGN, "timeout_s": 0.005}).infer(images(5, 0))
    assert dead.sent == 2 * 11


def test_a_silent_line_and_another_design_are_said_plainly():
    class Silent:
        def read(self, size: int) -> bytes:
            return b""[:size]

        def write(self, data: bytes) -> int:
            return len(data)

    with pytest.raises(LinkError, match="nothing answers on the line"):
        Accelerator(Silent(), {**DESIGN, "timeout_s": 0.02}).infer(images(1, 0))
    with pytest.raises(LinkError, match="another design"):
        Accelerator(Board(), {**DESIGN, "id": 78}).infer(images(1, 0))


def test_a_run_names_its_images_anew_so_that_late_answers_of_an_earlier_run_are_not_taken():
    x, tags = images(3, 5), []
    board = Echoing(lambda kind, tag: tags.append(tag) or b"" if kind == wire.IMAGE else b"")
    host = Accelerator(board, DESIGN)
    assert all((host.infer(x) == answer(x)).all() for _ in range(4))
    runs = [tuple(tags[i : i + 3]) for i in range(0, 12, 3)]
    assert len(set(runs)) == 4 and all((b - a) & 0xFFFF == 1 for run in runs for a, b in pairwise(run))


def test_progress_is_told_for_every_image():
    seen: list[tuple[int, int]] = []
    Accelerator(Board(), DESIGN).infer(images(5, 6), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]


def test_pynq_away_from_its_board_is_one_clear_line():
    with pytest.raises(LinkError, match="pynq is not installed; run this on the board itself"):
        Accelerator("pynq", {**DESIGN, "link": "dma", "beat_bytes": 8})


def test_a_port_that_is_not_there_is_one_clear_line():
    with pytest.raises(LinkError, match="/dev/nowhere cannot be opened"):
        Accelerator("/dev/nowhere", DESIGN)


DAMAGE = {
    "no object": lambda d: [d],
    "no link": lambda d: {k: v for k, v in d.items() if k != "link"},
    "another link": lambda d: d | {"link": "smoke"},
    "no id": lambda d: d | {"id": "x"},
    "no baud": lambda d: d | {"baud": None},
    "words that do not hold the image": lambda d: d | {"input": d["input"] | {"words": 3}},
    "a shape of text": lambda d: d | {"input": d["input"] | {"shape": ["x"]}},
    "elements of no bits": lambda d: d | {"output": d["output"] | {"bits": 0}},
    "a field too many": lambda d: d | {"output": d["output"] | {"more": 0}},
    "no output": lambda d: d | {"output": None},
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_design_is_one_line(name, tmp_path):
    import json

    side = {"shape": [4], "lo": -1, "hi": 1, "step": 2, "bits": 1, "par": 2, "words": 2}
    good = {
        "link": "uart",
        "id": 7,
        "baud": 9600,
        "clock_mhz": 10.0,
        "cycles_per_image": 4,
        "input": side,
        "output": side,
    }
    path = tmp_path / "design.json"
    path.write_text(json.dumps(good))
    assert read_design(path) == good
    path.write_text(json.dumps(DAMAGE[name](good)))
    with pytest.raises(LinkError, match=r"is not a design\.json \(.*\); give the one of the deploy folder") as caught:
        read_design(path)
    assert len(str(caught.value).splitlines()) == 1
