"""Projections: codes -> points in a plane. One file per method; each can place new codes on its map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from narrows.clustering import checked_codes
from narrows.disk.files import Array
from narrows.disk.learned import Learned
from narrows.errors import InputError
from narrows.registry import Registry
from narrows.work.threads import single_threaded

methods = Registry("narrows.projection", "projection")


class Projection(Learned, ABC):
    """A map of codes.

    A subclass's constructor takes ``seed`` and its own arguments, all with defaults. The subclass names its learned
    arrays and their shapes in ``learned``, with K for the size of a code, learns them in ``_fit`` and uses them in
    ``_place``.

    Parameters
    ----------
    seed : of all random numbers

    Attributes
    ----------
    map_ : (N, 2) float32, the points of the fitted codes
    notes : sentences about what was done differently from what was asked
    """

    map_: Array
    notes: tuple[str, ...] = ()

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @single_threaded
    def fit(self, codes: Array, neighbours: tuple[Array, Array] | None = None) -> Self:
        """Make a map of ``codes`` (N, K).

        Parameters
        ----------
        neighbours : indices and distances, (N, k) each, of the other codes nearest to each code, if they are known; a
            method that needs more searches for them

        Raises
        ------
        InputError : codes that are not a table of finite numbers, or no codes at all
        """
        codes = _checked(codes)
        if len(codes) == 0:
            raise InputError("codes", "must have at least one row to be mapped", value=f"shape {codes.shape}")
        self.notes = ()
        self._fit(codes, neighbours)
        self.map_ = self._place_fitted(codes)
        return self

    @single_threaded
    def transform(self, codes: Array) -> Array:
        """Return the points (N, 2) float32 of ``codes`` (N, K); fitted codes get their points in ``map_``."""
        return self._place(_checked(codes, self.length("K")))

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array], **arguments: Any) -> Self:
        """Build from the arrays that ``state`` returned and the arguments of the constructor. ``map_`` is not saved.

        Raises
        ------
        RunFolderError : arrays that this method cannot have learned
        """
        projection = cls(**arguments)
        projection.take_state("projection", arrays)
        return projection

    @abstractmethod
    def _fit(self, codes: Array, neighbours: tuple[Array, Array] | None) -> None:
        """Learn the map of ``codes`` (N, K) float32."""

    @abstractmethod
    def _place(self, codes: Array) -> Array:
        """Return the points (N, 2) float32 of ``codes`` (N, K) float32."""

    def _place_fitted(self, codes: Array) -> Array:
        """Return what ``_place`` returns for the codes of the fit, as a method may know them sooner."""
        return self._place(codes)


def _checked(codes: Array, size: int | None = None) -> Array:
    # Turns -0 into 0, so that rows are equal exactly if their bytes are.
    return np.ascontiguousarray(checked_codes(codes, size), dtype=np.float32) + np.float32(0)


methods.contract = Projection
