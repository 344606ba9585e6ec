"""Batch normalisation.

Each channel of a batch is given mean 0 and variance 1, then a learned scale and shift: the biased variance, what eps is
for, the gradient, and why training and evaluation differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from narrows.disk.files import Array
from narrows.studies.worked import Page
from narrows.studies.worked._markdown import difference, fill, fixed, number, table, vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["page"]

EPS = 1e-5  # PyTorch's default, as its momentum
MOMENTUM = 0.1
EXAMPLE = (1.0, 2.0, 3.0, 6.0)
SHAPE = (256, 16, 7, 7)  # of a batch at a normalisation of the digits' denoising autoencoder


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance (C,) of each channel of ``x`` (N, C, ...), over images and pixels."""
    axes = (0, *range(2, x.ndim))
    return x.mean(axis=axes), x.var(axis=axes)


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = EPS) -> Array:
    """Return (x - E[x]) / sqrt(Var[x] + eps) * gamma + beta for a batch in training.

    Ioffe and Szegedy (2015), algorithm 1.

    Parameters
    ----------
    x : (N, C, ...)
    gamma, beta : learned scale and shift (C,), ones and zeros at the start
    eps : prevents division by zero for a channel whose values are all equal
    """
    return normalise(x, *moments(x), gamma, beta, eps)


def normalise(x: Array, mean: Array, var: Array, gamma: Array, beta: Array, eps: float = EPS) -> Array:
    """Return ``batch_norm`` with a given mean and variance (C,), as in evaluation with the running ones."""
    mean, var, gamma, beta = (_per_channel(values, x.ndim) for values in (mean, var, gamma, beta))
    return (x - mean) / np.sqrt(var + eps) * gamma + beta


def gradients(dy: Array, x: Array, gamma: Array, eps: float = EPS) -> tuple[Array, Array, Array]:
    """Return the gradients of x (N, C, ...), gamma (C,) and beta (C,) from that of the output, ``dy`` (N, C, ...)."""
    mean, var = moments(x)
    ones, zeros = np.ones_like(mean), np.zeros_like(mean)
    normal = normalise(x, mean, var, ones, zeros, eps)  # (N, C, ...)
    axes = (0, *range(2, x.ndim))
    centred = dy - dy.mean(axis=axes, keepdims=True) - normal * (dy * normal).mean(axis=axes, keepdims=True)
    dx = _per_channel(gamma / np.sqrt(var + eps), x.ndim) * centred
    return dx, (dy * normal).sum(axis=axes), dy.sum(axis=axes)


def running(mean: Array, var: Array, x: Array, momentum: float = MOMENTUM) -> tuple[Array, Array]:
    """Return the running mean and variance (C,) after the batch ``x`` (N, C, ...).

    They move by the share ``momentum`` towards the batch's mean and its *unbiased* variance, which, for n values per
    channel, is n/(n - 1) times the variance used to normalise.
    """
    batch_mean, batch_var = moments(x)
    n = x.size / x.shape[1]
    return (1 - momentum) * mean + momentum * batch_mean, (1 - momentum) * var + momentum * batch_var * n / (n - 1)


def share_of_batches(updates: int, momentum: float = MOMENTUM) -> float:
    """Return the share of a running mean that comes from batches after ``updates``: 1 - (1 - momentum)^updates."""
    return 1 - (1 - momentum) ** updates


def _per_channel(values: Array, ndim: int) -> Array:
    return values.reshape(1, -1, *[1] * (ndim - 2))  # (1, C, 1, ...)


