"""``Autoencoder``: an autoencoder as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from narrows.arguments import checked
from narrows.data.arrays import as_array
from narrows.data.dataset import all_finite
from narrows.data.splits import split
from narrows.disk.files import Array, Float32, write_arrays
from narrows.disk.sealed import Parts
from narrows.encoding import codes as coding
from narrows.encoding.model import Model
from narrows.errors import InputError, RecipeError, TrainingError
from narrows.estimators._codes import GivesCodes
from narrows.estimators._saving import Saved
from narrows.estimators._source import Source
from narrows.estimators._training import named, with_options
from narrows.recipes.recipe import check
from narrows.training.loop import train

__all__ = ["Autoencoder"]

SAMPLER = "sampler.safetensors"


class Autoencoder(Saved, GivesCodes, BaseEstimator):  # type: ignore[misc]
    """Learn a code for images or vectors.

    ``X`` may be vectors (N, D), images (N, H, W), (N, H, W, C) or (N, C, H, W), or anything else
    ``narrows.open`` takes: tensors, dataframes, sparse matrices, a ``Dataset``, files, names.

    Parameters
    ----------
    code_size : values in a code; "auto" takes 32, or a quarter of an input's values when it has fewer than 128
    net : a network's name or class, or with arguments, such as ``{"name": "conv", "width": 64}``; "auto" takes "conv"
        for images with sides from 8 to 256 and "dense" otherwise
    objective : an objective's name or class, or with arguments: ``{"name": "denoising", "noise": "masking:0.3"}``
    epochs, batch_size : of training; "auto" fits them to the number of rows
    lr : peak learning rate
    train_options : further settings of ``narrows.training.settings.Settings``, such as ``{"patience": 5}``
    valid : share of the rows held out to choose the best epoch (none are held out from fewer than 20)
    random_state : seed of weights, order and noise
    verbose : show progress

    Attributes
    ----------
    model_ : the trained ``narrows.encoding.model.Model``
    code_size_ : values in a code
    code_distribution_ : the distribution of the training codes, which ``sample`` draws from
    history_ : one dictionary per epoch
    novelty_ : what ``novelty`` compares with, counted on the rows that chose the best epoch; codes of at most 5,000
        fitted rows are part of it, and of what ``save`` writes. None if it was saved without
    n_features_in_ : values in one input

    Examples
    --------
    >>> import narrows
    >>> model = narrows.Autoencoder(code_size=10, epochs=2, random_state=0).fit(narrows.open("digits"))
    >>> model.transform("digits").shape
    (1797, 10)
    """

    model_: Model
    _record = "estimator.json"
    _bare = MappingProxyType({"axes": "NCHW"})  # of a run

    def __init__(
        self,
        code_size: int | Literal["auto"] = "auto",
        *,
        net: str | type | Mapping[str, Any] = "auto",
        objective: str | type | Mapping[str, Any] = "reconstruction",
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        lr: float = 2e-3,
        train_options: Mapping[str, Any] | None = None,
        valid: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.code_size = code_size
        self.net = net
        self.objective = objective
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.train_options = train_options
        self.valid = valid
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Source, y: object = None) -> Self:
        """Train on ``X``; ``y`` is ignored.

        Raises
        ------
        DataError : input that cannot be used
        RecipeError : a parameter that cannot be used
        TrainingError : training diverged
        """
        self._check_parameters()
        data = replace(self._open(X, fitting=True), split=None)
        seed = self._seed()
        rows = split(data, valid=self.valid, test=0.0, seed=seed)
        recipe = check(self._recipe(seed)).resolve(data.shape, len(rows.train))
        model = Model(
            data.shape,
            recipe.net.model_dump(),
            recipe.objective.model_dump(),
            seed=seed,
            preprocessing=data.preprocessing,
        )
        model.fit_scaling(data.values, rows.train)
        self.history_ = train(
            model, data.values, rows.train, rows.valid, recipe.train, seed=seed, progress=self._progress()
        )
        self.model_ = model.cpu()
        self.code_size_ = model.code_size
        codes = model.encode(data.values)
        if not all_finite(codes):
            raise TrainingError(f"Training diverged: codes are no longer finite. lr must be lower; it is {self.lr:g}.")
        self.code_distribution_ = coding.CodeDistribution.fit(codes, seed=seed)
        self._learn_novelty(data.values, rows.train, rows.valid, seed)
        return self

    def transform(self, X: Source) -> Float32:
        """Return the codes (N, K) float32 of ``X``."""
        check_is_fitted(self)
        return self.model_.encode(self._open(X).values, self._progress())

    def inverse_transform(self, X: Array) -> Array:
        """Decode the codes ``X`` (N, K).

        Returns
        -------
        array float32 : vectors (N, D) in the units of the training data (float64 where columns are far from 0 compared
            with their range), or images in [0, 1] with their axes in the order of the array given to ``fit`` ((N, C, H,
            W) for any other source)
        """
        check_is_fitted(self)
        return self._given_back(self.model_.decode(as_array(X)))

    def reconstruct(self, X: Source) -> Array:
        """Return the reconstructions of ``X``, in the form of ``inverse_transform``; a denoising model cleans them."""
        check_is_fitted(self)
        return self._given_back(self.model_.reconstruct(self._open(X).values))

    def sample(
        self,
        n: int = 1,
        *,
        origin: Literal["auto", "codes", "normal", "doubled"] = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> Array:
        """Return ``n`` new inputs, in the form of ``inverse_transform``.

        Parameters
        ----------
        n : how many
        origin : draw codes from the distribution fitted to the training "codes"; from N(0, I) ("normal"), for losses
            with noise on the code; or from 2 N(0, I) ("doubled"), twice as wide, as in the literal Gaussian
            autoencoder. "auto" takes "normal" for objectives that train codes towards it
            (variational, code-noise), and "codes" for others
        random_state : seed of the samples; None draws different ones each time
        """
        check_is_fitted(self)
        checked(type(self).sample, {"n": n, "origin": origin}, given_by_us=("self", "random_state"))
        if n < 1:
            raise InputError("n", "must be at least 1", value=n)
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        return self.inverse_transform(coding.draw_codes(self.model_, self.code_distribution_, n, origin, seed))

    def score_samples(self, X: Source) -> Array:
        """Return minus each row's mean squared reconstruction error (N,): greater is better, outliers are lowest.

        Images are compared in [0, 1], vectors after standardisation.
        """
        check_is_fitted(self)
        return -self.model_.errors(self._open(X).values)

    def score(self, X: Source, y: object = None) -> float:
        """Return the mean of ``score_samples``: greater is better."""
        return float(self.score_samples(X).mean())

    @classmethod
    def load(cls, path: str | Path | Parts, *, trust_code: bool = False) -> Self:
        """Read what ``save`` wrote, or the model of a run folder.

        Raises
        ------
        RunFolderError : files missing, changed or damaged
        """
        return super().load(path, trust_code=trust_code)

    def _write(self, folder: Path, record: dict[str, Any]) -> Iterable[str]:
        write_arrays(folder / SAMPLER, self.code_distribution_.state())
        return [*super()._write(folder, record), SAMPLER]

    def _read(self, parts: Parts, record: Mapping[str, Any], learned: Any, trust_code: bool) -> None:
        self.code_size_ = self.model_.code_size
        self.code_distribution_ = parts.built(SAMPLER, lambda arrays, _: coding.CodeDistribution.from_state(arrays))
        if self.code_distribution_.means.shape[1] != self.code_size_:
            raise parts.damaged(SAMPLER, f"it is not for codes of {self.code_size_} values")

    def _recipe(self, seed: int) -> dict[str, Any]:
        net = named("net", self.net)
        if self.code_size != "auto":
            if net.get("code_size", self.code_size) != self.code_size:
                raise RecipeError(
                    "code_size", "must be given once, but net has another", value=(self.code_size, net["code_size"])
                )
            net["code_size"] = self.code_size
        own = {"epochs": self.epochs, "batch_size": self.batch_size, "lr": self.lr}
        settings = asdict(with_options(own, self.train_options))
        return {"seed": seed, "net": net, "objective": named("objective", self.objective), "train": settings}
