import numpy as np
import pytest
from scipy.stats import multivariate_normal

from narrows.clustering.kmeans import KMeans
from narrows.clustering.mixture import Mixture
from narrows.errors import RecipeError
from narrows.evaluation.clustering import accuracy


def two_lines(n=400, seed=0):
    """Two long thin groups side by side, which k-means cuts across."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return np.stack([10 * rng.standard_normal(n), 3.0 * labels + 0.2 * rng.standard_normal(n)], 1).astype(
        np.float32
    ), labels


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_confidence_is_the_posterior_and_typicality_the_mahalanobis_distance(kind):
    codes, _ = two_lines()
    mixture = Mixture(n_clusters=3, covariance_type=kind).fit(codes)
    covariances = [np.linalg.inv(factor @ factor.T) for factor in mixture.factors_]
    joint = np.stack(
        [
            weight * multivariate_normal(mean, covariance).pdf(codes)
            for weight, mean, covariance in zip(mixture.weights_, mixture.means_, covariances, strict=True)
        ],
        axis=1,
    )
    np.testing.assert_array_equal(mixture.labels_, joint.argmax(axis=1))
    np.testing.assert_allclose(mixture.confidence(codes), joint.max(axis=1) / joint.sum(axis=1), rtol=1e-5)
    away = codes - mixture.means_[mixture.labels_]
    inverse = np.linalg.inv(covariances)[mixture.labels_]
    distance = np.sqrt(np.einsum("ni,nij,nj->n", away, inverse, away))
    np.testing.assert_allclose(mixture.typicality(codes), -distance, rtol=1e-5)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_starts_from_the_shares_means_and_covariances_of_k_means_clusters(kind):
    """One step of expectation-maximisation from there, in closed form."""
    x = np.random.default_rng(0).standard_normal((60, 3)) * [1, 2, 3]
    labels = KMeans(2, n_init=3).fit(x).labels_
    floor = 0.2 * x.var(0).mean()

    def fitted_to(weights):  # (60, 2), of each row in each cluster
        means = (weights / weights.sum(0)).T @ x
        tables = [np.cov(x.T, aweights=weights[:, m], bias=True) for m in range(2)]
        full = {
            "full": tables,
            "tied": [np.average(tables, axis=0, weights=weights.sum(0))] * 2,
            "diag": [np.diag(np.diag(table)) for table in tables],
            "spherical": [np.diag(table).mean() * np.eye(3) for table in tables],
        }
        return weights.mean(0), means, [table + floor * np.eye(3) for table in full[kind]]

    def posterior(shares, means, covariances):
        joint = [share * multivariate_normal(*of).pdf(x) for share, *of in zip(shares, means, covariances, strict=True)]
        return (joint / np.sum(joint, axis=0)).T

    shares, means, covariances = fitted_to(posterior(*fitted_to(np.eye(2)[labels])))
    mixture = Mixture(2, covariance_type=kind, reg=0.2, max_iter=1).fit(x)
    ours, theirs = np.argsort(shares), np.argsort(mixture.weights_)
    np.testing.assert_allclose(mixture.weights_[theirs], shares[ours])
    np.testing.assert_allclose(mixture.means_[theirs], means[ours])
    inverses = np.linalg.inv(np.array(covariances)[ours])
    np.testing.assert_allclose(mixture.factors_[theirs] @ mixture.factors_[theirs].transpose(0, 2, 1), inverses)


def test_sees_sizes_that_k_means_does_not():
    rng = np.random.default_rng(0)
    labels = np.arange(1000) % 2  # 0 is tight, 1 is wide
    codes = np.where(labels[:, None] == 0, 0.3 * rng.standard_normal((1000, 2)), 3 * rng.standard_normal((1000, 2)) + 4)
    scores = [accuracy(method(2).fit(codes.astype(np.float32)).labels_, labels) for method in (KMeans, Mixture)]
    assert scores[0] < 0.95
    assert scores[1] > 0.97


def test_too_few_codes_for_full_covariances_say_so():
    codes = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    mixture = Mixture(n_clusters=4).fit(codes)
    assert "diagonal ones were used" in mixture.notes[0]
    assert not (mixture.factors_ * (1 - np.eye(8))).any()


def test_many_codes_are_fitted_by_a_part_of_them():
    codes, _ = two_lines(2000)
    mixture = Mixture(n_clusters=2, max_rows=200).fit(codes)
    assert "200 codes chosen at random" in mixture.notes[0]
    assert mixture.labels_.shape == (2000,)


def test_a_fit_cut_short_says_so():
    mixture = Mixture(n_clusters=4, max_iter=1).fit(two_lines()[0])
    assert "still improving" in mixture.notes[0]


@pytest.mark.parametrize("arguments", [{"covariance_type": "round"}, {"reg": 0.0}, {"max_iter": 0}, {"max_rows": 0}])
def test_refuses_arguments_without_meaning(arguments):
    with pytest.raises(RecipeError, match=next(iter(arguments))):
        Mixture(3, **arguments)
