import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from narrows.errors import InputError
from narrows.evaluation.agreement import information, joint, neighbour_agreement, neighbour_information


def ring(n, k=2):
    """Each row's neighbours are those after and before it."""
    rows = np.arange(n)
    return np.stack([(rows + step) % n for step in (1, -1, 2, -2)[:k]], axis=1)


def test_neighbours_that_always_share_their_cluster_tell_all_there_is():
    clusters = np.repeat([0, 1, 2, 3], 5)
    own = (np.arange(20) // 5 * 5)[:, None] + (np.arange(20) % 5 + 1)[:, None] % 5  # a neighbour in the same five
    assert neighbour_information(clusters, [own]) == pytest.approx(math.log(4))
    sizes = np.array([1, 3, 16]) / 20
    uneven = np.repeat([0, 1, 2], [1, 3, 16])
    assert neighbour_information(uneven, [np.arange(20)[:, None]]) == pytest.approx(-(sizes * np.log(sizes)).sum())


def test_clusters_that_ignore_the_neighbours_tell_nothing():
    # On a ring of period four 0 0 1 1 each row has one neighbour of each kind.
    assert neighbour_information(np.tile([0, 0, 1, 1], 6), [ring(24)]) == pytest.approx(0, abs=1e-12)
    assert neighbour_information(np.zeros(24, int), [ring(24)]) == 0


def test_it_is_the_mutual_information_of_both_ends_of_an_edge():
    rng = np.random.default_rng(0)
    clusters, indices = rng.integers(5, size=60), rng.integers(60, size=(60, 3))
    here, there = np.repeat(clusters, 3), clusters[indices].reshape(-1)
    both = mutual_info_score(np.r_[here, there], np.r_[there, here])
    assert neighbour_information(clusters, [indices]) == pytest.approx(both)
    assert information(joint(clusters, indices, 7)) == pytest.approx(both)  # empty clusters change nothing
    other = rng.integers(60, size=(60, 4))
    assert neighbour_information(clusters, [indices, other]) == pytest.approx(
        (both + neighbour_information(clusters, [other])) / 2
    )


def test_a_joint_distribution_by_hand():
    found = joint(np.array([0, 0, 1]), np.array([[1], [2], [0]]), 2)  # 0-0, 0-1, 1-0
    np.testing.assert_allclose(found, np.array([[2, 2], [2, 0]]) / 6)


def test_agreement_is_the_share_of_neighbours_in_the_same_cluster():
    clusters = np.array([0, 0, 1, 0])
    assert neighbour_agreement(clusters, np.array([[1, 2], [0, 3], [0, 1], [0, 2]])).tolist() == [0.5, 1.0, 0.0, 0.5]


def test_graphs_of_other_rows_are_refused():
    with pytest.raises(InputError, match="clusters and graphs"):
        neighbour_information(np.zeros(5, int), [ring(6)])
    with pytest.raises(InputError, match="clusters and graphs"):
        neighbour_information(np.zeros(5, int), [])
