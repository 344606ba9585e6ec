"""What estimators share: opening their input as data of the shape they were fitted on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from narrows.data import frames
from narrows.data.arrays import as_values
from narrows.data.columns import with_offsets
from narrows.data.dataset import Dataset
from narrows.data.formats import Options, Raw
from narrows.data.labels import as_labels
from narrows.data.open import given, open_like
from narrows.data.open import open as open_source
from narrows.disk.files import Array, Float32, write_arrays
from narrows.disk.sealed import Parts
from narrows.encoding.encoder import Encoder
from narrows.errors import InputError, RecipeError, RunFolderError
from narrows.evaluation.novelty import NAME, Novelty, evidence_of
from narrows.work.progress import Progress, for_this_terminal

DTYPES = [np.float64, np.float32]  # that vectors may come in; others become the first

Source = Any  # what ``narrows.open`` takes: arrays, tensors, dataframes, a Dataset, paths, the name of a data set


class OpensSources:
    """For estimators with ``model_``, ``random_state`` and ``verbose``."""

    model_: Encoder
    n_features_in_: int
    random_state: int | np.random.RandomState | None
    verbose: bool
    feature_names_in_: Array  # where X had names
    n_samples_fit_: int | None  # rows it was fitted to; None where an earlier narrows saved it, without
    _axes: str  # the order of the axes of what was given to fit

    def _open(self, X: Source, *, fitting: bool = False) -> Dataset:
        """Turn ``X`` into data of the model's shape."""
        source = given(X)
        if is_table(source):
            return self._table(source, fitting=fitting)[0]
        if fitting:
            data = open_source(source)
            self.n_features_in_ = int(np.prod(data.shape))
            self._axes = axes_of(source)
            self._name_features(data.provenance.get("preprocessing", {}))
            return data
        if isinstance(source, Dataset) and source.is_images and source.shape == self.model_.input_shape:
            return source
        return open_like(source, self.model_.input_shape, self.model_.preprocessing)

    def _table(self, source: Any, y: Any = "no_validation", *, fitting: bool) -> tuple[Dataset, Any]:
        """Return vectors (N, D), an array or a dataframe, as data, and ``y``; scikit-learn has checked both.

        A dataframe's data columns are those that ``narrows.open`` chooses; their names are saved with the model.
        """
        if not fitting and self.model_.is_images:
            raise InputError(
                "X", f"must be images of shape {self.model_.input_shape}, as in fit", value=np.shape(source)
            )
        raw = Raw(source) if isinstance(source, np.ndarray) else frames.read(source, Options())
        X = raw.values if raw.columns is None else frames.with_values(source, raw.columns, raw.values)
        checked = validate_data(self, X, y, reset=fitting, dtype=DTYPES, ensure_min_samples=2 if fitting else 1)
        values, y = checked if isinstance(checked, tuple) else (checked, y)
        kept = None if fitting else self.model_.preprocessing
        values, _, new = as_values(values, "X", like=kept)
        if fitting:
            self._axes, kept = "ND", new
            if hasattr(self, "feature_names_in_"):
                kept["columns"] = self.feature_names_in_.tolist()
        labels, names = (None, None) if raw.labels is None else as_labels(raw.labels, len(values))
        data = Dataset(
            values, labels, names, raw.ids, metadata=raw.metadata, notes=raw.notes, provenance={"preprocessing": kept}
        )
        return data, y

    def _remember(self, model: Encoder, axes: str) -> None:
        """Set the model from a saved one."""
        self.model_, self._axes, self.n_features_in_ = model, axes, math.prod(model.input_shape)
        self._name_features(model.preprocessing)

    def _name_features(self, preprocessing: Mapping[str, Any]) -> None:
        """Set the names of columns, if there are any, so that scikit-learn checks them in dataframes."""
        if names := preprocessing.get("columns"):
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):  # of a former fit
            del self.feature_names_in_

    def _given_back(self, outputs: Array) -> Array:
        """Return a model's output in the form given to ``fit``: images with their axes, vectors in their units."""
        return arrange(with_offsets(outputs, self.model_.preprocessing), self._axes)

    def _seed(self) -> int:
        state = self.random_state
        if isinstance(state, bool) or (isinstance(state, int | np.integer) and not 0 <= state < 2**32):
            raise RecipeError("random_state", "must be from 0 to 2**32 - 1, a RandomState or None", value=state)
        if isinstance(state, int | np.integer):
            return int(state)
        return int(check_random_state(state).randint(2**31 - 1))

    def _progress(self) -> Progress:
        return for_this_terminal() if self.verbose else Progress()

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that images are accepted, and sparse matrices that fit in memory as dense arrays."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.three_d_array = tags.input_tags.sparse = True
        return tags


class TellsNovelty(OpensSources):
    """For estimators that measure how unlike the fitted rows other rows are."""

    novelty_: Novelty | None

    def novelty(self, X: Source) -> Float32:
        """Return the novelty (N,) float32 of each row: the share of held-out rows that are odder.

        Near 0: unlike what was fitted, however confident the estimator is. Of rows like those fitted, one in
        twenty has a novelty of at most 0.05. See ``narrows.evaluation.novelty`` for what it is computed from.

        Raises
        ------
        RunFolderError : the estimator was saved without it
        """
        check_is_fitted(self)
        if self.novelty_ is None:
            raise RunFolderError(
                "this estimator",
                f"must have been saved with its novelty ({NAME})",
                remedy="An earlier version of narrows saved it without novelty: fit it again.",
            )
        values = self._open(X).values
        return self.novelty_.novelty(self.model_, values, *self._evidence(values))

    def _evidence(self, values: Array) -> tuple[Array, Array | None]:
        """Return the codes of rows (N, K), and their reconstruction errors (N,) if there are any."""
        return evidence_of(self.model_, values)

    def _learn_novelty(self, values: Array, fitted: Array, held_out: Array, seed: int) -> None:
        self.n_samples_fit_ = len(values)
        self.novelty_ = Novelty(seed).fit(
            self.model_, values, lambda rows: self._evidence(values[rows]), fitted, held_out
        )

    def _save_novelty(self, folder: Path) -> tuple[str, ...]:
        """Save the fitted novelty beside a model, and return the names of the files."""
        if self.novelty_ is None:
            return ()
        write_arrays(folder / NAME, self.novelty_.state())
        return (NAME,)

    def _load_novelty(self, parts: Parts) -> None:
        self.novelty_ = parts.built(NAME, lambda arrays, _: Novelty.from_state(arrays)) if NAME in parts else None


def is_table(source: Any) -> bool:
    """Whether scikit-learn's own checks apply to a source that is ``given``: a dataframe, or an array of no images."""
    return source.ndim < 3 if isinstance(source, np.ndarray) else frames.is_frame(source)


def axes_of(source: Any) -> str:
    """Return the order of the axes of an image array; sources other than arrays count as NCHW."""
    shape: tuple[int, ...] = source.shape if isinstance(source, np.ndarray) else ()
    if len(shape) == 3:
        return "NHW"
    return "NHWC" if len(shape) == 4 and shape[-1] in (1, 3) else "NCHW"


def arrange(outputs: Array, axes: str) -> Array:
    """Return images (N, C, H, W) with their axes in the order ``axes``; anything else as it is."""
    if axes == "NHWC":
        return np.ascontiguousarray(outputs.transpose(0, 2, 3, 1))
    return outputs[:, 0] if axes == "NHW" else outputs
