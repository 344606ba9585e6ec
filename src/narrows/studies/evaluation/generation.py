"""How good generated images are: how similar to real ones, and whether as different from each other.

Images are compared by the features (N, F) of a classifier, the input of its last layer. Pixels are unsuitable: two
drawings of the same digit differ in more pixels than a digit and a smudge in its place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.geometry.neighbours import nearest

BLOCK_VALUES = 1 << 22  # distances computed at once

#: The rounding error of the squared distance between equal rows, relative to their squared lengths.
ROUNDING = 1e-12


class Diversity(NamedTuple):
    """How generated images spread over the classes.

    Parameters
    ----------
    classes : the number of classes that occur
    entropy : entropy of the shares of the classes, relative to the greatest possible: 1 if all are equally frequent, 0
        if all images are of one class
    largest : the share of the commonest class
    """

    classes: int
    entropy: float
    largest: float


def frechet_distance(real: Array, generated: Array) -> float:
    """Return the Fréchet distance of Gaussians fitted to two sets of features, in squared units; 0 for equal ones.

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2) (Heusel et al. 2017, equation 6; Dowson & Landau 1982). Its scale
    depends on the network that computes the features, and it falls with the number of rows. So compare figures only for
    the same features and the same number of rows.

    Parameters
    ----------
    real : features (N, F) of real images
    generated : features (M, F) of generated ones

    Raises
    ------
    InputError : fewer than two rows, different numbers of features, or features that are not finite
    """
    real, generated = _checked(real, generated, 2)
    away = real.mean(axis=0) - generated.mean(axis=0)  # (F,)
    first, second = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    first, second = np.atleast_2d(first), np.atleast_2d(second)  # (F, F) each
    # S1 S2 is similar to the symmetric R S2 R with R = S1^1/2, whose eigenvalues are real and >= 0. If a covariance is
    # singular, the root of the product itself would be inaccurate.
    root = _root(first)
    product = root @ second @ root
    values = np.linalg.eigvalsh((product + product.T) / 2)
    mixed = float(np.sqrt(np.maximum(values, 0)).sum())
    return max(0.0, float(away @ away + np.trace(first) + np.trace(second) - 2 * mixed))


def precision_recall(real: Array, generated: Array, k: int = 3) -> tuple[float, float]:
    """Return the share of generated images that look real, and the share of real ones that can be generated.

    Kynkäänniemi et al. (2019), equations 1 and 2. The manifold of a set is the union of the balls around its rows, each
    with the distance to the row's k-th nearest neighbour in the set as its radius. Precision is the share of generated
    rows on the manifold of the real ones, recall the share of real rows on that of the generated ones. Both depend on
    the number of rows, so compare figures only for the same number.

    Parameters
    ----------
    real : features (N, F) of real images
    generated : features (M, F) of generated ones
    k : the neighbour that sets the radius

    Raises
    ------
    InputError : at most ``k`` rows, different numbers of features, or features that are not finite
    """
    if k < 1:
        raise InputError("k", "must be >= 1", value=k)
    real, generated = _checked(real, generated, k + 1)
    return _share_on_manifold(generated, real, k), _share_on_manifold(real, generated, k)


def diversity(predicted: Array, n_classes: int) -> Diversity:
    """Return the spread of the classes (N,) that a classifier predicts for generated images.

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
    centre = others.mean(axis=0)  # lengths are measured from here, which keeps rounding errors small
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
    """Return the symmetric square root of a positive semidefinite matrix."""
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
