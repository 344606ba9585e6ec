"""Clusterings: codes to groups. One file per method; each can say where new codes belong.

A method fits parameters; everything else (labels, confidence, typicality) is computed from those parameters by the same
lines whether they were just fitted or read from a file, so that both give the same bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from narrows import wording
from narrows.clustering._checks import checked_codes
from narrows.errors import InputError, RecipeError
from narrows.files import Array
from narrows.registry import Registry
from narrows.sealed import checked_state
from narrows.wording import verb

methods = Registry("narrows.clustering", "clustering method")
__getattr__ = methods.attribute  # every method's class, imported when it is first used

BLOCK_VALUES = 1 << 22  # float64 values worked on at once: 32 MiB


class Clusterer(ABC):
    """A way to sort codes into clusters, numbered by size with the largest first.

    A subclass's constructor takes ``n_clusters`` and ``seed``, then its own arguments. It names its learned arrays and
    their shapes in ``learned``, learns them in ``_fit`` and scores codes by them in ``_score``; the rest is done here.

    Parameters
    ----------
    n_clusters : the number of clusters; lowered, with a note, where there are fewer distinct codes
    seed : of everything random

    Attributes
    ----------
    labels_ : (N,) int64, the cluster of each fitted code
    notes : sentences about what was done differently from what was asked
    """

    #: The attributes ``_fit`` sets (each with an underscore added), float64, and their axes: M clusters, K code values.
    #: The first axis of every one is M.
    learned: ClassVar[Mapping[str, str]]

    labels_: Array
    notes: tuple[str, ...] = ()

    def __init__(self, n_clusters: int = 10, seed: int = 0) -> None:
        if n_clusters < 1:
            raise RecipeError("clustering.n_clusters", "must be a whole number >= 1", value=n_clusters)
        self.n_clusters = n_clusters
        self.seed = seed

    def fit(self, codes: Array) -> Self:
        """Find clusters in ``codes`` (N, K).

        Raises
        ------
        InputError : codes that are no table of finite numbers, or no codes at all
        """
        codes = checked_codes(codes)
        if len(codes) == 0:
            raise InputError("codes", "must have at least one row to be clustered", value=f"shape {codes.shape}")
        distinct = count_distinct(codes, self.n_clusters)
        self.notes = ()
        if distinct < self.n_clusters:
            self.notes = (
                f"{self.n_clusters} clusters were asked for, but {wording.distinct(distinct, 'code')}: "
                f"{distinct} made.",
            )
        self._fit(codes, distinct)
        labels = self.predict(codes)
        sizes = np.bincount(labels, minlength=self._shape()[0])  # (M,)
        order = np.argsort(-sizes, kind="stable")
        for name, array in self.state().items():
            setattr(self, f"{name}_", array[order])
        self.labels_ = np.argsort(order, kind="stable")[labels]
        empty = int((sizes == 0).sum())
        if empty:
            self.notes += (f"{empty} of {len(sizes)} clusters {verb(empty, 'holds', 'hold')} no code.",)
        return self

    def predict(self, codes: Array) -> Array:
        """Return the cluster (N,) int64 of each of ``codes`` (N, K)."""
        return self._in_blocks(codes, 0).astype(np.int64)

    def confidence(self, codes: Array) -> Array:
        """Return how clearly each of ``codes`` (N, K) belongs to its cluster rather than another: (N,) in [0, 1]."""
        return self._in_blocks(codes, 1).astype(np.float32)

    def typicality(self, codes: Array) -> Array:
        """Return how near each of ``codes`` (N, K) is to the core of its cluster: (N,), greater is nearer."""
        return self._in_blocks(codes, 2).astype(np.float32)

    def state(self) -> dict[str, Array]:
        """Return the learned arrays."""
        return {name: getattr(self, f"{name}_") for name in self.learned}

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array], **arguments: Any) -> Self:
        """Build from what ``state`` returned and the arguments of the constructor.

        Raises
        ------
        RunFolderError : arrays that are not those of this method
        """
        clusterer = cls(**arguments)
        for name, array in checked_state("clustering", cls.learned, arrays).items():
            setattr(clusterer, f"{name}_", array)
        return clusterer

    @abstractmethod
    def _fit(self, codes: Array, n_clusters: int) -> None:
        """Learn ``n_clusters`` clusters of ``codes`` (N, K), at least as many of which are distinct."""

    @abstractmethod
    def _score(self, codes: Array) -> tuple[Array, Array, Array]:
        """Return cluster, confidence and typicality, each (B,), of float64 ``codes`` (B, K)."""

    def _shape(self) -> tuple[int, int]:
        """Return M, the number of clusters, and K, the number of values of a code."""
        name = next(name for name, axes in self.learned.items() if axes == "MK")
        clusters, size = getattr(self, f"{name}_").shape
        return clusters, size

    def _in_blocks(self, codes: Array, which: int) -> Array:
        codes = checked_codes(codes)
        clusters, size = self._shape()
        if codes.shape[1] != size:
            raise InputError("codes", f"must have {size} values each, as the fitted ones", value=f"shape {codes.shape}")
        rows = max(1, BLOCK_VALUES // max(clusters, size))
        found = np.empty(len(codes))
        for start in range(0, len(codes), rows):
            block = slice(start, start + rows)
            found[block] = self._score(codes[block].astype(np.float64))[which]
        return found


def count_distinct(codes: Array, enough: int) -> int:
    """Return the number of distinct rows of ``codes`` (N, K), or ``enough`` as soon as there are that many."""
    seen: set[bytes] = set()
    for row in codes:
        seen.add((row + 0.0).tobytes())  # adding 0 makes one zero of the two that floats have
        if len(seen) == enough:
            break
    return len(seen)
