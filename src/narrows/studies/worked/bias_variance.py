"""Bias and variance of mini-batch k-means.

A centre that follows the means of small batches lags behind when the step is small and trembles when it is large: both
in closed form, where they balance, and a simulation that agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from narrows.errors import InputError
from narrows.studies.worked import Page
from narrows.studies.worked._markdown import difference, fill, fixed, number, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["page"]

ETA_PER_STEP = 5  # a = eta / 5, derived on the page kmeans-update
CENTRES = 10
BATCH = 64
PIXELS = 784
TRAIN_IMAGES = 60_000
SIZES = (64, 1, 256, TRAIN_IMAGES)
STEPS, SIMULATED = 100, 10_000  # batches, and centres of one pixel each
SETTINGS = (1.0, 2.0, 3.0, 4.0, 4.5, 5.0, 6.0, 8.0)  # of eta, simulated


def step(eta: float) -> float:
    """Return a = eta / 5, the share of the way to the batch's mean that a centre goes."""
    return eta / ETA_PER_STEP


def bias(a: float, m: float) -> float:
    """Return the lag of the centre behind a mean that moves by ``m`` per batch: (1 - a) / a * m, for 0 < a < 2."""
    _check(a)
    return (1 - a) / a * m


def variance(a: float, b: float, m: float) -> float:
    """Return the variance of the centre around its target: m^2 / b * a^2 / (1 - (1 - a)^2), for 0 < a < 2.

    Parameters
    ----------
    a : the share of the way to the batch's mean
    b : images in a batch's mean
    m : standard deviation of one image

    Raises
    ------
    InputError : a step for which the rule has no steady state, or an empty batch
    """
    _check(a, b)
    return m**2 / b * a**2 / (1 - (1 - a) ** 2)


def crossing_eta(b: float) -> float:
    """Return the eta between 0 and 5 at which bias^2 = variance: a solves b (1 - a)^2 (2 - a) = a^3."""
    _check(b=b)
    return _root(lambda a: b * (1 - a) ** 2 * (2 - a) - a**3)


def best_eta(b: float) -> float:
    """Return the eta between 0 and 5 that minimises bias^2 + variance: a solves b (1 - a) (2 - a)^2 = a^3."""
    _check(b=b)
    return _root(lambda a: b * (1 - a) * (2 - a) ** 2 - a**3)


def _check(a: float = 1, b: float = 1) -> None:
    if not 0 < a < 2:
        remedy = "At 0 the centre never moves; from 2 on it diverges."
        raise InputError("a", "must lie between 0 and 2", value=a, remedy=remedy)
    if not b > 0:
        raise InputError("b", "must be greater than 0", value=b)


def _root(f: Callable[[float], float]) -> float:
    from scipy.optimize import brentq

    return float(ETA_PER_STEP * brentq(f, 0, 1, xtol=1e-15))  # f(0) > 0 > f(1) = -1, and f decreases in between


class Simulated(NamedTuple):
    """The results of a simulation: the mean lag, the variance around it, and the standard error of each."""

    bias: float
    variance: float
    bias_error: float
    variance_error: float


def simulate(a: float, b: float, m: float, *, steps: int = STEPS, centres: int = SIMULATED, seed: int = 0) -> Simulated:
    """Simulate C <- (1 - a) C + a m_t, with batch means around a mean that moves by ``m`` per step.

    Parameters
    ----------
    a, b, m : as in ``bias`` and ``variance``
    steps : number of batches; the start must be forgotten by the last, |1 - a|^steps << 1
    centres : number of independent one-pixel centres
    """
    _check(a, b)
    rng = np.random.default_rng(seed)
    centre = np.zeros(centres)
    for t in range(1, steps + 1):
        batch_mean = m * t + m / np.sqrt(b) * rng.standard_normal(centres)
        centre = (1 - a) * centre + a * batch_mean  # (centres,)
    lag = m * steps - centre
    found = float(lag.var(ddof=1))
    return Simulated(float(lag.mean()), found, np.sqrt(found / centres), found * np.sqrt(2 / centres))


