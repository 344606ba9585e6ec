"""How to train: every setting that a person may choose, checked on creation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from narrows.arguments import checked
from narrows.errors import RecipeError
from narrows.training.engine import Precision
from narrows.training.history import Keep
from narrows.training.schedule import Schedule


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    epochs : passes over the training rows; "auto" takes as many as are needed for 2,000 steps, from 10 to 300
    batch_size : the most rows per step; "auto" takes a power of two near a twentieth of the rows, from 16 to 256
    optimizer : "adamw" (Loshchilov & Hutter 2019), "adam" (Kingma & Ba 2015) or "sgd"
    lr : peak learning rate
    weight_decay : decoupled for adamw, as an L2 term for the others
    momentum, nesterov : for sgd: the decay of the momentum, and whether it is Nesterov's (Sutskever et al. 2013)
    schedule : "cosine", "linear", "step" or "constant", after the warm-up
    step_epochs, step_factor : the "step" schedule multiplies the learning rate by ``step_factor`` after every
        ``step_epochs`` epochs; 0 stands for half of all epochs
    warmup : share of all steps over which the learning rate rises
    average : decay of an exponential moving average of the weights, which is then evaluated and kept; 0 for none
    clip : largest norm of the gradient; 0 for none
    patience : stop after this many epochs without a better validation loss, whichever weights are kept; 0 trains for
        all epochs
    keep : "best" keeps the weights of the epoch with the lowest validation loss, "last" those of the last epoch;
        without validation rows, "best" is the last epoch too
    shuffle : draw a new order of the rows for each epoch, in batches of equal size. Otherwise batches are consecutive
        rows in their own order, and the last batch of an epoch may be smaller
    lane_rows : the most rows that one core takes forward and back at a time. "auto" is 128 on a processor, and a whole
        batch on a GPU, with ``compile``, and for an objective that compares the rows of a batch. It changes results, as
        batch normalisation uses the statistics of these rows; the number of cores does not
    precision : "auto" (bfloat16 if the hardware supports it), "float32" or "bfloat16"
    compile : use torch.compile
    device : "auto", "cpu", "cuda", ...
    checkpoint_steps : save after this many steps as well as after each epoch; 0 for epochs only. Epochs shorter than
        two seconds are not all saved

    Raises
    ------
    RecipeError : a value of the wrong type or out of range, or a setting of an option that was not chosen (``momentum``
        and ``nesterov`` belong to sgd, ``step_epochs`` and ``step_factor`` to the schedule "step")
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
    keep: Keep = "best"
    shuffle: bool = True
    lane_rows: int | Literal["auto"] = "auto"
    precision: Precision = "auto"
    compile: bool = False
    device: str = "auto"
    checkpoint_steps: int = 0

    def __post_init__(self) -> None:
        """Check types and ranges, and that every setting has an effect."""
        for name, value in checked(type(self), vars(self), "train.").items():
            object.__setattr__(self, name, value)
        rules = {
            "epochs": (self.epochs == "auto" or self.epochs >= 1, "must be >= 1, or auto"),
            "batch_size": (self.batch_size == "auto" or self.batch_size >= 1, "must be >= 1, or auto"),
            "lane_rows": (
                self.lane_rows == "auto" or (self.lane_rows >= 1 and not self.compile),
                "must be >= 1, or auto; and auto with train.compile, which compiles whole batches",
            ),
            "lr": (0 < self.lr < math.inf, "must be > 0"),
            "weight_decay": (0 <= self.weight_decay < math.inf, "must be >= 0"),
            "momentum": (0 <= self.momentum < 1, "must be from 0 to below 1"),
            "nesterov": (not self.nesterov or self.momentum > 0, "needs train.momentum > 0"),
            "step_epochs": (self.step_epochs >= 0, "must be >= 0"),
            "step_factor": (0 < self.step_factor < math.inf, "must be > 0"),
            "warmup": (0 <= self.warmup <= 1, "must be a fraction from 0 to 1"),
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
                    f"train.{name}",
                    f"needs train.{other}={value}; it is {getattr(self, other)}",
                    value=getattr(self, name),
                    remedy=f"Set train.{other}={value}, or leave train.{name} out.",
                )

    @classmethod
    def of(cls, options: Mapping[str, Any], parameter: str = "train") -> Settings:
        """Return settings with the values in ``options``; messages call them ``parameter``.

        Raises
        ------
        RecipeError : an unknown setting, or any error of the settings themselves
        """
        return cls(**checked(cls, options, f"{parameter}."))

    def require_valid(self, count: int) -> None:
        """Raise RecipeError if a setting needs validation rows and their ``count`` is 0."""
        if self.patience and not count:
            raise RecipeError(
                "train.patience",
                "needs validation rows, but there are none",
                value=self.patience,
                remedy="Hold some out (data.valid above 0 with at least 20 rows; valid in Python), or leave it out.",
            )

    def resolve(self, rows: int) -> tuple[int, int]:
        """Return (epochs, batch_size) for ``rows`` training rows, "auto" replaced by numbers."""
        # With few rows, batches must be small, or there would be hardly any steps; with many, large ones keep the cores
        # busy.
        fitting = min(256, max(16, 2 ** int(math.log2(max(1, rows / 20)))))
        batch_size = fitting if self.batch_size == "auto" else self.batch_size
        steps_per_epoch = -(-rows // batch_size)
        epochs = min(300, max(10, -(-2000 // steps_per_epoch))) if self.epochs == "auto" else self.epochs
        return epochs, batch_size
