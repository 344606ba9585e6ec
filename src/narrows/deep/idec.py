"""Improved deep embedded clustering."""

from __future__ import annotations

from narrows.deep._gathering import Gathering

__all__ = ["IDEC"]


class IDEC(Gathering):
    """IDEC (Guo et al. 2017): codes gather around centres and go on being reconstructed, so that they keep their sense.

    Parameters
    ----------
    n_clusters, seed, code_size, epochs, rounds, tol, lr : see ``Gathering``
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
