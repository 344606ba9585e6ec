"""Principal component analysis: the linear encoder and decoder, and what others are compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np

from narrows.arguments import whole_number
from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.encoders import FittedEncoder, usual_code_size
from narrows.geometry.principal import principal_axes, with_fixed_signs

__all__ = ["PCACodes"]

BLOCK_VALUES = 1 << 22  # values worked on at once: 16 MiB of float32, 32 of float64
HELD_VALUES = 1 << 27  # float32 values held at once where a method needs all of them: 512 MiB
COVARIANCE_UP_TO = 4096  # values of a row; their covariance takes 128 MiB
COVARIANCE_WORK = 1 << 37  # multiply-adds spent on a covariance: some seconds


class PCACodes(FittedEncoder):
    """Principal component analysis as an autoencoder: linear, and the best linear one there is.

    Images uint8 are taken as values in [0, 1], and what is decoded is clipped to it, as every pixel is; that makes the
    baseline stronger (PCA-32 on the test images of MNIST: a mean of 18.56 dB with, 18.08 dB without). Vectors are taken
    in their own units.

    Rows of up to 4096 values are fitted by their exact covariance, added up in blocks; a great many of them, by that of
    a part chosen at random. Longer rows are fitted by a randomised decomposition (Halko et al. 2011) of as many as fit
    in 512 MiB.

    Parameters
    ----------
    n_components : the size of the code, lowered to the number of rows or of values in a row where there are fewer;
        "auto" takes what networks do: 32, or a quarter of the values where there are fewer than 128
    seed : of the choice of rows and the randomised decomposition

    Attributes
    ----------
    mean_ : (D,)
    components_ : (n_components, D), orthonormal, in the order of the variance they explain
    """

    is_baseline = True
    title = "principal components"
    learned: ClassVar = {"mean": "D", "components": "CD"}

    mean_: Array
    components_: Array

    def __init__(self, n_components: int | Literal["auto"] = "auto", seed: int = 0) -> None:
        self.n_components = n_components if n_components == "auto" else whole_number("n_components", n_components)
        self.seed = whole_number("seed", seed, 0)

    @property
    def code_size(self) -> int:
        """The number of components."""
        return len(self.components_)

    @property
    def decodes(self) -> bool:
        """Whether codes can be turned back into rows: yes."""
        return True

    def blocks(self, rows: int) -> Iterator[slice]:
        """Yield the slices in which ``rows`` rows are encoded."""
        return _slices(rows, self.input_shape)

    def _fit(self, values: Array) -> None:
        size = math.prod(self.input_shape)
        asked = usual_code_size(self.input_shape) if self.n_components == "auto" else self.n_components
        n_components = min(asked, len(values), size)
        if size <= COVARIANCE_UP_TO:
            rows = some_rows(len(values), max(4096, COVARIANCE_WORK // size**2), self.seed)
            self.mean_, self.components_ = principal_axes(lambda: flat_blocks(values, rows), n_components)
            return
        from sklearn.utils.extmath import randomized_svd

        rows = some_rows(len(values), max(n_components, HELD_VALUES // size), self.seed)
        held = held_rows(values, rows)  # (n, D)
        self.mean_ = held.mean(axis=0, dtype=np.float64)
        held -= self.mean_.astype(np.float32)
        axes = randomized_svd(held, n_components, random_state=self.seed)[2]
        self.components_ = with_fixed_signs(axes.astype(np.float64))

    def _encode(self, values: Array) -> Array:
        codes: Array = (self.prepared(values) - self.mean_) @ self.components_.T
        return codes.astype(np.float32)

    def unclipped(self, codes: Array) -> Array:
        """Return what ``decode`` does of ``codes`` (N, K) with values outside black and white, all at once."""
        outputs: Array = (codes @ self.components_ + self.mean_).astype(np.float32).reshape(-1, *self.input_shape)
        return outputs

    def _decode(self, codes: Array) -> Array:
        outputs = self.unclipped(codes)
        return np.clip(outputs, 0, 1, out=outputs) if self.is_images else outputs

    def _fits(self) -> bool:
        return math.prod(self.input_shape) == len(self.mean_)


def held_rows(values: Array, rows: Array) -> Array:
    """Return ``rows`` of ``values`` as one float32 array (n, D)."""
    held = np.empty((len(rows), math.prod(values.shape[1:])), np.float32)
    start = 0
    for block in flat_blocks(values, rows):
        held[start : start + len(block)] = block
        start += len(block)
    return held


def flat_blocks(values: Array, rows: Array) -> Iterator[Array]:
    """Yield ``rows`` of ``values`` as float32 (B, D), images uint8 in [0, 1]."""
    for block in _slices(len(rows), values.shape[1:]):
        flat = values[rows[block]].reshape(block.stop - block.start, -1).astype(np.float32)
        yield flat / 255 if values.dtype == np.uint8 else flat


def _slices(rows: int, shape: Sequence[int]) -> Iterator[slice]:
    size = max(1, BLOCK_VALUES // math.prod(shape))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
