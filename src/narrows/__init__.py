"""narrows: from a pile of unlabelled images or vectors to codes, clusters, a map, samples and an honest report.

>>> import narrows
>>> images = narrows.open("digits")
>>> model = narrows.Autoencoder(code_size=10, random_state=0).fit(images)
>>> codes = model.transform(images)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from narrows.data.dataset import Dataset
    from narrows.data.open import open
    from narrows.estimators.autoencoder import Autoencoder
    from narrows.estimators.classifier import Classifier
    from narrows.estimators.image_clusterer import ImageClusterer
    from narrows.estimators.linear_probe import LinearProbe
    from narrows.estimators.neural_kmeans import NeuralKMeans
    from narrows.runs import Run

__all__ = [
    "Autoencoder",
    "Classifier",
    "Dataset",
    "ImageClusterer",
    "LinearProbe",
    "NeuralKMeans",
    "Run",
    "__version__",
    "open",
]

_HOME = {
    "Autoencoder": "narrows.estimators.autoencoder",
    "Classifier": "narrows.estimators.classifier",
    "Dataset": "narrows.data.dataset",
    "ImageClusterer": "narrows.estimators.image_clusterer",
    "LinearProbe": "narrows.estimators.linear_probe",
    "NeuralKMeans": "narrows.estimators.neural_kmeans",
    "Run": "narrows.runs",
    "open": "narrows.data.open",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import narrows`` and the command line start at once."""
    if name not in _HOME:
        raise AttributeError(f"module 'narrows' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
