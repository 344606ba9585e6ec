"""The steps of a run, one file each: what it comes after, which files it owns, and what it does.

A step reads what the steps before it wrote, and writes files of its own; the numbers and tables that it finds are its
own as well. What steps share is in their ``Job``. Their order follows from what each comes after.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from graphlib import TopologicalSorter
from typing import Any, ClassVar

from narrows.clustering import methods as clusterings
from narrows.data.dataset import Dataset
from narrows.data.open import open as open_source
from narrows.data.splits import Split, some_rows, split
from narrows.disk.files import Array
from narrows.encoders import FittedEncoder, encoders
from narrows.encoding.encoder import Encoder
from narrows.encoding.model import Model
from narrows.errors import DataError, RecipeError
from narrows.recipes.recipe import Data, Recipe
from narrows.registry import Registry
from narrows.runs.making import Making
from narrows.training.stages import Stages
from narrows.work.forecast import Forecast
from narrows.work.interrupt import Interrupt
from narrows.work.progress import Progress

steps = Registry("narrows.steps", "step of a run")

Results = dict[str, float | None]  # flat name -> number

MEASURED = 10_000  # held-out rows at most on which reconstruction is measured
FITTED_BYTES = 1 << 29  # of rows at most that are looked at together


class Step(ABC):
    """Part of a run that is done as a whole or not at all."""

    #: The steps whose results it uses: when one of them is done again, so is this one.
    after: ClassVar[tuple[str, ...]] = ()
    #: The files it owns, by their names in the run folder; ``*`` stands for those that match at the end.
    files: ClassVar[tuple[str, ...]] = ()
    #: Whether its time is among the run's numbers. What shows these cannot show its own.
    timed: ClassVar[bool] = True
    #: About how many seconds it takes on one core of a few years ago, and how many more for each row: only to tell how
    #: long the rest of a run may take.
    seconds: ClassVar[tuple[float, float]] = (0.1, 0.0)

    def expected(self, job: Job) -> float | None:
        """Return about how many seconds it takes, to tell how long a run may take; None where nobody knows."""
        return self.seconds[0] + self.seconds[1] * len(job.data)

    def wanted(self, job: Job) -> bool:
        """Whether it is part of the run."""
        return True

    def owns(self, job: Job) -> Sequence[str]:
        """Return ``files``, or those of them that this run has."""
        return self.files

    def asked(self, job: Job) -> Mapping[str, str]:
        """Return what it is asked for beside the settings and the rows; where that changes, it is done again."""
        return {}

    @abstractmethod
    def do(self, job: Job) -> Results:
        """Do it: write ``files``, add tables and notes to ``job.run``, and return numbers under flat names."""


@cache
def in_order() -> dict[str, Step]:
    """Return all steps by their names, each after those that it comes after, otherwise in the order of the alphabet.

    A run has those of them that are ``wanted``.
    """
    known: dict[str, Step] = {name: steps.get(name)() for name in steps.names()}
    sorter = TopologicalSorter({name: step.after for name, step in known.items()})
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return {name: known[name] for name in order}


class Job:
    """What the steps of one run share.

    Parameters
    ----------
    run : the folder, which is written
    recipe : every setting
    data : the rows, where they do not come from ``recipe.data.source``
    progress : shows what is going on
    interrupt : checked during training for a request to stop

    Attributes
    ----------
    recipe : with every default, and what follows from the data
    split : which rows are trained on, validated on and measured on
    test : of the latter those, at most so many, on which reconstruction is measured
    clusterer : the clustering as it starts
    encoder : as it is before it has learned from any row
    stages : what a clustering that trains its own network has done of it

    Raises
    ------
    DataError, RecipeError : rows that cannot be used, or a network that cannot be built for them
    """

    def __init__(
        self, run: Making, recipe: Recipe, data: Dataset | None, progress: Progress, interrupt: Interrupt
    ) -> None:
        self.run, self.progress, self.interrupt = run, progress, interrupt
        self.began = time.perf_counter()
        self.data = open_data(recipe.data, recipe.seed, progress) if data is None else _without_empty_labels(data)
        self.split: Split = split(self.data, valid=recipe.data.valid, test=recipe.data.test, seed=recipe.seed)
        self.recipe = recipe.resolve(self.data.shape, len(self.split.train))
        chosen = self.recipe.clustering
        self.clusterer = clusterings.get(chosen.name)(seed=self.recipe.seed, **chosen.arguments())
        if self.recipe.trains_network and not self.clusterer.trains_network:
            self.recipe.train.require_valid(len(self.split.valid))
        _check_obeyed(self.recipe, self.data)
        row_bytes = self.data.values[:1].nbytes
        self.test = some(self.split.test, min(MEASURED, max(1, FITTED_BYTES // (4 * row_bytes))), recipe.seed)
        self.trains = self.recipe.trains_network
        # Before anything of a former run is replaced: an encoder that cannot be built is found out here.
        self.encoder = self._new_encoder()
        self.fingerprint = self.data.fingerprint()
        self.stages = Stages(run.folder / "checkpoints", progress, interrupt, rows=self.fingerprint)

    @cached_property
    def fitted_to_rows(self) -> Any:
        """The clustering, of those that train a network, fitted to all rows; no label is looked at."""
        with self.interrupt.deferred():
            return self.clusterer.fit(self.data.values, self.stages, preprocessing=self.data.preprocessing)

    def look_ahead(self, steps: Mapping[str, Step]) -> None:
        """Work out about how long steps take, so that it can be shown how much of them is left."""
        single = {"train"} - ({"train"} if self.clusterer.trains_network else set())
        self.progress.forecast = Forecast({name: step.expected(self) for name, step in steps.items()}, single)

    def do(self, name: str, step: Step) -> Results:
        """Do a step, and show which of how many it is."""
        with self.progress.step(name):
            return step.do(self)

    def trained(self) -> Encoder:
        """Return the encoder of the run, where it is to compute."""
        return self.run.encoder(self.recipe.train.device)

    def _new_encoder(self) -> Any:
        recipe = self.recipe
        if self.trains:
            return Model(
                self.data.shape,
                recipe.net.model_dump(),
                recipe.objective.model_dump(),
                seed=recipe.seed,
                preprocessing=self.data.preprocessing,
            )
        fitted: FittedEncoder = encoders.get(recipe.encoder.name)(seed=recipe.seed, **recipe.encoder.arguments())
        fitted.check_rows(self.data.shape, len(self.split.train))
        return fitted


def open_data(asked: Data, seed: int, progress: Progress | None = None) -> Dataset:
    """Return the rows that a recipe speaks of; labels none of which is known are left out.

    Raises
    ------
    DataError : a source that cannot be opened, or fewer than two rows
    """
    data = open_source(asked.source, progress=progress, seed=seed, **asked.options())
    if len(data) < 2:
        raise DataError(
            "data",
            "must contain at least 2 images or vectors",
            value=len(data),
            remedy="Give a source with more of them.",
        )
    return _without_empty_labels(data)


def some(rows: Array, most: int, seed: int) -> Array:
    """Return ``rows``, or a seeded choice of ``most`` of them in order."""
    return rows[some_rows(len(rows), most, seed)]


def _without_empty_labels(data: Dataset) -> Dataset:
    """Return data without labels where none is known, since there is nothing to score by."""
    if data.labels is None or (data.labels >= 0).any():
        return data
    return replace(data, labels=None, label_names=None, notes=(*data.notes, "No row has a known label."))


def _check_obeyed(recipe: Recipe, data: Dataset) -> None:
    """Refuse what is asked of the division of the rows where these do not allow it."""
    for part in ("valid", "test"):
        share, default = getattr(recipe.data, part), getattr(Data(), part)
        if share != default and data.split is not None and (data.split == part).any():
            raise RecipeError(
                f"data.{part}", f"must be left out, because the source itself defines its {part} rows", value=share
            )
