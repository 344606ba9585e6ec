"""Codes of images from k-means on their small patches: an encoder that neither labels nor gradients trained."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from narrows.arguments import whole_number
from narrows.disk.files import Array
from narrows.encoders import FittedEncoder
from narrows.errors import DataError, InputError
from narrows.work.threads import one_thread

__all__ = ["PatchCodes"]

PER_IMAGE = 100  # patches drawn of one image, on average and at most
CONTRAST = 0.01  # added to the variance of a patch: what is less is noise and is not blown up
WHITENING = 0.1  # added to the variance along each axis, for the same reason
BLOCK_VALUES = 1 << 19  # float32 answers worked on at once: 2 MiB, which stay in the processor's cache


class PatchCodes(FittedEncoder):
    """Encode images by which typical patches they have, and roughly where (Coates, Ng & Lee 2011).

    Patches p drawn from the training images are brought to mean 0 and variance 1, decorrelated (ZCA), and sorted into
    K cells by k-means. Of a patch u at a distance z_k = ||u - c_k|| from the centre of cell k, the "triangle" answer

        a_k = max(0, mean_j z_j - z_k)

    is zero for about half of the centres. An image's code is the mean answer of each centre in each field of a grid of
    ``grid`` x ``grid``. All of it is a product with K columns and a few operations on what comes out.

    Parameters
    ----------
    n_centers : K
    side : of a patch, in pixels
    stride : pixels from one patch to the next
    grid : fields per side
    patches : drawn to find the centres, at most; of few images fewer
    seed : of the patches and of k-means

    Attributes
    ----------
    centers_ : (K, C * side * side), in the space of decorrelated patches
    n_features_ : K * grid * grid

    Examples
    --------
    >>> import narrows
    >>> from narrows.encoders.patches import PatchCodes
    >>> images = narrows.open("digits").values
    >>> PatchCodes(n_centers=16, side=3, stride=1, grid=2).fit(images).encode(images).shape
    (1797, 64)
    """

    title = "k-means on patches"
    learned: ClassVar = {"centers": "KD", "whiten": "DD", "whitened_mean": "D"}

    centers_: Array
    whiten_: Array
    whitened_mean_: Array

    def __init__(
        self,
        n_centers: int = 256,
        *,
        side: int = 6,
        stride: int = 2,
        grid: int = 4,
        patches: int = 100_000,
        seed: int = 0,
    ) -> None:
        self.n_centers, self.side = whole_number("n_centers", n_centers), whole_number("side", side)
        self.stride, self.grid = whole_number("stride", stride), whole_number("grid", grid)
        self.patches, self.seed = whole_number("patches", patches), whole_number("seed", seed, 0)
        if patches < n_centers:
            raise InputError("patches", f"must be at least n_centers = {n_centers}", value=patches)

    def check_rows(self, shape: tuple[int, ...], rows: int) -> None:
        """Raise DataError unless they are images, as large as a patch and enough of them for the centres."""
        if len(shape) != 3 or not rows:
            raise DataError(
                "images",
                "must have shape (N, C, H, W), with N >= 1",
                value=(rows, *shape),
                remedy="Vectors have no patches: use encoder.name=pca for them.",
            )
        if min(shape[1:]) < self.side:
            raise DataError(
                "images",
                f"must be at least as high and wide as a patch of {self.side}",
                value=(rows, *shape),
                remedy=f"Set a side of at most {min(shape[1:])} (encoder.side).",
            )
        if self.grid > min(shape[1:]):
            raise DataError(
                "images",
                f"must be at least {self.grid} pixels high and wide, the size of the grid",
                value=(rows, *shape),
                remedy=f"Set a grid of at most {min(shape[1:])} (encoder.grid).",
            )
        if rows * PER_IMAGE < self.n_centers:
            raise DataError(
                "images",
                f"must be at least {-(-self.n_centers // PER_IMAGE)} for {self.n_centers} centres",
                value=rows,
                remedy=f"Set at most {rows * PER_IMAGE} centres (encoder.n_centers).",
            )

    def _fit(self, values: Array) -> None:
        from scipy.linalg import eigh
        from sklearn.cluster import MiniBatchKMeans

        drawn = _standardised(self._drawn(values))  # (P, D)
        mean, covariance = drawn.mean(0), np.cov(drawn.T).reshape(drawn.shape[1], -1)
        variances, axes = eigh(covariance)
        whiten = (axes / np.sqrt(np.maximum(variances, 0) + WHITENING)) @ axes.T  # (D, D)
        kmeans = MiniBatchKMeans(self.n_centers, batch_size=4096, n_init=1, max_iter=15, random_state=self.seed)
        with one_thread():
            self.centers_ = kmeans.fit((drawn - mean) @ whiten).cluster_centers_  # (K, D)
        # u = ((p - mu) / sigma - mean) whiten
        self.whiten_, self.whitened_mean_ = whiten, mean @ whiten

    @property
    def n_features_(self) -> int:
        """Values of a code."""
        return self.n_centers * self.grid**2

    @property
    def code_size(self) -> int:
        """Values of a code."""
        return self.n_features_

    def _encode(self, values: Array) -> Array:
        height, width = ((size + 2 * (self.side // 2) - self.side) // self.stride + 1 for size in self.input_shape[1:])
        fields = _tensor(np.kron(_fields(height, self.grid), _fields(width, self.grid)))  # (grid^2, places)
        # ||u - c||^2 = ||u||^2 - 2 u c + ||c||^2 is one product: (u, ||u||^2, 1) with (-2 c, 1, ||c||^2).
        columns = [-2 * self.centers_, np.ones(self.n_centers), (self.centers_**2).sum(1)]
        centers = _tensor(np.column_stack(columns).T)  # (D + 2, K)
        whiten, mean = _tensor(self.whiten_), _tensor(self.whitened_mean_)  # (D, D), (D,)
        step = max(1, BLOCK_VALUES // (height * width * self.n_centers))
        codes = np.empty((len(values), self.n_features_), np.float32)
        with torch.inference_mode():
            for start in range(0, len(values), step):
                block = slice(start, start + step)
                white = self._patches(_scaled(values[block])) @ whiten - mean  # (B, places, D)
                squares = white.square().sum(2, keepdim=True)
                distances = torch.cat([white, squares, torch.ones_like(squares)], 2) @ centers  # (B, places, K)
                distances.clamp_(min=0).sqrt_()
                average = distances.mean(2, keepdim=True)
                answers = distances.neg_().add_(average).relu_()
                codes[block] = (fields @ answers).transpose(1, 2).flatten(1).numpy()
        return codes

    def _fits(self) -> bool:
        self.check_rows(self.input_shape, self.n_centers)
        return bool(self.centers_.shape == (self.n_centers, self.input_shape[0] * self.side**2))

    def _patches(self, x: Tensor) -> Tensor:
        """Return the patch at each place (B, places, D) of ``x`` (B, C, H, W), at mean 0 and variance 1."""
        patches = functional.unfold(x, self.side, padding=self.side // 2, stride=self.stride).transpose(1, 2)
        patches = patches - patches.mean(2, keepdim=True)
        patches *= (patches.square().mean(2, keepdim=True) + CONTRAST).rsqrt()
        return patches

    def _drawn(self, images: Array) -> Array:
        """Return patches (P, D) in [0, 1] from random places of random images."""
        rng = np.random.default_rng(self.seed)
        (height, width), count = self.input_shape[1:], min(self.patches, PER_IMAGE * len(images))
        which = rng.integers(len(images), size=count)
        top = rng.integers(height - self.side + 1, size=count)
        left = rng.integers(width - self.side + 1, size=count)
        windows = np.lib.stride_tricks.sliding_window_view(images, (self.side, self.side), axis=(2, 3))
        chosen = windows[which, :, top, left]  # (P, C, side, side)
        return _scaled(chosen).numpy().reshape(count, -1).astype(np.float64)


def _fields(places: int, grid: int) -> Array:
    """Return how much each place along a side counts in the mean of each field (grid, places)."""
    table = np.zeros((grid, places))
    for field in range(grid):
        first, last = field * places // grid, -(-(field + 1) * places // grid)
        table[field, first:last] = 1 / (last - first)
    return table


def _scaled(images: Array) -> Tensor:
    """Return images in [0, 1], float32."""
    x = torch.from_numpy(np.array(images))  # a copy: they may be read-only
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def _standardised(patches: Array) -> Array:
    """Bring each of ``patches`` (P, D) to mean 0 and, where it has any contrast, variance 1."""
    standardised: Array = (patches - patches.mean(1, keepdims=True)) / np.sqrt(patches.var(1, keepdims=True) + CONTRAST)
    return standardised


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
