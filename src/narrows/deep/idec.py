"""Improved deep embedded clustering."""

from __future__ import annotations

from narrows.deep.dec import DEC

__all__ = ["IDEC"]


class IDEC(DEC):
    """IDEC (Guo et al. 2017): DEC that goes on reconstructing, so that its codes keep describing the rows.

    Parameters
    ----------
    n_clusters, seed, code_size, epochs, rounds, tol, lr : see ``DEC``
    weight : gamma, of the divergence beside the reconstruction error
    """

    def __init__(
        self,
        n_clusters: int = 10,
        seed: int = 0,
        code_size: int = 10,
        epochs: int = 50,
        rounds: int = 50,
        tol: float = 0.001,
        lr: float = 1e-3,
        weight: float = 0.1,
    ) -> None:
        super().__init__(n_clusters, seed, code_size, epochs, rounds, tol, lr, reconstruction=1.0, weight=weight)