TEXT = r"""
# Batch normalisation

## What is asked

While a network learns, the numbers that a layer receives keep changing in size, because the layers before it change.
Batch normalisation puts each channel of a batch on one scale, and then lets the network choose the scale it wants.

## The formula

$$y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \cdot \gamma + \beta$$

- $x$: one value of a channel, $y$ its normalised value.
- $\mathrm{E}[x]$ and $\mathrm{Var}[x]$: mean and variance of the channel over this batch. For images (N, C, H, W)
  they run over images, rows and columns: $n = N H W$ values per channel. In the digits' denoising autoencoder, a
  batch of @batch images with @channels channels of @side x @side pixels, that is $n$ = @n.
- The variance is the *biased* one, the mean of the squared distances from the mean: divided by $n$, not $n - 1$.
- $\epsilon$ = @eps: keeps the root away from zero.
- $\gamma$ and $\beta$: two learned numbers per channel, @parameters for @channels channels. They start at 1 and 0.

## The steps

A channel with the four values @example. Their mean is @mean, their biased variance @var (unbiased: @unbiased).

@steps

The output has mean @out_mean, and a variance just below 1 because of $\epsilon$:
$\mathrm{Var}[x] / (\mathrm{Var}[x] + \epsilon)$ = 1 - @below_one. The last column has mean 10 and standard deviation 2,
whatever the input. Only location and scale change, not the shape: in the picture the lopsided channel stays lopsided.

![Three channels before and after, and how fast the running mean fills.](batch-normalisation.png)

## What it forgets

Multiply a channel by a positive number and add another: mean and standard deviation follow, and the output stays the
same. For 100 times the example plus 7 it differs by @forgets, all of it from $\epsilon$. Two things follow. A layer
right before the normalisation needs no bias, because whatever a bias adds is subtracted again. And the size of the
weights that make a channel does not matter for the output, only their direction.

## The gradient

Every value of a channel enters its mean and its variance, so the gradient of one value depends on all of them. Write
$\hat x = (x - \mathrm{E}[x]) / \sqrt{\mathrm{Var}[x] + \epsilon}$ and $g = \partial J / \partial y$ for the gradient
of the loss $J$ at the output. The sums run over the $n$ values of the channel.

$$\frac{\partial J}{\partial \beta} = \sum g , \qquad \frac{\partial J}{\partial \gamma} = \sum g \hat x$$

$$\frac{\partial J}{\partial x} = \frac{\gamma}{\sqrt{\mathrm{Var}[x] + \epsilon}}
\left( g - \frac{1}{n} \sum g - \hat x \cdot \frac{1}{n} \sum g \hat x \right)$$

The first subtraction is what the mean does to the gradient, the second what the variance does: the parts of $g$ that
would only shift or stretch the channel are taken out. For the example with $g$ = @dy and $\gamma = 1$:
$\partial J / \partial x$ = @dx, whose sum is @dx_sum.

## What goes wrong

**The other variance.** Dividing by $n - 1$ makes every output too small by the factor $\sqrt{(n - 1) / n}$:

@unbiased_table

With a batch of images this goes unnoticed; with a batch of a few vectors it does not.

**No epsilon.** A channel whose values are all the same (a corner that is always black) has variance 0, and 0 by 0 is
@no_eps. With $\epsilon$ it is @with_eps.

**A batch of one.** With a single vector per channel $x = \mathrm{E}[x]$, and the output is $\beta$ whatever the
input; PyTorch refuses it in training.

**Two modes.** In evaluation an image must not depend on the others in its batch, so the layer uses running averages
kept in training: after each batch

$$r \leftarrow (1 - \rho) r + \rho s$$

with $s$ the batch's mean or its variance (here the *unbiased* one), and $\rho$ = @momentum, which PyTorch calls
momentum. The running mean starts at 0 and the running variance at 1, and after $k$ batches the share
$1 - (1 - \rho)^k$ of them comes from data:

@share

So a network that is evaluated after a few steps is normalised mostly by the starting values, and may look broken
when it is not. A network left in training mode gives an image a different output in every batch.

## How it was checked

In float64, on a batch (@check_shape) with random $\gamma$, $\beta$ and $g$:

| what | against | greatest difference |
| --- | --- | ---: |
| output in training | `torch.nn.BatchNorm2d` | @check_forward |
| gradients of $x$, $\gamma$, $\beta$ | PyTorch's automatic differentiation | @check_gradient |
| running mean and variance after @check_updates batches | the buffers of `torch.nn.BatchNorm2d` | @check_running |
| output in evaluation | `torch.nn.BatchNorm2d` | @check_evaluation |

## Source

S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift", ICML 2015, algorithms 1 and 2.
"""


