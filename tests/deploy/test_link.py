"""The line to a simulated board under fire: no answer is ever wrong, and images of many bytes get through a bad line."""

import time

import numpy as np
import pytest
import serial

from hwflow import driver_bytes as wire
from hwflow import tools
from hwflow.bench.link import Made, Relay, images, network, under_fire
from hwflow.driver import Accelerator, LinkError
from hwflow.driver_bytes import Frames, cut, frame
from hwflow.driver_line import start_board, stop_board

pytestmark = pytest.mark.skipif(tools.find("verilator") is None, reason="no verilator")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made.of(network(200), tmp_path_factory.mktemp("link"))


@pytest.fixture
def line(made):
    """The board's own terminal, and what it says on it: all frames until an answer to `tag` has come, or half a second."""
    process, terminal = start_board(made.out / "board_sim")
    with serial.Serial(terminal, timeout=0.005) as port:
        frames = Frames()

        def say(*sent: bytes, until: int = -1, patience: float = 0.5):
            port.write(b"".join(sent))
            heard, end = [], time.monotonic() + (20 if until >= 0 else patience)
            while time.monotonic() < end and (wire.ANSWER, until) not in [(k, t) for k, t, _ in heard]:
                heard += frames.feed(port.read(4096))
            return heard

        yield say
    stop_board(process)


@pytest.mark.slow
def test_one_byte_in_a_hundred_lets_images_of_many_bytes_through(made):
    found = under_fire(made, 8, 3, 0.01, stalls=0.01)
    assert (found.images, found.wrong) == (8, 0) and found.damaged > 20 and found.resent > 0


def test_a_line_that_is_unplugged_and_a_board_that_is_reset_give_no_wrong_answer(made):
    found = under_fire(made, 20, 4, 0.001, batch=10, pulls=True, resets=7)
    assert (found.images, found.wrong) == (20, 0) and found.gave_up >= 2


def test_a_second_host_is_refused_and_takes_over_when_the_first_is_gone(made):
    found = under_fire(made, 20, 5, batch=10, hosts=True)
    assert (found.images, found.wrong, found.refused) == (20, 0, 2)


def test_the_relay_damages_as_many_bytes_as_it_is_told():
    data = bytes(range(256)) * 40
    relay = Relay.__new__(Relay)
    relay.random, relay.rate, relay.bytes, relay.damaged = np.random.default_rng(0), 0.01, 0, 0
    out = relay._damage(data)
    assert relay.bytes == len(data) and 70 < relay.damaged < 140 and out != data
    relay.rate = 0.0
    assert relay._damage(data) == data


def test_parts_make_an_image_in_any_order_and_nothing_damaged_or_foreign_comes_into_it(made, line):
    x = images(made.net, 2, 1)
    board = Accelerator(_Nothing(), made.out / "design.json")
    a, b = (cut(image.tobytes()) for image in board.input.pack(x))
    want = [board.output.pack(y[None]).tobytes() for y in made.net.run(x)]
    assert [len(p) for p in a] == [65, 65, 65, 9] and b"".join(p[1:] for p in a) == x[0].astype(np.uint8).tobytes()

    def part(tag, payload, damaged=False):
        whole = frame(wire.PART, tag, payload)
        return whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:] if damaged else whole

    line(frame(wire.HELLO, 9))
    spoiled = x[:1].copy()
    spoiled[0, 128:192] = 255 - spoiled[0, 128:192]
    assert (made.net.run(spoiled) != made.net.run(x[:1])).any(), "what comes from this part's place shows in the answer"
    junk = bytes([2]) + spoiled[0, 128:192].astype(np.uint8).tobytes()
    heard = line(
        part(7, a[2]), part(7, a[0]), part(7, a[0]), part(7, bytes([1]) + junk[1:40]), part(7, bytes([1]) + junk[1:] + bytes(9)),
        part(7, junk, damaged=True), part(7, junk[:40]), part(7, junk + bytes(9)), part(7, bytes([4]) + bytes(64)), part(7, b""),
        frame(wire.READ, 0), part(7, a[3]), part(7, junk, damaged=True), part(7, a[1]), until=7,
    )  # fmt: skip
    assert [(t, p) for k, t, p in heard if k == wire.ANSWER] == [(7, want[0])]
    # a part of another image ends what was begun; so does a whole one
    heard = line(part(7, a[0]), part(7, a[1]), part(8, b[3]), part(7, a[2]), part(7, a[3]))
    assert wire.ANSWER not in [k for k, _, _ in heard]
    heard = line(part(7, a[0]), part(7, a[1]), until=7)
    assert [(t, p) for k, t, p in heard if k == wire.ANSWER] == [(7, want[0])]
    heard = line(part(7, b[0]), part(7, b[1]), frame(wire.IMAGE, 5, x[0].astype(np.uint8).tobytes()), part(7, b[2]), part(7, b[3]), until=5)  # fmt: skip
    heard += line()
    assert [(t, p) for k, t, p in heard if k == wire.ANSWER] == [(5, want[0])]
    damaged = frame(wire.IMAGE, 6, x[0].astype(np.uint8).tobytes())
    heard = line(part(11, b[0]), part(11, b[1]), damaged[:-2] + bytes([damaged[-2] ^ 1]) + damaged[-1:], part(11, b[2]), part(11, b[3]))  # fmt: skip
    assert wire.ANSWER not in [k for k, _, _ in heard], "a whole image that is damaged lies where the parts were"


def test_a_line_that_is_gone_is_one_clear_line(made):
    process, terminal = start_board(made.out / "board_sim")
    relay = Relay(terminal)
    try:
        with Accelerator(relay.path, made.out / "design.json") as board:
            relay.unplug()
            with pytest.raises(LinkError, match=r"the line is gone .*; plug the board in again and run once more"):
                board.infer(images(made.net, 3, 0))
    finally:
        relay.close()
        stop_board(process)


class _Nothing:
    def read(self, size):
        return b""[:size]

    def write(self, data):
        return len(data)
