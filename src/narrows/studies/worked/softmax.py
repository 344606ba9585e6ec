"""Softmax.

Numbers become probabilities in three steps: why the obvious three lines give nan at 1000 and wrong zeros before that,
why subtracting the greatest number cures both, and how sharp the result is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from narrows.disk.files import Array
from narrows.studies.reference.layers import softmax, softmax_naive
from narrows.studies.worked import Page
from narrows.studies.worked._markdown import difference, fill, fixed, number, table, vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["page"]

EXAMPLE = (1.0, 2.0, 3.0)


def log_sum_exp(a: Array) -> Array:
    """Return log sum e^a (N,) of each row of ``a`` (N, K): c + log sum e^(a - c), with c the row's maximum."""
    c = a.max(axis=1, keepdims=True)  # (N, 1)
    return np.asarray(c[:, 0] + np.log(np.exp(a - c).sum(axis=1)))


def log_softmax(a: Array) -> Array:
    """Return the logarithm of the softmax of each row of ``a`` (N, K), which is finite even where the softmax is 0."""
    return a - log_sum_exp(a)[:, None]


def jacobian(y: Array) -> Array:
    """Return dy_i / da_j (K, K) of a softmax with the outputs ``y`` (K,): y_i ((i = j) - y_j), symmetric."""
    return np.asarray(np.diag(y) - np.outer(y, y))


def largest_exponent(dtype: str) -> float:
    """Return the number whose exponential is the largest value of ``dtype``."""
    return float(np.log(np.finfo(dtype).max))


def lost_range(a: Array, dtype: str) -> tuple[float, float]:
    """Return the shifts c between which the naive softmax of ``a`` + c (K,) is all zeros, without nan as a warning.

    There every e^(a + c) fits into ``dtype`` but their sum does not: from log(max) - log sum e^a to log(max) - max a.
    """
    limit = largest_exponent(dtype)
    return limit - float(log_sum_exp(a[None])[0]), limit - float(a.max())


