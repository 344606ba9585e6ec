"""How good are generated images? Are they like real ones, and are they as different from each other as real ones are?

Images are compared by what a classifier sees in them: its features (N, F), before the last layer. Pixels would not do:
two draws of the same digit differ by more of them than a digit from a smudge in its place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.geometry.neighbours import nearest

BLOCK_VALUES = 1 << 22  # distances worked on at once

#: What rounding leaves of the squared distance of two equal rows, as a part of their squared lengths.
ROUNDING = 1e-12


class Diversity(NamedTuple):
    """How generated images spread over the classes.

    Parameters
    ----------
    classes : how many classes occur
    entropy : of the shares of the classes, as a part of the greatest there can be: 1 where all are equally frequent,
        0 where all images are of one class
    largest : the share of the commonest class
    """

    classes: int
    entropy: float
    largest: float


def frechet_distance(real: Array, generated: Array) -> float:
    """Return the Fréchet distance of two Gaussians fitted to features; 0 for equal ones, in squared units of features.

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2) (Heusel et al. 2017, equation 6; Dowson & Landau 1982). On the
    features of another network the figure has another scale, and it falls with the number of rows: compare figures only
    of the same features and as many rows.

    Parameters
    ----------
    real : features (N, F) of real images
    generated : features (M, F) of generated ones

    Raises
    ------
    InputError : fewer than two rows, another number of features, or features that are not finite
    """
    real, generated = _checked(real, generated, 2)
    away = real.mean(axis=0) - generated.mean(axis=0)  # (F,)
    first, second = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    first, second = np.atleast_2d(first), np.atleast_2d(second)  # (F, F) each
    # S1 S2 is similar to the symmetric R S2 R with R = S1^1/2, whose eigenvalues are real and >= 0: where a covariance
    # is singular, the root of the product itself would be lost in rounding.
    root = _root(first)
    product = root @ second @ root
    values = np.linalg.eigvalsh((product + product.T) / 2)
    mixed = float(np.sqrt(np.maximum(values, 0)).sum())
    return max(0.0, float(away @ away + np.trace(first) + np.trace(second) - 2 * mixed))


def precision_recall(real: Array, generated: Array, k: int = 3) -> tuple[float, float]:
    """Return which share of the generated images look real, and which share of the real ones can be generated.

    Kynkäänniemi et al. (2019), equations 1 and 2. The manifold of a set is the union of the balls around its rows, each
    with the distance to the row's k-th nearest neighbour in the set as its radius. Precision is the share of generated
    rows on the manifold of the real ones, recall the share of real rows on that of the generated ones. Both depend on
    how many rows there are: compare figures of as many.

    Parameters
    ----------
    real : features (N, F) of real images
    generated : features (M, F) of generated ones
    k : the neighbour that sets the radius

    Raises
    ------
    InputError : no more than ``k`` rows, another number of features, or features that are not finite
    """
    if k < 1:
        raise InputError("k", "must be >= 1", value=k)
    real, generated = _checked(real, generated, k + 1)
    return _share_on_manifold(generated, real, k), _share_on_manifold(real, generated, k)


def diversity(predicted: Array, n_classes: int) -> Diversity:
    """Return how the classes (N,) that a classifier gives to generated images are spread.

    Raises
    ------
    InputError : no images, or a class number of ``n_classes`` or more
    """
    predicted = np.asarray(predicted)
    if predicted.ndim != 1 or len(predicted) == 0 or predicted.min() < 0 or predicted.max() >= n_classes:
        rule = f"must be class numbers from 0 to {n_classes - 1}, at least one"
        raise InputError("predicted", rule, value=f"shape {predicted.shape}")
    shares = np.bincount(predicted, minlength=n_classes) / len(predicted)  # (C,)
    some = shares[shares > 0]
    greatest = np.log(n_classes) if n_classes > 1 else 1.0
    return Diversity(len(some), float(-(some * np.log(some)).sum() / greatest) + 0.0, float(shares.max()))


def _share_on_manifold(rows: Array, others: Array, k: int) -> float:
    """Return the share of ``rows`` (N, F) that lie in the ball of at least one of ``others`` (M, F)."""
    centre = others.mean(axis=0)  # lengths are taken from here, which keeps rounding small
    rows, others = rows - centre, others - centre
    farthest = nearest(others, k)[0][:, -1]  # (M,)
    radii = ((others - others[farthest]) ** 2).sum(axis=1)  # (M,), squared
    lengths, other_lengths = (rows**2).sum(axis=1), (others**2).sum(axis=1)
    found = 0
    size = max(1, BLOCK_VALUES // len(others))
    for start in range(0, len(rows), size):
        block = slice(start, start + size)
        both = lengths[block, None] + other_lengths  # (B, M)
        squares = both - 2 * rows[block] @ others.T
        found += int((squares <= radii + ROUNDING * both).any(axis=1).sum())
    return found / len(rows)


def _root(matrix: Array) -> Array:
    """Return the symmetric root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def _checked(real: Array, generated: Array, fewest: int) -> tuple[Array, Array]:
    found = []
    for name, rows in (("real", real), ("generated", generated)):
        rows = np.asarray(rows, dtype=np.float64)  # noqa: PLW2901
        if rows.ndim != 2 or len(rows) < fewest or rows.shape[1] == 0 or not np.isfinite(rows).all():
            rule = f"must be finite features (N, F) with N >= {fewest}"
            raise InputError(name, rule, value=f"shape {rows.shape}")
        found.append(rows)
    if found[0].shape[1] != found[1].shape[1]:
        rule = f"must have as many features as the real ones, {found[0].shape[1]}"
        raise InputError("generated", rule, value=found[1].shape[1])
    return found[0], found[1]
