import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from narrows.errors import InputError
from narrows.evaluation import reconstruction
from narrows.evaluation.reconstruction import explained, mse, psnr, psnr_pooled, ssim


def image_pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random(shape)
    return x.astype(np.float32), np.clip(x + 0.2 * rng.standard_normal(shape), 0, 1).astype(np.float32)


def test_mse_and_psnr_by_hand():
    x = np.zeros((2, 1, 2, 2), dtype=np.float32)
    y = x.copy()
    y[0] += 0.1
    y[1, 0, 0, 0] = 0.2
    np.testing.assert_allclose(mse(x, y), [0.01, 0.01], rtol=1e-6)
    np.testing.assert_allclose(psnr(x, y), [20, 20], rtol=1e-6)
    np.testing.assert_allclose(psnr(255 * x, 255 * y, peak=255), [20, 20], rtol=1e-6)


def test_psnr_is_scikit_images():
    x, y = image_pair((3, 3, 12, 9))
    expected = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(psnr(x, y), expected, rtol=1e-6)
    pooled = psnr_pooled(mse(x, y).mean())
    assert pooled == pytest.approx(peak_signal_noise_ratio(x, y, data_range=1))
    assert pooled <= psnr(x, y).mean()


def test_equal_images_have_the_psnr_of_rounding_to_8_bits():
    x, _ = image_pair((1, 1, 64, 64))
    rounded = np.round(x * 255) / 255
    assert psnr(x, x)[0] == pytest.approx(58.92, abs=0.01)
    assert psnr_pooled(0.0) == psnr(x, x)[0]
    assert 10 * np.log10(1 / mse(x, rounded)[0]) == pytest.approx(psnr(x, x)[0], abs=0.2)


@pytest.mark.parametrize("shape", [(2, 1, 11, 11), (2, 1, 28, 28), (3, 3, 17, 32)])
def test_ssim_is_scikit_images(shape):
    x, y = image_pair(shape)
    expected = [
        structural_similarity(
            a.astype(float),
            b.astype(float),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=0,
        )
        for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(ssim(x, y), expected, atol=1e-10)


def test_ssim_of_constant_images_by_hand():
    x, y = np.full((1, 1, 16, 16), 0.25, np.float32), np.full((1, 1, 16, 16), 0.75, np.float32)
    np.testing.assert_allclose(ssim(x, y), (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4), rtol=1e-6)


@pytest.mark.parametrize("side", [1, 2, 3, 8, 10])
def test_ssim_of_small_images_is_1_when_equal_and_less_when_not(side):
    x, y = image_pair((4, 1, side, side))
    np.testing.assert_allclose(ssim(x, x), 1, rtol=1e-12)
    assert (ssim(x, y) < 0.9999).all()


def test_explained_by_hand():
    x = np.array([[0, 0], [2, 4]], dtype=np.float32)
    mean = np.broadcast_to(x.mean(axis=0), x.shape)
    assert explained(0.0, x) == 1
    assert explained(mse(x, mean).mean(), x) == 0
    assert explained(mse(x, np.array([[1, 2], [2, 4]], dtype=np.float32)).mean(), x) == pytest.approx(1 - 5 / 10)
    assert math.isnan(explained(0.0, np.ones((3, 2))))


def test_blocks_change_nothing(monkeypatch):
    x, y = image_pair((10, 1, 12, 12))
    whole = [mse(x, y), ssim(x, y), explained(0.1, x)]
    monkeypatch.setattr(reconstruction, "BLOCK_VALUES", 3 * 144)
    for one, other in zip(whole, [mse(x, y), ssim(x, y), explained(0.1, x)], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_refuses_what_does_not_fit():
    x, _ = image_pair((2, 1, 8, 8))
    with pytest.raises(InputError, match="shape"):
        mse(x, x[:1])
    with pytest.raises(InputError, match="N, C, H, W"):
        ssim(x[:, 0], x[:, 0])
