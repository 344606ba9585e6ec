"""Why weights start random, and why at the size given by Xavier's rule, shown by experiment.

**All zero.** Every hidden unit computes the same, so all columns of W1 have the same gradient, and so do all rows of
W2: the units stay equal for ever, and 64 of them can do no more than one. At the first step dW1 is even zero, since
nothing comes back through W2 = 0. Random weights differ, and so do their gradients.

**Too small or too large.** A layer multiplies the variance of its input by about n Var(W). Over many layers, a factor
below 1 makes the signal vanish, and a factor above 1 drives tanh into its flat ends, where no gradient passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.studies.reference.network import Network

Init = Literal["xavier", "zeros"] | float


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Measurements of a classifier with one hidden layer of K units, at the start and after each of E epochs.

    Parameters
    ----------
    loss, accuracy : (E + 1,), the loss per row, and the share of rows classified right
    unit_spread : (E + 1,), how far the units' weights are from equal: the largest |W1 - the mean of its
        columns|
    gradient_spread : (E + 1,), how far their gradients are from equal: the same for dW1, summed over all rows
    gradient_size : (E + 1,), the largest |dW1|, for comparison with ``gradient_spread``
    rank : (E + 1,), rank of the hidden outputs (N, K): the number of effectively different units
    gradient : (D, K), dW1 at the end; all its columns are the same if the units are equal
    """

    loss: Array
    accuracy: Array
    unit_spread: Array
    gradient_spread: Array
    gradient_size: Array
    rank: Array
    gradient: Array


def watch(
    x: Array,
    t: Array,
    init: Init = "zeros",
    *,
    hidden: int = 64,
    activation: str = "sigmoid",
    epochs: int = 10,
    batch_size: int | None = 32,
    lr: float = 1e-2,
    seed: int = 0,
) -> Symmetry:
    """Train a classifier from ``init`` by plain gradient descent, and return measurements of its hidden units.

    From zero weights, with full batches of equally large classes, nothing moves at all, since the gradient of the
    output biases sums to zero too. Only mini-batches let the units move, and then together.

    Parameters
    ----------
    x, t : rows (N, D) and one-hot classes (N, C)
    init : "zeros", which fails, or "xavier", which works
    hidden, activation : K, and the activation of the hidden units
    epochs, batch_size, lr : as in ``Network.fit``
    seed : of random weights, and of the order of the rows
    """
    sizes = [x.shape[1], hidden, t.shape[1]]
    network = Network(sizes, [activation, "softmax"], "cross_entropy", init=init, seed=seed)
    seen: dict[str, list[float]] = {name: [] for name in ("loss", "accuracy", "unit", "gradient", "size", "rank")}
    for epoch in range(epochs + 1):
        if epoch:
            network.fit(x, t, epochs=1, batch_size=batch_size, lr=lr, seed=seed + epoch)
        outputs = network.forward_layers(x)[0].y  # (N, K)
        gradient = network.loss_and_gradients(x, t)[1]["W1"]  # (D, K)
        for name, value in network.scores(x, t).items():
            seen[name].append(value)
        seen["unit"].append(_spread(network.parameters["W1"]))
        seen["gradient"].append(_spread(gradient))
        seen["size"].append(float(np.abs(gradient).max()))
        seen["rank"].append(int(np.linalg.matrix_rank(outputs)))
    return Symmetry(
        loss=np.array(seen["loss"]),
        accuracy=np.array(seen["accuracy"]),
        unit_spread=np.array(seen["unit"]),
        gradient_spread=np.array(seen["gradient"]),
        gradient_size=np.array(seen["size"]),
        rank=np.array(seen["rank"]),
        gradient=gradient,
    )


@dataclass(frozen=True, eq=False)
class Variances:
    """The variance over rows and units of the input (index 0) and of the outputs of the L hidden layers.

    Parameters
    ----------
    activations : (L + 1,), variance of the values
    gradients : (L + 1,), variance of the gradient of J with respect to them
    """

    activations: Array
    gradients: Array


def variance_by_layer(
    x: Array,
    t: Array,
    hidden: Sequence[int] = (256, 256, 256, 256, 256),
    activation: str = "tanh",
    inits: Mapping[str, Init] | None = None,
    seed: int = 0,
) -> dict[str, Variances]:
    """Return the variance of activations and gradients in each layer of an untrained classifier, for each init.

    Parameters
    ----------
    x, t : rows (N, D), preferably with mean 0 and variance 1, and one-hot classes (N, C)
    hidden, activation : sizes of the L hidden layers, and their activation
    inits : name -> "xavier", "zeros" or the bound r of U(-r, r); by default Xavier's, a fifth of and five times its r
        for two layers of the first hidden layer's size, and zeros

    Raises
    ------
    InputError : no hidden layers
    """
    if not hidden:
        raise InputError("hidden", "must contain at least one layer", value="none")
    if inits is None:
        r = float(np.sqrt(6 / (hidden[0] + hidden[0])))
        inits = {"Xavier": "xavier", "too small": r / 5, "too large": r * 5, "zeros": "zeros"}
    sizes = [x.shape[1], *hidden, t.shape[1]]
    activations = [*[activation] * len(hidden), "softmax"]
    found = {}
    for name, init in inits.items():
        network = Network(sizes, activations, "cross_entropy", init=init, seed=seed)
        caches = network.forward_layers(x)
        found[name] = Variances(
            activations=np.array([cache.x.var() for cache in caches]),
            gradients=np.array([gradient.dx.var() for gradient in network.gradients(caches, t)]),
        )
    return found


def _spread(columns: Array) -> float:
    """Return how far an array (D, K) is from K equal columns: its largest deviation from their mean."""
    return float(np.abs(columns - columns.mean(axis=1, keepdims=True)).max())
