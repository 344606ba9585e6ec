"""Xavier initialisation.

Why weights start random and of one particular size: the variance of activations and of gradients from layer to layer,
predicted and measured, and what a misprinted formula does to a deep network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from narrows.disk.files import Array
from narrows.studies.reference import layers
from narrows.studies.reference.layers import backward
from narrows.studies.worked import Page
from narrows.studies.worked._markdown import difference, fill, fixed, number, table, vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["page"]

Rule = Callable[[int, int], float]

LETTERS = (1024, 64, 36)  # pixels, hidden units, classes of the letters study
WIDTHS = (256,) * 11
ROWS = 256


def variance(n_in: int, n_out: int) -> float:
    """Return Xavier's variance of a weight: 2 / (n_in + n_out). Glorot and Bengio (2010), equation 12."""
    return 2 / (n_in + n_out)


def bound(n_in: int, n_out: int) -> float:
    """Return r of the uniform distribution U(-r, r) with that variance: sqrt(6 / (n_in + n_out)). Equation 16."""
    return float(np.sqrt(6 / (n_in + n_out)))


def misprinted_variance(n_in: int, n_out: int) -> float:
    """Return 2 / (n_in n_out + n_out), a common misprint: the plus sign became a product."""
    return 2 / (n_in * n_out + n_out)


def plain_variance(n_in: int, n_out: int) -> float:
    """Return the variance 1 / (3 n_in) of U(-1/sqrt(n_in), 1/sqrt(n_in)), the earlier custom (equation 1)."""
    return 1 / (3 * n_in)


def doubled_variance(n_in: int, n_out: int) -> float:
    """Return twice Xavier's variance: with n_in = n_out it is the 2 / n_in of He et al. (2015), meant for relu."""
    return 2 * variance(n_in, n_out)


class Spread(NamedTuple):
    """Variances in a network of L layers: of the input and every layer's output, and of their gradients (L + 1,)."""

    activations: Array
    gradients: Array


def predicted(rule: Rule, widths: Sequence[int]) -> Spread:
    """Return the expected variances in a network without activations, if input and last gradient have variance 1.

    Forward, every layer multiplies the variance by n_in Var(w); backward, by n_out Var(w) (equations 5 and 6).
    """
    forwards = [n_in * rule(n_in, n_out) for n_in, n_out in pairwise(widths)]
    backwards = [n_out * rule(n_in, n_out) for n_in, n_out in pairwise(widths)]
    return Spread(np.cumprod([1.0, *forwards]), np.cumprod([1.0, *backwards[::-1]])[::-1])


def measured(rule: Rule, widths: Sequence[int], activation: str, rows: int = ROWS, seed: int = 0) -> Spread:
    """Return the variances measured in one network with random uniform weights, run by ``narrows.studies.reference``.

    Parameters
    ----------
    rule : (n_in, n_out) -> variance of the weights
    widths : units per layer, the input first: L + 1 numbers
    activation : activation of every layer, as in ``narrows.studies.reference.layers``
    rows : number of inputs and last gradients to pass through, normal with variance 1
    """
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((rows, widths[0]))
    forwards, caches, weights = [y.var()], [], []
    for n_in, n_out in pairwise(widths):
        r = np.sqrt(3 * rule(n_in, n_out))  # U(-r, r) has the variance r^2 / 3
        weights.append(rng.uniform(-r, r, (n_in, n_out)))
        caches.append(layers.forward(y, weights[-1], np.zeros(n_out), activation))
        y = caches[-1].y  # (rows, n_out)
        forwards.append(y.var())
    dy = rng.standard_normal(y.shape)
    backwards = [dy.var()]
    for cache, w in zip(reversed(caches), reversed(weights), strict=True):
        dy = backward(dy, cache, w, activation).dx  # (rows, n_in)
        backwards.append(dy.var())
    return Spread(np.array(forwards), np.array(backwards[::-1]))


