import numpy as np
import pytest
from scipy.spatial.distance import cdist

from narrows.geometry import neighbours
from narrows.geometry.neighbours import nearest, nearest_in


def by_all_distances(queries, codes, k):
    """Indices and distances of the nearest, ties in the order of rows, from all distances in double precision."""
    away = cdist(queries.astype(np.float64), codes.astype(np.float64)).astype(np.float32)
    indices = np.argsort(away, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(away, indices, axis=1)


@pytest.mark.parametrize("tree_from", [0, neighbours.TREE_FROM], ids=["in a tree", "by products"])
@pytest.mark.parametrize("size", [1, 2, 8, 9, 40])
def test_nearest_is_what_brute_force_finds(size, tree_from, monkeypatch):
    monkeypatch.setattr(neighbours, "TREE_FROM", tree_from)
    monkeypatch.setattr(neighbours, "BLOCK_VALUES", 7 * 5 * size)
    codes = np.random.default_rng(0).standard_normal((200, size)).astype(np.float32) + 10
    away = cdist(codes.astype(np.float64), codes.astype(np.float64))
    np.fill_diagonal(away, np.inf)
    indices, distances = nearest(codes, 5)
    assert (indices.dtype, distances.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(indices, np.argsort(away, axis=1)[:, :5])
    np.testing.assert_allclose(distances, np.sort(away, axis=1)[:, :5], rtol=1e-6)


@pytest.mark.parametrize(("size", "cores"), [(9, 1), (9, 4), (2, 1)])
@pytest.mark.parametrize(
    "moved",
    [
        lambda codes: codes,
        lambda codes: codes * np.float32(1e-25),
        lambda codes: codes * np.float32(1e30),
        lambda codes: codes + np.float32(1000),  # so near to each other that products of float32 cannot tell them apart
        lambda codes: codes + np.float32(1e6) * (np.arange(len(codes)) % 2)[:, None].astype(np.float32),
        lambda codes: np.concatenate([codes, np.full((1, codes.shape[1]), 1e30, np.float32)]),
        lambda codes: np.rint(2 * codes),  # many at equal distances
        lambda codes: codes[np.arange(len(codes)) % 40],  # copies
    ],
)
def test_they_are_exact_wherever_codes_lie(moved, size, cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    codes = moved(np.random.default_rng(0).standard_normal((1500, size)).astype(np.float32))
    wanted = by_all_distances(codes[:300], codes, 6)
    for found, right in zip(nearest_in(codes[:300], codes, 6), wanted, strict=True):
        np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("size", [2, 20])
def test_copies_are_neighbours_at_distance_zero_and_nobody_is_its_own(size):
    codes = np.random.default_rng(0).standard_normal((50, size)).astype(np.float32) + 100
    codes[10:20] = codes[0]  # eleven alike, more than the neighbours asked for
    indices, distances = nearest(codes, 4)
    assert not (indices == np.arange(50)[:, None]).any()
    alike = [0, *range(10, 20)]
    assert (distances[alike] == 0).all()
    assert np.isin(indices[alike], alike).all()
    assert all(len(set(row)) == 4 for row in indices.tolist())


@pytest.mark.parametrize(("rows", "k"), [(1, 0), (2, 1), (5, 4)])
def test_more_neighbours_than_rows_are_all_others(rows, k):
    indices, distances = nearest(np.random.default_rng(0).standard_normal((rows, 3)).astype(np.float32), 15)
    assert indices.shape == distances.shape == (rows, k)
    assert all(set(row) == set(range(rows)) - {i} for i, row in enumerate(indices.tolist()))
