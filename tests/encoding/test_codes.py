import numpy as np
import pytest

from narrows.encoding import codes as coding
from narrows.encoding import encoder
from narrows.encoding.model import Model


@pytest.mark.parametrize("space", ["code", "features"])
def test_random_views_are_drawn_in_the_order_of_rows_on_any_number_of_cores(monkeypatch, space):
    monkeypatch.setattr(encoder, "BLOCK_VALUES", 64 * 5)  # many blocks
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), np.uint8)
    model = Model((1, 8, 8), {"name": "dense", "code_size": 4}, {"name": "reconstruction"}, seed=1)
    found = []
    for threads in ("1", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found += [coding.embed(model, images, space, views=["affine:1"], seed=3) for _ in range(3)]
    assert all(np.array_equal(other, found[0]) for other in found[1:])
    assert not np.array_equal(found[0], coding.embed(model, images, space))


def test_reconstructions_come_in_the_order_of_rows(monkeypatch):
    monkeypatch.setattr(encoder, "BLOCK_VALUES", 64 * 7)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8), np.uint8)
    model = Model((1, 8, 8), {"name": "dense", "code_size": 4}, {"name": "reconstruction"}, seed=1)
    inputs, outputs = (np.concatenate(part) for part in zip(*coding.reconstructions(model, images), strict=True))
    np.testing.assert_array_equal(inputs, images.astype(np.float32) / 255)
    np.testing.assert_allclose(outputs, model.reconstruct(images), atol=1e-6)
