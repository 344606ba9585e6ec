"""Principal axes from a covariance that is accumulated block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from narrows.disk.files import Array
from narrows.work.threads import one_thread, single_threaded

LANCZOS_FROM = 512  # values per row


@single_threaded
def principal_axes(blocks: Callable[[], Iterator[Array]], n_axes: int) -> tuple[Array, Array]:
    """Return the mean (D,) and the ``n_axes`` directions (n_axes, D) of greatest variance, greatest first.

    Exact up to rounding, in float64, with memory for one block and a D x D matrix. In each direction, the component of
    largest magnitude is positive, so that signs do not depend on the solver.

    Parameters
    ----------
    blocks : yields the rows, (B, D) at a time; called twice
    n_axes : at most D
    """
    rows, total = 0, np.zeros(1)
    for block in blocks():
        rows, total = rows + len(block), total + block.sum(axis=0, dtype=np.float64)
    mean: Array = total / rows  # (D,)
    scatter = np.zeros((len(mean), len(mean)))
    for block in blocks():
        centred = block - mean
        scatter += centred.T @ centred
    return mean, with_fixed_signs(_axes(scatter, n_axes))


def _axes(scatter: Array, n_axes: int) -> Array:
    """Return the ``n_axes`` eigenvectors (n_axes, D) of the largest eigenvalues, the largest first."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    size = len(scatter)
    with one_thread():
        if size >= LANCZOS_FROM and n_axes <= size // 8 and scatter.any():
            # For few axes of many, Lanczos iterations reach the same precision several times faster.
            # For matrices of low rank they begin anew from random vectors.
            start = np.random.default_rng(0).standard_normal(size)
            values, vectors = eigsh(scatter, n_axes, v0=start, rng=np.random.default_rng(0))
            axes: Array = vectors[:, np.argsort(-values)].T
        else:
            axes = eigh(scatter, subset_by_index=(size - n_axes, size - 1))[1].T[::-1]
    return axes


def with_fixed_signs(axes: Array) -> Array:
    """Flip those of ``axes`` (n, D) whose component of largest magnitude is negative."""
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    return axes * np.where(largest < 0, -1.0, 1.0)[:, None]
