"""What estimators share: turning what they are given into data of the shape they were fitted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from narrows.data.dataset import Dataset
from narrows.data.open import open as open_source
from narrows.errors import InputError, RunFolderError
from narrows.files import Array, read_arrays, write_arrays
from narrows.model import Model
from narrows.novelty import Novelty, evidence_of
from narrows.progress import Progress, for_this_terminal

NOVELTY = "novelty.safetensors"  # of a saved estimator, as of a run

Source = Any  # what ``narrows.open`` takes: arrays, tensors, a Dataset, a path, the name of a data set


class OpensSources:
    """For estimators with ``model_``, ``random_state`` and ``verbose``."""

    model_: Model
    n_features_in_: int
    random_state: int | np.random.RandomState | None
    verbose: bool
    _axes: str  # the order of the axes of what was given to fit

    def _open(self, X: Source, *, fitting: bool = False) -> Dataset:
        """Turn ``X`` into data of the model's shape."""
        if is_table(X):
            if not fitting and self.model_.is_images:
                raise InputError("X", f"must be images of {self.model_.input_shape}, as in fit", value=np.shape(X))
            X = validate_data(self, X, reset=fitting, dtype=np.float32, ensure_min_samples=2 if fitting else 1)
            self._axes = "ND" if fitting else self._axes
            return Dataset(X)
        if fitting:
            data = open_source(X)
            self.n_features_in_ = int(np.prod(data.shape))
            self._axes = axes_of(X)
            return data
        if isinstance(X, Dataset) and X.shape == self.model_.input_shape:
            return X
        data = open_source(X, **self.model_.preprocessing)
        if data.shape != self.model_.input_shape:
            raise InputError("X", f"must have rows of shape {self.model_.input_shape}, as in fit", value=data.shape)
        return data

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

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

    def novelty(self, X: Source) -> Array:
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
                "this estimator", "must have been saved with its novelty (novelty.safetensors)",
                remedy="An earlier narrows saved it, without: fit it again.",
            )  # fmt: skip
        values = self._open(X).values
        return self.novelty_.novelty(self.model_, values, *self._evidence(values))

    def _evidence(self, values: Array) -> tuple[Array, Array | None]:
        """Return where rows lie (N, K), and their reconstruction errors (N,) if there are any."""
        return evidence_of(self.model_, values)

    def _learn_novelty(self, values: Array, fitted: Array, held_out: Array, seed: int) -> None:
        self.novelty_ = Novelty(seed).fit(
            self.model_, values, lambda rows: self._evidence(values[rows]), fitted, held_out
        )

    def _save_novelty(self, folder: Path) -> None:
        if self.novelty_ is not None:
            write_arrays(folder / NOVELTY, self.novelty_.state())

    def _load_novelty(self, folder: Path) -> None:
        self.novelty_ = None
        if (folder / NOVELTY).exists():
            try:
                self.novelty_ = Novelty.from_state(read_arrays(folder / NOVELTY)[0])
            except Exception as error:
                raise RunFolderError(str(folder / NOVELTY), "must be undamaged", value=str(error)) from error


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