TEXT = r"""
# Softmax

## What is asked

A network ends in $K$ numbers $a_1, \dots, a_K$, any real numbers, one for each class. Wanted are $K$ probabilities:
each between 0 and 1, with the sum 1, the greatest number getting the greatest probability.

## The formula

$$y_i = \frac{e^{a_i}}{\sum_{k=1}^{K} e^{a_k}}$$

$a_i$ is the number of class $i$ (its *logit*), $y_i$ its probability, and the sum runs over all classes. Three
steps: take the exponentials, which makes every number positive and keeps the order; add them up; divide by the sum.

@steps

The probabilities add up to @total. Adding 1 to a logit multiplies its odds against every other class by $e$ = @e,
whatever the others are: a softmax looks at differences only.

## A shift changes nothing

Add the same $c$ to all logits:

$$\frac{e^{a_i + c}}{\sum_k e^{a_k + c}} = \frac{e^{c} e^{a_i}}{e^{c} \sum_k e^{a_k}} = y_i$$

So it is on paper. On a machine $e^{a}$ is infinite from $a$ = @limit64 on in float64, and from @limit32 on in float32.
Then the fraction is infinity by infinity, which is nan. Far below zero all exponentials become 0, and the fraction is 0
by 0. The obvious three lines, beside the stable form of the next section, for $a$ = @example and several shifts:

@shifts

The row in float32 at $c$ = @lost_at is the dangerous one. Each exponential still fits, but their sum is infinite,
and so every probability is 0: no nan, no sum of 1, and nothing that stops a training run. For this $a$ it happens
between $c$ = @lost_from and @lost_to; the picture shows it on the left.

## The stable form

Choose the shift ourselves: $c = -\max_k a_k$.

$$y_i = \frac{e^{a_i - \max_k a_k}}{\sum_k e^{a_k - \max_k a_k}}$$

Now every exponent is 0 or less, so nothing overflows, and one of them is 0, so the sum is between 1 and $K$ and the
division is safe. An underflow to 0 is correct: the probability is below the smallest number that the machine can
represent.

![Left: the naive softmax in float32 as a shift grows. Right: the sharpness of a softmax.](softmax.png)

## How sharp

$\mathrm{softmax}(\beta a)$ with a sharpness $\beta$: with $\beta = 0$ all classes are equally likely, and with
$\beta \to \infty$ the greatest takes all. For two classes whose logits differ by $d$ it is the sigmoid
$1 / (1 + e^{-\beta d})$, on the right of the picture. k-means written as a network uses $\beta$ = 20, at which a
difference of 1 leaves the loser @loser: a choice that has a gradient ([the update rule](kmeans-update.md) leans on
this).

## Its logarithm

Cross-entropy needs $\log y_i$. Taken after the softmax it is $\log 0 = -\infty$ as soon as $y_i$ has underflowed.
Taken before,

$$\log y_i = a_i - \log \sum_k e^{a_k} , \qquad \log \sum_k e^{a_k} = \max_k a_k + \log \sum_k e^{a_k - \max_k a_k}$$

nothing is lost:

@logs

## Its gradient

Every output depends on every logit, through the sum. With $[i = j]$ for 1 where $i$ is $j$ and 0 elsewhere, the rule
for quotients gives

$$\frac{\partial y_i}{\partial a_j}
= \frac{[i = j] e^{a_i} \sum_k e^{a_k} - e^{a_i} e^{a_j}}{\left( \sum_k e^{a_k} \right)^2}
= y_i \left( [i = j] - y_j \right)$$

For $a$ = @example:

@jacobian

Each row and each column adds up to 0: a shift of all logits changes no output, and no step can change the outputs'
sum. With a target $t$ (one-hot, or any probabilities with the sum 1) and the loss $J = -\sum_i t_i \log y_i$ the
chain rule leaves

$$\frac{\partial J}{\partial a_j} = \sum_i t_i \left( y_j - [i = j] \right) = y_j - t_j$$

## How it was checked

| what | against | greatest difference |
| --- | --- | ---: |
| the stable form | `torch.softmax` | @check_softmax |
| the logarithm | `torch.log_softmax` | @check_log |
| the matrix of derivatives | PyTorch's automatic differentiation | @check_jacobian |
| $y - t$ | automatic differentiation of `torch.nn.functional.cross_entropy` | @check_loss |

All in float64, on @example and on @rows random rows of @columns logits with standard deviation @scale.

## Source

J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs", in *Neurocomputing*,
1990. P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and softmax functions", *IMA
Journal of Numerical Analysis* 41, 2021, on what the shift does to rounding errors.
"""


def page() -> Page:
    """Return the page on the softmax."""
    a = np.array([EXAMPLE])  # (1, 3)
    e = np.exp(a)  # (1, 3)
    y = softmax(a)  # (1, 3)
    start, end = lost_range(a[0], "float32")
    lost_at = round((start + end) / 2, 1)
    sharp = softmax(20 * np.array([[1.0, 0.0]]))
    far = np.array([[0.0, -800.0]])
    with np.errstate(divide="ignore"):
        after = np.log(softmax(far))
    text = fill(
        TEXT,
        steps=table(
            ("logit", "exponential", "divided by the sum"),
            [(fixed(a[0, i], 0), fixed(e[0, i], 4), fixed(y[0, i], 4)) for i in range(3)],
        ),
        total=fixed(y.sum(), 4),
        e=fixed(np.e, 4),
        limit64=fixed(largest_exponent("float64"), 2),
        limit32=fixed(largest_exponent("float32"), 2),
        example=vector(EXAMPLE, 0),
        shifts=table(
            ("numbers", "shift", "naive", "stable"),
            [
                _shifted(a, "float64", 0),
                _shifted(a, "float64", 100),
                _shifted(a, "float64", 1000),
                _shifted(a, "float64", -1000),
                _shifted(a, "float32", lost_at),
                _shifted(a, "float32", 100),
            ],
        ),
        lost_at=fixed(lost_at, 1),
        lost_from=fixed(start, 2),
        lost_to=fixed(end, 2),
        loser=number(sharp[0, 1], 3),
        logs=table(
            ("logits", "probabilities", "logarithm after", "logarithm before"),
            [(vector(far, 0), vector(softmax(far), 0), vector(after, 0), vector(log_softmax(far), 0))],
        ),
        jacobian=table(
            (r"$\partial y_i / \partial a_j$", "$j = 1$", "$j = 2$", "$j = 3$"),
            [(f"$i = {i + 1}$", *(fixed(v, 4) for v in row)) for i, row in enumerate(jacobian(y[0]))],
        ),
        **_checks(a),
    )
    return Page("softmax", text, {"softmax": _figure(a)})


