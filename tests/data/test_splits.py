import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.data.dataset import Dataset
from narrows.data.splits import some_rows, split
from narrows.errors import InputError


def vectors(n, own=None):
    return Dataset(np.zeros((n, 1), np.float32), split=own)


@given(n=st.integers(20, 400), valid=st.floats(0, 0.45), test=st.floats(0.01, 0.45), seed=st.integers(0, 9))
def test_parts_are_disjoint_and_complete(n, valid, test, seed):
    parts = split(vectors(n), valid=valid, test=test, seed=seed)
    together = np.concatenate([parts.train, parts.valid, parts.test])
    assert np.array_equal(np.sort(together), np.arange(n))
    assert parts.held_out
    assert all(np.array_equal(part, np.sort(part)) and part.dtype == np.int64 for part in parts[:3])
    assert len(parts.train) > 0
    assert len(parts.test) == max(1, round(test * n))


@given(n=st.integers(20, 200), seed=st.integers(0, 99))
def test_same_seed_same_rows(n, seed):
    one, two = split(vectors(n), seed=seed), split(vectors(n), seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(one[:3], two[:3], strict=True))


@given(own=st.lists(st.sampled_from(["train", "valid", "test"]), min_size=20, max_size=100))
def test_the_sources_own_split_is_kept(own):
    own = np.array(own)
    parts = split(vectors(len(own), own))
    if not (own == "train").any():
        return
    if (own == "test").any():
        assert np.array_equal(parts.test, np.flatnonzero(own == "test"))
    if (own == "valid").any():
        assert np.array_equal(parts.valid, np.flatnonzero(own == "valid"))
    assert (own[parts.train] == "train").all()
    assert len(parts.train) + len(parts.valid) + (len(parts.test) if parts.held_out else 0) == len(own)


def test_valid_rows_are_drawn_from_train_rows():
    own = np.array(["train"] * 80 + ["test"] * 20)
    parts = split(vectors(100, own), valid=0.25)
    assert len(parts.valid) == 20
    assert parts.valid.max() < 80
    assert np.array_equal(parts.test, np.arange(80, 100))


def test_a_source_of_test_rows_only_is_divided_anew():
    parts = split(vectors(100, np.full(100, "test")), test=0.2)
    assert len(parts.test) == 20


def test_another_seed_gives_other_rows():
    assert not np.array_equal(split(vectors(100), seed=0).test, split(vectors(100), seed=1).test)


def test_few_rows_are_not_divided():
    parts = split(vectors(19))
    assert not parts.held_out
    assert len(parts.valid) == 0
    assert np.array_equal(parts.train, parts.test)
    assert np.array_equal(parts.train, np.arange(19))


def test_no_test_share_means_nothing_held_out():
    parts = split(vectors(100), test=0.0)
    assert not parts.held_out
    assert len(parts.valid) == 10
    assert np.array_equal(parts.train, parts.test)


@pytest.mark.parametrize(
    "shares", [{"valid": -0.1}, {"test": 1.0}, {"valid": 0.5, "test": 0.5}, {"valid": float("nan")}]
)
def test_shares_that_make_no_sense(shares):
    with pytest.raises(InputError):
        split(vectors(100), **shares)


def test_some_rows_are_all_of_few_and_a_seeded_choice_of_many_in_order():
    assert some_rows(5, 5, seed=0).tolist() == [0, 1, 2, 3, 4]
    chosen = some_rows(1000, 30, seed=0)
    assert len(set(chosen.tolist())) == 30
    assert (np.diff(chosen) > 0).all()
    assert np.array_equal(chosen, some_rows(1000, 30, seed=0))
    assert not np.array_equal(chosen, some_rows(1000, 30, seed=1))
