"""One fully connected layer, forward and backward, and the two losses.

A layer maps N rows X (N, D) to Y = f(XW + b) (N, K) with weights W (D, K) and biases b (K,). The loss J is one number,
summed over the rows of a batch. The gradients dX, dW and db have the shapes of X, W and b.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError, nearest

# Initial weights


def xavier(n_in: int, n_out: int, rng: np.random.Generator) -> Array:
    """Return weights (D, K) drawn from U(-r, r) with r = sqrt(6 / (n_in + n_out)).

    Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks", equation 16.
    U(-r, r) has the variance r^2 / 3 = 2 / (n_in + n_out), between the 1 / n_in that keeps the variance of activations
    the same from layer to layer and the 1 / n_out that keeps the variance of gradients the same (equations 10 to 12).
    """
    bound = np.sqrt(6 / (n_in + n_out))
    return rng.uniform(-bound, bound, (n_in, n_out))


def zeros(n_in: int, n_out: int) -> Array:
    """Return weights (D, K) of zeros, with which hidden units never learn to differ; see ``symmetry.py``."""
    return np.zeros((n_in, n_out))


# Activations


def sigmoid(a: Array) -> Array:
    """Return 1 / (1 + e^-a), elementwise."""
    e = np.exp(-np.abs(a))  # exp of a number <= 0, so that nothing overflows
    y: Array = np.where(a >= 0, np.ones_like(e), e) / (1 + e)
    return y


def relu(a: Array) -> Array:
    """Return max(a, 0), elementwise."""
    return np.maximum(a, 0)


def softmax_naive(a: Array) -> Array:
    """Return the softmax of each row of ``a`` (N, K) by its definition: nan if e^a overflows, as at 1000."""
    e: Array = np.exp(a)  # (N, K)
    total: Array = e.sum(axis=1, keepdims=True)  # (N, 1)
    return e / total


def softmax(a: Array) -> Array:
    """Return the softmax of each row of ``a`` (N, K): numbers from 0 to 1 that sum to 1.

    e^(a - c) / sum e^(a - c) is the same for every c, since e^-c cancels. If c is the row's largest number, every
    exponent is <= 0 and one is 0, so nothing overflows, and the sum is at least 1.
    """
    return softmax_naive(a - a.max(axis=1, keepdims=True))


#: name -> (f, f' as a function of y = f(a), so that only y must be kept for the backward pass)
ELEMENTWISE: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (lambda a: a, np.ones_like),
    "sigmoid": (sigmoid, lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "relu": (relu, lambda y: (y > 0).astype(y.dtype)),
}


# One layer


class Cache(NamedTuple):
    """What a layer keeps from the forward pass: its input X (N, D) and its output Y (N, K)."""

    x: Array
    y: Array


class Gradients(NamedTuple):
    """The gradient of J with respect to a layer's input (N, D), weights (D, K) and biases (K,)."""

    dx: Array
    dw: Array
    db: Array


def forward(x: Array, w: Array, b: Array, activation: str) -> Cache:
    """Return the layer's input and output: y = f(xw + b), (N, D) -> (N, K).

    Parameters
    ----------
    activation : "identity", "sigmoid", "tanh", "relu", or "softmax" over each row
    """
    a = x @ w + b  # (N, K)
    if activation == "softmax":
        return Cache(x, softmax(a))
    if activation not in ELEMENTWISE:
        remedy = nearest(activation, [*ELEMENTWISE, "softmax"])
        raise InputError("activation", "must be defined in this file", value=activation, remedy=remedy)
    return Cache(x, ELEMENTWISE[activation][0](a))


def backward(dy: Array, cache: Cache, w: Array, activation: str) -> Gradients:
    """Return dX, dW and db of a layer from ``dy`` (N, K), the gradient of J with respect to its output.

    The chain rule is applied twice: through f to the sums a = xw + b, then through the sums. In a softmax every output
    depends on every sum of its row, dy_k/da_j = y_k ((k = j) - y_j), so da_j = y_j (dy_j - sum_k dy_k y_k).
    """
    if activation == "softmax":
        da = cache.y * (dy - (dy * cache.y).sum(axis=1, keepdims=True))  # (N, K)
    else:
        da = dy * ELEMENTWISE[activation][1](cache.y)  # (N, K)
    return backward_of_sums(da, cache.x, w)


def backward_of_sums(da: Array, x: Array, w: Array) -> Gradients:
    """Return dX, dW and db from ``da`` (N, K), the gradient of J with respect to the sums a = xw + b.

    a_nk = sum_d x_nd w_dk + b_k. A weight w_dk is used for every row, hence the sum over n; an input x_nd is used by
    every unit, hence the sum over k.
    """
    return Gradients(
        dx=da @ w.T,  # (N, K) (K, D) -> (N, D)
        dw=x.T @ da,  # (D, N) (N, K) -> (D, K)
        db=da.sum(axis=0),  # (K,)
    )


# Losses


def cross_entropy(y: Array, t: Array) -> float:
    """Return -sum t log y over the whole batch: probabilities ``y`` (N, K) against one-hot targets ``t`` (N, K).

    A probability that was rounded to 0 is replaced by the smallest normal number above 0, so that J stays finite.
    """
    return float(-(t * np.log(np.maximum(y, np.finfo(y.dtype).tiny))).sum())


def cross_entropy_gradient(y: Array, t: Array) -> Array:
    """Return the gradient (N, K) of the cross-entropy of a softmax with respect to the softmax's sums a: y - t.

    With dy_k = -t_k / y_k, ``backward`` gives da_j = y_j (-t_j / y_j + sum_k t_k) = y_j - t_j, since targets sum to 1.
    This form avoids division by a probability that may be 0.
    """
    return y - t


def squared_error(y: Array, t: Array) -> float:
    """Return sum (y - t)^2 over the whole batch: outputs ``y`` (N, K) against targets ``t`` (N, K)."""
    return float(((y - t) ** 2).sum())


def squared_error_gradient(y: Array, t: Array) -> Array:
    """Return the gradient (N, K) of the squared error with respect to the outputs ``y``: 2 (y - t)."""
    return 2 * (y - t)


def accuracy(y: Array, t: Array) -> float:
    """Return the share of rows whose largest output is their class: ``y`` (N, K) against one-hot ``t`` (N, K)."""
    return float((y.argmax(axis=1) == t.argmax(axis=1)).mean())


def one_hot(labels: Array, n_classes: int) -> Array:
    """Return one-hot targets (N, C) for ``labels``, int (N,) from 0."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.min(initial=0) < 0 or labels.max(initial=0) >= n_classes:
        raise InputError(
            "labels",
            f"must be class numbers (N,) from 0 to {n_classes - 1}",
            value=f"{labels.min(initial=0)} to {labels.max(initial=0)}, shape {labels.shape}",
        )
    return np.eye(n_classes)[labels]
