import numpy as np
import pytest

from narrows.deep import Stages
from narrows.deep.agreement import Agreement
from narrows.disk.files import read_arrays
from narrows.errors import Interrupted
from narrows.evaluation.clustering import accuracy


@pytest.mark.parametrize(
    ("rows", "n_clusters", "count"),
    [(400, 40, 5), (340, 10, 15), (299, 10, 14), (40, 20, 3), (400, "auto", 15), (3, 2, 2)],
)
def test_no_row_is_asked_for_more_neighbours_than_half_a_cluster(rows, n_clusters, count, tmp_path):
    points = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    kept = tmp_path / "graphs.safetensors"
    with pytest.raises(Interrupted):
        Agreement(n_clusters, 0).fit(points, Stages(tmp_path, stop=lambda: 15 * kept.exists()))
    found, _ = read_arrays(kept)
    assert found["pixels/indices"].shape == found["pixels/distances"].shape == (rows, count)


def test_many_groups_of_six_are_found():
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(40, 20))
    labels = rng.permutation(np.repeat(np.arange(40), 6))
    values = (centres[labels] + rng.normal(size=(240, 20))).astype(np.float32)
    clusterer = Agreement(40, 0, layouts=1, rounds=0, epochs=1).fit(values)
    assert accuracy(clusterer.chosen_.clusters, labels) > 0.97


@pytest.mark.parametrize(
    ("shape", "shrink"),
    [((1, 28, 28), 1), ((3, 40, 32), 1), ((1, 41, 41), 2), ((1, 64, 64), 2), ((3, 96, 64), 3), ((1, 16, 200), 2)],
)
def test_the_network_sees_large_images_smaller(shape, shrink):
    images = np.random.default_rng(0).integers(0, 256, size=(4, *shape), dtype=np.uint8)
    model = Agreement(2, 0, layouts=1, epochs=1).fit(images).model_
    assert model.config["net"]["shrink"] == shrink
    assert model.input_shape == shape


@pytest.mark.parametrize("sizes", [(1000, 150, 60), (1000, 500, 200, 100, 50)])
def test_groups_of_very_different_sizes_that_lie_apart_stay_whole(sizes):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    values = (6 * rng.standard_normal((len(sizes), 10)))[labels] + rng.standard_normal((len(labels), 10))
    clusterer = Agreement(len(sizes), 0, layouts=1).fit(values.astype(np.float32))
    assert accuracy(clusterer.labels_, labels) > 0.99
    assert any("merged by linkage" in note for note in clusterer.notes)
