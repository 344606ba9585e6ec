import pytest

from narrows import pipeline
from narrows.recipes import recipe as recipes
from narrows.steps import open_data


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A short run on 300 digits, by a model that learns to denoise."""
    overrides = [
        "data.source=digits",
        "data.limit=300",
        "train.epochs=2",
        "net.code_size=8",
        "objective.name=denoising",
        "projection.name=pca",
        "name=digits",
    ]
    return pipeline.run(recipes.load("default", overrides), tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="session")
def rows(finished):
    """The images of that run, as ``Dataset``."""
    return open_data(*recipes.data_of(finished.folder / "recipe.toml"))
