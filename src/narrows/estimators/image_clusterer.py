"""``ImageClusterer``: images or vectors to clusters, as a scikit-learn clusterer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted

from narrows.data.dataset import Dataset
from narrows.deep import Stages
from narrows.deep.agreement import Agreement
from narrows.errors import RecipeError
from narrows.estimators._codes import GivesCodes
from narrows.estimators._saving import Saved
from narrows.estimators._source import Source
from narrows.files import Array
from narrows.sealed import Parts
from narrows.wording import plural

__all__ = ["ImageClusterer"]


class ImageClusterer(Saved, GivesCodes, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Sort images or vectors into clusters without any label; see ``narrows.deep.agreement`` for how.

    ``X`` may be images (N, H, W), (N, H, W, C) or (N, C, H, W), vectors (N, D), tensors of those shapes, a ``Dataset``,
    or a path or name that ``narrows.open`` takes. Labels, if there are any, are never looked at.

    Parameters
    ----------
    n_clusters : the number of clusters; "auto" estimates it, and ``notes_`` and ``clusterer_.numbers_`` say how clear
        the case is and what comes next to it
    views : random changes that leave what an image shows as it is, such as ``["affine:1", "flip:1"]``; None finds out
        from the images which suit them
    layouts : of the neighbour graph; more of them find better clusters, and take longer
    folder : where finished stages are kept, so that the same call goes on after a stop; None keeps nothing
    random_state : seed of everything random
    verbose : show progress

    Attributes
    ----------
    labels_ : (N,) int64, the cluster of each row, the largest first; what ``predict`` says of the fitted rows
    confidence_ : (N,) float32, the share of each row in its cluster, from 0 to 1
    embedding_ : (N, K) float32, the codes from which the clusters are read
    n_clusters_ : the clusters there are
    history_ : one dictionary per epoch of the training that the network comes from
    clusterer_ : the fitted ``narrows.deep.agreement.Agreement``, with everything it found on the way
    novelty_ : what ``novelty`` compares with. All rows teach the network, so a fifth of them, which it knows, stands
        for held-out rows: those are a little less odd than new ones. None if it was saved without
    notes_ : sentences on what was chosen, and on what was done differently from what was asked
    n_features_in_ : values in one input

    Examples
    --------
    >>> import narrows
    >>> digits = narrows.open("digits")
    >>> clusterer = narrows.ImageClusterer(n_clusters=10, random_state=0).fit(digits)  # doctest: +SKIP
    >>> clusterer.predict(digits.values[:3])  # doctest: +SKIP
    array([3, 8, 7])
    """

    _record = "image-clusterer.json"
    _objects = ("random_state", "folder")

    def __init__(
        self,
        n_clusters: int | Literal["auto"] = 10,
        *,
        views: Sequence[str] | None = None,
        layouts: int = 3,
        folder: str | Path | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_clusters = n_clusters
        self.views = views
        self.layouts = layouts
        self.folder = folder
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Source, y: object = None) -> Self:
        """Find the clusters of ``X``; ``y`` is there for scikit-learn and ignored.

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
                "random_state", "must be a whole number where there is a folder", value=self.random_state,
                remedy="Without one the next call has another seed, and cannot go on with what is there.",
            )  # fmt: skip
        data = self._open(_without_labels(X), fitting=True)
        clusterer = Agreement(self.n_clusters, self._seed(), views=self.views, layouts=self.layouts)
        folder = None if self.folder is None else Path(self.folder)
        stages = Stages(folder, self._progress())
        clusterer.fit(data.values, stages, preprocessing=data.provenance.get("preprocessing"))
        self._take(clusterer)
        self.history_ = stages.histories.get(clusterer.training_, [])
        self.labels_ = clusterer.labels_
        self.confidence_ = clusterer.confidence(data.values)
        self.embedding_ = clusterer.embed(data.values)
        rows = np.arange(len(data))
        self._learn_novelty(data.values, rows, rows[:0], clusterer.seed)
        return self

    def predict(self, X: Source) -> Array:
        """Return the cluster (N,) int64 of each row, by the rule that gave the fitted rows theirs."""
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
        return Agreement.parts

    @classmethod
    def _read_learned(cls, parts: Parts, record: Mapping[str, Any], trust_code: bool) -> Agreement:
        return Agreement.load(parts)

    @classmethod
    def _earlier(cls, learned: Agreement) -> dict[str, Any]:
        return {"n_clusters": learned.n_clusters, "random_state": learned.seed}

    def _read(self, parts: Parts, record: Mapping[str, Any], learned: Agreement, trust_code: bool) -> None:
        self._take(learned)

    def _learned(self) -> str:
        return f"{plural(self.n_clusters_, 'cluster')}, {super()._learned()}"

    def _take(self, clusterer: Agreement) -> None:
        self.clusterer_, self.model_, self.notes_ = clusterer, clusterer.model_, clusterer.notes
        self.n_clusters_ = len(clusterer.order_)


def _without_labels(X: Source) -> Source:
    """Return a ``Dataset`` without its labels, which are not even looked at; anything else as it is."""
    return Dataset(X.values, provenance=X.provenance) if isinstance(X, Dataset) else X
