"""The training loop, used for everything that learns by gradients."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.errors import Interrupted, RunFolderError, TrainingError
from narrows.training import checkpoint
from narrows.training.averaging import update_average
from narrows.training.batches import Batches, partition
from narrows.training.engine import Engine
from narrows.training.finite import first_not_finite
from narrows.training.history import means
from narrows.training.lanes import Lanes, Stored
from narrows.training.optimizers import Optimizer
from narrows.training.schedule import rate
from narrows.training.settings import Settings
from narrows.work.cores import usable_cores
from narrows.work.memory import kept_for_reuse
from narrows.work.progress import Progress
from narrows.work.threads import Workers, one_thread

SAVE_SECONDS = 2.0  # after short epochs, save only this often: a kill costs no more than this

ORDER, STEP, VALID = 1, 2, 3  # the purposes of random numbers, used with the seed


def train(
    model: Model,
    values: Array,
    rows: Array,
    valid_rows: Array,
    settings: Settings,
    *,
    labels: Array | None = None,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
    stop: Callable[[], int] | None = None,
    on_save: Callable[[list[dict[str, float]]], None] | None = None,
) -> list[dict[str, float]]:
    """Train ``model`` in place and return its history, one row per epoch.

    The order of the rows and all noise depend only on ``seed`` and the step's number, so a run that was killed and
    resumed from its checkpoint ends with the same bits as an uninterrupted one. ``settings.keep`` determines which
    weights are kept at the end.

    Parameters
    ----------
    model : what to train; its scaling must be fitted
    values : uint8 images or float32 vectors (M, ...)
    rows, valid_rows : int64, the rows to train on and the rows to validate on (may be empty)
    settings : how to train
    labels : classes, int64 (M,), or shares in them float (M, C), for objectives that learn from them; labels of rows in
        use must be known (>= 0)
    seed : of the order of rows and of noise
    folder : where checkpoints are saved; training resumes from one that is there. None saves nothing
    progress : shows loss, images/s and time left
    stop : called before every step; if it returns a signal's number rather than 0, save and raise Interrupted
    on_save : called with the history after every checkpoint

    Raises
    ------
    RecipeError : patience without validation rows
    TrainingError : the loss, the gradient, or part of the state (weights, statistics, averages, the optimiser's state)
        is no longer finite; the last good checkpoint is kept
    Interrupted : ``stop`` returned a signal's number; the state is saved if there is a folder
    """
    settings.require_valid(len(valid_rows))
    data, valid = Batches(values, rows, labels), Batches(values, valid_rows, labels)
    engine = Engine(settings.device, settings.precision, compile=settings.compile)
    cores = usable_cores() if engine.device.type == "cpu" else 1
    with one_thread(), kept_for_reuse(), torch.random.fork_rng(devices=[]), Workers(cores) as workers:
        run = _Training(model, data, valid, settings, seed, folder, on_save, engine, workers)
        run.resume()
        run.run(progress or Progress(), stop or (lambda: 0))
    return run.history


class _Training:
    """The state of one training, and its steps in order of use."""

    def __init__(
        self,
        model: Model,
        data: Batches,
        valid: Batches,
        settings: Settings,
        seed: int,
        folder: Path | None,
        on_save: Callable[[list[dict[str, float]]], None] | None,
        engine: Engine,
        workers: Workers,
    ) -> None:
        self.on_save = on_save or (lambda history: None)
        self.model, self.data, self.valid = model, data, valid
        self.settings, self.seed, self.folder = settings, seed, folder
        self.engine, self.workers = engine, workers
        engine.prepare(model, compiled=model.net.children())
        self.lanes = Lanes(model, engine, settings.lane_rows, workers)
        self.optimizer = Optimizer(model, settings, workers)
        self.averaged = copy.deepcopy(model) if settings.average else None
        self.epochs, self.batch_size = settings.resolve(len(data))
        self.epoch_steps = len(self._parts(0))
        self.steps = self.epochs * self.epoch_steps
        self.lr = 0.0  # of the last step
        # What a checkpoint contains besides weights and optimiser state:
        self.step = 0
        self.sums: dict[str, float] = {}  # of the loss terms over this epoch's rows so far
        self.seconds = 0.0  # spent on this epoch so far
        self.history: list[dict[str, float]] = []
        self.best, self.best_epoch = math.inf, -1
        self._last: Stored | None = None  # the newest batch, to check the state with
        self._best_weights: dict[str, torch.Tensor] = {}
        self._best_is_saved = True
        self._saved_at, self._saved_step = -math.inf, 0

    def resume(self) -> None:
        """Resume from the checkpoint, if there is one."""
        if self.folder is None:
            return
        state = checkpoint.load(self.folder, self._modules(), self.optimizer)
        if state is not None:
            if state.get("version") != checkpoint.VERSION:
                raise RunFolderError(
                    str(self.folder),
                    "must hold a checkpoint of this version of narrows: an earlier one trained to other bits",
                    remedy="Start again with --overwrite, or in another folder.",
                )
            self.step, self.sums, self.history = state["step"], state["sums"], state["history"]
            self.seconds = state.get("seconds", 0.0)
            self.best = math.inf if state["best"] is None else state["best"]
            self.best_epoch = state["best_epoch"]
            self._saved_step = self.step
        if self.best_epoch > 0 and self.settings.keep == "best":
            best = copy.deepcopy(self.model)
            checkpoint.load_weights(self.folder / "best.safetensors", best)
            self._best_weights = best.state_dict()

    def run(self, progress: Progress, stop: Callable[[], int]) -> None:
        """Train the epochs that are left, and keep the best weights."""
        total = self.epochs * len(self.data)
        done = round(total * self.step / self.steps)
        with progress.task("train", total, done) as task:
            while self.step < self.steps and not self._out_of_patience():
                self._epoch(task.advance, stop)
        self._keep_best()
        self.model.eval()

    def _epoch(self, advance: Callable[[float, str], None], stop: Callable[[], int]) -> None:
        epoch, first = divmod(self.step, self.epoch_steps)
        parts = self._parts(epoch)
        self.model.train()
        start, rows = time.perf_counter() - self.seconds, sum(len(part) for part in parts[:first])
        for stored in self.data.iterate(parts[first:]):
            if signal := stop():
                self.seconds = time.perf_counter() - start
                self._check_state()
                self._save()
                raise Interrupted(signal, f"stopped at step {self.step} of {self.steps}; the state is saved")
            loss = self._step(stored)
            rows += len(stored[0])
            speed = rows / (time.perf_counter() - start)
            advance(len(stored[0]), f"epoch {epoch + 1}/{self.epochs}  loss {loss:.5f}  {speed:,.0f}/s")
            every = self.settings.checkpoint_steps
            # At the end of an epoch, the checkpoint must also contain the epoch's row of the history.
            if every and self.step % every == 0 and self.step % self.epoch_steps:
                self.seconds = time.perf_counter() - start
                self._check_state()
                self._save()
        self._end_epoch(epoch, time.perf_counter() - start)

    def _parts(self, epoch: int) -> list[Array]:
        """Return the batches of an epoch, each as an index into the training rows."""
        rows = np.arange(len(self.data))
        if not self.settings.shuffle:
            return np.split(rows, range(self.batch_size, len(rows), self.batch_size))
        return partition(np.random.default_rng([self.seed, ORDER, epoch]).permutation(rows), self.batch_size)

    def _step(self, stored: Stored) -> float:
        """Take one step on a batch; return its loss."""
        settings = self.settings
        share = rate(
            self.step,
            self.steps,
            schedule=settings.schedule,
            warmup=round(settings.warmup * self.steps),
            every=settings.step_epochs * self.epoch_steps,
            factor=settings.step_factor,
        )
        self.lr = settings.lr * share
        loss, sums = self.lanes.gradients(stored, self.seed, STEP, self.step)
        norm = self.optimizer.norm()
        # The only point in a step that waits for a GPU, for all its numbers at once.
        value, steepness, *totals = _numbers([loss, norm, *sums.values()])
        if not math.isfinite(value):
            self._diverged(f"the loss became {value}")
        if not math.isfinite(steepness):
            self._diverged(f"the gradient's norm became {steepness}")
        self.optimizer.step(self.lr, steepness)
        if self.averaged is not None:
            update_average(self.averaged, self.model, settings.average, self.step)
        self.step += 1
        self._last = stored
        _add(self.sums, list(sums), totals)
        return value

    def _end_epoch(self, epoch: int, seconds: float) -> None:
        """Validate, note the epoch in the history, and save."""
        self._check_state()  # first, since it names the cause of a loss that is not finite below
        row: dict[str, float] = {"epoch": epoch + 1, "step": self.step}
        row |= means("train", self.sums, len(self.data), self.model.objective.watched)
        self.sums, self.seconds = {}, 0.0
        improved = False
        if len(self.valid):
            row |= self._validate()
            if not math.isfinite(row["valid/loss"]):
                self._diverged(f"the validation loss became {row['valid/loss']}")
            if row["valid/loss"] < self.best:
                self.best, self.best_epoch = row["valid/loss"], epoch + 1
                improved = True
        row |= {
            "lr": self.lr,
            "images_per_s": len(self.data) / seconds if seconds > 0 else 0.0,
            "seconds": seconds,
        }
        self.history.append(row)
        if improved and self.settings.keep == "best":
            self._remember_best()
        if self.step == self.steps or self._out_of_patience() or time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save()

    def _validate(self) -> dict[str, float]:
        model = (self.averaged or self.model).eval()

        def terms(numbered: tuple[int, Stored]) -> dict[str, Tensor]:
            number, stored = numbered
            # The same noise in every epoch, so that epochs can be compared.
            return {
                name: term.sum() for name, term in self.lanes.terms(model, stored, self.seed, VALID, number).items()
            }

        parts = partition(np.arange(len(self.valid)), self.batch_size)
        found = list(self.workers.map(terms, enumerate(self.valid.iterate(parts))))
        names = [name for sums in found for name in sums]
        totals = [total for sums in found for total in sums.values()]
        sums: dict[str, float] = {}
        _add(sums, names, _numbers(totals))
        return means("valid", sums, len(self.valid), model.objective.watched)

    def _check_state(self) -> None:
        """Check the whole state, and the loss once more: damage from a step shows only after it was taken."""
        if self._last is None:  # nothing was done since the checkpoint
            return
        if (name := first_not_finite(self._state())) is not None:
            self._diverged(f"{name} holds NaN or infinity")
        terms = self.lanes.terms(self.model.eval(), self._last, self.seed, VALID)
        value = float(self.model.objective.loss(terms))
        self.model.train()
        if not math.isfinite(value):
            self._diverged(f"the loss became {value}")

    def _out_of_patience(self) -> bool:
        patience = self.settings.patience
        return bool(patience and self.best_epoch > 0 and len(self.history) - self.best_epoch >= patience)

    def _remember_best(self) -> None:
        model = self.averaged or self.model
        self._best_weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        self._best_is_saved = False

    def _keep_best(self) -> None:
        if self._best_weights:
            self.model.load_state_dict(self._best_weights)
        elif self.averaged is not None:
            self.model.load_state_dict(self.averaged.state_dict())

    def _save(self) -> None:
        if self.folder is not None and self.engine.is_main:
            state: dict[str, Any] = {
                "version": checkpoint.VERSION,
                "step": self.step,
                "sums": self.sums,
                "seconds": self.seconds,
                "history": self.history,
                "best": None if self.best == math.inf else self.best,
                "best_epoch": self.best_epoch,
            }
            if not self._best_is_saved:  # before the state that refers to it
                checkpoint.save_weights(self.folder / "best.safetensors", self._best_weights)
                self._best_is_saved = True
            checkpoint.save(self.folder, self._modules(), self.optimizer, state)
            self._saved_at, self._saved_step = time.monotonic(), self.step
            self.on_save(self.history)

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"model": self.model}
        return modules if self.averaged is None else modules | {"averaged": self.averaged}

    def _state(self) -> dict[str, torch.Tensor]:
        """Return everything that a checkpoint saves, under the names used in messages."""
        state = {
            f"{name} {key}": tensor for name, m in self._modules().items() for key, tensor in m.state_dict().items()
        }
        names = [f"model {name}" for name, parameter in self.model.named_parameters() if parameter.requires_grad]
        return state | {
            f"optimiser {key} of {names[number]}": value
            for number, entry in self.optimizer.state.items()
            for key, value in entry.items()
        }

    def _diverged(self, what: str) -> None:
        epoch = max(0, self.step - 1) // self.epoch_steps + 1
        kept = "Nothing of it was saved."
        if self._saved_step:
            kept = f"Nothing of it was saved; the last good checkpoint, of step {self._saved_step}, stays."
        remedies = [f"Lower the learning rate (train.lr is {self.settings.lr:g})"]
        remedies += ["set train.clip=1"] if not self.settings.clip else []
        raise TrainingError(
            f"Training diverged: {what} at step {self.step} of {self.steps}, epoch {epoch} of {self.epochs}. {kept} "
            f"{' or '.join(remedies)}, and start again."
        )


@torch.no_grad()
def _numbers(scalars: Sequence[Tensor]) -> list[float]:
    """Return the numbers in tensors () on one device, in a single transfer."""
    return torch.stack(list(scalars)).tolist()


def _add(sums: dict[str, float], names: Sequence[str], numbers: Sequence[float]) -> None:
    """Add ``numbers`` to the ``sums`` of the same names."""
    for name, number in zip(names, numbers, strict=True):
        sums[name] = sums.get(name, 0.0) + number