def hidden_gradient(w1: Array, w2: Array, x: Array, t: Array) -> Array:
    """Return dJ/dW1 (D, H) of a network x -> sigmoid -> softmax with cross-entropy, biases 0.

    Parameters
    ----------
    w1, w2 : (D, H), (H, K)
    x, t : rows (N, D) and one-hot targets (N, K)
    """
    hidden = layers.forward(x, w1, np.zeros(w1.shape[1]), "sigmoid")
    output = layers.forward(hidden.y, w2, np.zeros(w2.shape[1]), "softmax")
    da = layers.cross_entropy_gradient(output.y, t)
    return backward(layers.backward_of_sums(da, hidden.y, w2).dx, hidden, w1, "sigmoid").dw


TEXT = r"""
# Xavier initialisation

## What is asked

With which weights should training start, so that its first steps teach every layer of the network something?

## Why random

Two hidden units with the same weights compute the same number, receive the same gradient and take the same step:
they stay one unit for ever, however many there are. The gradient of the first weights of a small network (@small_in
inputs, @small_hidden hidden sigmoid units, @small_out classes, @small_rows rows), for three starts:

@symmetry

The rank counts how many different directions the columns of the gradient have, one column per hidden unit. From
zeros the first layer does not move at all in the first step, because its gradient comes back through the second
layer's zeros. From equal numbers all units move alike. Only random weights let the units part.

## Why of one size

Take a layer without activation, $y_j = \sum_{i=1}^{n_{in}} x_i w_{ij}$, with $n_{in}$ inputs and $n_{out}$ outputs.
Let the weights be independent of each other and of the inputs, with mean 0. Then the products $x_i w_{ij}$ are
uncorrelated, their variances add up, and for inputs with mean 0

$$\mathrm{Var}(y) = n_{in} \mathrm{Var}(w) \mathrm{Var}(x)$$

Backwards, the gradient of an input is a sum over the outputs,

$$\frac{\partial J}{\partial x_i} = \sum_{j=1}^{n_{out}} w_{ij} \frac{\partial J}{\partial y_j}$$

and by the same argument its variance is multiplied by $n_{out} \mathrm{Var}(w)$. The factors of the layers multiply:
a factor of 0.5 leaves @half of the variance after @depth layers, a factor of 2 makes it @double. To keep the
activations one wants $\mathrm{Var}(w) = 1 / n_{in}$, to keep the gradients $1 / n_{out}$. Xavier Glorot and Yoshua
Bengio take the middle:

$$\mathrm{Var}(w) = \frac{2}{n_{in} + n_{out}}$$

A uniform distribution between $-r$ and $r$ has the variance $r^2 / 3$. Set equal and solved for $r$:

$$w \sim U(-r, r) , \qquad r = \sqrt{\frac{6}{n_{in} + n_{out}}}$$

For the letters network, $@letters$, with one set of weights drawn:

@letters_table

With different widths the middle keeps neither exactly: the first layer multiplies the variance of activations by
@letters_forward and that of gradients by @letters_backward. In a network of equal widths both are 1.

## The misprint

Elsewhere the variance is printed as $2 / (n_{in} n_{out} + n_{out})$. That this cannot be right shows without any
data: it is about $2 / (n_{in} n_{out})$, so every layer would multiply the variance by about $2 / n_{out}$, and a wider
network would have a weaker signal. For @width units it is @ratio times too small. Sent through @depth layers of @width
units (@rows rows of variance 1, no activation), the variance of the activations, measured and in brackets predicted:

@measured_table

![Variance of activations and gradients per layer, for four ways to choose the size of weights.](xavier-variance.png)

With the misprint the signal is at @misprint_end after @depth layers. Where tanh bends little, below 1, the
activations follow the same straight line downwards (middle), and the gradients do so from the last layer to the
first (right): hardly any gradient would reach the first layers. With the earlier custom,
$U(-1/\sqrt{n_{in}}, 1/\sqrt{n_{in}})$, a layer keeps a third of the variance. Twice Xavier's variance doubles the
signal per layer if nothing limits it. tanh does limit it, and since its slope is below 1 away from 0, Xavier's own
signal fades slowly: the activation determines which factor is right.

## What it does not cover

The argument requires an activation that is close to the identity around 0, with outputs of mean 0: tanh is, sigmoid is
not (its slope is @sigmoid_slope at best, its outputs lie around @sigmoid_middle). relu sets half of the sums to 0, so
that half of their mean square goes on: with Xavier's variance the mean square halves per layer, and He et al. give relu
twice the variance. Measured after one layer of @width relu units, mean square of the output by mean square of the
input: @relu_xavier with Xavier's variance, @relu_he with twice that.

## How it was checked

| what | against | greatest difference |
| --- | --- | ---: |
| $2 / (n_{in} + n_{out})$ | variance $r^2 / 3$ of $U(-r, r)$ | @check_uniform |
| $r$ | the greatest of @drawn weights from `torch.nn.init.xavier_uniform_`, $@layer$ | @check_bound |
| 1, the variance after @check_depth layers of @check_width units | measured, mean of @draws networks | @check_factor |
| gradient of the first weights, three starts | PyTorch's automatic differentiation | @check_gradient |

## Source

X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010:
equations 5 and 6 (the factors), 12 (the variance), 16 (the bound). K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep
into Rectifiers", ICCV 2015 (relu).
"""

