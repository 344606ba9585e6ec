import io

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn.datasets import load_sample_images

from narrows import neighbours
from narrows.errors import InputError
from narrows.evaluation.baseline import PCABaseline
from narrows.evaluation.neighbours import near_duplicates, outlier_scores
from narrows.neighbours import nearest


@pytest.mark.parametrize("size", [1, 2, 8, 9, 40])
def test_nearest_is_what_brute_force_finds(size, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_VALUES", 7 * 5 * size)
    codes = np.random.default_rng(0).standard_normal((200, size)).astype(np.float32) + 10
    away = cdist(codes.astype(np.float64), codes.astype(np.float64))
    np.fill_diagonal(away, np.inf)
    indices, distances = nearest(codes, 5)
    assert (indices.dtype, distances.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(indices, np.argsort(away, axis=1)[:, :5])
    np.testing.assert_allclose(distances, np.sort(away, axis=1)[:, :5], rtol=1e-6)


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
    assert outlier_scores(distances).shape == (rows,)


def test_outlier_scores_by_hand():
    scores = outlier_scores(nearest(np.array([[0], [1], [3], [10]], dtype=np.float32), 2)[1])
    np.testing.assert_allclose(scores, [2, 1.5, 2.5, 8])
    assert scores.dtype == np.float32


def pairs_of(images, **options):
    codes = PCABaseline(16).fit(images).encode(images)
    return near_duplicates(images, *nearest(codes, 15), **options)


def test_copies_come_first_each_pair_once(digits):
    images = digits[0][:300]
    images = np.concatenate([images, images[[7, 3, 7]]])
    found, count = pairs_of(images)
    exact = [pair for pair in found if pair[2] == 0]
    assert exact == [(3, 301, 0.0), (7, 300, 0.0), (7, 302, 0.0), (300, 302, 0.0)]
    assert found[:4] == exact
    assert count == len(found)
    assert pairs_of(images, limit=2) == (exact[:2], count)


def test_similar_digits_are_no_near_duplicates(digits):
    assert pairs_of(digits[0])[1] <= 3  # of 1,797, and those look like copies


def test_a_photo_saved_again_is_a_near_duplicate():
    photo = load_sample_images().images[0]
    tiles = np.stack([photo[i : i + 32, j : j + 32] for i in range(0, 384, 32) for j in range(0, 608, 32)])
    tiles = tiles[tiles.std(axis=(1, 2, 3)) > 25]  # without those of the sky, which do look like each other
    saved = []
    for tile in tiles[::4]:
        buffer = io.BytesIO()
        Image.fromarray(tile).save(buffer, "JPEG", quality=90)
        saved.append(np.asarray(Image.open(buffer)))
    images = np.concatenate([tiles, np.stack(saved)]).transpose(0, 3, 1, 2)
    found = {(i, j) for i, j, difference in pairs_of(images)[0] if difference > 0}
    again = {(4 * copy, len(tiles) + copy) for copy in range(len(saved))}
    assert len(found & again) > 0.9 * len(again)
    assert len(found - again) <= 2


def test_the_threshold_is_a_mean_absolute_difference():
    images = np.zeros((4, 1, 2, 2), dtype=np.uint8)
    images[1] = 5
    images[2], images[3] = 200, 100
    neighbours = nearest(images.reshape(4, 4).astype(np.float32), 3)
    assert near_duplicates(images, *neighbours) == ([(0, 1, pytest.approx(5 / 255))], 1)
    assert near_duplicates(images, *neighbours, max_difference=4 / 255) == ([], 0)


def test_vectors_are_duplicates_only_when_equal():
    vectors = np.array([[0, 1e6], [0, 1e6], [1e-6, 1e6], [5, 5]], dtype=np.float32)
    neighbours = nearest(vectors, 3)
    assert near_duplicates(vectors, *neighbours) == ([(0, 1, 0.0)], 1)
    assert near_duplicates(vectors, *neighbours, max_difference=0.1)[1] == 3


def test_one_row_has_no_duplicates(digits):
    assert near_duplicates(digits[0][:1], *nearest(np.zeros((1, 2), np.float32), 5)) == ([], 0)


def test_refuses_a_negative_difference(digits):
    with pytest.raises(InputError, match="max_difference"):
        near_duplicates(digits[0][:3], *nearest(np.zeros((3, 2), np.float32), 2), max_difference=-1.0)
