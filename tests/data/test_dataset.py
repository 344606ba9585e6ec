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
