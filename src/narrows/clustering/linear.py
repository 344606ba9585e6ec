"""Clusters separated by hyperplanes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from narrows.clustering import CodeClusterer
from narrows.clustering.kmeans import KMeans
from narrows.disk.files import Array

__all__ = ["Linear"]

REG = 1e-3  # added to the variance in every direction, as a share of the mean one


class Linear(CodeClusterer):
    """Each cluster has a linear function of the code, and a code belongs to the one whose function is greatest.

    The functions may come from the last layer of a network (``of_parameters``). Fitted to codes, they are those of
    linear discriminant analysis on the clusters of k-means: Gaussians of one common covariance (Fisher 1936). Shares
    are the softmax of the functions, and confidence is that of the winner; typicality is minus the distance from the
    mean of the cluster's codes.

    Parameters
    ----------
    n_clusters : the number of clusters
    seed : of all random numbers
    """

    learned: ClassVar = {"weights": "MK", "offsets": "M", "centers": "MK"}
    weights_: Array  # (M, K)
    offsets_: Array  # (M,)
    centers_: Array  # (M, K)

    def _fit(self, codes: Array, n_clusters: int) -> None:
        fit = KMeans(n_clusters, self.seed).fit(codes)
        centers, labels = fit.centers_, fit.labels_
        away = codes.astype(np.float64) - centers[labels]
        covariance = away.T @ away / len(codes)
        spread = np.trace(covariance) / len(covariance) or 1.0
        inverse = np.linalg.inv(covariance + REG * spread * np.eye(len(covariance)))
        share = np.maximum(np.bincount(labels, minlength=len(centers)), 1) / len(codes)
        self.centers_, self.weights_ = centers, centers @ inverse
        self.offsets_ = np.log(share) - (self.weights_ * centers).sum(1) / 2

    def _score(self, codes: Array) -> tuple[Array, Array, Array]:
        values = self._relative(codes)
        winner = values.argmax(1)
        return winner, 1 / np.exp(values).sum(1), -np.linalg.norm(codes - self.centers_[winner], axis=1)

    def _shares(self, codes: Array) -> Array:
        shares = np.exp(self._relative(codes))
        shares /= shares.sum(1, keepdims=True)
        return shares

    def _relative(self, codes: Array) -> Array:
        """Return the functions (B, M) of ``codes`` (B, K), less the greatest of each code."""
        values = codes @ self.weights_.T + self.offsets_
        relative: Array = values - values.max(1, keepdims=True)
        return relative