TEXT = r"""
# Bias and variance of mini-batch k-means

## What is asked

Mini-batch k-means moves each centre $C$ a step towards the mean $m_t$ of those images of batch $t$ that are nearest
to it:

$$C \leftarrow (1 - a) C + a m_t , \qquad a = \frac{\eta}{5}$$

$\eta$ is the learning rate; [another page](kmeans-update.md) explains the division by 5. A small step hardly notices
the newest batch, a large one forgets all others. Which $\eta$ is best for batches of $b$ images?

## The model

Unrolled, a centre is a weighted mean of past batches, whose weights fall geometrically:

$$C = a \sum_{k=0}^{\infty} (1 - a)^k m_{t-k}$$

This converges as long as $|1 - a| \lt 1$, that is for $0 \lt \eta \lt 10$. Two things keep $C$ from its target, the
mean $\mu_t$ of all images that belong to it now.

**Lag.** While the other centres move, images change hands and $\mu_t$ moves as well. Say it moves by $m$ per batch.
A batch $k$ steps back is $k m$ behind, and $\sum_k k (1 - a)^k = (1 - a) / a^2$, so the centre is behind by

$$\mathrm{bias} = a \sum_{k=0}^{\infty} (1 - a)^k k m = \frac{1 - a}{a} m$$

**Noise.** A batch's mean scatters around $\mu_t$. If one image has the standard deviation $m$, the mean of $b$
images has the variance $m^2 / b$. Variances of independent batches add up with squared weights:

$$\mathrm{variance} = \frac{m^2}{b} a^2 \sum_{k=0}^{\infty} (1 - a)^{2k}
= \frac{m^2}{b} \cdot \frac{a^2}{1 - (1 - a)^2} = \frac{m^2}{b} \cdot \frac{a}{2 - a}$$

The expected squared error is $\mathrm{bias}^2 + \mathrm{variance}$. Both are multiples of $m^2$, so the best $\eta$
does not depend on $m$.

## Where they balance

$\mathrm{bias}^2$ falls with $a$ and the variance grows. They are equal where $(1 - a)^2 / a^2 = a / (b (2 - a))$,
that is

$$b (1 - a)^2 (2 - a) = a^3$$

and their sum is least where its derivative, $-2 (1 - a) / a^3 + 2 / (b (2 - a)^2)$, is zero:

$$b (1 - a) (2 - a)^2 = a^3$$

Each has one solution between 0 and 1, found numerically. (Beyond 1, where every step overshoots, large batches have
the two equal again, twice; the picture shows the first of these.)

@balance

![Left: bias squared and variance by learning rate. Right: the learning rates by batch size.](bias-variance.png)

The dots on the left are simulated. With larger batches there is less noise to average away, and the best step
approaches $\eta = 5$, at which the centre is the last batch's mean.

## The extremes

| $\eta$ | $a$ | what happens |
| ---: | ---: | --- |
| 0 | 0 | the centre is frozen; its lag has no bound |
| 5 | 1 | the last batch only: no lag, variance $m^2 / b$ |
| 5 to 10 | 1 to 2 | every step overshoots: the bias is negative, the variance larger than that of a single batch |
| 10 | 2 | the centre jumps from one side of its target to the other, as far each time |
| more | more | farther each time: it diverges |

A distance of 1 from a target that stands still becomes $|1 - a|^n$ in $n$ steps; after @steps steps:

@stability

## The same by simulation

@simulated_centres centres of one pixel follow a mean that moves by $m = 1$ per batch of @batch images, for @steps
batches. In brackets the closed form.

@simulated

No value is further from the closed form than @worst standard errors of the simulation.

## What goes wrong

**One $m$ for two things.** The model uses the same $m$ for how far the target moves per batch and for how much
images scatter. Let the target move by $r$ times the standard deviation instead, and bias squared becomes $r^2$ times
as large: all equations hold with $b r^2$ in place of $b$.

@drift

So a best $\eta$ near 5 belongs to targets that move as far per batch as images scatter, which happens in the first
batches at most. When the centres come to rest, $r$ goes to 0, and so does the best step: a constant $\eta$ cannot be
right throughout, and a learning rate that falls during training can.

**Which $b$?** $b$ counts the images in the *centre's* mean. With ten centres that share a batch of @batch, that is
@per_cell on average, and the variance is ten times that of $b$ = @batch. The balance is then at $\eta$ =
@cell_crossing, the best step at $\eta$ = @cell_best.

**Which loss?** $a = \eta / 5$ holds when the squared error is summed over pixels and averaged over the batch.
PyTorch's `MSELoss` averages over the batch *and* the @pixels pixels. Then $a = \eta / (5 \cdot @pixels)$, which is
@literal at $\eta$ = 4.5, not @meant. A centre needs @half_life batches to go half of its way, where an epoch of
@train images has @epoch batches, and it runs @literal_bias batches behind a moving target. That is a small and
careful step, and far from the balance that $\eta$ was chosen for.

## How it was checked

| what | against | greatest difference |
| --- | --- | ---: |
| bias and variance | the sums over batches, @sum_terms terms, $\eta$ = 1 to 8 | @check_sums |
| the crossings of the table | bias squared by variance, wanted 1 | @check_crossing |
| the best steps | a bounded search for the least bias$^2$ + variance | @check_best |
| bias and variance | the simulation above, in its standard errors | @worst |

## Source

The analysis is of k-means as a network trained by stochastic gradient descent. Mini-batch k-means itself: D.
Sculley, "Web-Scale K-Means Clustering", WWW 2010, whose step is one over the number of images that a centre has
seen, a step that falls.
"""


