"""How near reconstructions are to their originals.

Images are float32 (N, C, H, W) in [0, 1] and vectors (N, D), unless stated otherwise. Everything is computed in
float64, a block of rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError

BLOCK_VALUES = 1 << 20  # of one array in one block: 8 MiB of float64

#: The smallest mean squared error that counts: that of rounding to 8 bits, with uniform errors in steps of 1/255.
ROUNDING_ERROR = (1 / 255) ** 2 / 12
#: The PSNR in dB of that error, at which ``psnr`` is capped.
MOST_PSNR = 10 * math.log10(1 / ROUNDING_ERROR)
#: Values whose variance is below this share of their squared mean differ by the rounding of float32 alone.
SAME_ROWS = 1e-13


def mse(x: Array, y: Array) -> Array:
    """Return the mean squared error (N,) of each row of ``y`` against ``x``, both (N, ...)."""
    _check_same(x, y)
    errors = np.empty(len(x))
    for block in _blocks(x):
        difference = x[block].astype(np.float64) - y[block]
        errors[block] = (difference.reshape(len(difference), -1) ** 2).mean(axis=1)
    return errors


def psnr(x: Array, y: Array, peak: float = 1.0) -> Array:
    """Return the peak signal-to-noise ratio (N,) of each image in dB: 10 log10(peak^2 / MSE).

    Capped at 58.9 dB, the value for the error of rounding to 8 bits: equal images would have an infinite PSNR, and the
    mean over images would be infinite too.

    Parameters
    ----------
    x, y : images (N, ...) with values in [0, peak]
    peak : the largest value a pixel can have
    """
    return 10 * np.log10(1 / np.maximum(mse(x, y) / peak**2, ROUNDING_ERROR))


def psnr_pooled(error: float) -> float:
    """Return the PSNR in dB of ``error``, the mean squared error of all images in [0, 1], capped like ``psnr``.

    It never exceeds the mean of ``psnr``, which easy images raise.
    """
    return 10 * math.log10(1 / max(error, ROUNDING_ERROR))


def ssim(x: Array, y: Array) -> Array:
    """Return the mean structural similarity (N,) of each image; 1 for equal ones.

    Wang et al. (2004), "Image quality assessment: from error visibility to structural similarity", with their
    constants: a Gaussian window of 11 x 11 pixels with a standard deviation of 1.5, K1 = 0.01, K2 = 0.03, averaged over
    all places where the window fits and over channels. In an image with a side of fewer than 11 pixels, the window is
    the largest odd number of pixels that fits, and its standard deviation shrinks in proportion.

    Parameters
    ----------
    x, y : images (N, C, H, W) with values in [0, 1]
    """
    _check_same(x, y)
    if x.ndim != 4:
        raise InputError("images", "must have shape (N, C, H, W) for SSIM", value=f"shape {x.shape}")
    height, width = x.shape[2:]
    taps = min(11, height - (height + 1) % 2, width - (width + 1) % 2)
    rows, columns = _window_sums(height, taps), _window_sums(width, taps).T  # (H', H), (W, W')
    c1, c2 = 0.01**2, 0.03**2
    similarity = np.empty(len(x))
    for block in _blocks(x):
        a, b = x[block].astype(np.float64), y[block].astype(np.float64)  # (B, C, H, W)
        mean_a, mean_b = rows @ a @ columns, rows @ b @ columns  # (B, C, H', W')
        var_a = rows @ (a * a) @ columns - mean_a**2
        var_b = rows @ (b * b) @ columns - mean_b**2
        covariance = rows @ (a * b) @ columns - mean_a * mean_b
        luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        structure = (2 * covariance + c2) / (var_a + var_b + c2)
        similarity[block] = (luminance * structure).mean(axis=(1, 2, 3))
    return similarity


def explained(error: float, x: Array) -> float:
    """Return the share of the variance of ``x`` (N, ...) left by a mean squared ``error``: 1 - error / variance.

    1 for a perfect reconstruction, 0 for the mean of all rows, and nan if ``x`` does not vary.
    """
    spread = variance(x)
    return 1 - error / spread if spread > 0 else math.nan


def variance(x: Array, scale: float = 1.0) -> float:
    """Return the mean squared difference of ``x`` (N, ...) / ``scale`` from the mean of all rows.

    Values that differ between rows by no more than the rounding of float32 count as constant: 0.
    """
    mean = x.mean(axis=0, dtype=np.float64)  # (...)
    spread = sum(((x[block] - mean) ** 2).sum(axis=0) for block in _blocks(x)) / len(x)  # (...)
    return float(np.where(spread > SAME_ROWS * mean**2, spread, 0.0).mean()) / scale**2


def _window_sums(side: int, taps: int) -> Array:
    """Return the matrix (side - taps + 1, side) that takes a line of pixels to its Gaussian-weighted window means."""
    offsets = np.arange(taps) - taps // 2
    window = np.exp(-0.5 * (offsets / (1.5 * taps / 11)) ** 2)
    sums = np.zeros((side - taps + 1, side))
    for start in range(len(sums)):
        sums[start, start : start + taps] = window / window.sum()
    return sums


def _check_same(x: Array, y: Array) -> None:
    if x.shape != y.shape or x.size == 0:
        raise InputError(
            "reconstructions",
            f"must have the shape of their originals, {x.shape}, and not be empty",
            value=y.shape,
        )


def _blocks(x: Array) -> Iterator[slice]:
    rows = max(1, BLOCK_VALUES // math.prod(x.shape[1:]))
    return (slice(start, start + rows) for start in range(0, len(x), rows))
