"""What estimators that learn classes share: the source of labels, and accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from narrows.data.arrays import without_tensors
from narrows.data.dataset import Dataset
from narrows.data.open import given
from narrows.disk.files import Array
from narrows.disk.sealed import Parts
from narrows.errors import DataError, RunFolderError
from narrows.estimators._saving import Saved
from narrows.estimators._source import Source, is_table
from narrows.wording import plural


class LearnsClasses(Saved, ClassifierMixin):  # type: ignore[misc]
    """For estimators with ``classes_`` and ``predict``."""

    classes_: Array

    def score(self, X: Source, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy on ``X``, by ``y`` or else by the known labels of ``X``."""
        check_is_fitted(self)
        data = self._open(X)
        if y is None:
            known, data, y = _known(data)
            sample_weight = None if sample_weight is None else column_or_1d(sample_weight)[known]
        right = self.predict(data) == np.asarray(without_tensors(y))
        return float(np.average(right, weights=sample_weight))

    def _labelled(self, X: Source, y: Any, *, fitting: bool = True) -> tuple[Dataset, Array]:
        """Return the rows with a known label, and the names of those labels.

        ``fitting`` is whether these rows define the expected shape; otherwise ``model_`` does.
        """
        source = given(X)
        if y is None:
            data = None if is_table(source) and isinstance(source, np.ndarray) else self._open(source, fitting=fitting)
            if data is None or (is_table(source) and data.labels is None):
                # scikit-learn's own words, which its tools look for
                raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
            _, data, y = _known(data)
            return replace(data, split=None), y
        y = without_tensors(y)
        if is_table(source) and fitting:
            data, y = self._table(source, y, fitting=True)
        else:
            data = self._open(source, fitting=fitting)
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if len(y) != len(data):
            raise DataError("y", f"must have one label for each of the {len(data)} rows", value=len(y))
        return replace(data, split=None), np.asarray(y)

    def _learned(self) -> str:
        return plural(len(self.classes_), "class", "classes")

    def _write_classes(self, record: dict[str, Any]) -> None:
        record |= {"classes": self.classes_.tolist(), "type of classes": self.classes_.dtype.str}

    def _read_classes(self, parts: Parts, record: Mapping[str, Any], count: int) -> None:
        """Set the classes, which must be as many as the network distinguishes."""
        found, kind = record.get("classes"), record.get("type of classes")
        if not isinstance(found, list) or any(isinstance(one, list | dict) or one is None for one in found):
            raise parts.damaged(self._record, f"classes {found!r}")
        if len(found) != count or len(set(found)) < len(found):
            raise RunFolderError(
                parts.path(self._record), "must contain as many classes as the network distinguishes", value=found
            )
        try:
            dtype = np.dtype(kind)
            if dtype.kind not in "biufUO":
                raise ValueError(f"classes of type {dtype}")
            # Texts are as long as the longest of them, whatever length a file would have them take.
            self.classes_ = np.array(found, dtype=np.str_ if dtype.kind == "U" else dtype)
        except (OverflowError, TypeError, ValueError) as error:
            raise parts.damaged(self._record, error) from error


def _known(data: Dataset) -> tuple[Array, Dataset, Array]:
    """Return which rows have a label, these rows, and their labels, by their names where there are names.

    Raises
    ------
    DataError : none has
    """
    known = np.zeros(len(data), bool) if data.labels is None else data.labels >= 0
    if not known.any():
        raise DataError("y", "must be given, because X has no labels")
    data = data.take(known)
    labels = np.asarray(data.labels)
    return known, data, labels if data.label_names is None else np.array(data.label_names)[labels]