def page() -> Page:
    """Return the page on the bias and variance of mini-batch k-means."""
    found = {eta: simulate(step(eta), BATCH, 1, seed=seed) for seed, eta in enumerate(SETTINGS)}
    etas = (9.5, 10.0, 10.5)
    literal = step(4.5) / PIXELS
    text = fill(
        TEXT,
        balance=table(
            ("$b$", r"$\eta$ where they are equal", "either of them there, by $m^2$", r"$\eta$ where the sum is least"),
            [
                (
                    f"{b:,}",
                    fixed(crossing_eta(b), 6),
                    number(bias(step(crossing_eta(b)), 1) ** 2, 6),
                    fixed(best_eta(b), 6),
                )
                for b in SIZES
            ],
        ),
        steps=str(STEPS),
        stability=table(
            (r"$\eta$", "$1 - a$", "distance"),
            [(fixed(eta, 1), fixed(1 - step(eta), 1), number(abs(1 - step(eta)) ** STEPS, 3)) for eta in etas],
        ),
        simulated_centres=f"{SIMULATED:,}",
        batch=str(BATCH),
        simulated=table(
            (r"$\eta$", "bias", "variance"),
            [
                (
                    fixed(eta, 1),
                    f"{fixed(run.bias, 4)} ({fixed(bias(step(eta), 1), 4)})",
                    f"{fixed(run.variance, 5)} ({fixed(variance(step(eta), BATCH, 1), 5)})",
                )
                for eta, run in found.items()
            ],
        ),
        worst=fixed(_worst(found), 1),
        drift=table(
            ("$r$", r"$\eta$ where they are equal", r"$\eta$ where the sum is least"),
            [
                (number(r, 1), fixed(crossing_eta(BATCH * r**2), 3), fixed(best_eta(BATCH * r**2), 3))
                for r in (1, 0.1, 0.01, 0.001)
            ],
        ),
        per_cell=fixed(BATCH / CENTRES, 1),
        cell_crossing=fixed(crossing_eta(BATCH / CENTRES), 3),
        cell_best=fixed(best_eta(BATCH / CENTRES), 3),
        pixels=str(PIXELS),
        literal=fixed(literal, 5),
        meant=fixed(step(4.5), 1),
        half_life=fixed(np.log(0.5) / np.log1p(-literal), 0),
        train=f"{TRAIN_IMAGES:,}",
        epoch=fixed(np.ceil(TRAIN_IMAGES / BATCH), 0),
        literal_bias=fixed(bias(literal, 1), 0),
        **_checks(),
    )
    return Page("bias-variance", text, {"bias-variance": _figure(found)})


