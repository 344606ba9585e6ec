"""``LinearProbe``: what does a frozen code know? One linear layer on it, trained on labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from sklearn.exceptions import NotFittedError

from narrows import codes as coding
from narrows.data.dataset import Dataset
from narrows.data.open import open_like
from narrows.encoder import Encoder
from narrows.errors import InputError
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.classifier import Classifier
from narrows.files import Array
from narrows.model import Model

__all__ = ["LinearProbe"]

Source = Any


class LinearProbe:
    """One linear layer on the codes of a trained encoder, which stays as it is; its decoder is not used.

    Parameters
    ----------
    encoder : a fitted ``narrows.Autoencoder``, or the encoder of a run (``narrows.Run(folder).encoder()``)
    space : read the "code", or the "features" that the code is computed from
    epochs, batch_size, lr, train_options : of the linear layer's training, as in ``Classifier``
    views, passes : with views the layer learns from the codes of ``passes`` randomly changed copies of each image
        beside the image's own
    random_state : seed

    Attributes
    ----------
    classifier_ : the fitted ``Classifier`` on codes
    classes_ : (C,)
    history_ : one dictionary per epoch

    Examples
    --------
    >>> import narrows
    >>> digits = narrows.open("digits")
    >>> model = narrows.Autoencoder(code_size=10, epochs=2, random_state=0).fit(digits)
    >>> probe = narrows.LinearProbe(model, epochs=20, random_state=0).fit(digits)
    >>> probe.score(digits) > 0.5
    True
    """

    def __init__(
        self,
        encoder: Autoencoder | Encoder,
        *,
        space: Literal["code", "features"] = "code",
        epochs: int = 20,
        batch_size: int | Literal["auto"] = 128,
        lr: float = 1e-3,
        train_options: Mapping[str, Any] | None = None,
        views: str | Sequence[str] = (),
        passes: int = 1,
        random_state: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.encoder = encoder
        self.space = space
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.train_options = train_options
        self.views = views
        self.passes = passes
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Source, y: Any = None) -> Self:
        """Train the linear layer on the codes of ``X`` and its classes ``y`` (N,), or the labels of ``X``.

        Raises
        ------
        DataError : no labels
        InputError : an unknown space, passes below 1 or without views, settings that need rows to validate on, or views
            of vectors
        """
        if self.passes != 1 and not self.views:
            raise InputError(
                "passes", "needs views, of which it says how many of each image there are", value=self.passes
            )
        options = dict(self.train_options or {})
        for name in ("patience", "keep"):
            if options.get(name, "last") not in ("last", 0):
                raise InputError(
                    f"train_options[{name!r}]",
                    "needs rows to validate on; a probe learns from all",
                    value=options[name],
                )
        data, labels = self._labelled(X, y)
        codes = self.transform(data)
        if self.views:
            seed = 0 if self.random_state is None else self.random_state
            changed = [
                coding.embed(self._network, data.values, self.space, views=self.views, seed=seed + i)
                for i in range(self.passes)
            ]
            codes = np.concatenate([codes, *changed])
            labels = np.tile(labels, 1 + self.passes)
        self.classifier_ = Classifier(
            "linear", epochs=self.epochs, batch_size=self.batch_size, lr=self.lr,
            train_options={"keep": "last"} | options, valid=0.0,
            random_state=self.random_state, verbose=self.verbose,
        ).fit(codes, labels)  # fmt: skip
        self.classes_, self.history_ = self.classifier_.classes_, self.classifier_.history_
        return self

    def transform(self, X: Source) -> Array:
        """Return the codes or features (N, K) that the layer reads."""
        values = self._open(X).values
        return coding.embed(self._network, values, self.space) if self.space != "code" else self._model.encode(values)

    def predict(self, X: Source) -> Array:
        """Return the likeliest class (N,) of each row."""
        return self._fitted().predict(self.transform(X))

    def predict_proba(self, X: Source) -> Array:
        """Return the probability (N, C) of each class."""
        return self._fitted().predict_proba(self.transform(X))

    def score(self, X: Source, y: Any = None) -> float:
        """Return the share of rows classified right; without ``y`` by the labels of ``X``, where they are known."""
        data, labels = self._labelled(X, y)
        return float((self.predict(data) == labels).mean())

    def _fitted(self) -> Classifier:
        if not hasattr(self, "classifier_"):
            raise NotFittedError("This LinearProbe is not fitted yet: call fit with images and their classes first.")
        return self.classifier_

    @property
    def _network(self) -> Model:
        """The encoder, where what is asked for needs a network."""
        if isinstance(self._model, Model):
            return self._model
        rule = "must be a network: others have no features, and views are not drawn for them"
        raise InputError("encoder", rule, value=self._model.title)

    @property
    def _model(self) -> Encoder:
        if self.space not in ("code", "features"):
            raise InputError("space", "must be code or features", value=self.space)
        if self.passes < 1:
            raise InputError("passes", "must be >= 1", value=self.passes)
        return self.encoder if isinstance(self.encoder, Encoder) else self.encoder.model_

    def _open(self, X: Source) -> Dataset:
        if isinstance(X, Dataset) and X.shape == self._model.input_shape:
            return X
        if isinstance(self.encoder, Autoencoder):
            return self.encoder._open(X)
        return open_like(X, self._model.input_shape, self._model.preprocessing)

    def _labelled(self, X: Source, y: Any) -> tuple[Dataset, Array]:
        data = self._open(X)
        if y is not None:
            if len(y) != len(data):
                raise InputError("y", f"must have one label for each of the {len(data)} rows", value=len(y))
            return data, np.asarray(y)
        if data.labels is None or not (data.labels >= 0).any():
            raise InputError("y", "must be given, since X has no labels")
        data = data.take(data.labels >= 0)
        labels = np.asarray(data.labels)
        return data, labels if data.label_names is None else np.array(data.label_names)[labels]
