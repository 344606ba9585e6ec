"""``LinearProbe``: what does a frozen code know? One linear layer on it, trained on labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from narrows.disk.files import Array, Float32, Float64
from narrows.disk.sealed import Parts
from narrows.encoders import load
from narrows.encoding import codes as coding
from narrows.encoding.encoder import Encoder
from narrows.encoding.model import Model
from narrows.errors import InputError
from narrows.estimators._codes import GivesCodes
from narrows.estimators._labelled import LearnsClasses
from narrows.estimators._saving import as_json, files_of
from narrows.estimators._source import Source
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.classifier import Classifier
from narrows.training.settings import Settings

__all__ = ["LinearProbe"]

ENCODER, CLASSIFIER = "encoder", "classifier"  # folders of what is saved


class LinearProbe(LearnsClasses, GivesCodes, BaseEstimator):  # type: ignore[misc]
    """One linear layer on the codes of a trained encoder, which is frozen; its decoder is not used.

    Parameters
    ----------
    encoder : a fitted ``narrows.Autoencoder``, or the encoder of a run (``narrows.Run(folder).encoder()``): either
        stays unchanged, also in clones of the probe. If an ``Autoencoder`` is not fitted, a clone of it is fitted first
        to the same rows, without labels
    space : read the "code", or the "features" that the code is computed from
    epochs, batch_size, lr, train_options : of the linear layer's training, as in ``Classifier``
    views, passes : with views, the layer also learns from the codes of ``passes`` randomly changed copies of each image
    random_state : seed
    verbose : show progress

    Attributes
    ----------
    encoder_ : the fitted encoder
    classifier_ : the fitted ``Classifier`` on codes
    classes_ : (C,) the labels as they were given
    history_ : one dictionary per epoch
    model_ : the encoder's ``narrows.encoding.model.Model``, or the encoder itself
    novelty_ : what ``novelty`` compares with: the codes or features of at most 5,000 fitted rows, and their values. A
        fifth of the rows stands for held-out rows
    n_features_in_ : values in one input

    Examples
    --------
    >>> import narrows
    >>> digits = narrows.open("digits")
    >>> model = narrows.Autoencoder(code_size=10, epochs=2, random_state=0).fit(digits)
    >>> probe = narrows.LinearProbe(model, epochs=20, random_state=0).fit(digits)
    >>> probe.score(digits) > 0.5
    True
    """

    encoder_: Autoencoder | Encoder
    classifier_: Classifier
    _record = "linear-probe.json"
    _objects = ("random_state", "encoder")

    def __init__(
        self,
        encoder: Autoencoder | Encoder,
        *,
        space: Literal["code", "features"] = "code",
        epochs: int | Literal["auto"] = 20,
        batch_size: int | Literal["auto"] = 128,
        lr: float = 1e-3,
        train_options: Mapping[str, Any] | None = None,
        views: str | Sequence[str] = (),
        passes: int = 1,
        random_state: int | np.random.RandomState | None = None,
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
        DataError : input that cannot be used, or no labels
        RecipeError, InputError : a parameter that cannot be used, passes below 1 or without views, settings that need
            rows to validate on, or views of vectors
        """
        given = self._check_parameters()
        views = given["views"]
        if self.passes < 1 or (self.passes != 1 and not views):
            raise InputError("passes", "must be >= 1; more than one pass needs views", value=self.passes)
        options = {"keep": "last"} | (given["train_options"] or {})
        settings = Settings.of(options, "train_options")
        for name, idle in (("patience", 0), ("keep", "last")):
            if (asked := getattr(settings, name)) != idle:
                rule = "needs validation rows; a probe learns from all rows"
                raise InputError(f"train_options[{name!r}]", rule, value=asked)
        if hasattr(self, "classifier_"):  # of a former encoder
            del self.classifier_
        seed = self._seed()
        if self._is_frozen():
            self._take(self.encoder)
            data, labels = self._labelled(X, y, fitting=False)
        else:
            data, labels = self._labelled(X, y)
            unlabelled = type(data)(data.values, provenance=data.provenance)
            self._take(clone(self.encoder).fit(unlabelled))
        codes = self._codes(data.values)
        if views:
            changed = [
                coding.embed(self._network(), data.values, self.space, views=views, seed=seed + i)
                for i in range(self.passes)
            ]
            codes = np.concatenate([codes, *changed])
        self.classifier_ = Classifier(
            "linear",
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            train_options=options,
            valid=0.0,
            random_state=seed,
            verbose=self.verbose,
        ).fit(codes, np.tile(labels, len(codes) // len(labels)))
        self.classes_, self.history_ = self.classifier_.classes_, self.classifier_.history_
        rows = np.arange(len(data))
        self._learn_novelty(data.values, rows, rows[:0], seed)
        return self

    def transform(self, X: Source) -> Float32:
        """Return the codes or features (N, K) float32 that the layer reads."""
        check_is_fitted(self)
        return self._codes(self._open(X).values)

    def decision_function(self, X: Source) -> Float32:
        """Return the logits (N, C); of two classes the difference (N,) of the second's and the first's."""
        codes = self.transform(X)  # refuses to, before fit
        return self.classifier_.decision_function(codes)

    def predict(self, X: Source) -> Array:
        """Return the likeliest class (N,) of each row."""
        codes = self.transform(X)
        return self.classifier_.predict(codes)

    def predict_proba(self, X: Source) -> Float64:
        """Return the probability (N, C) of each class."""
        codes = self.transform(X)
        return self.classifier_.predict_proba(codes)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether ``fit`` has finished, or this was loaded."""
        return hasattr(self, "classifier_")

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted probe of the same parameters; an encoder that is fitted is the same one."""
        twin: Self = super().__sklearn_clone__()
        if self._is_frozen():
            twin.encoder = self.encoder
        return twin

    def _is_frozen(self) -> bool:
        if not isinstance(self.encoder, Autoencoder | Encoder):
            raise InputError("encoder", "must be a narrows.Autoencoder, or the encoder of a run", value=self.encoder)
        if isinstance(self.encoder, Encoder):
            if not self.encoder.input_shape:
                raise InputError("encoder", "must have been fitted", value=self.encoder, remedy="encoder.fit(values).")
            return True
        return self.encoder.__sklearn_is_fitted__()

    def _take(self, encoder: Autoencoder | Encoder) -> None:
        """Set the fitted encoder, and the form of its rows."""
        self.encoder_ = encoder
        if isinstance(encoder, Encoder):
            self._remember(encoder, "NCHW")
        else:
            self._remember(encoder.model_, encoder._axes)

    def _codes(self, values: Array) -> Array:
        return self.model_.encode(values) if self.space == "code" else coding.embed(self._network(), values, self.space)

    def _evidence(self, values: Array) -> tuple[Array, None]:
        return self._codes(values), None

    def _network(self) -> Model:
        """Return the encoder, which must be a network for what was asked."""
        if isinstance(self.model_, Model):
            return self.model_
        rule = "must be a network: other encoders have no features and take no views"
        raise InputError("encoder", rule, value=self.model_.title)

    @property
    def _n_features_out(self) -> int:
        return int(self.classifier_.n_features_in_)

    def _write(self, folder: Path, record: dict[str, Any]) -> Iterable[str]:
        self._write_classes(record)
        self.encoder_.save(folder / ENCODER)
        self.classifier_.save(folder / CLASSIFIER)
        return [f"{part}/{name}" for part in (ENCODER, CLASSIFIER) for name in files_of(folder / part)]

    def _kept(self, name: str, value: Any, arrays: dict[str, Array]) -> Any:
        if name != "encoder":
            return super()._kept(name, value, arrays)
        if value is self.encoder_:  # kept whole, in a folder of its own
            return None
        if self._is_frozen():
            raise InputError(
                "encoder",
                "must be the encoder the probe was fitted on, or an unfitted one, to save the probe",
                value=value,
                remedy="Fit the probe on this one first.",
            )
        return as_json(name, value.get_params(deep=False), arrays)

    @classmethod
    def _read_learned(cls, parts: Parts, record: Mapping[str, Any], trust_code: bool) -> Autoencoder | Encoder:
        encoder = parts.within(ENCODER)
        if Autoencoder._record in encoder:
            return Autoencoder.load(encoder, trust_code=trust_code)
        return load(encoder, trust_code=trust_code)

    def _read(self, parts: Parts, record: Mapping[str, Any], learned: Any, trust_code: bool) -> None:
        self._take(learned)
        try:
            kept: Any = self.encoder
            self.encoder = self.encoder_ if kept is None else Autoencoder(**kept)
        except TypeError as error:
            raise parts.damaged(self._record, error) from error
        self.classifier_ = Classifier.load(parts.within(CLASSIFIER), trust_code=trust_code)
        self._read_classes(parts, record, len(self.classifier_.classes_))
