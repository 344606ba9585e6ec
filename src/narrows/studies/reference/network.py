"""Stacked layers, and their training by gradient descent.

Two networks of the letters study, in full::

    Network([1024, 64, 36], ["sigmoid", "softmax"], loss="cross_entropy")
    Network([1024, 32, 32, 32, 1024], ["relu", "relu", "relu", "sigmoid"], loss="squared_error")
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from narrows.disk.files import Array, not_finite
from narrows.errors import InputError, Interrupted, TrainingError, nearest
from narrows.studies.reference import layers
from narrows.studies.reference.layers import Cache, Gradients, backward, backward_of_sums, forward
from narrows.work.progress import Progress

LOSSES = {"cross_entropy": layers.cross_entropy, "squared_error": layers.squared_error}


class Network:
    """A fully connected network with weights W1, b1, W2, b2, ... and a loss summed over the rows of a batch.

    Parameters
    ----------
    sizes : units per layer, the input first: L + 1 numbers
    activations : one for each of the L layers: "identity", "sigmoid", "tanh" or "relu"; the last may be "softmax"
    loss : "cross_entropy" (after a softmax, targets one-hot) or "squared_error"
    init : "xavier", "zeros", or a number r for weights from U(-r, r); biases start at zero
    seed : of the weights
    dtype : "float64" or "float32", the precision of all computations

    Attributes
    ----------
    parameters : name -> array, {"W1": (D, K), "b1": (K,), "W2": ..., ...}; training changes the arrays in place

    Raises
    ------
    InputError : sizes, activations and loss that do not fit together
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        loss: Literal["cross_entropy", "squared_error"],
        *,
        init: Literal["xavier", "zeros"] | float = "xavier",
        seed: int = 0,
        dtype: Literal["float64", "float32"] = "float64",
    ) -> None:
        _check(sizes, activations, loss, init, dtype)
        self.sizes, self.activations, self.loss_name = tuple(sizes), tuple(activations), loss
        self.dtype = np.dtype(dtype)
        rng = np.random.default_rng(seed)
        self.parameters: dict[str, Array] = {}
        for number, (n_in, n_out) in enumerate(itertools.pairwise(sizes), start=1):
            if init == "xavier":
                w = layers.xavier(n_in, n_out, rng)
            elif init == "zeros":
                w = layers.zeros(n_in, n_out)
            else:
                w = rng.uniform(-float(init), float(init), (n_in, n_out))
            self.parameters[f"W{number}"] = w.astype(self.dtype)
            self.parameters[f"b{number}"] = np.zeros(n_out, self.dtype)

    @property
    def n_parameters(self) -> int:
        """The number of weights and biases."""
        return sum(array.size for array in self.parameters.values())

    # Forwards

    def forward_layers(self, x: Array) -> list[Cache]:
        """Pass rows ``x`` (N, D) through the network; return every layer's input and output, first layer first."""
        x = self._rows("x", x, self.sizes[0])
        caches = []
        for number, activation in enumerate(self.activations, start=1):
            cache = forward(x, self.parameters[f"W{number}"], self.parameters[f"b{number}"], activation)
            caches.append(cache)
            x = cache.y
        return caches

    def forward(self, x: Array) -> Array:
        """Return the outputs (N, K) for rows ``x`` (N, D): probabilities, or reconstructions."""
        return self.forward_layers(x)[-1].y

    def predict(self, x: Array) -> Array:
        """Return the class int64 (N,) of each row of ``x`` (N, D): the number of its largest output."""
        classes: Array = self.forward(x).argmax(axis=1)
        return classes

    def loss(self, x: Array, t: Array) -> float:
        """Return J, summed over the rows: ``x`` (N, D) against targets ``t`` (N, K)."""
        return LOSSES[self.loss_name](self.forward(x), self._rows("t", t, self.sizes[-1]))

    # Backwards

    def gradients(self, caches: Sequence[Cache], t: Array) -> list[Gradients]:
        """Return dX, dW, db of every layer, first layer first, from the result of ``forward_layers``."""
        y = caches[-1].y
        found: list[Gradients] = []
        for number in range(len(caches), 0, -1):
            cache, w, activation = caches[number - 1], self.parameters[f"W{number}"], self.activations[number - 1]
            if activation == "softmax":
                found.append(backward_of_sums(layers.cross_entropy_gradient(y, t), cache.x, w))
            else:
                dy = found[-1].dx if found else layers.squared_error_gradient(y, t)  # the next layer's input
                found.append(backward(dy, cache, w, activation))
        return found[::-1]

    def loss_and_gradients(self, x: Array, t: Array) -> tuple[float, dict[str, Array]]:
        """Return J, and its gradient under each parameter's name; ``x`` (N, D), targets ``t`` (N, K)."""
        t = self._rows("t", t, self.sizes[-1])
        caches = self.forward_layers(x)
        named: dict[str, Array] = {}
        for number, gradient in enumerate(self.gradients(caches, t), start=1):
            named |= {f"W{number}": gradient.dw, f"b{number}": gradient.db}
        return LOSSES[self.loss_name](caches[-1].y, t), named

    # Training

    def fit(
        self,
        x: Array,
        t: Array,
        valid: tuple[Array, Array] | None = None,
        *,
        epochs: int,
        batch_size: int | None,
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        lr_factor: float = 1.0,
        lr_every: int = 1,
        seed: int = 0,
        augment: Callable[[Array, np.random.Generator], Array] | None = None,
        progress: Progress | None = None,
        stop: Callable[[], int] | None = None,
    ) -> list[dict[str, float]]:
        """Train in place by gradient descent, M <- momentum M - lr dJ, then W <- W + M; return the history.

        dJ is summed over the rows of the batch, so a learning rate has more effect in a larger batch. Without momentum
        this is W <- W - lr dJ. Calling it again continues from the current weights, with M = 0.

        Parameters
        ----------
        x, t : rows (N, D) and targets (N, K): one-hot classes, or for an autoencoder ``x`` itself
        valid : rows and targets that are only evaluated
        epochs : passes over the rows, each in a new random order
        batch_size : rows per step: None for all of them (full batch), 1 for single examples, else mini-batches
        lr, momentum : the learning rate, and the share of the previous step that is kept (0.9 in the original; Polyak
            1964)
        weight_decay : factor of W that is added to the gradient of every W in every step
        lr_factor, lr_every : the learning rate is multiplied by ``lr_factor`` after every ``lr_every`` epochs
        seed : of the order of the rows and of ``augment``
        augment : (rows of a batch, rng) -> rows to train on instead; see ``shifts``
        progress : shows epochs and loss
        stop : called before every step; if it returns a signal's number rather than 0, Interrupted is raised

        Returns
        -------
        one row per epoch: epoch, train/loss, train/accuracy, valid/loss, valid/accuracy, lr, seconds. All scores are
        for the weights at the end of the epoch. A loss is the mean per row, so that sets of different sizes can be
        compared. Networks without a softmax have no accuracy.

        Raises
        ------
        InputError : a value out of range, or shapes that do not fit
        TrainingError : the loss, a parameter or its step is no longer finite
        Interrupted : ``stop`` returned a signal's number; the weights are those of the last step
        """
        _check_settings(epochs, batch_size, lr, momentum, weight_decay, lr_factor, lr_every)
        x, t = self._pair("x", "t", x, t)
        sets = {"train": (x, t)}
        if valid is not None:
            sets["valid"] = self._pair("valid x", "valid t", *valid)
        rows = len(x) if batch_size is None else batch_size
        rng = np.random.default_rng(seed)
        moved = {name: np.zeros_like(array) for name, array in self.parameters.items()}  # M
        history: list[dict[str, float]] = []
        # Overflow is reported as a TrainingError, not as warnings.
        with (progress or Progress()).task("train", epochs) as task, np.errstate(over="ignore", invalid="ignore"):
            for epoch in range(epochs):
                start = time.perf_counter()
                rate = lr * lr_factor ** (epoch // lr_every)
                order = rng.permutation(len(x))
                for first in range(0, len(x), rows):
                    if signal := stop() if stop is not None else 0:
                        raise Interrupted(signal, f"stopped in epoch {epoch + 1} of {epochs}")
                    batch = order[first : first + rows]
                    seen = x[batch] if augment is None else augment(x[batch], rng)
                    _, gradient = self.loss_and_gradients(seen, t[batch])
                    for name, array in self.parameters.items():
                        step = gradient[name]
                        if weight_decay and name.startswith("W"):
                            step = step + weight_decay * array
                        moved[name] = momentum * moved[name] - rate * step  # M
                        np.add(array, moved[name], out=array)
                row = {"epoch": float(epoch + 1)}
                for name, (of, targets) in sets.items():
                    row |= {f"{name}/{score}": value for score, value in self.scores(of, targets).items()}
                    if not math.isfinite(row[f"{name}/loss"]):
                        raise TrainingError(
                            f"The {name} loss became {row[f'{name}/loss']} in epoch {epoch + 1}: lower lr."
                        )
                ruined = not_finite(self.parameters) or not_finite(moved)
                if ruined is not None:
                    raise TrainingError(f"{ruined} or its step holds NaN or infinity in epoch {epoch + 1}: lower lr.")
                history.append(row | {"lr": rate, "seconds": time.perf_counter() - start})
                task.advance(1, f"loss {row['train/loss']:.5f}")
        return history

    def scores(self, x: Array, t: Array) -> dict[str, float]:
        """Return the loss per row and, after a softmax, the accuracy: ``x`` (N, D) against targets ``t`` (N, K)."""
        y = self.forward(x)
        t = self._rows("t", t, self.sizes[-1])
        found = {"loss": LOSSES[self.loss_name](y, t) / len(y)}
        return found | {"accuracy": layers.accuracy(y, t)} if self.activations[-1] == "softmax" else found

    def _pair(self, x_name: str, t_name: str, x: Array, t: Array) -> tuple[Array, Array]:
        x, t = self._rows(x_name, x, self.sizes[0]), self._rows(t_name, t, self.sizes[-1])
        if len(x) != len(t) or not len(x):
            raise InputError(t_name, f"must have a row for each row of {x_name} ({len(x)}, at least 1)", value=len(t))
        return x, t

    def _rows(self, name: str, values: Array, width: int) -> Array:
        values = np.asarray(values, self.dtype)
        if values.ndim != 2 or values.shape[1] != width:
            raise InputError(name, f"must have shape (N, {width})", value=f"shape {values.shape}")
        return values


def shifts(shape: tuple[int, int], most: int, fill: float) -> Callable[[Array, np.random.Generator], Array]:
    """Return an ``augment`` for ``fit`` that shifts each image at random by up to ``most`` pixels in each direction.

    Parameters
    ----------
    shape : shape of the image stored in a row
    fill : the value of the background, for pixels that move in
    """
    height, width = shape

    def augment(x: Array, rng: np.random.Generator) -> Array:
        images = np.full((len(x), height + 2 * most, width + 2 * most), fill, x.dtype)
        images[:, most : most + height, most : most + width] = x.reshape(-1, height, width)
        down, right = rng.integers(0, 2 * most + 1, (2, len(x)))  # (N,) each
        rows, columns = down[:, None] + np.arange(height), right[:, None] + np.arange(width)  # (N, H), (N, W)
        moved: Array = images[np.arange(len(x))[:, None, None], rows[:, :, None], columns[:, None, :]]
        return moved.reshape(x.shape)

    return augment


def _check(sizes: Sequence[int], activations: Sequence[str], loss: str, init: str | float, dtype: str) -> None:
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError("sizes", "must be at least two numbers >= 1, starting with the input", value=list(sizes))
    if len(activations) != len(sizes) - 1:
        raise InputError("activations", f"must have one entry per layer ({len(sizes) - 1})", value=list(activations))
    for number, name in enumerate(activations, start=1):
        allowed = [*layers.ELEMENTWISE, *(["softmax"] if number == len(activations) else [])]
        if name not in allowed:
            raise InputError(
                f"activations[{number - 1}]", "must be one of ours", value=name, remedy=nearest(name, allowed)
            )
    if loss not in LOSSES:
        raise InputError("loss", "must be one of ours", value=loss, remedy=nearest(str(loss), LOSSES))
    if (loss == "cross_entropy") != (activations[-1] == "softmax"):
        raise InputError(
            "loss",
            "must be cross_entropy after a softmax, and squared_error otherwise",
            value=f"{loss} after {activations[-1]}",
        )
    if init not in ("xavier", "zeros") and (isinstance(init, str) or not 0 < init < math.inf):
        raise InputError("init", 'must be "xavier", "zeros", or a number > 0, the bound of U(-r, r)', value=init)
    if dtype not in ("float64", "float32"):
        raise InputError("dtype", 'must be "float64" or "float32"', value=dtype)


def _check_settings(
    epochs: int,
    batch_size: int | None,
    lr: float,
    momentum: float,
    weight_decay: float,
    lr_factor: float,
    lr_every: int,
) -> None:
    rules = {
        "epochs": (epochs >= 1, "must be >= 1", epochs),
        "batch_size": (batch_size is None or batch_size >= 1, "must be >= 1, or None for all rows", batch_size),
        "lr": (0 < lr < math.inf, "must be > 0", lr),
        "momentum": (0 <= momentum < 1, "must be from 0 to below 1", momentum),
        "weight_decay": (0 <= weight_decay < math.inf, "must be >= 0", weight_decay),
        "lr_factor": (0 < lr_factor < math.inf, "must be > 0", lr_factor),
        "lr_every": (lr_every >= 1, "must be >= 1", lr_every),
    }
    for name, (holds, rule, value) in rules.items():
        if not holds:
            raise InputError(name, rule, value=value)
