import numpy as np
import pytest
import sklearn.cluster
from sklearn.cluster import KMeans as Reference

from narrows.clustering import kmeans
from narrows.clustering.kmeans import KMeans
from narrows.errors import RecipeError


def test_centres_confidence_and_typicality_by_hand():
    codes = np.array([[0, 0], [0, 2], [0, 1], [10, 0], [10, 2]], dtype=np.float32)
    clusterer = KMeans(n_clusters=2).fit(codes)
    np.testing.assert_allclose(clusterer.centers_, [[0, 1], [10, 1]])
    new = np.array([[0, 1], [5, 1], [2, 1]], dtype=np.float32)
    np.testing.assert_allclose(clusterer.confidence(new), [1, 0, 1 - 2 / 8], atol=1e-7)
    np.testing.assert_allclose(clusterer.typicality(new), [0, -5, -2], atol=1e-6)


def test_is_as_good_as_scikit_learn():
    codes = np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32)
    ours = KMeans(n_clusters=6, seed=1).fit(codes)
    reference = Reference(6, n_init=10, random_state=1).fit(codes)
    inertia = float((ours.typicality(codes).astype(np.float64) ** 2).sum())
    assert inertia == pytest.approx(reference.inertia_, rel=5e-3)


def test_elkan_finds_what_lloyd_finds(monkeypatch):
    codes = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    lloyd = KMeans(n_clusters=6).fit(codes)
    monkeypatch.setattr(kmeans, "ELKAN_FROM", 1)
    np.testing.assert_array_equal(KMeans(n_clusters=6).fit(codes).labels_, lloyd.labels_)


def test_seeds_come_from_a_sample_of_many_codes(monkeypatch):
    samples, seed = [], sklearn.cluster.kmeans_plusplus

    def watched(codes, *rest, **more):
        samples.append(sorted(codes[:, 0] + 199.5))  # scikit-learn has centred them
        return seed(codes, *rest, **more)

    monkeypatch.setattr(kmeans, "SEEDING_ROWS", 50)
    monkeypatch.setattr(sklearn.cluster, "kmeans_plusplus", watched)
    codes = np.arange(400, dtype=np.float32)[:, None]
    assert len(np.unique(KMeans(n_clusters=4, n_init=3).fit(codes).labels_)) == 4
    assert [len(set(sample) & set(range(400))) for sample in samples] == [50] * 3
    assert samples[0] != samples[1] != samples[2]
    assert min(map(min, samples)) < 50
    assert max(map(max, samples)) >= 350


@pytest.mark.parametrize("arguments", [{"n_init": 0}, {"max_iter": 0}])
def test_refuses_arguments_without_meaning(arguments):
    with pytest.raises(RecipeError, match=next(iter(arguments))):
        KMeans(3, **arguments)


def test_values_whose_squares_float32_cannot_hold_are_clustered_as_smaller_ones_are():
    rng = np.random.default_rng(0)
    codes = (rng.normal(size=(90, 3)) + 8 * (np.arange(90) % 3)[:, None]).astype(np.float32)
    small = KMeans(3, n_init=2).fit(codes)
    large = KMeans(3, n_init=2).fit(codes * np.float32(2.0**100))
    np.testing.assert_array_equal(large.labels_, small.labels_)
    np.testing.assert_allclose(large.centers_, small.centers_ * 2.0**100, rtol=1e-5)
    np.testing.assert_allclose(large.confidence(codes * np.float32(2.0**100)), small.confidence(codes), atol=1e-5)
