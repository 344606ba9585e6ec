"""Codes of images from k-means on their small patches: an encoder that neither labels nor gradients trained."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from narrows.errors import DataError, InputError
from narrows.files import Array

__all__ = ["PatchCodes"]

PER_IMAGE = 100  # patches drawn of one image, on average and at most
CONTRAST = 0.01  # added to the variance of a patch: what is less is noise and is not blown up
WHITENING = 0.1  # added to the variance along each axis, for the same reason
BLOCK_VALUES = 1 << 19  # float32 answers worked on at once: 2 MiB, which stay in the processor's cache


class PatchCodes:
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
    >>> from narrows.patches import PatchCodes
    >>> images = narrows.open("digits").values
    >>> PatchCodes(n_centers=16, side=3, stride=1, grid=2).fit(images).encode(images).shape
    (1797, 64)
    """

    centers_: Array

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
        for name, value in (("n_centers", n_centers), ("side", side), ("stride", stride), ("grid", grid)):
            if value < 1:
                raise InputError(name, "must be a whole number >= 1", value=value)
        if patches < n_centers:
            raise InputError("patches", f"must be at least n_centers = {n_centers}", value=patches)
        self.n_centers, self.side, self.stride, self.grid = n_centers, side, stride, grid
        self.patches, self.seed = patches, seed

    def fit(self, images: Array) -> Self:
        """Find the centres in patches of ``images`` (N, C, H, W), uint8 or float32 in [0, 1].

        Raises
        ------
        DataError : no images, too few for so many centres, or smaller than a patch
        """
        from scipy.linalg import eigh
        from sklearn.cluster import MiniBatchKMeans

        if images.ndim != 4 or not len(images):
            raise DataError("images", "must be of shape (N, C, H, W), at least one of them", value=images.shape)
        if min(images.shape[2:]) < self.side:
            rule = f"must be at least as high and wide as a patch of {self.side}"
            raise DataError("images", rule, value=images.shape)
        if len(images) * PER_IMAGE < self.n_centers:
            rule = f"must be at least {-(-self.n_centers // PER_IMAGE)} for {self.n_centers} centres"
            raise DataError("images", rule, value=len(images))
        self.shape_ = images.shape[1:]
        drawn = _standardised(self._drawn(images))  # (P, D)
        mean, covariance = drawn.mean(0), np.cov(drawn.T).reshape(drawn.shape[1], -1)
        variances, axes = eigh(covariance)
        whiten = (axes / np.sqrt(np.maximum(variances, 0) + WHITENING)) @ axes.T  # (D, D)
        kmeans = MiniBatchKMeans(self.n_centers, batch_size=4096, n_init=1, max_iter=15, random_state=self.seed)
        self.centers_ = kmeans.fit((drawn - mean) @ whiten).cluster_centers_  # (K, D)
        # u = ((p - mu) / sigma - mean) whiten
        self._whiten, self._whitened_mean = whiten, mean @ whiten
        return self

    @property
    def n_features_(self) -> int:
        """Values of a code."""
        return self.n_centers * self.grid**2

    def encode(self, images: Array) -> Array:
        """Return the codes (N, ``n_features_``) float32 of ``images`` (N, C, H, W), in bounded memory."""
        if images.shape[1:] != self.shape_:
            raise DataError("images", f"must be of the shape {self.shape_} of those fitted", value=images.shape[1:])
        height, width = ((size + 2 * (self.side // 2) - self.side) // self.stride + 1 for size in self.shape_[1:])
        fields = _tensor(np.kron(_fields(height, self.grid), _fields(width, self.grid)))  # (grid^2, places)
        # ||u - c||^2 = ||u||^2 - 2 u c + ||c||^2 is one product: (u, ||u||^2, 1) with (-2 c, 1, ||c||^2).
        columns = [-2 * self.centers_, np.ones(self.n_centers), (self.centers_**2).sum(1)]
        centers = _tensor(np.column_stack(columns).T)  # (D + 2, K)
        whiten, mean = _tensor(self._whiten), _tensor(self._whitened_mean)  # (D, D), (D,)
        step = max(1, BLOCK_VALUES // (height * width * self.n_centers))
        codes = np.empty((len(images), self.n_features_), np.float32)

        def encode(first: int, last: int) -> None:
            with torch.inference_mode():
                for start in range(first, last, step):
                    block = slice(start, min(start + step, last))
                    white = self._patches(_scaled(images[block])) @ whiten - mean  # (B, places, D)
                    squares = white.square().sum(2, keepdim=True)
                    distances = torch.cat([white, squares, torch.ones_like(squares)], 2) @ centers  # (B, places, K)
                    distances.clamp_(min=0).sqrt_()
                    average = distances.mean(2, keepdim=True)
                    answers = distances.neg_().add_(average).relu_()
                    codes[block] = (fields @ answers).transpose(1, 2).flatten(1).numpy()

        _side_by_side(encode, len(images))
        return codes

    def _patches(self, x: Tensor) -> Tensor:
        """Return the patch at each place (B, places, D) of ``x`` (B, C, H, W), at mean 0 and variance 1."""
        patches = functional.unfold(x, self.side, padding=self.side // 2, stride=self.stride).transpose(1, 2)
        patches = patches - patches.mean(2, keepdim=True)
        patches *= (patches.square().mean(2, keepdim=True) + CONTRAST).rsqrt()
        return patches

    def _drawn(self, images: Array) -> Array:
        """Return patches (P, D) in [0, 1] from random places of random images."""
        rng = np.random.default_rng(self.seed)
        (height, width), count = self.shape_[1:], min(self.patches, PER_IMAGE * len(images))
        which = rng.integers(len(images), size=count)
        top = rng.integers(height - self.side + 1, size=count)
        left = rng.integers(width - self.side + 1, size=count)
        windows = np.lib.stride_tricks.sliding_window_view(images, (self.side, self.side), axis=(2, 3))
        chosen = windows[which, :, top, left]  # (P, C, side, side)
        return _scaled(chosen).numpy().reshape(count, -1).astype(np.float64)


def _side_by_side(work: Callable[[int, int], None], count: int) -> None:
    """Do ``work`` (first, last) on all ``count`` rows, an equal part of them on each core.

    Products of one image at a time are too small to be shared out among cores: that takes longer than one core alone.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        work(0, count)
        return
    edges = [count * part // threads for part in range(threads + 1)]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, edges[:-1], edges[1:]))  # raises what a part raised
    finally:
        torch.set_num_threads(threads)  # the matrix library has one number for the whole process


def _fields(places: int, grid: int) -> Array:
    """Return how much each place along a side counts in the mean of each field (grid, places)."""
    table = np.zeros((grid, places))
    for field in range(grid):
        first, last = field * places // grid, -(-(field + 1) * places // grid)
        table[field, first:last] = 1 / (last - first)
    return table


def _scaled(images: Array) -> Tensor:
    """Return images in [0, 1], float32."""
    x = torch.from_numpy(np.ascontiguousarray(images))
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def _standardised(patches: Array) -> Array:
    """Bring each of ``patches`` (P, D) to mean 0 and, where it has any contrast, variance 1."""
    standardised: Array = (patches - patches.mean(1, keepdims=True)) / np.sqrt(patches.var(1, keepdims=True) + CONTRAST)
    return standardised


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
