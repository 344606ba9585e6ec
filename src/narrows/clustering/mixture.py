"""A mixture of Gaussians."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np

from narrows.arguments import positive, whole_number
from narrows.clustering import CodeClusterer
from narrows.clustering.kmeans import KMeans
from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.errors import RecipeError, RunFolderError
from narrows.wording import plural, verb
from narrows.work.threads import one_thread

__all__ = ["Mixture"]

Covariance = Literal["full", "tied", "diag", "spherical"]

ROWS_PER_VALUE = 2  # a full covariance from fewer codes per code value than this is mostly noise


class Mixture(CodeClusterer):
    """A mixture of Gaussians fitted by expectation-maximisation (Dempster et al. 1977; scikit-learn's implementation).

    Clusters may differ in size, shape and share. Starts from the clusters of k-means. Shares are the posterior
    probabilities of the components, and confidence is that of the winning one; typicality is minus the Mahalanobis
    distance to its mean. Works in float64.

    Parameters
    ----------
    n_clusters : the number of components
    seed : of all random numbers
    covariance_type : "full", "tied" (one for all), "diag" or "spherical"; "full" becomes "diag", with a note, where
        there are fewer than two codes per cluster and code value
    reg : added to every variance, as a share of the codes' mean variance
    max_iter : the most iterations
    max_rows : the most codes to fit to, chosen at random; the others are assigned
    """

    learned: ClassVar = {"weights": "M", "means": "MK", "factors": "MKK"}
    weights_: Array  # (M,)
    means_: Array  # (M, K)
    factors_: Array  # (M, K, K), with factor @ factor.T the inverse of the covariance

    def __init__(
        self,
        n_clusters: int = 10,
        seed: int = 0,
        covariance_type: Covariance = "full",
        reg: float = 1e-4,
        max_iter: int = 200,
        max_rows: int = 20_000,
    ) -> None:
        super().__init__(n_clusters, seed)
        if covariance_type not in ("full", "tied", "diag", "spherical"):
            raise RecipeError(
                "clustering.covariance_type",
                'must be "full", "tied", "diag" or "spherical"',
                value=covariance_type,
            )
        self.covariance_type = covariance_type
        self.reg = positive("clustering.reg", reg)
        self.max_iter = whole_number("clustering.max_iter", max_iter)
        self.max_rows = whole_number("clustering.max_rows", max_rows)

    def _fit(self, codes: Array, n_clusters: int) -> None:
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        if len(codes) > self.max_rows:
            codes = codes[some_rows(len(codes), self.max_rows, self.seed)]
            self.notes += (
                f"The mixture was fitted to {plural(self.max_rows, 'code')} chosen at random; the others were "
                "assigned.",
            )
        kind = self.covariance_type
        if kind == "full" and len(codes) < ROWS_PER_VALUE * codes.shape[1] * n_clusters:
            kind = "diag"
            self.notes += (
                f"{plural(len(codes), 'code')} {verb(len(codes), 'is', 'are')} too few for full covariances of "
                f"{plural(n_clusters, 'cluster')} in {plural(codes.shape[1], 'dimension')}; diagonal ones were used.",
            )
        start = KMeans(n_clusters, self.seed, n_init=3).fit(codes).labels_  # (N,)
        n_clusters = int(start.max()) + 1  # without those k-means could not fill
        x = codes.astype(np.float64)
        if len(x) == 1:  # scikit-learn wants two; the same one twice has the same mean and spread
            x, start = np.repeat(x, 2, axis=0), np.repeat(start, 2)
        floor = self.reg * float(x.var(axis=0).mean()) or 1.0  # codes that do not vary at all: any width will do
        mixture = GaussianMixture(
            n_clusters,
            covariance_type=kind,
            reg_covar=floor,
            max_iter=self.max_iter,
            random_state=self.seed,
            weights_init=np.bincount(start, minlength=n_clusters) / len(x),
            means_init=np.stack([x[start == m].mean(axis=0) for m in range(n_clusters)]),
            precisions_init=_precisions(x, start, n_clusters, kind, floor),
        )
        with warnings.catch_warnings(), one_thread():
            warnings.simplefilter("ignore", ConvergenceWarning)  # said in a note instead
            mixture.fit(x)
        if not mixture.converged_:
            self.notes += (
                f"The mixture was still improving when it was stopped after {plural(self.max_iter, 'iteration')}.",
            )
        size = codes.shape[1]
        self.weights_, self.means_ = mixture.weights_, mixture.means_
        self.factors_ = np.empty((n_clusters, size, size))
        for m in range(n_clusters):
            factor = mixture.precisions_cholesky_ if kind == "tied" else mixture.precisions_cholesky_[m]
            self.factors_[m] = factor if kind in ("full", "tied") else np.eye(size) * factor

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array], **arguments: Any) -> Self:
        """See ``CodeClusterer.from_state``."""
        mixture = super().from_state(arrays, **arguments)
        widths = np.diagonal(mixture.factors_, axis1=1, axis2=2)
        if not (mixture.weights_ >= 0).all() or not mixture.weights_.any() or not (widths > 0).all():
            rule = "must have weights that sum to 1, and factors with a positive diagonal"
            raise RunFolderError("the saved clustering", rule, value=(mixture.weights_.min(), widths.min()))
        return mixture

    def _shares(self, codes: Array) -> Array:
        log, _ = self._log_joint(codes)
        shares: Array = np.exp(log - log.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def _score(self, codes: Array) -> tuple[Array, Array, Array]:
        log, squares = self._log_joint(codes)
        winner = log.argmax(axis=1)
        rows = np.arange(len(codes))
        posterior = 1 / np.exp(log - log[rows, winner][:, None]).sum(axis=1)
        return winner, posterior, -np.sqrt(squares[rows, winner])

    def _log_joint(self, codes: Array) -> tuple[Array, Array]:
        """Return the log joint (B, M) of code and component up to a constant, and squared Mahalanobis distances."""
        squares = np.empty((len(codes), len(self.means_)))  # (B, M)
        for m, (mean, factor) in enumerate(zip(self.means_, self.factors_, strict=True)):
            squares[:, m] = (((codes - mean) @ factor) ** 2).sum(axis=1)
        log_det = np.log(np.diagonal(self.factors_, axis1=1, axis2=2)).sum(axis=1)  # (M,)
        with np.errstate(divide="ignore"):  # a component of no weight is never chosen
            return np.log(self.weights_) + log_det - squares / 2, squares


def _precisions(x: Array, labels: Array, n_clusters: int, kind: Covariance, floor: float) -> Array:
    """Return the inverse covariances of k-means' clusters, in the shape scikit-learn has for ``kind``."""
    centred = [x[labels == m] - x[labels == m].mean(axis=0) for m in range(n_clusters)]
    size = x.shape[1]
    if kind == "tied":
        pooled = np.concatenate(centred)
        return np.linalg.inv(pooled.T @ pooled / len(x) + floor * np.eye(size))
    if kind == "full":
        return np.stack([np.linalg.inv(c.T @ c / len(c) + floor * np.eye(size)) for c in centred])
    variances = np.stack([(c**2).mean(axis=0) for c in centred]) + floor  # (M, K)
    return 1 / variances if kind == "diag" else 1 / variances.mean(axis=1)
