"""A clustering of codes with the encoder that makes them: one clustering of images or vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from narrows.clustering import CodeClusterer
from narrows.disk.files import Array
from narrows.disk.sealed import Parts
from narrows.encoders import FittedEncoder, load
from narrows.errors import RunFolderError


class Coded:
    """Encodes rows and clusters their codes, behind the interface of a clustering that trains its own network.

    Parameters
    ----------
    encoder : fitted to the rows first
    clusterer : fitted to their codes

    Attributes
    ----------
    model_ : the encoder
    reader_ : the clustering of codes
    labels_ : (N,) int64, the cluster of each fitted row
    notes : sentences about what was done differently from what was asked
    parts : the files of a saved one
    """

    labels_: Array

    def __init__(self, encoder: FittedEncoder, clusterer: CodeClusterer) -> None:
        self.model_, self.reader_, self.notes, self.seed = encoder, clusterer, clusterer.notes, clusterer.seed
        self.parts = (*encoder.files, *clusterer.parts)

    @property
    def n_clusters(self) -> int:
        """The requested number of clusters."""
        return int(self.reader_.n_clusters)

    @property
    def n_clusters_(self) -> int:
        """M, the number of clusters, including empty ones."""
        return self.reader_.n_clusters_

    def fit(self, rows: Array, stages: object = None, *, preprocessing: Mapping[str, Any] | None = None) -> Self:
        """Find clusters of images uint8 (N, C, H, W) or vectors float32 (N, D); see ``DeepClusterer.fit``.

        There are no ``stages`` to keep: nothing is trained.
        """
        codes = self.model_.fit(rows, preprocessing=preprocessing).encode(rows)
        self.labels_, self.notes = self.reader_.fit(codes).labels_, self.reader_.notes
        return self

    def history(self, stages: object) -> list[dict[str, float]]:
        """Return the training that the codes come from: none."""
        return []

    def assign(self, rows: Array) -> Array:
        """Return the shares (N, M) float32 that rows have in the clusters; each row's add up to 1."""
        return self.reader_.assign(self.embed(rows))

    def predict(self, rows: Array) -> Array:
        """Return the cluster (N,) int64 of each row."""
        return self.reader_.predict(self.embed(rows))

    def confidence(self, rows: Array) -> Array:
        """Return how clearly each row belongs to its cluster rather than another: (N,) float32 in [0, 1]."""
        return self.reader_.confidence(self.embed(rows))

    def embed(self, rows: Array) -> Array:
        """Return the codes (N, K) float32."""
        return self.model_.encode(rows)

    def write(self, folder: Path) -> None:
        """Write ``parts`` into ``folder``."""
        self.model_.write(folder)
        self.reader_.write(folder)

    @classmethod
    def read(cls, parts: Parts, method: type[CodeClusterer], *, trust_code: bool) -> Self:
        """Read what ``write`` wrote of a clustering by ``method``; see ``Saved.load``.

        Raises
        ------
        RunFolderError : files missing, changed, damaged, of another method, or not fitting each other
        """
        encoder, clusterer = load(parts, trust_code=trust_code), method.load(parts)
        if not isinstance(encoder, FittedEncoder) or encoder.code_size != clusterer.length("K"):
            raise RunFolderError(str(parts.place), "must contain an encoder and a clustering of its codes")
        return cls(encoder, clusterer)