RULES: dict[str, Rule] = {
    "Xavier": variance,
    "misprint": misprinted_variance,
    "earlier custom": plain_variance,
    "twice Xavier": doubled_variance,
}


def page() -> Page:
    """Return the page on Xavier initialisation."""
    depth, width = len(WIDTHS) - 1, WIDTHS[0]
    rng = np.random.default_rng(0)
    spreads = {name: measured(rule, WIDTHS, "identity") for name, rule in RULES.items()}
    expected = {name: predicted(rule, WIDTHS) for name, rule in RULES.items()}
    starts, x, t = small_network()
    n_in, n_out = LETTERS[:2]
    middle = float(layers.sigmoid(np.zeros(1))[0])
    text = fill(
        TEXT,
        small_in=str(x.shape[1]),
        small_hidden=str(starts["zeros"][0].shape[1]),
        small_out=str(t.shape[1]),
        small_rows=str(len(x)),
        symmetry=table(
            ("start", "gradient of the first input's weights", "rank of the gradient"),
            [
                (name, vector(gradient[0], 4), str(np.linalg.matrix_rank(gradient, tol=1e-9)))
                for name, gradient in ((name, hidden_gradient(*pair, x, t)) for name, pair in starts.items())
            ],
        ),
        half=number(0.5**depth, 2),
        double=f"{2**depth:,}",
        depth=str(depth),
        letters=r" \to ".join(map(str, LETTERS)),
        letters_table=table(
            ("$n_{in}$", "$n_{out}$", "variance", "$r$", "variance of the weights drawn", "misprinted variance"),
            [
                (
                    str(a),
                    str(b),
                    number(variance(a, b), 5),
                    number(bound(a, b), 5),
                    number(layers.xavier(a, b, rng).var(), 3),
                    number(misprinted_variance(a, b), 3),
                )
                for a, b in pairwise(LETTERS)
            ],
        ),
        letters_forward=fixed(n_in * variance(n_in, n_out), 3),
        letters_backward=fixed(n_out * variance(n_in, n_out), 3),
        width=str(width),
        rows=str(ROWS),
        ratio=fixed(variance(width, width) / misprinted_variance(width, width), 1),
        measured_table=table(
            ("after layer", *RULES),
            [
                (
                    str(layer),
                    *(
                        f"{number(spread.activations[layer], 2)} ({number(expected[name].activations[layer], 2)})"
                        for name, spread in spreads.items()
                    ),
                )
                for layer in (0, 1, 2, 5, depth)
            ],
        ),
        misprint_end=number(spreads["misprint"].activations[-1], 1),
        sigmoid_slope=fixed(middle * (1 - middle), 2),
        sigmoid_middle=fixed(middle, 1),
        relu_xavier=fixed(_relu_factor(variance), 2),
        relu_he=fixed(_relu_factor(doubled_variance), 2),
        **_checks(starts, x, t),
    )
    return Page("xavier", text, {"xavier-variance": _figure(spreads, expected)})