def _shifted(a: Array, dtype: str, shift: float) -> tuple[str, str, str, str]:
    moved = (a + shift).astype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        naive = softmax_naive(moved)
    return dtype, f"{shift:g}", vector(naive, 4), vector(softmax(moved), 4)


def _checks(example: Array) -> dict[str, str]:
    import torch
    from torch.nn import functional

    n, k, scale = 100, 10, 30
    random = np.random.default_rng(0).normal(0, scale, (n, k))
    classes = np.arange(n) % k
    ours = [softmax(rows) for rows in (example, random)]
    theirs = [torch.softmax(torch.from_numpy(rows), 1) for rows in (example, random)]
    a = torch.from_numpy(random).requires_grad_()
    (gradient,) = torch.autograd.grad(functional.cross_entropy(a, torch.from_numpy(classes), reduction="sum"), a)
    row = torch.from_numpy(example[0]).requires_grad_()
    found = [torch.autograd.grad(torch.softmax(row, 0)[i], row)[0] for i in range(len(row))]
    return {
        "check_softmax": difference(ours, theirs, 1e-12),
        "check_log": difference(log_softmax(random), torch.log_softmax(torch.from_numpy(random), 1), 1e-12),
        "check_jacobian": difference(jacobian(ours[0][0]), found, 1e-12),
        "check_loss": difference(ours[1] - np.eye(k)[classes], gradient, 1e-12),
        "rows": str(n),
        "columns": str(k),
        "scale": str(scale),
    }


def _figure(a: Array) -> Figure:
    from narrows.figures.style import INK, PALETTE, new_panels, style

    start, end = lost_range(a[0], "float32")
    shifts = np.linspace(start - 0.8, end + 0.8, 1200)
    moved = (a + shifts[:, None]).astype("float32")  # (1200, 3)
    with np.errstate(over="ignore", invalid="ignore"):
        naive = softmax_naive(moved)  # (1200, 3)
    d = np.linspace(-2, 2, 401)
    with style():
        figure, (left, right) = new_panels((7.5, 3.1), 1, 2)
        for k in range(a.shape[1]):
            left.plot(shifts, naive[:, k], color=PALETTE[k], linewidth=1.6, label=f"class {k + 1}")
        left.axvspan(start, end, color=PALETTE[4], alpha=0.25, linewidth=0)
        left.axvspan(end, shifts[-1], color=PALETTE[1], alpha=0.2, linewidth=0)
        left.text((start + end) / 2, 0.97, "all\nzeros", ha="center", va="top", color=INK)
        left.text((end + shifts[-1]) / 2, 0.97, "class 3\nis nan", ha="center", va="top", color=INK)
        left.set(
            xlabel="shift c",
            ylabel="probability",
            ylim=(-0.03, 1),
            title=f"naive softmax of {vector(a, 0)} + c, float32",
        )
        left.set_xticks(np.arange(np.ceil(2 * shifts[0]), 2 * shifts[-1]) / 2)
        left.legend(loc="upper left")
        for colour, sharpness in zip((PALETTE[5], PALETTE[0], PALETTE[7]), (1, 5, 20), strict=True):
            pair = softmax(sharpness * np.stack([d, 0 * d], axis=1))  # (401, 2)
            right.plot(d, pair[:, 0], color=colour, linewidth=1.6, label=f"β = {sharpness}")
        right.set(xlabel="difference d of two logits", ylabel="probability of the first", title="sharpness")
        right.legend(loc="upper left")
    return figure
