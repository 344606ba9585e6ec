import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from hypothesis.strategies import integers
from sklearn import metrics

from narrows.errors import InputError
from narrows.evaluation import clustering
from narrows.evaluation.clustering import accuracy, ari, contingency, match, nmi, silhouette

CLUSTERS = np.array([0, 0, 0, 1, 1, 2, 2])
LABELS = np.array([1, 1, 0, 0, 0, 1, -1])


def test_contingency_by_hand():
    np.testing.assert_array_equal(contingency(CLUSTERS, LABELS), [[1, 2], [2, 0], [0, 1]])
    np.testing.assert_array_equal(contingency(CLUSTERS, LABELS, n_classes=3)[:, 2], 0)
    np.testing.assert_array_equal(contingency(CLUSTERS, np.full(7, -1)), np.zeros((3, 0)))


def test_match_and_accuracy_by_hand():
    counts = contingency(CLUSTERS, LABELS)
    np.testing.assert_array_equal(match(counts), [1, 0, -1])  # two classes cannot take three clusters
    assert accuracy(CLUSTERS, LABELS) == pytest.approx(4 / 6)


def test_a_cluster_is_not_matched_to_a_class_it_does_not_hold():
    np.testing.assert_array_equal(match(np.array([[5, 0], [3, 0]])), [0, -1])


@pytest.mark.parametrize(("clusters", "classes"), [(4, 4), (5, 3), (3, 5)])
def test_accuracy_is_the_best_of_all_matchings(clusters, classes):
    rng = np.random.default_rng(0)
    found, labels = rng.integers(0, clusters, 60), rng.integers(0, classes, 60)
    counts = np.zeros((max(clusters, classes),) * 2, dtype=int)
    np.add.at(counts, (found, labels), 1)
    best = max(sum(counts[i, p] for i, p in enumerate(order)) for order in permutations(range(len(counts))))
    assert accuracy(found, labels) == pytest.approx(best / 60)


def test_a_class_that_agrees_more_takes_a_cluster_and_the_other_looks_again():
    counts = np.array([[50, 60, 0], [40, 10, 5], [0, 55, 20]])
    # Class 0 asks for cluster 0 and loses it to class 1, then takes cluster 1; class 2 is left with cluster 2.
    np.testing.assert_array_equal(match(counts, "greedy"), [1, 0, 2])
    np.testing.assert_array_equal(match(counts, "optimal"), [1, 0, 2])
    np.testing.assert_array_equal(match(counts, "majority"), [1, 0, 1])
    # Where the best single agreement is not part of the best whole, the two differ.
    torn = np.array([[10, 9], [9, 0]])
    np.testing.assert_array_equal(match(torn, "greedy"), [0, -1])
    np.testing.assert_array_equal(match(torn, "optimal"), [1, 0])
    np.testing.assert_array_equal(match(np.array([[0, 0], [1, 3], [2, 1]]), "greedy"), [-1, 1, 0])
    with pytest.raises(InputError, match="optimal, greedy or majority"):
        match(torn, "hungarian")


@given(arrays(int, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6), elements=integers(0, 30)))
def test_the_greedy_matching_is_stable_and_never_better_than_the_optimal_one(counts):
    def right(matched):
        return sum(counts[cluster, label] for cluster, label in enumerate(matched) if label >= 0)

    greedy, optimal, majority = (match(counts, how) for how in ("greedy", "optimal", "majority"))
    assert right(greedy) <= right(optimal) <= right(majority)
    assert 2 * right(greedy) >= right(optimal)
    taken = greedy[greedy >= 0]
    assert len(set(taken)) == len(taken)
    held = {label: counts[cluster, label] for cluster, label in enumerate(greedy) if label >= 0}
    for cluster, label in np.ndindex(counts.shape):
        holder = greedy[cluster]
        kept = counts[cluster, holder] if holder >= 0 else 0
        # No class and cluster would both rather have each other.
        assert counts[cluster, label] <= max(kept, held.get(label, 0))


