"""How much codes say about classes: simple classifiers learn from training codes and are scored on held-out ones.

Rows with label -1 (unknown) are left out. Rows of a test class that no training row has count as errors. Each function
returns the share of test rows that are classified right, or nan if there is nothing to learn (no rows, or only one
class) or to test.
"""

from __future__ import annotations

import math

import numpy as np

from narrows.disk.files import Array
from narrows.work.threads import one_thread


def linear(train_codes: Array, train_labels: Array, test_codes: Array, test_labels: Array) -> float:
    """Return the accuracy of logistic regression (L2, C = 1) on codes standardised by the training rows.

    Parameters
    ----------
    train_codes, test_codes : (N, K)
    train_labels, test_labels : int (N,), -1 where unknown
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train_codes, train_labels, test_codes, test_labels = _known(train_codes, train_labels, test_codes, test_labels)
    if len(np.unique(train_labels)) < 2 or not len(test_labels):
        return math.nan
    mean, sd = (
        train_codes.mean(axis=0, dtype=np.float64),
        train_codes.std(axis=0, dtype=np.float64),
    )  # (K,) each
    sd[sd == 0] = 1
    train, test = ((codes - mean) / sd for codes in (train_codes, test_codes))
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits of the weights do not change decisions
        probe = LogisticRegression(max_iter=300).fit(train, train_labels)
    return float((probe.predict(test) == test_labels).mean())


def knn(train_codes: Array, train_labels: Array, test_codes: Array, test_labels: Array, n_neighbors: int = 5) -> float:
    """Return the accuracy of a vote of the ``n_neighbors`` nearest training codes (Euclidean, codes unscaled)."""
    from sklearn.neighbors import KNeighborsClassifier

    train_codes, train_labels, test_codes, test_labels = _known(train_codes, train_labels, test_codes, test_labels)
    if len(np.unique(train_labels)) < 2 or not len(test_labels):
        return math.nan
    with one_thread():
        probe = KNeighborsClassifier(min(n_neighbors, len(train_codes))).fit(train_codes, train_labels)
        return float((probe.predict(test_codes) == test_labels).mean())


def majority(train_labels: Array, test_labels: Array) -> float:
    """Return the accuracy of always answering the commonest training class: the baseline of every probe."""
    train_labels, test_labels = train_labels[train_labels >= 0], test_labels[test_labels >= 0]
    if not len(train_labels) or not len(test_labels):
        return math.nan
    return float((test_labels == np.bincount(train_labels).argmax()).mean())


def _known(
    train_codes: Array, train_labels: Array, test_codes: Array, test_labels: Array
) -> tuple[Array, Array, Array, Array]:
    train, test = train_labels >= 0, test_labels >= 0
    return train_codes[train], train_labels[train], test_codes[test], test_labels[test]
