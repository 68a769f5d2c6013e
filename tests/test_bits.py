"""Ranges, codes and words: what every engine agrees on before anything else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwflow.bits import BIPOLAR, U8, Ints, clog2, ints_of, sign, unwords, word, words

RANGES = st.tuples(st.integers(-300, 300), st.integers(0, 300)).map(lambda p: Ints(p[0], p[0] + p[1])) | st.just(
    BIPOLAR
)


@given(RANGES, st.integers(0, 2**32 - 1))
def test_decode_undoes_encode(ints, seed):
    values = np.random.default_rng(seed).integers(ints.lo, ints.hi + 1, 50)
    if ints.is_bipolar:
        values = sign(values)
    codes = ints.encode(values)
    assert (codes < 1 << ints.bits).all()
    assert (ints.decode(codes) == values).all()


@pytest.mark.parametrize(
    ("ints", "bits"),
    [(BIPOLAR, 1), (U8, 8), (Ints(0, 0), 1), (Ints(0, 1), 1), (Ints(-1, 0), 1), (Ints(-1, 1), 2), (Ints(-128, 127), 8), (Ints(-128, 128), 9), (Ints(0, 256), 9), (Ints(-129, 0), 9)],
)  # fmt: skip
def test_a_width_is_the_least_that_holds_the_range(ints, bits):
    assert ints.bits == bits


def test_sign_of_zero_is_plus_one():
    assert sign(np.array([-0.0, 0.0, -1.0])).tolist() == [1, 1, -1]


def test_bit_one_is_plus_one_and_element_zero_is_the_low_bit():
    assert words(BIPOLAR.encode(np.array([1, -1, -1, 1])), 1, 4) == [0b1001]
    assert word([1, 2, 3], 4) == 0x321


@given(st.integers(1, 20), st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_words_and_unwords_are_inverse(bits, per_word, count, seed):
    codes = np.random.default_rng(seed).integers(0, 1 << bits, (count, per_word)).astype(np.uint64)
    packed = words(codes, bits, per_word)
    assert packed == [word(row, bits) for row in codes]
    assert (unwords(packed, bits, per_word) == codes).all()


def test_only_minus_one_and_plus_one_make_a_bipolar_range():
    assert ints_of(np.array([1, -1])).is_bipolar
    assert ints_of(np.array([1, 0, -1])) == Ints(-1, 1)
    assert np.array([0]) not in BIPOLAR
    assert BIPOLAR.join(Ints(0, 0)) == Ints(-1, 1)


@given(RANGES, RANGES)
def test_a_range_that_takes_in_another_of_another_kind_takes_more_bits(a, b):
    both = a.join(b)
    assert both.kind == a.kind or both.bits > a.bits


@pytest.mark.parametrize(("n", "bits"), [(0, 0), (1, 0), (2, 1), (3, 2), (64, 6), (65, 7)])
def test_clog2_counts_states(n, bits):
    assert clog2(n) == bits
