import numpy as np
import pytest

from narrows.encoding.model import Model
from narrows.evaluation import summary


def model_of(shape):
    net = {"name": "dense", "code_size": 2, "hidden": [8]}
    return Model(shape, net, {"name": "denoising", "noise": "gaussian:0.3"}, seed=0)


def test_denoising_of_vectors_is_told_without_decibels_and_whatever_their_units():
    rows = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
    found = []
    for values in (rows, 1000 * rows + 5000):
        model = model_of((6,))
        model.fit_scaling(values, np.arange(200))
        found.append(summary.of_denoising(model, values, seed=0))
    assert set(found[0]) == {"denoising/explained", "denoising/corrupted_explained"}
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    assert 0 < found[0]["denoising/corrupted_explained"] < 1


def test_denoising_of_images_is_told_in_decibels(digits):
    found = summary.of_denoising(model_of((1, 8, 8)), digits[0][:20], seed=0)
    assert set(found) == {"denoising/psnr", "denoising/corrupted_psnr"}


def test_clusters_of_images_are_described_without_reshaping_them(digits):
    images, labels = digits[0][:300], digits[1][:300]
    found = summary.of_clustering(labels, images, labels, 0, "pixels_")
    flat = summary.of_clustering(labels, images.reshape(300, -1), labels, 0, "pixels_")
    assert found == flat
    assert found["clustering/pixels_accuracy"] == 1
