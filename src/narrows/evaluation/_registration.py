"""Register one picture on another: find the window of one that matches the other best, and the residual.

A window is what remains after a light crop. It is shifted and scaled along both axes, (1 + scale) * x + shift in
coordinates from -1/2 to 1/2. Pictures are grey or colour and smooth, float32 (..., side, side). The residual, as a
share of a picture's variance, is 1 minus the squared correlation, so brightness and contrast may differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from narrows.disk.files import Array

STEPS = 5  # of Gauss-Newton
LARGEST_STEP = 0.08  # as a share of a picture's side
MOST = 0.25, 0.12  # the largest scale and shift
MARGIN = 0.09  # of a side, ignored at each edge: smoothing mixes these pixels with others that a crop may have removed
PAIRS = 256  # registered at once


@dataclass(frozen=True, eq=False)
class Registered:
    """Pairs of registered pictures.

    Parameters
    ----------
    left : (P,), the residual of each pair, as a share of the picture's variance
    window : (P, 4), scale and shift along x, then along y
    difference : (P,), mean absolute difference where the pictures overlap, in their units
    """

    left: Array
    window: Array
    difference: Array


def left_by_tangents(pictures: Array, others: Array) -> Array:
    """Return the residuals (B, k) of ``others`` (B, k, side, side) against their pictures (B, side, side).

    Shift, scale, brightness and contrast are each fitted by one linear step, in closed form: the tangent distance of
    Simard, LeCun and Denker (1993). One step finds only small windows, but takes microseconds.
    """
    at = _places(pictures.shape[-1])
    down, across = np.gradient(pictures, axis=(1, 2))
    columns = [np.ones_like(pictures), pictures, across, down, across * at, down * at[:, None]]
    spanned = np.stack(columns, axis=1).reshape(len(pictures), len(columns), -1)  # (B, 6, side * side)
    spanned /= np.linalg.norm(spanned, axis=2, keepdims=True) + 1e-12
    flat = others.reshape(*others.shape[:2], -1)  # (B, k, side * side)
    products = (spanned @ flat.transpose(0, 2, 1)).astype(np.float64)  # (B, 6, k)
    gram = (spanned @ spanned.transpose(0, 2, 1)).astype(np.float64) + 1e-6 * np.eye(len(columns))
    explained = (products * np.linalg.solve(gram, products)).sum(axis=1)  # (B, k)
    squares = (flat.astype(np.float64) ** 2).sum(axis=2)
    variance = flat.var(axis=2, dtype=np.float64) * flat.shape[2]
    left: Array = np.clip((squares - explained) / np.maximum(variance, 1e-12), 0, None)
    return left


def register(pictures: Array, others: Array) -> Registered:
    """Find the window of each of ``pictures`` (P, C, side, side) that best matches its counterpart in ``others``.

    Gauss-Newton on the squared difference (Lucas and Kanade, 1981), starting from the whole picture. Points of the
    other picture that fall outside the picture or near an edge are left out.
    """
    windows = np.zeros((len(pictures), 4), np.float32)
    left, difference = np.full((2, len(pictures)), np.inf, np.float32)
    tried = windows
    down, across = np.gradient(pictures, axis=(2, 3))
    at = _places(pictures.shape[-1])
    for step in range(STEPS + 1):
        along_x, along_y = _sampler(at, tried[:, :2]), _sampler(at, tried[:, 2:])  # (P, side, side) each
        inside = (_inside(at, tried[:, 2:])[:, :, None] & _inside(at, tried[:, :2])[:, None, :])[:, None]
        weights = np.broadcast_to(inside, pictures.shape).astype(np.float32).reshape(len(pictures), -1)

        def warped(images: Array, x: Array = along_x, y: Array = along_y) -> Array:
            return y[:, None] @ images @ x[:, None].transpose(0, 1, 3, 2)

        moved, other = warped(pictures).reshape(weights.shape), others.reshape(weights.shape)
        remains = _unexplained(moved, other, weights)
        better = remains < left
        windows = np.where(better[:, None], tried, windows)
        apart = (np.abs(moved - other) * weights).sum(1) / weights.sum(1)
        left, difference = np.where(better, remains, left), np.where(better, apart, difference)
        if step < STEPS:
            slopes_x, slopes_y = warped(across) * len(at), warped(down) * len(at)
            tried = _next(tried, moved, slopes_x, slopes_y, other, weights, at)
    return Registered(left, windows, difference)


def edges(windows: Array) -> Array:
    """Return how far windows (P, 4) extend beyond the picture's left, right, top and bottom edges, in sides (P, 4)."""
    half_x, half_y = (1 + windows[:, 0]) / 2, (1 + windows[:, 2]) / 2
    ends = [windows[:, 1] - half_x, windows[:, 1] + half_x, windows[:, 3] - half_y, windows[:, 3] + half_y]
    beyond: Array = np.stack(ends, axis=1) - np.array([-0.5, 0.5, -0.5, 0.5])
    return beyond


