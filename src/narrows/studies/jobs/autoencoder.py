"""The main job as a run of a study: from a recipe to a run folder, its numbers and its pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from narrows import pipeline
from narrows.data.dataset import Dataset
from narrows.data.open import open as open_source
from narrows.data.splits import Split, split
from narrows.errors import RecipeError, nearest
from narrows.recipes.recipe import Recipe, check, load
from narrows.runs import Run
from narrows.studies.jobs import Results, Work, few

__all__ = ["autoencoder"]

CAPTIONS = {
    "architecture": "The network: the encoder on the left, the decoder on the right, brackets around inverse stages.",
    "curves": "Loss per epoch, on training and on held-out rows.",
    "reconstruction": "Held-out images, and their reconstructions from equally many values by the autoencoder and PCA.",
    "denoising": "Held-out images, corrupted as in training, and cleaned.",
    "samples-normal": "Decoded draws from N(0, I).",
    "samples-fitted": "Decoded draws from the distribution fitted to the training codes.",
    "map-clusters": "Map of all codes, coloured by cluster.",
    "map-labels": "Map of all codes, coloured by class, which the program did not see.",
    "contingency": "Rows of each class in each cluster.",
    "filters": "The weights of the first layer as images.",
    "feature-maps": "Images, and the response of each filter of the first layer at each position.",
    "outliers": "The rows whose codes have the farthest neighbours.",
    "duplicates": "Groups of images that show the same picture.",
}  # other pictures, such as those of single clusters, are only in the run's report


def autoencoder(
    work: Work,
    *,
    recipe: str,
    source: str = "",
    set: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    pictures: Sequence[str] | None = None,
) -> Results:
    """Do the main job (see ``narrows.pipeline``) in ``work.folder``/run, with the run's seed.

    A run of the study that names this one in ``after`` finds the run folder as ``work.earlier() / "run"``: ``run_of``
    opens it, ``data_of`` opens its data, and ``split_of`` returns the division of its rows. Let the recipe make cheap
    what a study does not need: ``projection.name=pca`` avoids a costly map of 70,000 codes.

    Parameters
    ----------
    recipe : one that ships with narrows, or a TOML file
    source : the data, if not the recipe's
    set : overrides of the recipe, such as ``"train.epochs=5"``
    settings : overrides of the recipe as sections, such as {"train": {"lr": 0.1}}, which a sweep over
        "settings.train.lr" sets
    pictures : names without .png of the run's pictures to keep with the study; by default all that have a caption

    Returns
    -------
    results : all numbers of the run, "net/encoder_parameters" and "net/decoder_parameters"
    """
    wanted = list(CAPTIONS) if pictures is None else list(pictures)
    for name in wanted:
        if name not in CAPTIONS:
            raise RecipeError("pictures", "must name pictures of a run", value=name, remedy=nearest(name, CAPTIONS))
    given = [f"data.source={json.dumps(source)}"] if source else []
    chosen = load(recipe, [*set, *_overrides(settings or {}), *given]).model_copy(update={"seed": work.seed})
    data = _open(work, chosen)
    if work.quick:
        chosen = _quickly(work, chosen, data)
    run = pipeline.run(
        chosen, work.folder / "run", resume=True, progress=work.progress, interrupt=work.interrupt, data=data
    )
    for name in wanted:
        path = run.folder / "figures" / f"{name}.png"
        if path.is_file():
            work.copy_figure(path, name, CAPTIONS[name])
    tables = run.tables
    work.note(*tables.get("notes", []), *(signal["sentence"] for signal in tables.get("signals", [])))
    net = run.model().net
    encoder = sum(p.numel() for part in (net.encoder, net.to_code) for p in part.parameters())
    decoder = sum(p.numel() for p in net.decoder.parameters())
    return run.results | {"net/encoder_parameters": encoder, "net/decoder_parameters": decoder}


def run_of(work: Work) -> Run:
    """Return the run of this job that ``work`` continues from."""
    return Run(work.earlier() / "run")


def data_of(work: Work, run: Run) -> Dataset:
    """Return the data of a run of this job; row i is row i of its codes.npy."""
    return _open(work, recipe_of(run))


def split_of(run: Run, data: Dataset) -> Split:
    """Return which rows of ``data_of`` a run used for training, validation and measurement."""
    recipe = recipe_of(run)
    return split(data, valid=recipe.data.valid, test=recipe.data.test, seed=recipe.seed)


def recipe_of(run: Run) -> Recipe:
    """Return the recipe of a run, with all defaults."""
    return load(run.folder / "recipe.toml")


def _open(work: Work, recipe: Recipe) -> Dataset:
    asked = recipe.data.model_dump(exclude={"source", "valid", "test", "size"})
    size = recipe.data.size
    data = open_source(
        recipe.data.source,
        size=tuple(size) if isinstance(size, list) else size,
        progress=work.progress,
        seed=recipe.seed,
        **asked,
    )
    return few(data) if work.quick else data


def _quickly(work: Work, recipe: Recipe, data: Dataset) -> Recipe:
    """Return the recipe with a few steps of training and the cheapest map."""
    rows = split(data, valid=recipe.data.valid, test=recipe.data.test, seed=recipe.seed).train
    content = recipe.as_dict()
    if "train" in content:
        content["train"] = asdict(replace(work.settings(asdict(recipe.train), len(rows)), compile=False))
    content["projection"] = {"name": "pca"}
    return check(content)


def _overrides(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield nested settings as KEY=VALUE."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _overrides(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={json.dumps(value)}"
