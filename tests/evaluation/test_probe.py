import math

import numpy as np
import pytest

from narrows.evaluation.probe import knn, linear, majority


def halves(n=200, seed=0):
    """Two classes separated by the first of two values; the second is a thousand times as large."""
    codes = np.random.default_rng(seed).standard_normal((n, 2)).astype(np.float32)
    return codes * np.array([1, 1000], dtype=np.float32), (codes[:, 0] > 0).astype(np.int64)


def test_linear_finds_a_line_whatever_the_units():
    assert linear(*halves(), *halves(seed=1)) > 0.95


def test_linear_cannot_separate_an_exclusive_or_but_neighbours_can():
    codes = np.random.default_rng(0).uniform(-1, 1, (600, 2)).astype(np.float32)
    labels = (codes[:, 0] * codes[:, 1] > 0).astype(np.int64)
    four = codes[:400], labels[:400], codes[400:], labels[400:]
    assert linear(*four) < 0.7
    assert knn(*four) > 0.9


def test_knn_by_hand():
    codes, labels = np.array([[0.0], [1.0], [2.0], [10.0]]), np.array([0, 0, 1, 1])
    test = np.array([[2.4], [9.0]])
    assert knn(codes, labels, test, np.array([1, 1]), n_neighbors=1) == 1
    assert knn(codes, labels, test, np.array([1, 1]), n_neighbors=3) == 0.5  # 2, 1 and 0 outvote for the first
    assert knn(codes, labels, test, np.array([0, 0]), n_neighbors=50) == 1  # all four: a tie goes to the first class


def test_majority_by_hand():
    assert majority(np.array([2, 2, 0, -1, -1, -1]), np.array([2, 0, 2, 2, -1])) == 0.75


@pytest.mark.parametrize("probe", [linear, knn])
def test_missing_classes_and_labels(probe):
    codes, labels = halves()
    codes = codes / np.array([1, 1000], dtype=np.float32)  # neighbours take units as they are
    assert math.isnan(probe(codes, np.zeros_like(labels), codes, labels))  # one class
    assert math.isnan(probe(codes, np.full_like(labels, -1), codes, labels))  # none
    assert math.isnan(probe(codes, labels, codes, np.full_like(labels, -1)))  # nothing to test
    one_class = labels == 1
    assert probe(codes, labels, codes[one_class], labels[one_class]) > 0.9  # the test lacks a class
    assert probe(codes, labels, codes, labels + 5) == 0  # training lacks them
    unknown = np.where(np.arange(200) % 2, -1, labels)
    assert probe(codes, unknown, codes, labels) == probe(codes[::2], labels[::2], codes, labels)


def test_a_value_that_never_varies_does_no_harm():
    codes, labels = halves()
    codes[:, 1] = 3
    assert linear(codes, labels, codes, labels) > 0.95


def test_majority_needs_labels():
    assert math.isnan(majority(np.array([-1]), np.array([0])))
    assert math.isnan(majority(np.array([0]), np.array([-1])))
