"""Scores of generated images against closed forms and plain written-out definitions."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from narrows.errors import InputError
from narrows.studies.evaluation import generation
from narrows.studies.evaluation.generation import diversity, frechet_distance, precision_recall


def with_moments(mean, deviations, n=400, seed=0):
    """Rows whose sample mean and covariance are exactly these (the covariance diagonal)."""
    x = np.random.default_rng(seed).normal(size=(n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x * deviations + mean


def test_frechet_distance_of_diagonal_gaussians():
    """|m1 - m2|^2 + sum (s1 - s2)^2."""
    first = with_moments([0.0, 1.0, 2.0], [1.0, 2.0, 0.5])
    second = with_moments([3.0, 1.0, 0.0], [2.0, 2.0, 1.5], seed=1)
    assert frechet_distance(first, second) == pytest.approx(13 + 1 + 0 + 1)


def test_frechet_distance_is_that_of_the_papers_formula():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(80, 5)) + 1
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    away = first.mean(axis=0) - second.mean(axis=0)
    expected = away @ away + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(first, second) == pytest.approx(expected)
    assert frechet_distance(second, first) == pytest.approx(expected)


def test_equal_rows_are_at_distance_0_even_where_the_covariance_is_singular():
    features = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)  # rank 5 of 40
    assert frechet_distance(features, features[::-1]) == pytest.approx(0, abs=1e-5)
    shifted = features + np.eye(40, dtype=np.float32)[0]
    assert frechet_distance(features, shifted) == pytest.approx(1, abs=1e-5)


def written_out(real, generated, k):
    def share(rows, others):
        between = np.linalg.norm(others[:, None] - others[None], axis=2)
        radii = np.sort(between, axis=1)[:, k]  # column 0 is the row itself
        away = np.linalg.norm(rows[:, None] - others[None], axis=2)
        return (away <= radii).any(axis=1).mean()

    return share(generated, real), share(real, generated)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_the_papers_definition_in_any_blocks(k, monkeypatch):
    rng = np.random.default_rng(k)
    real, generated = rng.normal(size=(90, 4)), 1.3 * rng.normal(size=(70, 4)) + 0.5
    expected = written_out(real, generated, k)
    assert 0 < expected[0] < 1
    assert 0 < expected[1] < 1
    assert precision_recall(real, generated, k) == pytest.approx(expected)
    monkeypatch.setattr(generation, "BLOCK_VALUES", 500)
    assert precision_recall(real, generated, k) == pytest.approx(expected)


def test_one_perfect_image_drawn_again_and_again_is_precise_and_recalls_nothing():
    real = np.random.default_rng(0).normal(size=(200, 3)) + 100
    assert precision_recall(real, np.repeat(real[:1], 50, axis=0)) == (1.0, 1 / 200)
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real, -real) == (0.0, 0.0)


def test_diversity_counts_classes_and_how_evenly_they_occur():
    assert diversity(np.arange(40) % 10, 10) == (10, pytest.approx(1.0), 0.1)
    assert diversity(np.full(7, 3), 10) == (1, 0.0, 1.0)
    assert diversity(np.array([0, 0, 0, 1]), 4) == (2, pytest.approx((0.75 * np.log2(4 / 3) + 0.5) / 2), 0.75)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(InputError, match="N >= 4"):
        precision_recall(np.zeros((3, 2)), np.zeros((9, 2)))
    with pytest.raises(InputError, match="k"):
        precision_recall(np.zeros((3, 2)), np.zeros((9, 2)), k=0)
    with pytest.raises(InputError, match="as many features"):
        frechet_distance(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(InputError, match="finite"):
        frechet_distance(np.zeros((3, 2)), np.full((3, 2), np.nan))
    for wrong in ([], [10], [-1]):
        with pytest.raises(InputError, match="class numbers"):
            diversity(np.array(wrong, dtype=int), 10)
