"""What estimators share: turning what they are given into data of the shape they were fitted on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from narrows.data.arrays import as_array, as_values
from narrows.data.columns import with_offsets
from narrows.data.dataset import Dataset
from narrows.data.open import open as open_source
from narrows.data.open import open_like
from narrows.encoder import Encoder
from narrows.errors import InputError, RecipeError, RunFolderError
from narrows.files import Array, Float32, write_arrays
from narrows.novelty import NAME, Novelty, evidence_of
from narrows.progress import Progress, for_this_terminal
from narrows.sealed import Parts

DTYPES = [np.float64, np.float32]  # that vectors may come in; others become the first

Source = Any  # what ``narrows.open`` takes: arrays, tensors, a Dataset, a path, the name of a data set


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
        if is_table(X):
            if not fitting and self.model_.is_images:
                raise InputError("X", f"must be images of {self.model_.input_shape}, as in fit", value=np.shape(X))
            checked = validate_data(
                self, without_torch(X), reset=fitting, dtype=DTYPES, ensure_min_samples=2 if fitting else 1
            )
            return self._table(checked, fitting=fitting)
        if fitting:
            data = open_source(X)
            self.n_features_in_ = int(np.prod(data.shape))
            self._axes = axes_of(X)
            self._name_features(data.provenance.get("preprocessing", {}))
            return data
        if isinstance(X, Dataset) and X.is_images and X.shape == self.model_.input_shape:
            return X
        return open_like(X, self.model_.input_shape, self.model_.preprocessing)

    def _table(self, X: Array, *, fitting: bool) -> Dataset:
        """Return vectors (N, D), which scikit-learn has checked, as data; names of columns are kept with the model."""
        if not fitting:
            own = self.model_.preprocessing
            return Dataset(as_values(X, "X", like=own)[0], provenance={"preprocessing": own})
        self._axes = "ND"
        values, _, kept = as_values(X, "X")
        if hasattr(self, "feature_names_in_"):
            kept["columns"] = self.feature_names_in_.tolist()
        return Dataset(values, provenance={"preprocessing": kept})

    def _remember(self, model: Encoder, axes: str) -> None:
        """Take on a model that was saved."""
        self.model_, self._axes, self.n_features_in_ = model, axes, math.prod(model.input_shape)
        self._name_features(model.preprocessing)

    def _name_features(self, preprocessing: Mapping[str, Any]) -> None:
        """Take on the names of columns, if there are any, so that scikit-learn checks them in dataframes."""
        if names := preprocessing.get("columns"):
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):  # of a former fit
            del self.feature_names_in_

    def _given_back(self, outputs: Array) -> Array:
        """Return what a model draws as ``fit`` was given its data: images with their axes, vectors in their units."""
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
        """Say that images are welcome."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.three_d_array = True
        return tags


class TellsNovelty(OpensSources):
    """For estimators that say how unlike the fitted rows others are."""

    novelty_: Novelty | None

    def novelty(self, X: Source) -> Float32:
        """Return the novelty (N,) float32 of each row: the share of held-out rows that are odder.

        Near 0: unlike what was fitted, whatever the estimator says of it otherwise. Of rows like those fitted, one in
        twenty has a novelty of at most 0.05. See ``narrows.novelty`` for what it is computed from.

        Raises
        ------
        RunFolderError : the estimator was saved without it
        """
        check_is_fitted(self)
        if self.novelty_ is None:
            raise RunFolderError(
                "this estimator", f"must have been saved with its novelty ({NAME})",
                remedy="An earlier narrows saved it, without: fit it again.",
            )  # fmt: skip
        values = self._open(X).values
        return self.novelty_.novelty(self.model_, values, *self._evidence(values))

    def _evidence(self, values: Array) -> tuple[Array, Array | None]:
        """Return where rows lie (N, K), and their reconstruction errors (N,) if there are any."""
        return evidence_of(self.model_, values)

    def _learn_novelty(self, values: Array, fitted: Array, held_out: Array, seed: int) -> None:
        self.n_samples_fit_ = len(values)
        self.novelty_ = Novelty(seed).fit(
            self.model_, values, lambda rows: self._evidence(values[rows]), fitted, held_out
        )

    def _save_novelty(self, folder: Path) -> tuple[str, ...]:
        """Write what tells novelty beside a saved model, and return the names of the files."""
        if self.novelty_ is None:
            return ()
        write_arrays(folder / NAME, self.novelty_.state())
        return (NAME,)

    def _load_novelty(self, parts: Parts) -> None:
        self.novelty_ = parts.built(NAME, lambda arrays, _: Novelty.from_state(arrays)) if NAME in parts else None


def without_torch(X: Source) -> Source:
    """Return a tensor as an array, whatever its device, type and gradients; anything else as it is."""
    return as_array(X) if hasattr(X, "detach") else X


def is_table(X: Source) -> bool:
    """Whether scikit-learn's own checks apply: anything that is not images, a Dataset, or a source by name."""
    if isinstance(X, Dataset | str | Path):
        return False
    shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
    return len(shape) < 3


def axes_of(X: Source) -> str:
    """Return the order of the axes of an image array; sources other than arrays count as NCHW."""
    shape: tuple[int, ...] = () if isinstance(X, Dataset) else tuple(getattr(X, "shape", ()))
    if len(shape) == 3:
        return "NHW"
    return "NHWC" if len(shape) == 4 and shape[-1] in (1, 3) else "NCHW"


def arrange(outputs: Array, axes: str) -> Array:
    """Return images (N, C, H, W) with their axes in the order ``axes``; anything else as it is."""
    if axes == "NHWC":
        return np.ascontiguousarray(outputs.transpose(0, 2, 3, 1))
    return outputs[:, 0] if axes == "NHW" else outputs
