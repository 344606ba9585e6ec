"""The contract that every clustering keeps, whether its rows are codes, images or vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from narrows.arguments import whole_number
from narrows.disk.files import Array, write_arrays
from narrows.disk.learned import Learned
from narrows.disk.sealed import AGAIN, Parts, new_place, seal
from narrows.errors import NarrowsError, RunFolderError

SEEDS = 1 << 32  # there are so many


class Clusterer(Learned, ABC):
    """A way to sort rows into clusters, numbered by size with the largest first.

    A subclass is a ``CodeClusterer`` (``narrows.clustering``), whose rows are codes, or a ``DeepClusterer``
    (``narrows.deep``), which trains a network and whose rows are images or vectors as they are stored. A constructor
    takes ``n_clusters`` and ``seed``, then its own arguments, which all have defaults.

    Parameters
    ----------
    n_clusters : the number of clusters; lowered, with a note, where there are fewer distinct rows
    seed : of all random numbers

    Attributes
    ----------
    labels_ : (N,) int64, the cluster of each fitted row
    notes : sentences about what was done differently from what was asked
    """

    #: Whether it trains a network of its own, and so takes rows as they are stored rather than codes.
    trains_network: ClassVar[bool] = False
    #: Arguments with which it takes seconds, to see whether it works at all.
    quick: ClassVar[Mapping[str, Any]] = {}
    #: The files of a saved one.
    parts: ClassVar[tuple[str, ...]] = ("clusterer.safetensors",)

    labels_: Array
    notes: tuple[str, ...] = ()

    def __init__(self, n_clusters: int = 10, seed: int = 0) -> None:
        self.n_clusters: Any = whole_number("clustering.n_clusters", n_clusters)
        self.seed = whole_number("seed", seed, 0, SEEDS - 1)

    @property
    @abstractmethod
    def n_clusters_(self) -> int:
        """M, the number of clusters, including empty ones."""

    @abstractmethod
    def fit(self, rows: Array) -> Self:
        """Find clusters in ``rows`` (N, ...)."""

    @abstractmethod
    def assign(self, rows: Array) -> Array:
        """Return the shares (N, M) float32 that rows have in the clusters; each row's add up to 1."""

    @abstractmethod
    def predict(self, rows: Array) -> Array:
        """Return the cluster (N,) int64 of each row."""

    @abstractmethod
    def confidence(self, rows: Array) -> Array:
        """Return how clearly each row belongs to its cluster rather than another: (N,) float32 in [0, 1]."""

    @abstractmethod
    def embed(self, rows: Array) -> Array:
        """Return the codes (N, K) in which the clusters lie."""

    def evidence(self) -> dict[str, list[dict[str, Any]]]:
        """Return intermediate results as tables, name -> lines."""
        return {}

    def save(self, folder: str | Path) -> None:
        """Write the fitted clusterer into ``folder``, and the hashes of its files."""
        folder = new_place(folder)
        self.write(folder)
        seal(folder, self.parts)

    def write(self, folder: Path) -> None:
        """Write what ``save`` does, without hashes: the caller writes those of all its files together."""
        made_by = {
            "method": type(self).__name__,
            "n_clusters": self.n_clusters,
            "seed": self.seed,
            "notes": list(self.notes),
        }
        write_arrays(folder / "clusterer.safetensors", self.state(), made_by | self._beside(folder))

    @classmethod
    def load(cls, place: str | Path | Parts) -> Self:
        """Read what ``save`` wrote; it answers as the saved one did. ``labels_`` and how it was fitted are not kept.

        Raises
        ------
        RunFolderError : files missing, changed, damaged, of another method, or of two different clusterers
        """
        parts = place if isinstance(place, Parts) else Parts.of(place)
        arrays, made_by = parts.arrays("clusterer.safetensors")
        try:
            if made_by["method"] != cls.__name__:
                raise ValueError(f"made by {made_by['method']}")
            self = cls(n_clusters=made_by["n_clusters"], seed=made_by["seed"])
            self.notes = tuple(made_by["notes"])
            self._take(arrays, parts, made_by)
        except Exception as error:
            if isinstance(error, NarrowsError) and str(parts.place) in str(error):  # it names the very file
                raise
            raise RunFolderError(
                str(parts.place), "must contain a saved clusterer of this method", value=str(error), remedy=AGAIN
            ) from error
        return self

    @abstractmethod
    def _take(self, arrays: dict[str, Array], parts: Parts, made_by: Mapping[str, Any]) -> None:
        """Take on saved ``arrays``, and what else there is in ``parts``; any error says that they do not fit."""

    def _beside(self, folder: Path) -> dict[str, Any]:
        """Write what is kept beside the arrays, and return the record of it."""
        return {}