def page() -> Page:
    """Return the page on batch normalisation."""
    x = np.array(EXAMPLE)[:, None]  # (4, 1)
    one, zero = np.ones(1), np.zeros(1)
    mean, var = moments(x)
    y = batch_norm(x, one, zero)
    scaled = batch_norm(x, 2 * one, 10 * one)
    dy = np.array([[1.0], [0.0], [0.0], [0.0]])
    dx, _, _ = gradients(dy, x, one)
    constant = np.full((4, 1), 3.0)
    with np.errstate(invalid="ignore"):
        no_eps = batch_norm(constant, one, zero, eps=0.0)
    text = fill(
        TEXT,
        batch=str(SHAPE[0]),
        channels=str(SHAPE[1]),
        side=str(SHAPE[2]),
        n=f"{SHAPE[0] * SHAPE[2] * SHAPE[3]:,}",
        parameters=str(2 * SHAPE[1]),
        eps=number(EPS, 1),
        example=vector(x, 0),
        mean=fixed(mean[0], 1),
        var=fixed(var[0], 1),
        unbiased=fixed(x.var(ddof=1), 4),
        steps=table(
            ("$x$", r"$x - \mathrm{E}[x]$", "$y$", r"$y$ with $\gamma = 2$, $\beta = 10$"),
            [
                (fixed(x[i, 0], 0), fixed(x[i, 0] - mean[0], 0), fixed(y[i, 0], 4), fixed(scaled[i, 0], 4))
                for i in range(4)
            ],
        ),
        out_mean=fixed(y.mean(), 4),
        below_one=number(1 - y.var(), 2),
        forgets=number(np.abs(batch_norm(100 * x + 7, one, zero) - y).max(), 2),
        dy=vector(dy, 0),
        dx=vector(dx, 4),
        dx_sum=fixed(dx.sum(), 4),
        unbiased_table=table(
            ("values per channel", "factor"),
            [(f"{n:,}", fixed(np.sqrt((n - 1) / n), 5)) for n in (2, 4, 16, 256, SHAPE[0] * SHAPE[2] * SHAPE[3])],
        ),
        no_eps=fixed(no_eps[0, 0], 0),
        with_eps=fixed(batch_norm(constant, one, zero)[0, 0], 0),
        momentum=number(MOMENTUM, 1),
        share=table(
            ("batches", "share from data"),
            [(str(k), f"{fixed(100 * share_of_batches(k), 1)} %") for k in (1, 5, 10, 20, 50, 100)],
        ),
        **_checks(),
    )
    return Page("batch-normalisation", text, {"batch-normalisation": _figure()})


def _checks() -> dict[str, str]:
    import torch

    rng = np.random.default_rng(0)
    shape, updates = (8, 3, 5, 4), 4
    batches = [rng.normal([[[2.0]], [[-1.0]], [[0.0]]], [[[3.0]], [[0.5]], [[1.0]]], shape) for _ in range(updates)]
    gamma, beta, dy = rng.normal(1, 0.3, 3), rng.normal(0, 1, 3), rng.normal(0, 1, shape)
    layer = torch.nn.BatchNorm2d(3, EPS, MOMENTUM, dtype=torch.float64)
    layer.load_state_dict({"weight": torch.from_numpy(gamma), "bias": torch.from_numpy(beta)}, strict=False)
    mean, var = np.zeros(3), np.ones(3)
    for batch in batches:
        x = torch.from_numpy(batch).requires_grad_()
        y = layer(x)
        mean, var = running(mean, var, batch)
    last = batches[-1]
    found = torch.autograd.grad(y, (x, layer.weight, layer.bias), torch.from_numpy(dy))
    ours = gradients(dy, last, gamma)
    layer.eval()
    buffers = np.stack([layer.state_dict()[name] for name in ("running_mean", "running_var")])
    return {
        "check_shape": " x ".join(map(str, shape)),
        "check_updates": str(updates),
        "check_forward": difference(batch_norm(last, gamma, beta), y.detach(), 1e-10),
        "check_gradient": difference(ours, found, 1e-10),
        "check_running": difference(np.stack([mean, var]), buffers, 1e-10),
        "check_evaluation": difference(normalise(last, mean, var, gamma, beta), layer(x).detach(), 1e-10),
    }


def _figure() -> Figure:
    from narrows.figures.style import PALETTE, new_panels, style

    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(-4, 0.6, 4000), rng.gamma(2, 1.5, 4000), rng.uniform(3, 12, 4000)], axis=1)  # (4000, 3)
    y = batch_norm(x, np.ones(3), np.zeros(3))
    updates = range(61)
    with style():
        figure, (before, after, shares) = new_panels((8.4, 2.7), 1, 3)
        for ax, values, title in ((before, x, "three channels before"), (after, y, "after: mean 0, variance 1")):
            bins = np.linspace(values.min(), values.max(), 80)
            for c in range(3):
                ax.hist(values[:, c], bins, histtype="step", color=PALETTE[c], linewidth=1.3)
            ax.set(title=title, xlabel="value", yticks=[])
            ax.spines["left"].set_visible(False)
        shares.plot(updates, [share_of_batches(k) for k in updates], color=PALETTE[0], linewidth=1.6)
        shares.set(title="what a running mean holds", xlabel="batches seen", ylabel="share from data", ylim=(0, 1.02))
        shares.grid(axis="y", linewidth=0.4, alpha=0.5)
    return figure
