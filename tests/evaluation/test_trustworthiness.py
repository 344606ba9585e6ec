import math

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as reference

from narrows.evaluation import projection
from narrows.evaluation.projection import trustworthiness


def test_is_scikit_learns():
    rng = np.random.default_rng(0)
    codes, points = rng.standard_normal((200, 6)).astype(np.float32), rng.standard_normal((200, 2)).astype(np.float32)
    for k in (1, 5, 15):
        assert trustworthiness(codes, points, k) == pytest.approx(reference(codes, points, n_neighbors=k), abs=1e-9)


def test_a_faithful_map_scores_one():
    codes = np.random.default_rng(0).standard_normal((100, 2)).astype(np.float32)
    assert trustworthiness(codes, 3 * codes) == 1


def test_by_hand():
    # The map moves the row at 3 beyond that at 7: both are now each other's nearest. 3 is the nearest of 7 among codes
    # too, but 7 is only the third nearest of 3.
    codes, points = np.array([[0.0], [1], [3], [7]]), np.array([[0.0, 0], [1, 0], [7, 0], [6, 0]])
    assert trustworthiness(codes, points, 1) == pytest.approx(1 - 2 / (4 * 1 * (8 - 3 - 1)) * (3 - 1))


def test_a_sample_is_judged_among_all_rows(monkeypatch):
    monkeypatch.setattr(projection, "BLOCK_VALUES", 100_000)
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((2000, 4)).astype(np.float32)
    points = codes[:, :2]
    full = trustworthiness(codes, points)
    sampled = trustworthiness(codes, points, sample=400, seed=1)
    assert full == pytest.approx(reference(codes, points, n_neighbors=15), abs=1e-9)
    assert sampled == pytest.approx(full, abs=0.01)
    assert sampled == trustworthiness(codes, points, sample=400, seed=1)


@pytest.mark.parametrize("rows", [3, 4, 5, 30])
def test_few_rows_take_fewer_neighbours(rows):
    codes = np.random.default_rng(0).standard_normal((rows, 2)).astype(np.float32)
    assert trustworthiness(codes, codes) == 1


def test_too_few_rows_have_none():
    assert math.isnan(trustworthiness(np.zeros((2, 3)), np.zeros((2, 2))))
