"""``Classifier``: a network that learns classes, as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from narrows.arguments import checked
from narrows.classifiers import ClassifierNet, classifiers
from narrows.data.dataset import Dataset
from narrows.data.splits import split
from narrows.disk.files import Array, Float32, Float64
from narrows.disk.sealed import Parts
from narrows.encoding import codes as coding
from narrows.encoding.model import Model
from narrows.errors import DataError, RunFolderError
from narrows.estimators._labelled import LearnsClasses
from narrows.estimators._source import Source
from narrows.estimators._training import named, with_options
from narrows.training.loop import train

__all__ = ["Classifier"]


class Classifier(LearnsClasses, BaseEstimator):  # type: ignore[misc]
    """Learn the classes of images or vectors.

    ``X`` may be vectors (N, D), images (N, H, W), (N, H, W, C) or (N, C, H, W), or anything else
    ``narrows.open`` takes: tensors, dataframes, sparse matrices, a ``Dataset``, files, names.
    Labels come from ``y``, or from the source if it has any.

    Parameters
    ----------
    net : a classifier's name or class, or with arguments, such as ``{"name": "cnn", "width": 64}``; "auto" takes
        "cnn" for images with sides from 8 to 256 and "mlp" otherwise
    epochs, batch_size : of training; "auto" fits them to the number of rows
    lr : peak learning rate
    views : random changes of the images in training that leave the class as it is, such as ``["flip:1"]``
    smoothing : share of the target spread evenly over all classes
    train_options : further settings of ``narrows.training.settings.Settings``, such as ``{"weight_decay": 0.01}``
    valid : share of the rows held out to choose the best epoch (none are held out from fewer than 20)
    random_state : seed of weights, order and views
    verbose : show progress

    Attributes
    ----------
    model_ : the trained ``narrows.encoding.model.Model``
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

    model_: Model
    _record = "classifier.json"

    def __init__(
        self,
        net: str | type | Mapping[str, Any] = "auto",
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
        """Train on ``X`` and its classes ``y`` (N,), or the labels of ``X``.

        Raises
        ------
        DataError : input that cannot be used, or no labels
        RecipeError : a parameter that cannot be used
        TrainingError : training diverged
        """
        given = self._check_parameters()
        data, labels = self._labelled(X, y)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                "y",
                f"must contain at least 2 classes; {type(self).__name__} needs more than 1 class",
                value=f"1 class: {self.classes_[0]!r}",
            )
        seed = self._seed()
        rows = split(Dataset(data.values), valid=self.valid, test=0.0, seed=seed)
        own = {"epochs": self.epochs, "batch_size": self.batch_size, "lr": self.lr}
        settings = with_options(own, self.train_options)
        model = Model(
            data.shape,
            self._named_net(data.shape),
            {"name": "classification", "smoothing": given["smoothing"], "views": given["views"]},
            seed=seed,
            preprocessing=data.preprocessing,
        )
        model.fit_scaling(data.values, rows.train)
        self.history_ = train(
            model, data.values, rows.train, rows.valid, settings, labels=numbers, seed=seed, progress=self._progress()
        )
        self.model_ = model.cpu()
        self._learn_novelty(data.values, rows.train, rows.valid, seed)
        return self

    def decision_function(self, X: Source) -> Float32:
        """Return the logits (N, C); of two classes the difference (N,) of the second's and the first's."""
        check_is_fitted(self)
        logits = coding.logits(self.model_, self._open(X).values, self._progress())
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Source) -> Float64:
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

    def _write(self, folder: Path, record: dict[str, Any]) -> Iterable[str]:
        self._write_classes(record)
        return super()._write(folder, record)

    def _read(self, parts: Parts, record: Mapping[str, Any], learned: Any, trust_code: bool) -> None:
        if not isinstance(self.model_.net, ClassifierNet):
            raise RunFolderError(str(parts.place), "must contain a classifier", value=self.model_.config["net"]["name"])
        self._read_classes(parts, record, self.model_.net.n_classes)

    @classmethod
    def _earlier(cls, learned: Model) -> dict[str, Any]:
        return {"net": learned.config["net"]["name"]}

    def _evidence(self, values: Array) -> tuple[Array, None]:
        return coding.embed(self.model_, values, "features"), None

    def _named_net(self, shape: tuple[int, ...]) -> dict[str, Any]:
        net = named("net", self.net)
        if net["name"] == "auto":
            is_image = len(shape) == 3 and all(8 <= side <= 256 for side in shape[1:])
            net["name"] = "cnn" if is_image else "mlp"
        name = net.pop("name")
        given = checked(classifiers.get(name), net, "net.", given_by_us=("input_shape", "n_classes"))
        return {"name": name, **given, "n_classes": len(self.classes_)}