def _places(side: int) -> Array:
    return ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)


def _inside(at: Array, scale_shift: Array) -> Array:
    """Return which points ``at`` (side,) of a window lie in the picture, away from the edges of both (P, side)."""
    shown = (1 + scale_shift[:, :1]) * at + scale_shift[:, 1:]
    inside: Array = np.maximum(np.abs(shown), np.abs(at)) <= 0.5 - MARGIN
    return inside


def _sampler(at: Array, scale_shift: Array) -> Array:
    """Return matrices (P, side, side) that sample a line of a picture at the points of its window, linearly."""
    side = len(at)
    wanted = np.clip(((1 + scale_shift[:, :1]) * at + scale_shift[:, 1:] + 0.5) * side - 0.5, 0, side - 1)
    below = np.minimum(wanted.astype(np.int64), side - 2)
    above = (wanted - below).astype(np.float32)
    matrices = np.zeros((len(scale_shift), side, side), np.float32)
    pair, place = np.arange(len(scale_shift))[:, None], np.arange(side)
    matrices[pair, place, below] = 1 - above
    matrices[pair, place, below + 1] = above
    return matrices


def _unexplained(moved: Array, other: Array, weights: Array) -> Array:
    """Return 1 minus the squared correlation where ``weights`` are 1; 1 where the correlation is not positive (P,)."""
    count = weights.sum(1, keepdims=True)
    a = (moved - (moved * weights).sum(1, keepdims=True) / count) * weights
    b = (other - (other * weights).sum(1, keepdims=True) / count) * weights
    together = np.maximum((a * b).sum(1, dtype=np.float64), 0)
    apart = (a * a).sum(1, dtype=np.float64) * (b * b).sum(1, dtype=np.float64)
    remains: Array = np.clip(1 - together**2 / np.maximum(apart, 1e-12), 0, 1).astype(np.float32)
    return remains


def _next(
    window: Array, moved: Array, slopes_x: Array, slopes_y: Array, other: Array, weights: Array, at: Array
) -> Array:
    """Return the windows (P, 4) after one step of least squares, which also fits contrast and brightness."""
    columns = [slopes_x * at, slopes_x, slopes_y * at[:, None], slopes_y, moved, np.ones_like(moved)]
    spanned = np.stack([column.reshape(weights.shape) * weights for column in columns], axis=1)  # (P, 6, D)
    gram = (spanned @ spanned.transpose(0, 2, 1)).astype(np.float64)
    # A small ridge term: a picture without edges along an axis does not determine its position on that axis.
    ridge = 1e-4 * np.trace(gram[:, :4, :4], axis1=1, axis2=2)[:, None, None] / 4
    gram += ridge * np.diag([1.0, 1, 1, 1, 0, 0]) + 1e-6 * np.eye(6)
    found = np.linalg.solve(gram, (spanned @ other[:, :, None]).astype(np.float64))[:, :, 0]
    contrast = np.maximum(found[:, 4:5], 0.2)
    steps = np.clip(found[:, :4] / contrast, -LARGEST_STEP, LARGEST_STEP)
    most = np.array([*MOST, *MOST])
    return np.clip(window + steps, -most, most).astype(np.float32)
