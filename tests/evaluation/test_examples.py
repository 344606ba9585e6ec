import numpy as np
import pytest

from narrows.errors import InputError
from narrows.evaluation.examples import FITTED, SHOWN, examples

HOMES = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])


def blobs(sizes, spread=0.1, seed=0):
    """Codes (N, 3) around three points, in random order, and the point of each."""
    rng = np.random.default_rng(seed)
    home = rng.permutation(np.repeat(np.arange(3), sizes))
    return (HOMES[home] + spread * rng.standard_normal((len(home), 3))).astype(np.float32), home


def medoid(codes, rows):
    """The row with the least sum of squared distances to the others, by looking at all pairs."""
    x = codes[rows].astype(np.float64)
    return rows[((x[:, None] - x[None]) ** 2).sum((1, 2)).argmin()]


@pytest.mark.parametrize("count", [3, 5, SHOWN, 30])
def test_of_three_tight_groups_each_has_one_example_with_its_share(count):
    codes, home = blobs([60, 30, 10])
    rows, shares = examples(codes, np.zeros(100, int), count).of(0)
    assert shares.tolist() == [0.6, 0.3, 0.1]
    assert rows.tolist() == [medoid(codes, np.flatnonzero(home == place)) for place in range(3)]


def test_with_room_for_fewer_than_there_are_groups_shares_still_add_up_to_one():
    codes, home = blobs([60, 30, 10])
    rows, shares = examples(codes, np.zeros(100, int), 2).of(0)
    assert sorted(home[rows]) in ([0, 1], [0, 2])
    assert shares.sum() == pytest.approx(1)
    assert len(examples(codes, np.zeros(100, int), 1).of(0)[0]) == 1


def test_what_is_said_of_parts_agrees_with_their_rows():
    rng = np.random.default_rng(0)
    codes, clusters = (
        rng.standard_normal((400, 5)).astype(np.float32),
        rng.choice([0, 2, 7], 400),
    )  # some numbers of no row
    found = examples(codes, clusters)
    for cluster in (0, 2, 7):
        rows, shares = found.of(cluster)
        assert len(rows) == SHOWN
        assert (np.diff(shares) <= 0).all()
        assert shares.sum() == pytest.approx(1)
    for part, (cluster, row, share, centre) in enumerate(
        zip(found.clusters, found.rows, found.shares, found.centres, strict=True)
    ):
        held = np.flatnonzero(found.parts == part)
        assert (clusters[held] == cluster).all()
        assert share == len(held) / (clusters == cluster).sum()
        assert row == medoid(codes, held)
        np.testing.assert_allclose(centre, codes[held].mean(0, dtype=np.float64), atol=1e-12)
        np.testing.assert_allclose(found.distances[held], np.linalg.norm(codes[held] - centre, axis=1), atol=1e-12)
    assert found.of(1)[0].size == found.of(9)[0].size == 0


def test_a_kind_beside_the_commonest_has_an_example_though_no_row_of_it_is_near_the_centre():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((1000, 8))
    kind = np.repeat([0, 1], [700, 300])
    codes[kind == 1, 0] += 4  # as far as k-means with few clusters puts together
    codes = codes.astype(np.float32)
    by_distance = np.argsort(np.linalg.norm(codes - codes.mean(0), axis=1))
    rows, shares = examples(codes, np.zeros(1000, int)).of(0)
    assert set(kind[by_distance[:6]]) == {0}
    assert shares[kind[rows] == 1].sum() == pytest.approx(0.3, abs=0.03)


def test_a_row_far_away_does_not_make_all_others_look_alike():
    codes, home = blobs([60, 30, 10], spread=1.0)
    codes[0] = 1e4
    rows, shares = examples(codes, np.zeros(100, int)).of(0)
    assert rows[-1] == 0
    assert shares[-1] == 0.01
    assert set(home[rows[:-1]]) == {0, 1, 2}


@pytest.mark.parametrize("size", [1, 2, 3, SHOWN, SHOWN + 1])
def test_few_rows(size):
    codes = np.repeat(np.arange(float(size))[:, None], 2, axis=1)
    rows, shares = examples(codes, np.zeros(size, int)).of(0)
    assert len(rows) == min(size, SHOWN)
    assert shares.sum() == pytest.approx(1)
    if size <= SHOWN:
        assert rows.tolist() == list(range(size))


def test_of_equal_rows_the_first_stands_for_all():
    codes = np.repeat(np.array([[1.0, 2], [-0.0, 5], [0.0, 5]], np.float32), [6, 2, 2], axis=0)
    rows, shares = examples(codes, np.zeros(10, int)).of(0)
    assert rows.tolist() == [0, 6]
    assert shares.tolist() == [0.6, 0.4]
    rows, shares = examples(np.ones((50, 3)), np.zeros(50, int)).of(0)
    assert (rows.tolist(), shares.tolist()) == ([0], [1.0])


@pytest.mark.parametrize(("scale", "offset"), [(1e-30, 0), (1e30, 0), (1e-3, 1e4)])
def test_the_unit_of_codes_does_not_matter(scale, offset):
    codes, home = blobs([60, 30, 10], spread=0.05)
    scaled = codes.astype(np.float32 if offset == 0 else np.float64) * scale + offset
    rows, shares = examples(scaled.astype(scaled.dtype), np.zeros(100, int)).of(0)
    assert shares.tolist() == [0.6, 0.3, 0.1]
    assert home[rows].tolist() == [0, 1, 2]


def test_of_more_rows_than_k_means_looks_at_all_are_counted():
    n = FITTED[0]
    codes, home = blobs([n, n // 2, n // 4])
    found = examples(codes, np.zeros(len(codes), int))
    rows, shares = found.of(0)
    np.testing.assert_allclose(shares, np.array([4, 2, 1]) / 7, rtol=1e-3)
    assert (found.parts == home).all()
    for place, row in enumerate(rows):
        x = codes[home == place].astype(np.float64)
        assert np.linalg.norm(codes[row] - x.mean(0)) == np.linalg.norm(x - x.mean(0), axis=1).min()


def test_one_seed_gives_the_same_rows_and_other_clusters_change_nothing():
    rng = np.random.default_rng(0)
    codes, clusters = rng.standard_normal((300, 4)).astype(np.float32), rng.integers(0, 3, 300)
    once, again = (examples(codes, clusters, seed=3) for _ in range(2))
    for name in ("rows", "shares", "parts", "distances", "centres"):
        assert (getattr(once, name) == getattr(again, name)).all()
    alone = examples(codes[clusters == 1], np.zeros((clusters == 1).sum(), int), seed=3)
    assert np.flatnonzero(clusters == 1)[alone.rows].tolist() == once.of(1)[0].tolist()


def test_nothing_has_no_examples():
    found = examples(np.empty((0, 4)), np.empty(0, int))
    assert found.rows.size == 0
    assert found.centres.shape == (0, 4)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="clusters"):
        examples(np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(InputError, match="count"):
        examples(np.zeros((3, 2)), np.zeros(3, int), 0)
