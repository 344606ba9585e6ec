"""Clusters parted by planes."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from narrows.clustering import Clusterer
from narrows.clustering.kmeans import KMeans
from narrows.files import Array

__all__ = ["Linear"]

REG = 1e-3  # added to the variance in every direction, as a share of the mean one


class Linear(Clusterer):
    """Each cluster has a linear function of the code, and a code belongs to the one whose function is greatest.

    The functions may come from a network that was taught clusters (``of_head``). Fitted to codes, they are those of
    linear discriminant analysis on the clusters of k-means: Gaussians of one common covariance (Fisher 1936).
    Confidence is the softmax of the functions at the winner; typicality is minus the distance from the mean of the
    cluster's codes.

    Parameters
    ----------
    n_clusters : the number of clusters
    seed : of everything random
    """

    learned: ClassVar = {"weights": "MK", "offsets": "M", "centers": "MK"}
    weights_: Array  # (M, K)
    offsets_: Array  # (M,)
    centers_: Array  # (M, K)

    @classmethod
    def of_head(cls, weights: Array, offsets: Array, codes: Array) -> Self:
        """Build from the linear layer of a network, and the codes (N, K) it was fitted to.

        Parameters
        ----------
        weights : (M, K)
        offsets : (M,)
        """
        self = cls(len(weights))
        labels = (codes @ weights.T.astype(np.float64) + offsets).argmax(1)
        sizes = np.bincount(labels, minlength=len(weights))
        order = np.argsort(-sizes, kind="stable")
        self.weights_, self.offsets_ = weights[order].astype(np.float64), offsets[order].astype(np.float64)
        # The mean of no codes is taken to be that of all.
        self.centers_ = np.stack([
            codes[labels == m if sizes[m] else slice(None)].mean(0, dtype=np.float64) for m in order
        ])  # fmt: skip
        self.labels_ = self.predict(codes)
        return self

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
        values = codes @ self.weights_.T + self.offsets_  # (B, M)
        winner = values.argmax(1)
        rows = np.arange(len(codes))
        share = 1 / np.exp(values - values[rows, winner][:, None]).sum(1)
        return winner, share, -np.linalg.norm(codes - self.centers_[winner], axis=1)