def test_renaming_clusters_changes_no_score():
    rng = np.random.default_rng(0)
    clusters, labels = rng.integers(0, 5, 100), rng.integers(0, 4, 100)
    renamed = np.array([3, 0, 4, 1, 2])[clusters]
    for score in (accuracy, nmi, ari):
        assert score(renamed, labels) == pytest.approx(score(clusters, labels))


def test_perfect_clusters_score_one():
    labels = np.repeat([0, 1, 2], 5)
    for score in (accuracy, nmi, ari):
        assert score(2 - labels, labels) == pytest.approx(1)


def test_nmi_and_ari_by_hand():
    clusters, labels = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    information = math.log(2) / 2 + (math.log(4 / 6) + math.log(2)) / 4 - math.log(2) / 2 + math.log(4 / 3) / 2
    entropies = math.log(2), -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert nmi(clusters, labels) == pytest.approx(information / (sum(entropies) / 2))
    # Pairs together: 1 in both, 2 in clusters, 3 in labels, of 6; expected by chance 2 * 3 / 6 = 1.
    assert ari(clusters, labels) == pytest.approx((1 - 1) / ((2 + 3) / 2 - 1))


def test_rows_of_unknown_label_are_left_out():
    for score in (accuracy, nmi, ari):
        assert score(CLUSTERS, LABELS) == pytest.approx(score(CLUSTERS[:-1], LABELS[:-1]))
        assert math.isnan(score(CLUSTERS, np.full(7, -1)))


def test_silhouette_by_hand():
    codes = np.array([[0.0], [1.0], [10.0]])
    # a = 1 and b = 10 or 9 for the pair; 0 for the row alone.
    assert silhouette(codes, np.array([0, 0, 1])) == pytest.approx((0.9 + 8 / 9 + 0) / 3)
    assert silhouette(codes, np.array([0, 1, 2])) == 0
    assert math.isnan(silhouette(codes, np.zeros(3, dtype=int)))


def test_a_sampled_silhouette_is_near_the_full_one():
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 3, 2000)
    codes = (rng.standard_normal((2000, 4)) + clusters[:, None] * 2).astype(np.float32)
    full = metrics.silhouette_score(codes, clusters)
    assert silhouette(codes, clusters) == pytest.approx(full, abs=1e-6)
    sampled = silhouette(codes, clusters, sample=500, seed=1)
    assert sampled == pytest.approx(full, abs=0.03)
    assert sampled == silhouette(codes, clusters, sample=500, seed=1)


def test_a_silhouette_of_images_on_disk_is_that_of_their_values(tmp_path):
    rng = np.random.default_rng(0)
    clusters = np.arange(30) % 2
    images = (rng.integers(0, 60, (30, 3, 4, 4)) + 100 * clusters[:, None, None, None]).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    stored = np.load(tmp_path / "images.npy", mmap_mode="r")
    full = metrics.silhouette_score(images.reshape(30, -1).astype(float), clusters)
    assert silhouette(stored, clusters) == pytest.approx(full, abs=1e-9)


def test_long_rows_are_sampled_and_then_thinned(monkeypatch):
    rng = np.random.default_rng(0)
    clusters = np.arange(400) % 2
    values = rng.standard_normal((400, 50)) + 3 * clusters[:, None]
    seen = []
    known = metrics.silhouette_samples
    monkeypatch.setattr(metrics, "silhouette_samples", lambda x, labels: seen.append(x.shape) or known(x, labels))
    full = silhouette(values, clusters)
    for held, shape in ((250 * 50, (250, 50)), (200 * 20, (200, 17))):
        monkeypatch.setattr(clustering, "HELD_VALUES", held)
        assert silhouette(values, clusters) == pytest.approx(full, abs=0.05)
        assert seen[-1] == shape
        assert np.prod(shape) <= held


def test_refuses_lengths_that_differ():
    with pytest.raises(InputError, match="one number for each row"):
        accuracy(CLUSTERS, LABELS[:3])
