"""``Classifier``: a network that learns classes, as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from narrows import codes as coding
from narrows.data.dataset import Dataset
from narrows.data.splits import split
from narrows.errors import DataError, RunFolderError
from narrows.estimators._saved import axes_and_history
from narrows.estimators._source import DTYPES, Source, TellsNovelty, is_table, without_torch
from narrows.estimators._training import with_options
from narrows.files import Array, write_json
from narrows.model import PARTS, Model
from narrows.sealed import Parts, new_place, seal
from narrows.training.loop import Settings, train

__all__ = ["Classifier"]


class Classifier(TellsNovelty, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learn the classes of images or vectors.

    ``X`` may be vectors (N, D), images (N, H, W), (N, H, W, C) or (N, C, H, W), tensors of those shapes, a ``Dataset``,
    or a path or name that ``narrows.open`` takes. Labels come from ``y``, or from the source where it has them.

    Parameters
    ----------
    net : a classifier's name, or its name with arguments, such as ``{"name": "cnn", "width": 64}``; "auto" takes "cnn"
        for images with sides from 8 to 256 and "mlp" otherwise
    epochs, batch_size : of training; "auto" fits them to the number of rows
    lr : peak learning rate
    views : random changes of the images in training that leave the class as it is, such as ``["flip:1"]``
    smoothing : share of the target spread evenly over all classes
    train_options : further settings of ``narrows.training.loop.Settings``, such as ``{"weight_decay": 0.01}``
    valid : share of the rows held out to choose the best epoch (none of fewer than 20 rows)
    random_state : seed of weights, order and views
    verbose : show progress

    Attributes
    ----------
    model_ : the trained ``narrows.model.Model``
    classes_ : (C,) the labels as they were given
    history_ : one dictionary per epoch, with loss and accuracy
    novelty_ : what ``novelty`` compares with, counted on the rows that chose the best epoch; features of at most 5,000
        fitted rows are part of it, and of what ``save`` writes. None if it was saved without
    n_features_in_ : values in one input

    Examples
    --------
    >>> import narrows
    >>> digits = narrows.open("digits")
    >>> classifier = narrows.Classifier(epochs=5, random_state=0).fit(digits)
    >>> classifier.score(digits) > 0.9
    True
    """

    def __init__(
        self,
        net: str | Mapping[str, Any] = "auto",
        *,
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        lr: float = 2e-3,
        views: str | Sequence[str] = (),
        smoothing: float = 0.0,
        train_options: Mapping[str, Any] | None = None,
        valid: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.net = net
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.views = views
        self.smoothing = smoothing
        self.train_options = train_options
        self.valid = valid
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Source, y: Any = None) -> Self:
        """Train on ``X`` and its classes ``y`` (N,); without ``y`` the labels of ``X`` are taken.

        Raises
        ------
        DataError : input that cannot be used, or no labels
        RecipeError : a parameter that cannot be used
        TrainingError : training diverged
        """
        data, labels = self._labelled(X, y)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                "y", f"must hold at least 2 classes; {type(self).__name__} needs more than 1 class",
                value=f"1 class: {self.classes_[0]!r}",
            )  # fmt: skip
        seed = self._seed()
        rows = split(Dataset(data.values), valid=self.valid, test=0.0, seed=seed)
        own = {"epochs": self.epochs, "batch_size": self.batch_size, "lr": self.lr}
        settings = Settings.of(with_options(own, self.train_options), "train_options")
        model = Model(
            data.shape, self._named_net(data.shape) | {"n_classes": len(self.classes_)},
            {"name": "classification", "smoothing": self.smoothing, "views": self.views},
            seed=seed, preprocessing=data.provenance.get("preprocessing"),
        )  # fmt: skip
        model.fit_scaling(data.values, rows.train)
        self.history_ = train(
            model, data.values, rows.train, rows.valid, settings, labels=numbers, seed=seed, progress=self._progress()
        )
        self.model_ = model.cpu()
        self._learn_novelty(data.values, rows.train, rows.valid, seed)
        return self

    def decision_function(self, X: Source) -> Array:
        """Return the logits (N, C); of two classes the difference (N,) of the second's and the first's."""
        check_is_fitted(self)
        logits = coding.logits(self.model_, self._open(X).values, self._progress())
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Source) -> Array:
        """Return the probability (N, C) of each class: the softmax of the logits."""
        check_is_fitted(self)
        from scipy.special import softmax

        logits = coding.logits(self.model_, self._open(X).values, self._progress())
        shares: Array = softmax(logits.astype(np.float64), axis=1)
        return shares

    def predict(self, X: Source) -> Array:
        """Return the likeliest class (N,) of each row, as it was called in ``y``."""
        check_is_fitted(self)
        found: Array = self.classes_[coding.logits(self.model_, self._open(X).values, self._progress()).argmax(1)]
        return found

    def score(self, X: Source, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of rows classified right; without ``y`` by the labels of ``X``, where they are known."""
        check_is_fitted(self)
        data = self._open(X)
        if y is None:
            if data.labels is None:
                raise DataError("y", "must be given, since X has no labels")
            known = data.labels >= 0
            data = data.take(known)
            y = _as_named(data)
        right = self.predict(data if not is_table(X) else X) == np.asarray(y)
        return float(np.average(right, weights=sample_weight))

    def save(self, folder: str | Path) -> None:
        """Write the fitted estimator into ``folder`` as numbers and names only (safetensors and JSON)."""
        check_is_fitted(self)
        folder = new_place(folder)
        self.model_.write(folder)
        write_json(
            folder / "classifier.json",
            {"classes": self.classes_.tolist(), "axes": self._axes, "history": self.history_},
        )
        seal(folder, (*PARTS, "classifier.json", *self._save_novelty(folder)))

    @classmethod
    def load(cls, folder: str | Path, *, trust_code: bool = False) -> Self:
        """Read what ``save`` wrote; it predicts as the saved one did.

        Raises
        ------
        RunFolderError : files missing, changed or damaged
        """
        parts = Parts.of(folder)
        model, name = Model.load(parts, trust_code=trust_code), "classifier.json"
        if name not in parts:
            raise RunFolderError(str(folder), "must hold a saved classifier (classifier.json)")
        kept = parts.json(name)
        classes = kept.get("classes")
        if not isinstance(classes, list) or any(isinstance(one, list | dict) or one is None for one in classes):
            raise parts.damaged(name, f"classes {classes!r}")
        if len(classes) != model.config["net"].get("n_classes") or len(set(classes)) < len(classes):
            raise RunFolderError(
                parts.path(name), "must hold as many classes as the network tells apart", value=classes
            )  # fmt: skip
        self = cls(net=model.config["net"]["name"])
        axes, self.history_ = axes_and_history(parts, name, kept, model)
        self._remember(model, axes)
        self.classes_ = np.array(classes)
        self._load_novelty(parts)
        return self

    def _evidence(self, values: Array) -> tuple[Array, None]:
        return coding.embed(self.model_, values, "features"), None

    def _labelled(self, X: Source, y: Any) -> tuple[Dataset, Array]:
        """Return the rows with a known label, and those labels as they are called."""
        if y is None:
            if is_table(X):
                # scikit-learn's own words, which its tools look for
                raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
            data = self._open(X, fitting=True)
            if data.labels is None or not (data.labels >= 0).any():
                raise DataError("y", "must be given, since X has no labels")
            data = data.take(data.labels >= 0)
            return data, _as_named(data)
        if is_table(X):
            X, y = validate_data(self, without_torch(X), y, dtype=DTYPES, ensure_min_samples=2)
            data = self._table(X, fitting=True)
        else:
            data = self._open(X, fitting=True)
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if len(y) != len(data):
            raise DataError("y", f"must have one label for each of the {len(data)} rows", value=len(y))
        return replace(data, split=None), np.asarray(y)

    def _named_net(self, shape: tuple[int, ...]) -> dict[str, Any]:
        net = {"name": self.net} if isinstance(self.net, str) else dict(self.net)
        if net["name"] == "auto":
            is_image = len(shape) == 3 and all(8 <= side <= 256 for side in shape[1:])
            net["name"] = "cnn" if is_image else "mlp"
        return net


def _as_named(data: Dataset) -> Array:
    """Return the labels of rows that all have one, by their names where there are names."""
    labels = np.asarray(data.labels)
    return labels if data.label_names is None else np.array(data.label_names)[labels]
