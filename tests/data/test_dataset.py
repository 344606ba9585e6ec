import numpy as np
import pytest

from narrows.data import Dataset, dataset
from narrows.errors import DataError

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("labels", [[0, 1, -1, 1], np.array([0, 1, -1, 1], ">i2")])
def test_labels_become_int64(labels):
    made = Dataset(VALUES, labels=labels)
    assert made.labels.dtype == np.int64
    assert made.labels.tolist() == [0, 1, -1, 1]


def test_reversed_values_may_be_held():
    assert Dataset(VALUES[::-1]).values.strides[0] < 0


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"values": VALUES.tolist()}, "data must be an array; got 'list'"),
        ({"labels": [0.5, 1, 2, 3]}, "labels must be class numbers"),
        ({"labels": ["a", "b", "c", "d"]}, "labels must be class numbers"),
        ({"labels": np.eye(4, dtype=int)}, "labels must be class numbers"),
        ({"labels": [0, 1, 2, -2]}, "got -2"),
        ({"labels": np.full(4, 2**63, np.uint64)}, "labels must be class numbers from 0"),
        ({"labels": [0, 1, 2, 2], "label_names": ("a", "b")}, "label_names must name every class up to 2"),
        ({"ids": ("a", "b", "c", "b")}, "ids must be unique; got 'b'"),
        ({"split": ["train", "train", "test", "dev"]}, "split must say.*'dev'"),
    ],
)
def test_what_does_not_fit_together_is_refused(columns, words):
    with pytest.raises(DataError, match=words):
        Dataset(**{"values": VALUES} | columns)


def test_the_fingerprint_sees_every_row(monkeypatch):
    values = np.zeros((5000, 2), np.float32)
    plain = Dataset(values).fingerprint()
    for row in (0, 1, 2501, 4999):
        other = values.copy()
        other[row, 1] = 1
        assert Dataset(other).fingerprint() != plain
    assert Dataset(values, labels=np.zeros(5000, int)).fingerprint() != plain
    monkeypatch.setattr(dataset, "HASHED_BYTES", 100)
    assert Dataset(values).fingerprint() == plain


@pytest.mark.parametrize("rows", [[2, 0], (2, 0), np.array([2, 0]), np.array([2, 0], np.uint8), [-1, -3]])
def test_rows_are_taken_in_their_order_whatever_holds_their_numbers(rows):
    data = Dataset(np.arange(6, dtype=np.float32).reshape(3, 2), labels=[5, 6, 7], split=["train", "test", "valid"])
    taken = data.take(rows)
    assert taken.values.tolist() == [[4, 5], [0, 1]]
    assert (taken.ids, taken.labels.tolist(), taken.split.tolist()) == (("2", "0"), [7, 5], ["valid", "train"])


@pytest.mark.parametrize("mask", [[True, False, True], np.array([True, False, True])])
def test_a_mask_takes_the_rows_that_it_is_true_of(mask):
    assert Dataset(np.zeros((3, 2), np.float32)).take(mask).ids == ("0", "2")


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([0.0], "row numbers"),
        ([[0]], "row numbers"),
        (0, "row numbers"),
        (["0"], "row numbers"),
        ([[0], [1, 2]], "row numbers"),
        ([3], "from 0 to 2.*got 3"),
        ([-4], r"from -3 to -1.*got -4"),
        ([True], "mask of all 3 rows"),
        ([], "at least one row"),
        ([0, 0], r"name each row once; got \[0, 0\]"),
        ([0, -3], "name each row once"),
    ],
)
def test_what_names_no_rows_is_refused(rows, match):
    with pytest.raises(DataError, match=match):
        Dataset(np.zeros((3, 2), np.float32)).take(rows)


def test_it_says_what_it_holds():
    values = np.zeros((3, 1, 4, 5), np.uint8)
    assert repr(Dataset(values)) == "<Dataset: 3 images of 1x4x5, no labels>"
    held = repr(Dataset(values, labels=[0, -1, 1], split=["train", "test", "test"]))
    assert held == "<Dataset: 3 images of 1x4x5, 2 classes known of 2 rows, split by its source>"