def small_network() -> tuple[dict[str, tuple[Array, Array]], Array, Array]:
    """Return three starts of a network, pairs of weights (4, 3) and (3, 2), and rows (20, 4) and targets (20, 2)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 4))
    t = layers.one_hot(rng.integers(0, 2, 20), 2)
    w2 = layers.xavier(3, 2, rng)
    starts = {
        "zeros": (layers.zeros(4, 3), layers.zeros(3, 2)),
        "equal hidden units": (np.full((4, 3), 0.1), np.repeat(w2[:1], 3, axis=0)),
        "Xavier": (layers.xavier(4, 3, rng), w2),
    }
    return starts, x, t


def _relu_factor(rule: Rule) -> float:
    rng = np.random.default_rng(0)
    width = WIDTHS[0]
    r = np.sqrt(3 * rule(width, width))
    y = layers.forward(
        rng.standard_normal((4096, width)), rng.uniform(-r, r, (width, width)), np.zeros(width), "relu"
    ).y
    return float((y**2).mean())


def _checks(starts: dict[str, tuple[Array, Array]], x: Array, t: Array) -> dict[str, str]:
    import torch
    from torch.nn import functional

    draws, width, depth = 30, 64, 3
    factor = np.mean(
        [measured(variance, (width,) * (depth + 1), "identity", rows=64, seed=s).activations[-1] for s in range(draws)]
    )
    n_in, n_out = LETTERS[:2]
    drawn = torch.nn.init.xavier_uniform_(torch.empty(n_out, n_in), generator=torch.Generator().manual_seed(0))
    pairs = [*pairwise(LETTERS), WIDTHS[:2]]
    ours, theirs = [], []
    for w1, w2 in starts.values():
        w = torch.from_numpy(w1).requires_grad_()
        a = torch.sigmoid(torch.from_numpy(x) @ w) @ torch.from_numpy(w2)
        theirs.append(torch.autograd.grad(functional.cross_entropy(a, torch.from_numpy(t), reduction="sum"), w)[0])
        ours.append(hidden_gradient(w1, w2, x, t))
    return {
        "check_uniform": difference([bound(*p) ** 2 / 3 for p in pairs], [variance(*p) for p in pairs], 1e-12),
        "check_bound": difference([bound(n_in, n_out)], [drawn.abs().max()], 1e-4),
        "check_factor": difference([factor], [1], 0.05),
        "check_gradient": difference(ours, theirs, 1e-10),
        "draws": str(draws),
        "check_depth": str(depth),
        "check_width": str(width),
        "drawn": f"{drawn.numel():,}",
        "layer": rf"{n_in} \to {n_out}",
    }


def _figure(spreads: dict[str, Spread], expected: dict[str, Spread]) -> Figure:
    from matplotlib.ticker import FuncFormatter

    from narrows.figures.style import PALETTE, new_panels, style

    bent = {name: measured(rule, WIDTHS, "tanh") for name, rule in RULES.items()}
    depths = np.arange(len(WIDTHS))
    with style():
        figure, (plain, tanh, gradients) = new_panels((8.8, 3.2), 1, 3)
        for colour, name in zip(PALETTE, RULES, strict=False):
            plain.plot(depths, expected[name].activations, color=colour, linewidth=0.9)
            plain.plot(depths, spreads[name].activations, "o", color=colour, markersize=3.5, label=name)
            tanh.plot(depths, bent[name].activations, "o-", color=colour, markersize=3.5, linewidth=0.9)
            gradients.plot(depths, bent[name].gradients, "o-", color=colour, markersize=3.5, linewidth=0.9)
        plain.set(title="activations, none (lines: predicted)", ylabel="variance")
        tanh.set(title="activations, tanh")
        gradients.set(title="gradients, tanh (right to left)")
        for ax in (plain, tanh, gradients):
            ax.set(yscale="log", xlabel="after layer", xticks=depths[::2])
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
            ax.grid(axis="y", linewidth=0.4, alpha=0.5)
        plain.legend(loc="lower left")
    return figure
