"""The training loop. Everything that learns by gradients learns here."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from narrows.arguments import checked
from narrows.errors import Interrupted, RecipeError, TrainingError
from narrows.files import Array
from narrows.model import Model
from narrows.objectives import Batch
from narrows.progress import Progress
from narrows.training import checkpoint
from narrows.training.batches import Batches, partition
from narrows.training.engine import Engine, Precision
from narrows.training.schedule import Schedule, rate

SAVE_SECONDS = 2.0  # short epochs are not each saved: what a kill can cost stays below this

ORDER, STEP, VALID = 1, 2, 3  # what a random number is for, beside the seed


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    epochs : passes over the training rows; "auto" takes as many as make 2,000 steps, from 10 to 300
    batch_size : rows per step, at most; "auto" takes a power of two near a twentieth of the rows, from 16 to 256
    optimizer : "adamw" (Loshchilov & Hutter 2019), "adam" (Kingma & Ba 2015) or "sgd"
    lr : peak learning rate
    weight_decay : decoupled for adamw, as an L2 term for the others
    momentum, nesterov : of sgd: its decay, and whether the gradient is looked at ahead (Sutskever et al. 2013)
    schedule : "cosine", "linear", "step" or "constant", after the warm-up
    step_epochs, step_factor : the "step" schedule multiplies the learning rate by ``step_factor`` after each
        ``step_epochs``; 0 is half of all epochs
    warmup : share of all steps over which the learning rate rises
    average : decay of an exponential moving average of the weights, which then is what is evaluated and kept; 0: none
    clip : largest norm of the gradient; 0 for none
    patience : stop after so many epochs without a better validation loss, whichever weights are kept; 0 trains all
        epochs
    keep : "best" keeps the weights of the epoch with the lowest validation loss, "last" those of the last one; without
        rows to validate on "best" is the last one too
    shuffle : draw a new order of the rows for each epoch, in batches of equal size. Without it batches are consecutive
        rows in their own order, and the last one of an epoch is what is left
    precision : "auto" (bfloat16 where the hardware has it), "float32" or "bfloat16"
    compile : use torch.compile
    device : "auto", "cpu", "cuda", ...
    checkpoint_steps : save every so many steps as well as after each epoch; 0 for epochs only. Of epochs shorter than
        two seconds not every one is saved

    Raises
    ------
    RecipeError : a value of the wrong kind or out of range, or a setting of what was not chosen (``momentum`` and
        ``nesterov`` belong to sgd, ``step_epochs`` and ``step_factor`` to the schedule "step")
    """

    epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 2e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    schedule: Schedule = "cosine"
    step_epochs: int = 0
    step_factor: float = 0.1
    warmup: float = 0.05
    average: float = 0.0
    clip: float = 1.0
    patience: int = 0
    keep: Literal["best", "last"] = "best"
    shuffle: bool = True
    precision: Precision = "auto"
    compile: bool = False
    device: str = "auto"
    checkpoint_steps: int = 0

    def __post_init__(self) -> None:
        """Check kinds, ranges, and that every setting has an effect."""
        for name, value in checked(type(self), vars(self), "train.").items():
            object.__setattr__(self, name, value)
        rules = {
            "epochs": (self.epochs == "auto" or self.epochs >= 1, "must be >= 1, or auto"),
            "batch_size": (self.batch_size == "auto" or self.batch_size >= 1, "must be >= 1, or auto"),
            "lr": (0 < self.lr < math.inf, "must be > 0"),
            "weight_decay": (0 <= self.weight_decay < math.inf, "must be >= 0"),
            "momentum": (0 <= self.momentum < 1, "must be from 0 to below 1"),
            "nesterov": (not self.nesterov or self.momentum > 0, "needs train.momentum > 0"),
            "step_epochs": (self.step_epochs >= 0, "must be >= 0"),
            "step_factor": (0 < self.step_factor < math.inf, "must be > 0"),
            "warmup": (0 <= self.warmup <= 1, "must be a share from 0 to 1"),
            "average": (0 <= self.average < 1, "must be from 0 to below 1"),
            "clip": (self.clip >= 0, "must be >= 0"),
            "patience": (self.patience >= 0, "must be >= 0"),
            "checkpoint_steps": (self.checkpoint_steps >= 0, "must be >= 0"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise RecipeError(f"train.{name}", rule, value=getattr(self, name))
        belongs = {"momentum": ("optimizer", "sgd"), "nesterov": ("optimizer", "sgd")}
        belongs |= {"step_epochs": ("schedule", "step"), "step_factor": ("schedule", "step")}
        defaults = {field.name: field.default for field in fields(self)}
        for name, (other, value) in belongs.items():
            if getattr(self, name) != defaults[name] and getattr(self, other) != value:
                raise RecipeError(
                    f"train.{name}", f"needs train.{other}={value}; it is {getattr(self, other)}",
                    value=getattr(self, name), remedy=f"Set train.{other}={value}, or leave train.{name} out.",
                )  # fmt: skip

    @classmethod
    def of(cls, options: Mapping[str, Any], parameter: str = "train") -> Settings:
        """Return the settings that ``options`` name; ``parameter`` is what a message calls them.

        Raises
        ------
        RecipeError : one that is none; and as the settings themselves
        """
        return cls(**checked(cls, options, f"{parameter}."))

    def require_valid(self, count: int) -> None:
        """Raise RecipeError where a setting needs rows to validate on and their ``count`` is 0."""
        if self.patience and not count:
            raise RecipeError(
                "train.patience", "needs rows to validate on, and there are none", value=self.patience,
                remedy="Hold some out (data.valid above 0, of at least 20 rows; valid in Python), or leave it out.",
            )  # fmt: skip

    def resolve(self, rows: int) -> tuple[int, int]:
        """Return (epochs, batch_size) for ``rows`` training rows, "auto" replaced by numbers."""
        # Few rows need small batches, or there would be hardly any steps; many rows keep the cores busy.
        fitting = min(256, max(16, 2 ** int(math.log2(max(1, rows / 20)))))
        batch_size = fitting if self.batch_size == "auto" else self.batch_size
        steps_per_epoch = -(-rows // batch_size)
        epochs = min(300, max(10, -(-2000 // steps_per_epoch))) if self.epochs == "auto" else self.epochs
        return epochs, batch_size


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

    The order of the rows and all noise follow from ``seed`` and the step's number alone, so a run that was killed and
    goes on from its checkpoint ends with the same bits as one that was not. When there are validation rows, the weights
    kept at the end are those of the epoch with the lowest validation loss.

    Parameters
    ----------
    model : what to train; its scaling must be fitted
    values : uint8 images or float32 vectors (M, ...)
    rows, valid_rows : int64, which rows to train on and which to validate on (may be empty)
    settings : how
    labels : classes int64 (M,), or shares in them float (M, C), for objectives that learn from them; those of the rows
        used must be known (>= 0)
    seed : of order and noise
    folder : where checkpoints go, and where training goes on from if there is one; None keeps nothing
    progress : shows loss, images/s and time left
    stop : asked before every step; a non-zero answer is a signal's number: save, and raise Interrupted
    on_save : given the history after every checkpoint

    Raises
    ------
    RecipeError : patience without rows to validate on
    TrainingError : the loss, the gradient, or anything of the state (weights, statistics, averages, what the optimiser
        keeps) is no longer finite; the last good checkpoint stays
    Interrupted : ``stop`` said so; the state is saved if there is a folder
    """
    settings.require_valid(len(valid_rows))
    data, valid = Batches(values, rows, labels), Batches(values, valid_rows, labels)
    run = _Training(model, data, valid, settings, seed, folder, on_save)
    with torch.random.fork_rng(devices=[]):
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
    ) -> None:
        self.on_save = on_save or (lambda history: None)
        self.model, self.data, self.valid = model, data, valid
        self.settings, self.seed, self.folder = settings, seed, folder
        self.engine = Engine(settings.device, settings.precision, compile=settings.compile)
        self.engine.prepare(model, compiled=model.net.children())
        self.optimizer = make_optimizer(model, settings)
        self.averaged = copy.deepcopy(model) if settings.average else None
        self.epochs, self.batch_size = settings.resolve(len(data))
        self.epoch_steps = len(self._parts(0))
        self.steps = self.epochs * self.epoch_steps
        # What a checkpoint holds beside weights and optimiser:
        self.step = 0
        self.sums: dict[str, float] = {}  # of the loss terms over this epoch's rows so far
        self.seconds = 0.0  # spent on this epoch so far
        self.history: list[dict[str, float]] = []
        self.best, self.best_epoch = math.inf, -1
        self._last: Batch | None = None  # the newest batch, to look at the state by
        self._best_weights: dict[str, torch.Tensor] = {}
        self._best_is_saved = True
        self._saved_at, self._saved_step = -math.inf, 0

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if self.folder is None:
            return
        state = checkpoint.load(self.folder, self._modules(), self.optimizer)
        if state is not None:
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
        for raw, labels in self.data.iterate(parts[first:]):
            if signal := stop():
                self.seconds = time.perf_counter() - start
                self._check_state()
                self._save()
                raise Interrupted(signal, f"stopped at step {self.step} of {self.steps}; the state is saved")
            loss = self._step(self._batch(self.model, raw, labels))
            rows += len(raw)
            speed = rows / (time.perf_counter() - start)
            advance(len(raw), f"epoch {epoch + 1}/{self.epochs}  loss {loss:.5f}  {speed:,.0f}/s")
            every = self.settings.checkpoint_steps
            # At the end of the epoch its row of the history belongs into the checkpoint too.
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

    def _batch(self, model: Model, raw: torch.Tensor, labels: torch.Tensor | None) -> Batch:
        """Return a batch as the network sees it, of rows as they are stored."""
        device = self.engine.device
        x = model.prepare(raw.to(device, non_blocking=True))
        return Batch(x, None if labels is None else labels.to(device, non_blocking=True))

    def _step(self, batch: Batch) -> float:
        """Take one step on a batch; return its loss."""
        settings = self.settings
        share = rate(
            self.step, self.steps, schedule=settings.schedule, warmup=round(settings.warmup * self.steps),
            every=settings.step_epochs * self.epoch_steps, factor=settings.step_factor,
        )  # fmt: skip
        for group in self.optimizer.param_groups:
            group["lr"] = settings.lr * share
        generator = self.engine.generator(self.seed, STEP, self.step)
        with self.engine.autocast():
            terms = self.model.objective.terms(self.model.net, batch, generator)
        loss = self.model.objective.loss(terms)
        value = loss.item()
        if not math.isfinite(value):
            self._diverged(f"the loss became {value}")
        self.optimizer.zero_grad(set_to_none=True)
        self.engine.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip or math.inf).item()
        if not math.isfinite(norm):
            self._diverged(f"the gradient's norm became {norm}")
        self.optimizer.step()
        if self.averaged is not None:
            update_average(self.averaged, self.model, settings.average, self.step)
        self.step += 1
        self._last = batch
        for name, term in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(term.detach().sum())
        return value

    def _end_epoch(self, epoch: int, seconds: float) -> None:
        """Validate, note the epoch in the history, and save."""
        self._check_state()  # first, as it names what the losses below would only suffer from
        row: dict[str, float] = {"epoch": epoch + 1, "step": self.step}
        row |= self._means("train", self.sums, len(self.data))
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
            "lr": self.optimizer.param_groups[0]["lr"],
            "images_per_s": len(self.data) / seconds if seconds > 0 else 0.0,
            "seconds": seconds,
        }
        self.history.append(row)
        if improved and self.settings.keep == "best":
            self._remember_best()
        if self.step == self.steps or self._out_of_patience() or time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save()

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        model = (self.averaged or self.model).eval()
        sums: dict[str, float] = {}
        # The same noise in every epoch, so that epochs compare.
        generator = self.engine.generator(self.seed, VALID)
        for raw, labels in self.valid.iterate(partition(np.arange(len(self.valid)), self.batch_size)):
            batch = self._batch(model, raw, labels)
            with self.engine.autocast():
                terms = model.objective.terms(model.net, batch, generator)
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + float(term.sum())
        return self._means("valid", sums, len(self.valid))

    @torch.no_grad()
    def _check_state(self) -> None:
        """Look at the whole state, and at the loss once more: what a step has ruined shows only after it was taken."""
        if self._last is None:  # nothing was done since the checkpoint
            return
        if (name := first_not_finite(self._state())) is not None:
            self._diverged(f"{name} holds NaN or infinity")
        self.model.eval()
        generator = self.engine.generator(self.seed, VALID)
        with self.engine.autocast():
            terms = self.model.objective.terms(self.model.net, self._last, generator)
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

    def _means(self, prefix: str, sums: dict[str, float], count: int) -> dict[str, float]:
        """Return the loss, and the means of its terms and of what is watched, under their names in the history."""
        means = {name: total / count for name, total in sums.items()}
        watched = {name: means.pop(name) for name in self.model.objective.watched}
        # With a single term the term is the loss.
        named = {"loss": sum(means.values())} | (means if len(means) > 1 else {}) | watched
        return {f"{prefix}/{name}": value for name, value in named.items()}

    def _save(self) -> None:
        if self.folder is not None and self.engine.is_main:
            state: dict[str, Any] = {
                "step": self.step,
                "sums": self.sums,
                "seconds": self.seconds,
                "history": self.history,
                "best": None if self.best == math.inf else self.best,
                "best_epoch": self.best_epoch,
            }
            if not self._best_is_saved:  # before the state that speaks of it
                checkpoint.save_weights(self.folder / "best.safetensors", self._best_weights)
                self._best_is_saved = True
            checkpoint.save(self.folder, self._modules(), self.optimizer, state)
            self._saved_at, self._saved_step = time.monotonic(), self.step
            self.on_save(self.history)

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"model": self.model}
        return modules if self.averaged is None else modules | {"averaged": self.averaged}

    def _state(self) -> dict[str, torch.Tensor]:
        """Return all that a checkpoint keeps, under the names that a message uses."""
        state = {
            f"{name} {key}": tensor for name, m in self._modules().items() for key, tensor in m.state_dict().items()
        }
        names = [f"model {name}" for name, parameter in self.model.named_parameters() if parameter.requires_grad]
        kept = self.optimizer.state_dict()["state"]
        return state | {
            f"optimiser {key} of {names[index]}": value
            for index, entry in kept.items()
            for key, value in entry.items()
            if isinstance(value, torch.Tensor)
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


def first_not_finite(state: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the first tensor that holds NaN or infinity; None where all are finite."""
    floating = {name: tensor for name, tensor in state.items() if tensor.is_floating_point() and tensor.numel()}
    if not floating:
        return None
    # The greatest magnitude is NaN or infinite where any value is. One answer per device: a GPU is waited for once.
    largest = {name: tensor.detach().abs().max() for name, tensor in floating.items()}
    by_device: dict[torch.device, list[str]] = {}
    for name, value in largest.items():
        by_device.setdefault(value.device, []).append(name)
    for names in by_device.values():
        finite = torch.stack([largest[name].isfinite() for name in names]).tolist()
        if not all(finite):
            return names[finite.index(False)]
    return None


def make_optimizer(module: nn.Module, settings: Settings) -> Optimizer:
    """Return the optimiser for a module's parameters, in its fused form where the device has one."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    fused = parameters[0].device.type in ("cpu", "cuda")
    common: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": fused}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=settings.momentum, nesterov=settings.nesterov, **common)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, **common)
    return torch.optim.AdamW(parameters, **common)


@torch.no_grad()
def update_average(averaged: nn.Module, module: nn.Module, decay: float, step: int) -> None:
    """Move ``averaged`` towards ``module``: a <- d a + (1 - d) w, with d = min(decay, (1 + step) / (10 + step)).

    The smaller decay of the first steps keeps the initial weights from lingering in the average.
    """
    decay = min(decay, (1 + step) / (10 + step))
    for mean, value in zip(averaged.state_dict().values(), module.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
