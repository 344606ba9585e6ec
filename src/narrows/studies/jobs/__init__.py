"""Jobs: what one run of a study does. One file per job: plain arguments -> numbers, pictures and tables.

A job is a function whose first argument is a ``Work``: the folder it may write to, its seed, and whether only a quick
look is wanted. It returns flat name -> number, as in a run's results.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.open import open as open_source
from narrows.data.splits import Split
from narrows.disk.files import Array, write_bytes
from narrows.disk.regular import read
from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.registry import Registry
from narrows.training.loop import train
from narrows.training.settings import Settings
from narrows.work.interrupt import Interrupt
from narrows.work.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

jobs = Registry("narrows.studies.jobs", "job")

Results = dict[str, float | None]

QUICK_ROWS = 150  # of each part of the data (train, valid, test) in a quick look
QUICK_STEPS = 4  # of training in a quick look


@dataclass
class Work:
    """What a job is given besides its arguments, and what it keeps for the report.

    Parameters
    ----------
    folder : the job's folder, which exists
    seed : of all random numbers
    quick : use a few steps on a few rows, so that every part runs but no figure means anything
    progress, interrupt : as in a run
    after : the folders of the runs that this one continues from, in the order in which the study names them
    figures : name -> caption of the pictures in ``folder``/figures
    tables : title -> rows, each a mapping of column -> value
    notes : sentences
    """

    folder: Path
    seed: int = 0
    quick: bool = False
    progress: Progress = field(default_factory=Progress)
    interrupt: Interrupt = field(default_factory=Interrupt)
    after: tuple[Path, ...] = ()
    figures: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def open(self, source: str, **options: Any) -> Dataset:
        """Return the data of ``source`` (see ``narrows.open``), or a few rows of each part for a quick look."""
        if self.quick:
            return _few_of(source, json.dumps(options, sort_keys=True))
        return open_source(source, progress=self.progress, seed=self.seed, **options)

    def settings(self, train: Mapping[str, Any], rows: int) -> Settings:
        """Return the settings for training on ``rows`` rows: those in ``train``, or a few steps for a quick look."""
        settings = Settings.of(train)
        epochs, batch_size = settings.resolve(rows)
        if self.quick:
            batch_size = min(batch_size, max(2, rows // QUICK_STEPS))
            epochs = min(2, epochs)
        return replace(settings, epochs=epochs, batch_size=batch_size)

    def train(
        self,
        model: Model,
        values: Array,
        rows: Array,
        valid: Array,
        settings: Settings,
        labels: Array | None = None,
        *,
        checkpoints: bool = True,
    ) -> list[dict[str, float]]:
        """Train ``model`` on some rows of ``values`` (N, ...), validate it on others, and return its history.

        Afterwards the model is on the CPU. With ``checkpoints``, a stopped training resumes where it was.
        """
        with self.interrupt.deferred():
            history = train(
                model,
                values,
                rows,
                valid,
                settings,
                labels=labels,
                seed=self.seed,
                folder=self.folder / "checkpoints" if checkpoints else None,
                progress=self.progress,
                stop=self.interrupt,
            )
        model.cpu()
        return history

    def learn(
        self, model: Model, data: Dataset, rows: Split, train: Mapping[str, Any], labels: Array | None = None
    ) -> list[dict[str, float]]:
        """Train ``model`` on the training rows of ``data`` with settings ``train``, save it, return its history."""
        settings = self.settings(train, len(rows.train))
        history = self.train(model, data.values, rows.train, rows.valid, settings, labels)
        model.save(self.folder)
        return history

    def earlier(self, number: int = 0) -> Path:
        """Return the folder of the run that this one continues from; of several, the one with this number.

        Raises
        ------
        RecipeError : the study names too few
        """
        if number >= len(self.after):
            rule = f"must name {'the run' if not number else f'{number + 1} runs'} that this job continues from"
            raise RecipeError("run.after", rule, value=len(self.after))
        return self.after[number]

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """Draw and keep a picture, ``figures/NAME.png``, with its caption."""
        from narrows.figures import save

        (self.folder / "figures").mkdir(exist_ok=True)
        save(figure, self.folder / "figures" / f"{name}.png")
        self.figures[name] = caption

    def copy_figure(self, path: Path, name: str, caption: str) -> None:
        """Keep a picture that is already drawn."""
        (self.folder / "figures").mkdir(exist_ok=True)
        target = self.folder / "figures" / f"{name}.png"
        if target != path:
            write_bytes(target, read(path))
        self.figures[name] = caption

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep a table: one mapping of column -> value for each row."""
        self.tables[title] = [dict(row) for row in rows]

    def note(self, *sentences: str) -> None:
        """Keep sentences for the reader, without repetition."""
        self.notes = list(dict.fromkeys([*self.notes, *sentences]))


def of_training(model: Model, history: Sequence[Mapping[str, float]]) -> Results:
    """Return the results of a training: parameters, epochs, seconds, and the loss of its last epoch."""
    return {
        "train/parameters": model.n_parameters(),
        "train/epochs": len(history),
        "train/loss": history[-1]["train/loss"],
        "train/seconds": sum(row["seconds"] for row in history),
    }


@lru_cache(maxsize=8)
def _few_of(source: str, options: str) -> Dataset:
    """Return a few rows of a source; cached, since the runs of a quick look ask for the same ones repeatedly."""
    return few(open_source(source, **json.loads(options)))


def few(data: Dataset) -> Dataset:
    """Return at most ``QUICK_ROWS`` rows of each part of ``data``, evenly spaced.

    Evenly spaced rows of data that are sorted by class contain every class.
    """
    parts = np.full(len(data), "all") if data.split is None else data.split
    rows = []
    for part in dict.fromkeys(parts.tolist()):
        own = np.flatnonzero(parts == part)
        rows.append(own[np.unique(np.linspace(0, len(own) - 1, QUICK_ROWS).round().astype(np.int64))])
    return data.take(np.sort(np.concatenate(rows)))
