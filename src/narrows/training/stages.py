"""Training as one of several steps: done once, and resumed after a stop."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.disk.files import Array
from narrows.disk.sealed import Parts
from narrows.encoding.model import PARTS, Model
from narrows.training.loop import train
from narrows.training.settings import Settings
from narrows.work import stages
from narrows.work.progress import Progress

__all__ = ["Stages"]


class Stages(stages.Stages):
    """Steps some of which train a network.

    Parameters
    ----------
    folder, progress, stop : see ``narrows.work.stages.Stages``
    rows : the fingerprint of the rows, if it is known

    Attributes
    ----------
    histories : name of a step -> the history of its training, one row per epoch
    """

    def __init__(
        self,
        folder: Path | None = None,
        progress: Progress | None = None,
        stop: Callable[[], int] = stages.never,
        *,
        rows: str | None = None,
    ) -> None:
        super().__init__(folder, progress, stop)
        self.rows = rows
        self.histories: dict[str, list[dict[str, float]]] = {}

    def begin(self, asked: Mapping[str, Any]) -> None:
        """See ``narrows.work.stages.Stages.begin``."""
        super().begin(asked)
        self.histories.clear()

    def train(
        self,
        name: str,
        model: Model,
        values: Array,
        settings: Settings,
        *,
        seed: int,
        labels: Array | None = None,
        rows: Array | None = None,
        valid: Array | None = None,
    ) -> Model:
        """Train ``model`` on ``values`` (N, ...), or on some ``rows`` of them, unless that is done; return the result.

        If there are rows ``valid``, the epoch to keep is chosen on them.
        """
        folder = None if self.folder is None else self.folder / name
        trained: Model | None = None

        def work() -> Mapping[str, Any]:
            nonlocal trained
            history = train(
                model,
                values,
                np.arange(len(values)) if rows is None else rows,
                np.arange(0) if valid is None else valid,
                settings,
                labels=labels,
                seed=seed,
                folder=None if folder is None else folder / "checkpoints",
                progress=self.progress,
                stop=self.stop,
            )
            trained = model.cpu()
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                trained.write(folder)
            return {"history": history}

        files = [] if folder is None else [f"{name}/{part}" for part in PARTS]
        done = self.do(name, work, after=self.before(name), files=files)
        self.histories[name] = list(done.found["history"])
        if folder is None:
            return model
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        if trained is None:
            trained = Model.load(Parts(folder, {part: done.files[f"{name}/{part}"] for part in PARTS}))
        return trained
