import math

import numpy as np
import pytest
from sklearn import metrics

from narrows.errors import InputError
from narrows.studies.evaluation.classification import accuracy, confusion, most_confused

RNG = np.random.default_rng(0)
LABELS, PREDICTED = RNG.integers(0, 5, 300), RNG.integers(0, 5, 300)


def test_by_hand():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 1])
    counts = confusion(labels, predicted, 3)
    assert counts.tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]
    assert counts.dtype == np.int64
    assert accuracy(predicted, labels) == 0.5
    assert most_confused(counts, "abc") == [("a", "b", 1), ("b", "a", 1), ("c", "b", 1)]


def test_against_scikit_learn():
    counts = confusion(LABELS, PREDICTED, 5)
    assert np.array_equal(counts, metrics.confusion_matrix(LABELS, PREDICTED))
    assert accuracy(PREDICTED, LABELS) == pytest.approx(metrics.accuracy_score(LABELS, PREDICTED))


def test_most_confused_come_in_order_and_leave_out_what_is_right():
    counts = np.array([[90, 3, 0], [7, 1, 3], [0, 0, 50]])
    assert most_confused(counts, ["x", "y", "z"], most=2) == [("y", "x", 7), ("x", "y", 3)]
    assert len(most_confused(counts, ["x", "y", "z"])) == 3
    with pytest.raises(InputError, match="names"):
        most_confused(counts, ["x"])


def test_rows_of_unknown_label_are_left_out():
    labels, predicted = np.array([-1, 0, 1, -1]), np.array([0, 0, 0, 1])
    assert confusion(labels, predicted, 2).tolist() == [[1, 0], [1, 0]]
    assert accuracy(predicted, labels) == 0.5
    assert confusion(np.array([-1]), np.array([0]), 2).sum() == 0
    assert math.isnan(accuracy(np.array([0]), np.array([-1])))


@pytest.mark.parametrize(
    ("labels", "predicted", "named"),
    [
        ([0, 1], [0], "predicted and labels"),
        ([0, 3], [0, 1], "labels"),
        ([0, 1], [0, 3], "predicted"),
        ([0, 1], [0, -1], "predicted"),
    ],
)
def test_what_is_no_classification_is_refused(labels, predicted, named):
    with pytest.raises(InputError, match=named):
        confusion(np.array(labels), np.array(predicted), 3)


def test_a_table_must_be_square():
    with pytest.raises(InputError, match="counts"):
        most_confused(np.zeros((2, 3), np.int64), "ab")
