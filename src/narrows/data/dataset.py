"""The one form of data in narrows: images or vectors, with what is known about each of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from narrows.data import metadata
from narrows.data.metadata import Column
from narrows.disk.files import Array, Int64
from narrows.errors import DataError
from narrows.wording import plural

HASHED_BYTES = 1 << 24  # at a time


@dataclass(frozen=True)
class Skipped:
    """A file that could not be used, or not whole, and the reason in plain words."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 (N, C, H, W) or vectors float32 (N, D), and what is known about each row.

    Parameters
    ----------
    values : images uint8 (N, C, H, W), grey (C = 1) or colour (C = 3); or vectors float32 (N, D). May be memory-mapped
    labels : class numbers int64 (N,), -1 where unknown; or None. Read only to score
    label_names : the name of class 0, 1, ...; or None
    ids : a name for each row, unique; row numbers by default
    paths : the file each row came from; or None
    split : "train", "valid" or "test" for each row, where the source itself fixes a split; or None
    metadata : what else is known, name -> column (N,) of numbers or words; NaN, None and "" where it is not. It never
        enters codes, clusters or scores
    provenance : how the data came to be, as JSON-ready values: source, format, and how files were converted
    skipped : files that could not be used, each with its reason
    damaged : truncated files that were read as far as possible, each with what is missing
    notes : sentences a reader of the report should know (a conversion, a fallback)

    Raises
    ------
    DataError : shapes, types or lengths that do not fit together, no rows, or values that are not finite
    """

    values: Array
    labels: Int64 | None = None
    label_names: tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()
    paths: tuple[str, ...] | None = None
    split: Array | None = None
    metadata: Mapping[str, Column] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    damaged: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        """Check that everything fits together."""
        values = self.values
        if not isinstance(values, np.ndarray):
            raise DataError(
                "data",
                "must be an array",
                value=type(values).__name__,
                remedy="Use narrows.open to convert lists and tensors.",
            )
        is_images = values.ndim == 4 and values.dtype == np.uint8
        is_vectors = values.ndim == 2 and values.dtype == np.float32
        if not (is_images or is_vectors):
            raise DataError(
                "data",
                "must be images uint8 (N, C, H, W) or vectors float32 (N, D)",
                value=f"{values.dtype} {values.shape}",
                remedy="Use narrows.open to convert arrays and files.",
            )
        if is_images and values.shape[1] not in (1, 3):
            raise DataError("images", "must have 1 or 3 channels", value=f"shape {values.shape}")
        if len(values) == 0 or 0 in values.shape:
            raise DataError("data", "must have at least one row, and one value in each", value=f"shape {values.shape}")
        if not self.ids:
            object.__setattr__(self, "ids", tuple(str(i) for i in range(len(values))))
        for name in ("labels", "ids", "paths", "split"):
            column = getattr(self, name)
            if column is not None and len(column) != len(values):
                raise DataError(
                    name,
                    f"must have one entry for each of the {plural(len(values), 'row')}",
                    value=plural(len(column), "entry", "entries"),
                )
        described = {str(name): metadata.of_values(column, str(name)) for name, column in self.metadata.items()}
        object.__setattr__(self, "metadata", described)
        for name, known in described.items():
            if len(known) != len(values):
                rule = f"must have one entry for each of the {plural(len(values), 'row')}"
                raise DataError(f"metadata[{name!r}]", rule, value=plural(len(known), "entry", "entries"))
        self._check_names()
        self._check_labels()
        if is_vectors and not all_finite(values):
            bad = int((~np.isfinite(values)).any(axis=1).sum())
            raise DataError(
                "vectors",
                "must contain only finite numbers",
                value=f"NaN or infinity in {bad} of {len(values)} rows",
                remedy="Remove those rows or fill in the missing values first.",
            )

    def _check_names(self) -> None:
        """Check that ids are unique, and that the split has its three words."""
        if len(set(self.ids)) < len(self.ids):
            twice = next(name for name, count in Counter(self.ids).items() if count > 1)
            raise DataError("ids", "must be unique", value=twice)
        if self.split is not None:
            object.__setattr__(self, "split", np.asarray(self.split))
            wrong = next((word for word in self.split.tolist() if word not in ("train", "valid", "test")), None)
            if wrong is not None:
                raise DataError("split", 'must say "train", "valid" or "test" for each row', value=wrong)

    def _check_labels(self) -> None:
        """Check that labels are class numbers, bring them to int64, and check that each has a name."""
        if self.labels is None:
            return
        labels = np.asarray(self.labels)
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise DataError(
                "labels",
                "must be class numbers (N,)",
                value=f"{labels.dtype} {labels.shape}",
                remedy="Use narrows.open to convert words and one-hot labels.",
            )
        labels = labels.astype(np.int64, copy=False)
        if labels.min() < -1:
            raise DataError("labels", "must be class numbers from 0, or -1 where unknown", value=int(labels.min()))
        object.__setattr__(self, "labels", labels)
        if self.label_names is not None and len(self.label_names) <= labels.max():
            raise DataError(
                "label_names",
                f"must name every class up to {int(labels.max())}",
                value=plural(len(self.label_names), "name"),
            )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def __repr__(self) -> str:
        """Say what this is in one line."""
        rows = plural(len(self), "image" if self.is_images else "vector")
        shape = "x".join(str(n) for n in self.shape)
        labels = ", no labels"
        if self.labels is not None:
            known = int((self.labels >= 0).sum())
            labels = f", {plural(self.n_classes, 'class', 'classes')}"
            labels += f" known of {plural(known, 'row')}" if known < len(self) else ""
        split = ", split by its source" if self.split is not None else ""
        skipped = f", {plural(len(self.skipped), 'file')} skipped" if self.skipped else ""
        return f"<Dataset: {rows} of {shape}{labels}{split}{skipped}>"

    @property
    def is_images(self) -> bool:
        """Whether rows are images rather than vectors."""
        return self.values.ndim == 4

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row: (C, H, W) or (D,)."""
        return tuple(self.values.shape[1:])

    @property
    def preprocessing(self) -> dict[str, Any] | None:
        """How the rows were opened, which ``narrows.open`` takes as ``like``; None if they came as they are."""
        found: dict[str, Any] | None = self.provenance.get("preprocessing")
        return found

    @property
    def n_classes(self) -> int:
        """The number of classes that occur in the labels (0 without labels)."""
        return 0 if self.labels is None else len(np.unique(self.labels[self.labels >= 0]))

    @property
    def class_names(self) -> list[str]:
        """The name of every class number up to the largest; empty without labels."""
        if self.labels is None:
            return []
        return list(self.label_names or (str(label) for label in range(int(self.labels.max()) + 1)))

    def fingerprint(self) -> str:
        """Return a sha256 of shape, ids, labels and every row: other data, another fingerprint."""
        digest = hashlib.sha256(f"{self.values.shape} {self.values.dtype}".encode())
        digest.update("\0".join(self.ids).encode("utf-8", "surrogateescape"))
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).tobytes())
        rows = max(1, HASHED_BYTES // self.values[0].nbytes)
        for start in range(0, len(self), rows):
            digest.update(np.ascontiguousarray(self.values[start : start + rows]).data)
        return digest.hexdigest()

    def take(self, rows: Sequence[int] | Sequence[bool] | Array) -> Dataset:
        """Return the data of ``rows`` (row numbers, or a truth value for each row), with everything known about them.

        Raises
        ------
        DataError : anything else; rows that do not exist, are named twice, or none at all
        """
        try:
            chosen = np.asarray(rows)
        except ValueError as error:  # lists of several lengths
            raise DataError("rows", "must be row numbers or a mask (N,)", value=rows) from error
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "biu"):
            raise DataError("rows", "must be row numbers or a mask (N,)", value=f"{chosen.dtype} {chosen.shape}")
        if chosen.dtype == bool and len(chosen) != len(self):
            raise DataError("rows", f"must be a mask of all {plural(len(self), 'row')}", value=len(chosen))
        index = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        if (outside := index[(index < -len(self)) | (index >= len(self))]).size:
            rule = f"must be from 0 to {len(self) - 1}, or from -{len(self)} to -1 counted from the end"
            raise DataError("rows", rule, value=int(outside[0]))
        if len(set(index % len(self))) < len(index):
            raise DataError("rows", "must name each row once", value=rows)
        return replace(
            self,
            values=self.values[index],
            labels=None if self.labels is None else self.labels[index],
            ids=tuple(self.ids[i] for i in index),
            paths=None if self.paths is None else tuple(self.paths[i] for i in index),
            split=None if self.split is None else self.split[index],
            metadata=metadata.taken(self.metadata, index),
        )


def all_finite(values: Array, rows_at_a_time: int = 4096) -> bool:
    """Whether no value is NaN or infinite, looked at in blocks so that memory stays bounded."""
    return all(bool(np.isfinite(values[i : i + rows_at_a_time]).all()) for i in range(0, len(values), rows_at_a_time))