def _worst(found: Mapping[float, Simulated]) -> float:
    """Return the greatest distance between simulation and closed form, in standard errors."""
    return max(
        max(
            abs(run.bias - bias(step(eta), 1)) / run.bias_error,
            abs(run.variance - variance(step(eta), BATCH, 1)) / run.variance_error,
        )
        for eta, run in found.items()
    )


def _checks() -> dict[str, str]:
    from scipy.optimize import minimize_scalar

    k = np.arange(500)  # batches back
    sums, closed, ratios, searched = [], [], [], []
    for a in map(step, SETTINGS):
        weights = a * (1 - a) ** k  # (500,)
        sums += [(weights * k).sum(), (weights**2).sum() / BATCH]
        closed += [bias(a, 1), variance(a, BATCH, 1)]
    for b in SIZES:
        a = step(crossing_eta(b))
        ratios.append(bias(a, 1) ** 2 / variance(a, b, 1))
        least = minimize_scalar(
            lambda a, b=b: bias(a, 1) ** 2 + variance(a, b, 1),
            bounds=(1e-3, 1),
            method="bounded",
            options={"xatol": 1e-10},
        )
        searched.append(ETA_PER_STEP * least.x)
    return {
        "sum_terms": str(len(k)),
        "check_sums": difference(closed, sums, 1e-10),
        "check_crossing": difference(ratios, np.ones(len(SIZES)), 1e-8),
        "check_best": difference([best_eta(b) for b in SIZES], searched, 1e-5),
    }


def _figure(found: Mapping[float, Simulated]) -> Figure:
    from matplotlib.ticker import FuncFormatter

    from narrows.figures.style import FAINT, INK, PALETTE, new_panels, style

    etas = np.linspace(0.8, 9, 1641)
    lag = np.array([bias(step(eta), 1) ** 2 for eta in etas])
    noise = np.array([variance(step(eta), BATCH, 1) for eta in etas])
    sizes = np.geomspace(0.1, 1e5, 200)
    crossing, best = crossing_eta(BATCH), best_eta(BATCH)
    with style():
        figure, (left, right) = new_panels((8.4, 3.4), 1, 2)
        for values, colour, label in ((lag, 0, "bias²"), (noise, 1, "variance")):
            left.plot(etas, values, color=PALETTE[colour], linewidth=1.6, label=label)
        left.plot(etas, lag + noise, color=INK, linewidth=0.9, linestyle="--", label="their sum")
        left.plot(found.keys(), [run.bias**2 for run in found.values()], "o", color=PALETTE[0], markersize=4)
        left.plot(found.keys(), [run.variance for run in found.values()], "o", color=PALETTE[1], markersize=4)
        for eta, text, side in (
            (crossing, f"equal: {crossing:.3f} ", "right"),
            (best, f" least sum: {best:.3f}", "left"),
        ):
            left.axvline(eta, color=FAINT, linewidth=0.9, zorder=0)
            left.text(eta, 22, text, ha=side, va="top", fontsize=7.5)
        left.set(yscale="log", ylim=(1e-4, 25), xlabel="η", ylabel="in units of m²", title=f"batch of {BATCH}")
        left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        left.legend(loc="lower left")
        right.plot(sizes, [best_eta(b) for b in sizes], color=INK, linewidth=1.3, linestyle="--", label="least sum")
        right.plot(sizes, [crossing_eta(b) for b in sizes], color=PALETTE[2], linewidth=1.6, label="bias² = variance")
        right.plot(SIZES, [best_eta(b) for b in SIZES], "o", color=INK, markersize=4)
        right.plot(SIZES, [crossing_eta(b) for b in SIZES], "o", color=PALETTE[2], markersize=4)
        right.set(
            xscale="log",
            ylim=(0, 5.2),
            xlabel="images in a mean, b (with drift r: b r²)",
            ylabel="η",
            title="the learning rate they ask for",
        )
        right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        right.grid(axis="y", linewidth=0.4, alpha=0.5)
        right.legend(loc="lower right")
    return figure
