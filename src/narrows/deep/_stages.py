"""The steps of a clustering, one after the other, none twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from narrows.errors import Interrupted, RunFolderError
from narrows.files import Array, write_arrays, write_json
from narrows.model import PARTS, Model
from narrows.progress import Progress
from narrows.sealed import HASHES, Parts, seal
from narrows.training.loop import Settings, train

Arrays = dict[str, Array]
Notes = tuple[str, ...]

FRESH = "Choose another folder, or delete this one to start again."


def _never() -> int:
    return 0


@dataclass(frozen=True)
class Stages:
    """Does the steps of a clustering one after the other, none twice; with a folder also after a stop.

    A step counts as done once its last file is there, and every file is written in one step, so a kill at any moment
    leaves a folder to go on from.

    Parameters
    ----------
    folder : where results of steps and checkpoints are kept; None keeps nothing
    progress : shows what is going on
    stop : asked before every batch whether to stop; see ``narrows.training.loop.train``
    histories : of each training, by its name: one row per epoch
    held : arrays and notes of each step done, where there is no folder to keep them in
    """

    folder: Path | None = None
    progress: Progress = field(default_factory=Progress)
    stop: Callable[[], int] = _never
    histories: dict[str, list[dict[str, float]]] = field(default_factory=dict, compare=False)
    held: dict[str, tuple[Arrays, Notes]] = field(default_factory=dict, compare=False, repr=False)

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Keep what is asked for; a folder that holds something must have been asked for the same.

        Raises
        ------
        RunFolderError : the steps in the folder belong to another method, other arguments or other rows
        """
        self.held.clear()  # they are another clustering's
        if self.folder is None:
            return
        path = self.folder / "stages.json"
        asked = json.loads(json.dumps(asked, default=np.generic.item))  # NumPy's numbers are numbers, too
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            if any(self.folder.iterdir()):
                raise RunFolderError(
                    str(self.folder), "must be empty or hold the steps of this clustering",
                    value="other files, and no stages.json",
                    remedy=FRESH,
                )  # fmt: skip
            write_json(path, asked)
            return
        before = Parts(self.folder, None, remedy=FRESH).json(path.name)
        changed = sorted(key for key in asked.keys() | before.keys() if asked.get(key) != before.get(key))
        if changed:
            raise RunFolderError(
                str(self.folder), "must hold the steps of this very clustering; changed", value=", ".join(changed),
                remedy=FRESH,
            )  # fmt: skip

    def arrays(self, name: str, make: Callable[[], tuple[Mapping[str, Array], Sequence[str]]]) -> tuple[Arrays, Notes]:
        """Return the arrays and the notes that ``make`` makes, or made before; Interrupted if ``stop`` says so."""
        path = None if self.folder is None else self.folder / f"{name}.safetensors"
        if path is not None and path.exists():
            parts = Parts(path.parent, None, remedy="Delete it: this step is done again then.")
            arrays, kept = parts.arrays(path.name)
            return arrays, tuple(kept.get("notes", ()))
        if name in self.held:
            return self.held[name]
        if signal := self.stop():
            raise Interrupted(signal, f"stopped before {name}; what was done before it is kept where there is a folder")
        with self.progress.task(name):
            made, notes = make()
        if path is not None:
            write_arrays(path, made, {"notes": list(notes)})
            return dict(made), tuple(notes)
        self.held[name] = dict(made), tuple(notes)
        return self.held[name]

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
        """Train ``model`` on all ``values`` (N, ...), or on ``rows`` of them, or return it as it came out before.

        On the rows ``valid``, if there are any, the epoch is chosen.
        """
        folder = None if self.folder is None else self.folder / name
        if folder is not None and (folder / HASHES).exists():  # the last file that is written
            parts = Parts.of(folder, remedy="Delete this folder: the step is done again then.")
            self.histories[name] = parts.json("history.json")["epochs"]
            return Model.load(parts)
        self.histories[name] = train(
            model, values, np.arange(len(values)) if rows is None else rows, np.arange(0) if valid is None else valid,
            settings, labels=labels, seed=seed, folder=None if folder is None else folder / "checkpoints",
            progress=self.progress, stop=self.stop,
        )  # fmt: skip
        model = model.cpu()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "history.json", {"epochs": self.histories[name]})
            model.write(folder)
            seal(folder, (*PARTS, "history.json"))
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return model
