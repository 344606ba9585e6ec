"""Batches by indexing: the data stay in their stored form, and a batch is one indexing operation."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from narrows.disk.files import Array
from narrows.errors import InputError


class Batches:
    """Rows of an array (uint8 images or float32 vectors), drawn in batches.

    A memory-mapped array is read into memory if it takes less than half of the free memory; otherwise batches are read
    from disk, one ahead of training.

    Parameters
    ----------
    values : (M, ...)
    rows : int64 (N,), the rows of ``values`` to use
    labels : the class of each row of ``values``, int64 (M,), or its shares in the classes, float (M, C); or None

    Raises
    ------
    InputError : one of ``rows`` has no known label
    """

    def __init__(self, values: Array, rows: Array, labels: Array | None = None) -> None:
        self.values = values
        self.rows = np.asarray(rows, dtype=np.int64)
        self.labels = None if labels is None else _as_labels(labels)[self.rows]  # (N,) or (N, C)
        if self.labels is not None and (self.labels < 0).any():
            unknown = int((self.labels < 0).sum())
            raise InputError("labels", "must be known for every training row", value=f"{unknown} unknown")
        on_disk = isinstance(values, np.memmap)
        row_bytes = values[:1].nbytes
        self._tensor: Tensor | None = None
        if on_disk and row_bytes * len(rows) < free_memory() / 2:
            self._tensor = torch.from_numpy(np.ascontiguousarray(values[self.rows]))
            self.rows = np.arange(len(rows))
        elif not on_disk:
            self._tensor = _as_tensor(values)

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.rows)

    def read(self, index: Array) -> Tensor:
        """Return the rows ``index`` (B,) of the N rows, as stored (B, ...)."""
        rows = self.rows[index]
        if self._tensor is not None:
            return self._tensor[torch.from_numpy(rows)]
        order = np.argsort(rows)  # reads the disk in order, and keeps the order of the batch
        batch = np.empty((len(rows), *self.values.shape[1:]), self.values.dtype)
        batch[order] = self.values[rows[order]]
        return torch.from_numpy(batch)

    def iterate(self, parts: list[Array]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield (rows as stored, their labels) for each of ``parts`` (at least one), indices into the N rows."""
        for part, batch in zip(parts, self._read_ahead(parts), strict=True):
            yield batch, None if self.labels is None else torch.from_numpy(self.labels[part])

    def _read_ahead(self, parts: list[Array]) -> Iterator[Tensor]:
        if self._tensor is not None:
            yield from (self.read(part) for part in parts)
            return
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self.read, parts[0])
            for following in parts[1:]:
                batch, ahead = ahead.result(), reader.submit(self.read, following)
                yield batch
            yield ahead.result()


def partition(order: Array, batch_size: int) -> list[Array]:
    """Cut ``order`` (N,) into ceil(N / batch_size) parts whose sizes differ by at most one.

    So no row is left out, and no small last batch disturbs batch statistics.
    """
    return np.array_split(order, max(1, -(-len(order) // batch_size)))


def free_memory() -> int:
    """Return the free memory in bytes, or 4 GiB if the system does not report it."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 << 30


def _as_labels(labels: Array) -> Array:
    labels = np.asarray(labels)
    return labels.astype(np.int64 if labels.ndim == 1 else np.float32, copy=False)


def _as_tensor(values: Array) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # it is only read
        return torch.from_numpy(np.ascontiguousarray(values))
