"""k-means on the codes of an autoencoder."""

from __future__ import annotations

from typing import ClassVar

from narrows.clustering import CodeClusterer
from narrows.clustering.student_t import StudentT
from narrows.deep import Tandem

__all__ = ["AutoencoderKMeans"]


class AutoencoderKMeans(Tandem):
    """An autoencoder learns to reconstruct, and k-means clusters its codes: what the deep clusterings begin with.

    A row's share in a cluster falls with its squared distance from the centre, by Student's t as in DEC, so that the
    nearest centre has the greatest.

    Parameters
    ----------
    n_clusters, seed : see ``Clusterer``
    code_size : values of a code
    epochs : of the autoencoder
    """

    learned: ClassVar = StudentT.learned
    quick: ClassVar = {"epochs": 1}

    def _rule(self, n_clusters: int) -> CodeClusterer:
        return StudentT(n_clusters, self.seed)
