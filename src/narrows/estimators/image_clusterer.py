"""``ImageClusterer``: images or vectors to clusters, as a scikit-learn clusterer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted

from narrows.arguments import checked
from narrows.clustering import Clusterer, methods
from narrows.data.dataset import Dataset
from narrows.deep import DeepClusterer
from narrows.disk.files import Array
from narrows.disk.sealed import Parts
from narrows.encoders import FittedEncoder, encoders
from narrows.errors import RecipeError
from narrows.estimators._coded_clustering import Coded
from narrows.estimators._codes import GivesCodes
from narrows.estimators._saving import Saved
from narrows.estimators._source import Source
from narrows.estimators._training import named
from narrows.registry import name_of
from narrows.training.stages import Stages
from narrows.wording import plural

__all__ = ["ImageClusterer"]


class ImageClusterer(Saved, GivesCodes, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Cluster images or vectors without labels, by a network trained for it or by their codes.

    ``X`` may be images (N, H, W), (N, H, W, C) or (N, C, H, W), vectors (N, D), or anything else
    ``narrows.open`` takes: tensors, dataframes, sparse matrices, a ``Dataset``, files, names.
    Labels, if there are any, are never used.

    Parameters
    ----------
    n_clusters : the number of clusters; with the method "agreement" also "auto", which estimates it; ``notes_`` and
        ``clusterer_.numbers_`` show how clear the estimate is and which numbers come next
    method : the clustering: one of ``narrows.clustering.methods``, or a class
    options : further arguments of the method; see its class
    encoder : what makes the codes, for a method that clusters codes: the name of one of ``narrows.encoders`` that is
        fitted without training, or its name with arguments, such as ``{"name": "patches", "grid": 2}``; None is "pca"
    views : the option of that name: random changes that keep what an image shows, such as ``["affine:1",
        "flip:1"]``; None leaves it to the method
    layouts : the option of that name: layouts of the neighbour graph; more of them find better clusters and take longer
    folder : where finished steps are saved, so that the same call continues after a stop; None saves nothing
    random_state : seed of all random numbers
    verbose : show progress

    Attributes
    ----------
    labels_ : (N,) int64, the cluster of each row, numbered by size; the same as ``predict`` of the fitted rows
    confidence_ : (N,) float32, the share of each row in its cluster, from 0 to 1
    embedding_ : (N, K) float32, the codes from which the clusters are read
    n_clusters_ : the number of clusters found
    history_ : one dictionary per epoch of the training that the network comes from
    clusterer_ : the fitted method, such as ``narrows.deep.agreement.Agreement``, with its intermediate results
    novelty_ : what ``novelty`` compares with. The network is trained on all rows, so a fifth of them stand in for
        held-out rows, although they are slightly less odd to it than new ones. None if it was saved without
    notes_ : sentences about automatic choices and about deviations from what was asked
    n_features_in_ : values in one input

    Examples
    --------
    >>> import narrows
    >>> digits = narrows.open("digits")
    >>> clusterer = narrows.ImageClusterer(n_clusters=10, random_state=0).fit(digits)  # doctest: +SKIP
    >>> clusterer.predict(digits.values[:3])  # doctest: +SKIP
    array([3, 8, 7])
    """

    clusterer_: DeepClusterer | Coded
    _record = "image-clusterer.json"
    _objects = ("random_state", "folder")

    def __init__(
        self,
        n_clusters: int | Literal["auto"] = 10,
        *,
        method: str | type[Clusterer] = "agreement",
        options: Mapping[str, Any] | None = None,
        encoder: str | type[FittedEncoder] | Mapping[str, Any] | None = None,
        views: Sequence[str] | None = None,
        layouts: int | None = None,
        folder: str | Path | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.options = options
        self.encoder = encoder
        self.views = views
        self.layouts = layouts
        self.folder = folder
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Source, y: object = None) -> Self:
        """Find the clusters of ``X``; ``y`` is ignored.

        Raises
        ------
        DataError : input that cannot be used
        RecipeError : a parameter that cannot be used
        RunFolderError : ``folder`` holds the stages of another clustering
        TrainingError : training diverged
        """
        self._check_parameters()
        if self.folder is not None and not isinstance(self.random_state, int | np.integer):
            raise RecipeError(
                "random_state",
                "must be a whole number when folder is given",
                value=self.random_state,
                remedy="Otherwise the next call gets another seed and cannot continue from the folder.",
            )
        data = self._open(_without_labels(X), fitting=True)
        clusterer = self._made(self._seed())
        stages = Stages(None if self.folder is None else Path(self.folder), self._progress())
        clusterer.fit(data.values, stages, preprocessing=data.preprocessing)
        self._take(clusterer)
        self.history_ = clusterer.history(stages)
        self.labels_ = clusterer.labels_
        self.confidence_ = clusterer.confidence(data.values)
        self.embedding_ = clusterer.embed(data.values)
        rows = np.arange(len(data))
        self._learn_novelty(data.values, rows, rows[:0], clusterer.seed)
        return self

    def predict(self, X: Source) -> Array:
        """Return the cluster (N,) int64 of each row, by the rule that assigned the fitted rows."""
        check_is_fitted(self)
        return self.clusterer_.predict(self._open(_without_labels(X)).values)

    def predict_proba(self, X: Source) -> Array:
        """Return the shares (N, M) float32 of each row in the clusters; each row's add up to 1."""
        check_is_fitted(self)
        return self.clusterer_.assign(self._open(_without_labels(X)).values)

    def transform(self, X: Source) -> Array:
        """Return the codes (N, K) float32 from which the clusters are read."""
        check_is_fitted(self)
        return self.clusterer_.embed(self._open(_without_labels(X)).values)

    def _write(self, folder: Path, record: dict[str, Any]) -> Iterable[str]:
        self.clusterer_.write(folder)
        record["method"] = self._fitted_method
        return self.clusterer_.parts

    @classmethod
    def _read_learned(cls, parts: Parts, record: Mapping[str, Any], trust_code: bool) -> Any:
        # Earlier versions had only one method.
        method = methods.get(str(record.get("method", "agreement")), trusted=trust_code)
        return method.load(parts) if method.trains_network else Coded.read(parts, method, trust_code=trust_code)

    @classmethod
    def _earlier(cls, learned: DeepClusterer) -> dict[str, Any]:
        return {"n_clusters": learned.n_clusters, "random_state": learned.seed}

    def _read(self, parts: Parts, record: Mapping[str, Any], learned: Any, trust_code: bool) -> None:
        self._fitted_method = str(record.get("method", "agreement"))
        self._take(learned)

    def _learned(self) -> str:
        return f"{plural(self.n_clusters_, 'cluster')}, {super()._learned()}"

    def _made(self, seed: int) -> Any:
        """Return the clustering that was chosen, not yet fitted."""
        method = methods.get(self.method)
        self._fitted_method = name_of(method)
        clusterer = method(self.n_clusters, seed, **self._arguments())
        if method.trains_network:
            if self.encoder is not None:
                raise RecipeError(
                    "encoder",
                    f"has no effect: {self._fitted_method!r} trains its own network",
                    value=self.encoder,
                    remedy="Leave it out, or choose a method that clusters codes, such as 'kmeans'.",
                )
            return clusterer
        if self.folder is not None:
            raise RecipeError(
                "folder",
                f"has no effect: {self._fitted_method!r} trains nothing that could be resumed",
                value=str(self.folder),
                remedy="Leave it out.",
            )
        asked = named("encoder", "pca" if self.encoder is None else self.encoder)
        entry = encoders.get(asked.pop("name"))
        if entry.trains_network:
            raise RecipeError(
                "encoder",
                "must be an encoder that is fitted without training",
                value=self.encoder,
                remedy="To cluster the codes of an Autoencoder: narrows.clustering.KMeans(10).fit(model.transform(X)).",
            )
        return Coded(entry(seed=seed, **checked(entry, asked, "encoder.", given_by_us=("seed",))), clusterer)

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of the method beside the number of clusters and the seed; each is set once."""
        options = dict(self.options or {})
        own = {name: value for name in ("views", "layouts") if (value := getattr(self, name)) is not None}
        for name in own.keys() & options.keys():
            raise RecipeError(name, "must be given once, but is also in options", value=options[name])
        method, given_by_us = methods.get(self.method), ("n_clusters", "seed")
        plain = checked(method, own, given_by_us=given_by_us)
        further = checked(method, options, "options.", given_by_us=given_by_us)
        return {name: plain[name] for name in own} | {name: further[name] for name in options}

    def _take(self, clusterer: DeepClusterer | Coded) -> None:
        self.clusterer_, self.model_, self.notes_ = clusterer, clusterer.model_, clusterer.notes
        self.n_clusters_ = clusterer.n_clusters_


def _without_labels(X: Source) -> Source:
    """Return a ``Dataset`` without its labels; anything else unchanged."""
    return Dataset(X.values, provenance=X.provenance) if isinstance(X, Dataset) else X
