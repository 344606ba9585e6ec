import itertools

import numpy as np
import pytest

from narrows.deep._merging import join, link, mean_joint, numbers, settle, unknown
from narrows.errors import InputError
from narrows.evaluation.agreement import information


def random_joint(size, seed=0):
    table = np.random.default_rng(seed).random((size, size)) ** 6
    return (table + table.T) / (table + table.T).sum()


def held(joint, groups):
    """The joint distribution of groups, cell by cell."""
    count = groups.max() + 1
    table = np.zeros((count, count))
    for a, b in itertools.product(range(len(joint)), repeat=2):
        table[groups[a], groups[b]] += joint[a, b]
    return table


def greedy(joint, n_clusters):
    """Join the best pair, found by trying all pairs."""
    groups = np.arange(len(joint))
    curve = {len(joint): information(joint)}
    while groups.max() + 1 > n_clusters:
        tries = []
        for a, b in itertools.combinations(range(groups.max() + 1), 2):
            joined = np.where(groups == b, a, groups)
            tries.append(np.unique(joined, return_inverse=True)[1])
        groups = max(tries, key=lambda groups: information(held(joint, groups)))
        curve[groups.max() + 1] = information(held(joint, groups))
    return groups, curve


@pytest.mark.parametrize("seed", range(5))
def test_joining_takes_the_pair_that_loses_least(seed):
    joint = random_joint(9, seed)
    for n_clusters in (1, 3, 6, 9):
        groups, curve = join(joint, n_clusters)
        expected, by_number = greedy(joint, n_clusters)
        assert information(held(joint, groups)) == pytest.approx(information(held(joint, expected)))
        assert len(np.unique(groups)) == n_clusters
        for number, value in by_number.items():
            assert curve[number - 1] == pytest.approx(value, abs=1e-12)
        assert (curve[: n_clusters - 1] == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_settled_no_single_move_raises_the_information(seed):
    joint = random_joint(14, seed)
    start = np.random.default_rng(seed).permutation(np.arange(14) % 4)
    groups = settle(joint, start)
    reached = information(held(joint, groups))
    assert reached >= information(held(joint, start))
    assert len(np.unique(groups)) == 4
    for cell, group in itertools.product(range(14), range(4)):
        moved = groups.copy()
        moved[cell] = group
        if len(np.unique(moved)) == 4:
            assert information(held(joint, moved)) <= reached + 1e-12


def test_cells_of_one_group_find_each_other():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 200)
    indices = np.stack([rng.choice(200, 5) + 200 * group for group in truth])
    cells = truth * 7 + rng.integers(7, size=600)
    joint = mean_joint(cells, [indices], 21)
    groups, _ = join(joint, 3)
    assert [len(np.unique(groups[first : first + 7])) for first in (0, 7, 14)] == [1, 1, 1]
    assert len(np.unique(groups)) == 3


@pytest.mark.parametrize("n_clusters", [0, 10])
def test_a_number_that_cannot_be_had_is_refused(n_clusters):
    with pytest.raises(InputError, match="from 1 to the 9 clusters of the over-clustering"):
        join(random_joint(9), n_clusters)


def test_the_number_of_groups_stands_out():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(7), 150)
    indices = np.stack([rng.choice(150, 8) + 150 * group for group in truth])
    indices[:, 0] = rng.integers(len(truth), size=len(truth))  # some edges lead anywhere
    cells = truth * 9 + rng.integers(9, size=len(truth))
    _, curve = join(mean_joint(cells, [indices], 63), 1)
    found = numbers([curve])
    assert found[0][0] == 7
    assert found[0][1] > 2 * found[1][1]
    assert sorted(number for number, _ in found) == list(range(2, 22))  # a third of the cells


def test_where_joining_costs_fall_like_one_over_the_number_none_stands_out():
    curve = np.concatenate([[0], np.cumsum(1 / np.arange(2, 61))])
    assert all(factor == pytest.approx(1) for _, factor in numbers([curve]))
    assert numbers([curve[:5]]) == []


def test_linking_leaves_apart_what_nothing_is_linked_to_whatever_the_sizes():
    # Three cells of a crowd in a row, a small group of two cells, and a lone one.
    links = np.zeros((6, 6))
    links[:3, :3] = [[40, 8, 0], [8, 40, 8], [0, 8, 40]]
    links[3:5, 3:5] = [[3, 1], [1, 3]]
    links[5, 5] = 2
    joint = links / links.sum()
    groups = link(joint, 3)
    assert groups.tolist() == [0, 0, 0, 1, 1, 2]
    assert unknown(joint, groups) == pytest.approx(0, abs=1e-12)
    assert link(joint, 6).tolist() == [0, 1, 2, 3, 4, 5]
    assert unknown(joint, np.zeros(6, np.int64)) == 1  # one group: nothing there is to know
    halves = unknown(joint, np.array([0, 0, 1, 2, 2, 2]))
    assert 0 < halves < 1
    cut = np.array([[96, 8], [8, 40]]) / links.sum()
    shares = np.array([104, 48, 10]) / links.sum()
    entropy = -(shares * np.log(shares)).sum()
    told = (cut * np.log(cut / np.outer(shares[:2], shares[:2]))).sum() - shares[2] * np.log(shares[2])
    assert halves == pytest.approx(1 - told / entropy)
