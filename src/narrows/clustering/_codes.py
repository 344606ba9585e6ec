"""Clusterings of codes: a few arrays, and the rule that reads clusters from codes by them.

A method learns its arrays; everything else (labels, shares, confidence, typicality) is computed from those arrays by
the same lines whether they were just learned, came from elsewhere or were read from a file, so that all give the same
bits.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from narrows import wording
from narrows.clustering._contract import Clusterer
from narrows.data.dataset import all_finite
from narrows.disk.files import Array
from narrows.disk.sealed import Parts
from narrows.errors import InputError
from narrows.geometry.distinct import count_distinct
from narrows.wording import verb
from narrows.work.threads import single_threaded

BLOCK_VALUES = 1 << 22  # float64 values worked on at once: 32 MiB


class CodeClusterer(Clusterer):
    """A clustering of codes (N, K).

    A subclass names its learned arrays and their shapes in ``learned``, with M for the clusters and K for the values of
    a code, learns them in ``_fit`` and scores codes by them in ``_score``; the rest is done here.

    Parameters
    ----------
    n_clusters, seed : see ``Clusterer``
    """

    @property
    def n_clusters_(self) -> int:
        """M, the number of clusters, including empty ones."""
        return self.length("M")

    @single_threaded
    def fit(self, rows: Array) -> Self:
        """Find clusters in the codes ``rows`` (N, K).

        Raises
        ------
        InputError : codes that are not a table of finite numbers, or no codes at all
        """
        codes = checked_codes(rows)
        if len(codes) == 0:
            raise InputError("codes", "must have at least one row", value=f"shape {codes.shape}")
        distinct = count_distinct(codes, self.n_clusters)
        self.notes = ()
        if distinct < self.n_clusters:
            self.notes = (
                f"{self.n_clusters} clusters were asked for, but {wording.distinct(distinct, 'code')}, "
                f"so the number was lowered to {distinct}.",
            )
        self._fit(codes, distinct)
        sizes = self._number(codes)
        empty = int((sizes == 0).sum())
        if empty:
            self.notes += (f"{empty} of {len(sizes)} clusters {verb(empty, 'holds', 'hold')} no code.",)
        return self

    @classmethod
    def of_parameters(cls, arrays: Mapping[str, Array], codes: Array) -> Self:
        """Build from arrays that were learned elsewhere, and number the clusters by their sizes among ``codes`` (N, K).

        Raises
        ------
        RunFolderError : arrays that are not those of this method
        InputError : codes that are not a table of finite numbers
        """
        self = cls.from_state(arrays)
        self.n_clusters = self.n_clusters_
        self._number(checked_codes(codes))
        return self

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array], **arguments: Any) -> Self:
        """Build from what ``state`` returned and the arguments of the constructor.

        Raises
        ------
        RunFolderError : arrays that are not those of this method
        """
        self = cls(**arguments)
        self.take_state("clustering", arrays)
        return self

    def assign(self, rows: Array) -> Array:
        """Return the shares (N, M) float32 of codes (N, K) in the clusters: all of it in one, unless a method has more.

        Each code's add up to 1.
        """
        return self._in_blocks(rows, self._shares, self.n_clusters_).astype(np.float32)

    def predict(self, rows: Array) -> Array:
        """Return the cluster (N,) int64 of each of the codes ``rows`` (N, K)."""
        return self._in_blocks(rows, lambda codes: self._score(codes)[0]).astype(np.int64)

    def confidence(self, rows: Array) -> Array:
        """Return how clearly each code (N, K) belongs to its cluster rather than another: (N,) float32 in [0, 1]."""
        return self._in_blocks(rows, lambda codes: self._score(codes)[1]).astype(np.float32)

    def typicality(self, rows: Array) -> Array:
        """Return how near each code (N, K) is to the core of its cluster: (N,) float32, greater is nearer."""
        return self._in_blocks(rows, lambda codes: self._score(codes)[2]).astype(np.float32)

    def embed(self, rows: Array) -> Array:
        """Return the codes (N, K) themselves."""
        return checked_codes(rows)

    @abstractmethod
    def _fit(self, codes: Array, n_clusters: int) -> None:
        """Learn ``n_clusters`` clusters of ``codes`` (N, K), at least as many of which are distinct."""

    @abstractmethod
    def _score(self, codes: Array) -> tuple[Array, Array, Array]:
        """Return cluster, confidence and typicality, each (B,), of float64 ``codes`` (B, K)."""

    def _shares(self, codes: Array) -> Array:
        """Return the shares (B, M) of float64 ``codes`` (B, K) in the clusters."""
        return np.eye(self.n_clusters_)[self._score(codes)[0]]

    def _number(self, codes: Array) -> Array:
        """Number the clusters by how many of ``codes`` (N, K) they hold, and return these sizes as they were before."""
        labels = self.predict(codes)
        sizes = np.bincount(labels, minlength=self.n_clusters_)  # (M,)
        order = np.argsort(-sizes, kind="stable")
        for name, axes in self.learned.items():
            if axes[0] == "M":
                setattr(self, f"{name}_", getattr(self, f"{name}_")[order])
        self.labels_ = np.argsort(order, kind="stable")[labels]
        return sizes

    def _take(self, arrays: dict[str, Array], parts: Parts, made_by: Mapping[str, Any]) -> None:
        vars(self).update(vars(type(self).from_state(arrays, n_clusters=self.n_clusters, seed=self.seed)))

    @single_threaded
    def _in_blocks(self, codes: Array, read: Callable[[Array], Array], *shape: int) -> Array:
        """Return what ``read`` makes of ``codes`` (N, K), (N, *shape), from float64 (B, K) at a time."""
        size = self.length("K")
        codes = checked_codes(codes, size)
        rows = max(1, BLOCK_VALUES // max(self.n_clusters_, size))
        found = np.empty((len(codes), *shape))
        for start in range(0, len(codes), rows):
            block = slice(start, start + rows)
            found[block] = read(codes[block].astype(np.float64))
        return found


def checked_codes(codes: Array, size: int | None = None) -> Array:
    """Return ``codes`` when they are finite numbers (N, K), with K the ``size`` of fitted ones where these are known.

    Raises
    ------
    InputError : they are not
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.shape[1] == 0 or codes.dtype.kind not in "fiu":
        raise InputError("codes", "must be numbers (N, K)", value=f"{codes.dtype} {codes.shape}")
    if not all_finite(codes):
        raise InputError("codes", "must be finite", value="NaN or infinity")
    if size is not None and codes.shape[1] != size:
        raise InputError("codes", f"must have {size} values each, like the fitted ones", value=f"shape {codes.shape}")
    return codes
