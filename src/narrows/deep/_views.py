"""Which random views suit a set of images, found from the images alone."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from narrows.disk.files import Array
from narrows.encoding import codes as coding
from narrows.geometry.neighbours import nearest_in
from narrows.wording import share, times

LOOKED_AT = 4000  # images among which neighbours are looked for
ASKED = 1000  # of them, those whose mirror image is looked for
NEIGHBOURS = 5
AS_LIKELY = 1.1  # mirrored images that are this much farther from all others are of another kind
SIDE = 32  # images are compared at this side at most
PLAIN = 0.4  # share of pixels that have the commonest value in drawings; photographs have no such value
STROKE_SIDE = 28  # the side at which a full stroke view is as it should be


def suited_views(images: Array, rows: Array, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return views for the ``rows`` (M,) of ``images`` uint8 (N, C, H, W), as ``narrows.views`` takes them, and why.

    Moving and erasing suit all images. Mirroring does if mirrored images are about as near to the other images as the
    images themselves are. Drawings on a plain ground get thicker and thinner strokes; all others more and less light.
    """
    rng = np.random.default_rng(seed)
    chosen = rows[np.sort(rng.permutation(len(rows))[:LOOKED_AT])]
    looked_at = np.ascontiguousarray(images[chosen])
    ratio = _farther(looked_at, looked_at[..., ::-1])
    views, why = ["affine:1"], []
    if not math.isfinite(ratio):
        why.append("Views are not mirrored: there are too few images to tell whether mirror images are plausible.")
    elif ratio <= AS_LIKELY:
        views.append("flip:1")
        why.append(f"Views are mirrored: mirror images are about as near to other images ({times(ratio, 2)} as far).")
    else:
        why.append(f"Views are not mirrored: mirror images are {times(ratio, 2)} as far from other images.")
    counts = np.sum([np.bincount(block.reshape(-1), minlength=256) for block in _blocks(looked_at)], axis=0)
    plain = float(counts.max() / counts.sum())
    if images.shape[1] == 1 and plain >= PLAIN:
        views.append(f"stroke:{0.8 * min(1.0, min(images.shape[2:]) / STROKE_SIDE):.2f}")
        why.append(f"Views vary the stroke width: {share(plain)} of all pixels have one value, as in drawings.")
    else:
        views.append("light:1")
        why.append(
            f"Views vary the light: the images are not grey drawings ({share(plain)} of all pixels have one value)."
        )
    return [*views, "erase:0.4"], why


def _farther(images: Array, changed: Array) -> float:
    """Return how many times as far ``changed`` images are from their neighbours as ``images`` are: a geometric mean.

    An image is not a neighbour of its own changed self.
    """
    held, queries = _small(images), _small(changed[:ASKED])
    if len(held) < 3:
        return math.inf
    ratios = []
    for rows in (held[:ASKED], queries):
        indices, distances = nearest_in(rows, held, NEIGHBOURS + 1)
        itself = indices == np.arange(len(rows))[:, None]
        itself[~itself.any(1), -1] = True  # the farthest is left out where the image is not among them
        ratios.append(np.log(distances[~itself].reshape(len(rows), -1).mean(1) + 1e-12))
    return float(np.exp((ratios[1] - ratios[0]).mean()))


def _small(images: Array) -> Array:
    """Return images as rows of float32, no side longer than 32."""
    height, width = (min(side, SIDE) for side in images.shape[2:])
    rows = []
    for block in _blocks(images):
        x = torch.from_numpy(np.ascontiguousarray(block)).float()
        rows.append(functional.adaptive_avg_pool2d(x, (height, width)).flatten(1).numpy())
    return np.concatenate(rows)


def _blocks(images: Array) -> list[Array]:
    """Return images in parts of bounded size."""
    return [images[block] for block in coding.blocks(len(images), images.shape[1:])]
