"""narrows: from a pile of unlabelled images or vectors to codes, clusters, a map, samples and an honest report.

>>> import narrows
>>> images = narrows.open("digits")
>>> model = narrows.Autoencoder(code_size=10, random_state=0).fit(images)
>>> codes = model.transform(images)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from narrows import _moved

__version__ = "0.1.0"

_moved.install()

if TYPE_CHECKING:  # for those who read types: the names of the table below, each from its home
    from narrows import clustering as clustering
    from narrows import errors as errors
    from narrows.data.dataset import Dataset as Dataset
    from narrows.data.open import open as open
    from narrows.encoders.patches import PatchCodes as PatchCodes
    from narrows.encoding.model import Model as Model
    from narrows.errors import DataError as DataError
    from narrows.errors import InputError as InputError
    from narrows.errors import Interrupted as Interrupted
    from narrows.errors import NarrowsError as NarrowsError
    from narrows.errors import RecipeError as RecipeError
    from narrows.errors import RunFolderError as RunFolderError
    from narrows.errors import TrainingError as TrainingError
    from narrows.errors import WriteError as WriteError
    from narrows.estimators.autoencoder import Autoencoder as Autoencoder
    from narrows.estimators.classifier import Classifier as Classifier
    from narrows.estimators.image_clusterer import ImageClusterer as ImageClusterer
    from narrows.estimators.linear_probe import LinearProbe as LinearProbe
    from narrows.estimators.neural_kmeans import NeuralKMeans as NeuralKMeans
    from narrows.runs import Run as Run

#: Every public name, and the module that it comes from or is.
_HOME = {
    "Autoencoder": "narrows.estimators.autoencoder",
    "Classifier": "narrows.estimators.classifier",
    "DataError": "narrows.errors",
    "Dataset": "narrows.data.dataset",
    "ImageClusterer": "narrows.estimators.image_clusterer",
    "InputError": "narrows.errors",
    "Interrupted": "narrows.errors",
    "LinearProbe": "narrows.estimators.linear_probe",
    "Model": "narrows.encoding.model",
    "NarrowsError": "narrows.errors",
    "NeuralKMeans": "narrows.estimators.neural_kmeans",
    "PatchCodes": "narrows.encoders.patches",
    "RecipeError": "narrows.errors",
    "Run": "narrows.runs",
    "RunFolderError": "narrows.errors",
    "TrainingError": "narrows.errors",
    "WriteError": "narrows.errors",
    "clustering": "narrows.clustering",
    "errors": "narrows.errors",
    "open": "narrows.data.open",
}

__all__ = sorted([*_HOME, "__version__"])  # noqa: PLE0605

if not TYPE_CHECKING:  # or no misspelt name would be noticed

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used, so that ``import narrows`` and the command line start at once."""
        if name not in _HOME:
            raise AttributeError(f"module 'narrows' has no attribute {name!r}")
        import importlib

        home = importlib.import_module(_HOME[name])
        return home if home.__name__ == f"narrows.{name}" else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
