"""Spaces in which neighbours are searched: several representations of the same rows, and their concatenation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn import functional

from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.encoders.patches import PatchCodes
from narrows.encoding import codes as coding
from narrows.geometry.neighbours import nearest
from narrows.geometry.principal import principal_axes
from narrows.work.threads import shared_out

SAMPLE = 5_000  # rows from which axes and units are found
PIXEL_AXES, PATCH_AXES = 50, 128
PIXEL_SIDE = 32  # pixels are compared at this side at most
SMALLEST = 8  # the smallest side with useful patches
GRIDS = {"coarse": (2, 400), "fine": (4, 256)}  # fields per side, and kinds of patches
PATCHED = 20_000  # images that patches are drawn from
ROUNDING = 1e-6  # of rows of length 1: distances below it say nothing
SCALE = 10  # the neighbour whose distance is one unit of a space


def pixel_space(values: Array, rows: Array, seed: int) -> Array:
    """Return principal components (N, <= 50) of pixels, or of the standardised columns of vectors, of ``rows`` (N,)."""
    if values.ndim == 2:
        mean, sd = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
        sd[sd <= 1e-7 * np.abs(mean)] = math.inf  # a constant column carries no information
        return _components(values, rows, lambda block: (block - mean) / sd, PIXEL_AXES, seed)
    height, width = (min(side, PIXEL_SIDE) for side in values.shape[2:])

    def shrink(block: Array) -> Array:
        x = torch.from_numpy(np.ascontiguousarray(block)).float() / 255
        return functional.adaptive_avg_pool2d(x, (height, width)).flatten(1).numpy()

    return _components(values, rows, shrink, PIXEL_AXES, seed)


def patch_space(images: Array, rows: Array, grid: str, seed: int) -> Array:
    """Return principal components (N, <= 128) of the square roots of patch codes of ``rows`` (N,) of the images.

    Codes are those on a "coarse" or a "fine" grid. The root weights the presence of a kind of patch more than its
    frequency.
    """
    fields, centers = GRIDS[grid]
    side = min(images.shape[2:])
    patch = min(6, max(3, side // 5))
    codes = PatchCodes(centers, side=patch, stride=2 if patch == 6 else 1, grid=fields, seed=seed)
    codes.fit(images[rows[some_rows(len(rows), PATCHED, seed)]])
    return _components(images, rows, lambda block: np.sqrt(codes.encode(block)), PATCH_AXES, seed)


def side_by_side(spaces: Mapping[str, Array]) -> Array:
    """Return the rows of all ``spaces`` next to each other (N, sum of K), each in units of its neighbours' distance.

    Rows are brought to length 1 first, so that distances are about direction (cosine).
    """
    parts = []
    for space in spaces.values():
        rows = to_directions(space)
        sample = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:SAMPLE])]
        unit = float(np.median(nearest(sample, SCALE)[1][:, -1]))
        parts.append(rows / (unit if unit > ROUNDING else 1.0))
    return np.concatenate(parts, axis=1, dtype=np.float32)


def to_directions(rows: Array) -> Array:
    """Return ``rows`` (N, K) at length 1, float32; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _components(values: Array, rows: Array, encode: Callable[[Array], Array], n_axes: int, seed: int) -> Array:
    """Return principal components (N, K) of what ``encode`` makes of ``rows`` (N,); the axes are those of a sample."""
    sample = values[rows[some_rows(len(rows), SAMPLE, seed)]]
    blocks = coding.blocks(len(sample), values.shape[1:])
    encoded = list(shared_out(lambda block: encode(sample[block]), blocks))
    mean, axes = principal_axes(lambda: iter(encoded), max(1, min(n_axes, len(sample) - 1, encoded[0].shape[1])))
    found = np.empty((len(rows), len(axes)), np.float32)

    def place(block: slice) -> None:
        found[block] = (encode(values[rows[block]]) - mean) @ axes.T

    list(shared_out(place, coding.blocks(len(rows), values.shape[1:])))
    return found
