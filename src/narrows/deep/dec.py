"""Deep embedded clustering."""

from __future__ import annotations

from narrows.deep._gathering import Gathering

__all__ = ["DEC"]


class DEC(Gathering):
    """DEC (Xie, Girshick & Farhadi 2016): codes gather around centres, and the decoder is given up.

    Parameters
    ----------
    n_clusters, seed, code_size, epochs, rounds, tol, lr : see ``Gathering``
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
    ) -> None:
        super().__init__(n_clusters, seed, code_size, epochs, rounds, tol, lr, reconstruction=0.0, weight=1.0)
