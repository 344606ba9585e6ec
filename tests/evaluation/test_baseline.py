import gzip
import os
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from narrows.encoders import pca as principal
from narrows.encoders.pca import PCACodes
from narrows.errors import InputError
from narrows.evaluation import baseline
from narrows.evaluation.baseline import kmeans_on_pixels
from narrows.evaluation.clustering import accuracy
from narrows.evaluation.reconstruction import mse, psnr


def test_is_scikit_learns_pca(digits):
    images, _ = digits
    flat = images.reshape(len(images), -1) / 255
    reference = PCA(8, svd_solver="full").fit(flat)
    pca = PCACodes(8).fit(images)
    np.testing.assert_allclose(np.abs(pca.encode(images)), np.abs(reference.transform(flat)), atol=1e-5)
    expected = reference.inverse_transform(reference.transform(flat)).reshape(images.shape)
    np.testing.assert_allclose(pca.decode(pca.encode(images)), expected.clip(0, 1), atol=1e-5)
    vectors = (images.reshape(len(images), -1) / np.float32(255)).astype(np.float32)
    np.testing.assert_allclose(
        PCACodes(8).fit(vectors).reconstruct(vectors), expected.reshape(vectors.shape), atol=1e-5
    )
    np.testing.assert_allclose(pca.reconstruct(images), expected.clip(0, 1), atol=1e-5)


def test_as_many_components_as_values_lose_nothing():
    vectors = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32) * 10 + 100
    pca = PCACodes(99).fit(vectors)
    assert pca.encode(vectors).shape == (50, 6)
    np.testing.assert_allclose(pca.reconstruct(vectors), vectors, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows_have_few_components(rows):
    images = np.random.default_rng(0).integers(0, 256, (rows, 3, 8, 8), dtype=np.uint8)
    pca = PCACodes(32).fit(images)
    assert pca.encode(images).shape == (rows, rows)
    np.testing.assert_allclose(pca.reconstruct(images), images / 255, atol=1e-5)
    assert pca.encode(images[:0]).shape == (0, rows)


def test_equal_images_are_reconstructed():
    images = np.full((5, 1, 4, 4), 51, dtype=np.uint8)
    np.testing.assert_allclose(PCACodes(3).fit(images).reconstruct(images), 0.2, atol=1e-6)


def test_long_rows_take_the_randomised_road_and_lose_little(digits, monkeypatch):
    images, _ = digits
    exact = PCACodes(8).fit(images)
    monkeypatch.setattr(principal, "COVARIANCE_UP_TO", 32)
    x = images / 255
    close, again = (PCACodes(8, seed=1).fit(images).reconstruct(images) for _ in range(2))
    np.testing.assert_array_equal(close, again)
    assert mse(x, close).mean() < 1.001 * mse(x, exact.reconstruct(images)).mean()
    monkeypatch.setattr(principal, "HELD_VALUES", 64 * 500)  # 500 of the 1,797
    assert mse(x, PCACodes(8).fit(images).reconstruct(images)).mean() < 1.1 * mse(x, close).mean()


def test_blocks_change_nothing(digits, monkeypatch):
    images, _ = digits
    whole = PCACodes(4).fit(images).reconstruct(images)
    monkeypatch.setattr(principal, "BLOCK_VALUES", 64 * 100)
    np.testing.assert_allclose(PCACodes(4).fit(images).reconstruct(images), whole, atol=1e-6)


def test_refuses_rows_of_another_shape_and_no_components(digits):
    images, _ = digits
    with pytest.raises(InputError, match="rows of shape"):
        PCACodes(4).fit(images).encode(images[:, :, :4])
    with pytest.raises(InputError, match="n_components"):
        PCACodes(0)


def test_kmeans_on_pixels_finds_digits(digits, monkeypatch):
    images, labels = digits
    clusters = kmeans_on_pixels(images, 10, seed=0)
    assert accuracy(clusters, labels) > 0.6
    np.testing.assert_array_equal(clusters, kmeans_on_pixels(images, 10, seed=0))
    monkeypatch.setattr(baseline, "HELD_VALUES", 64 * 600)  # the other 1,197 are assigned
    part = kmeans_on_pixels(images, 10, seed=0)
    assert part.shape == (1797,)
    assert accuracy(part, labels) > 0.6


MNIST = Path(os.environ.get("NARROWS_DATA", "")) / "mnist"


@pytest.mark.skipif(not MNIST.is_dir() or "NARROWS_DATA" not in os.environ, reason="needs MNIST in $NARROWS_DATA")
def test_32_components_on_mnist_reach_the_published_figure():
    train, test = (
        np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16).reshape(-1, 1, 28, 28)
        for path in (MNIST / "train-images-idx3-ubyte.gz", MNIST / "t10k-images-idx3-ubyte.gz")
    )
    start = time.process_time()
    pca = PCACodes(32).fit(train)
    assert time.process_time() - start < 20
    x = test.astype(np.float32) / 255
    assert psnr(x, pca.reconstruct(test)).mean() == pytest.approx(18.56, abs=0.005)
    unclipped = pca.unclipped(pca.encode(test))
    assert psnr(x, unclipped).mean() == pytest.approx(18.08, abs=0.005)
