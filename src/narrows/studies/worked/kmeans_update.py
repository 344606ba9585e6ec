"""The update rule of k-means as a network.

One step of gradient descent on the network's loss moves each centre a share of the way to the mean of its images: the
derivation, each assumption it makes, and what happens to the rule when that assumption is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.studies.reference.layers import softmax
from narrows.studies.worked import Page
from narrows.studies.worked._markdown import difference, fill, fixed, number, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["page"]

SHARPNESS = 20.0
CENTRES = 10
PIXELS = 784
BATCH = 64
ETA = 4.5

Mean = Literal["none", "batch", "all"]


def assignments(x: Array, c: Array, sharpness: float = SHARPNESS) -> Array:
    """Return the soft assignments (N, K): softmax of sharpness (x C^T - ||C_i||^2 / 2).

    Parameters
    ----------
    x, c : images (N, D) and centres (K, D)
    """
    return softmax(np.asarray(sharpness * (x @ c.T - (c**2).sum(axis=1) / 2)))


def gradient(x: Array, c: Array, sharpness: float = SHARPNESS, mean: Mean = "batch") -> Array:
    """Return the gradient (K, D) of the network's loss with respect to the centres, exactly, for any sharpness.

    Parameters
    ----------
    x, c : images (N, D) and centres (K, D)
    mean : how the squared errors are combined into a loss: summed ("none"), averaged over images ("batch"), or over
        images and pixels ("all", PyTorch's MSELoss)
    """
    p = assignments(x, c, sharpness)  # (N, K)
    rebuilt = p @ c  # (N, D)
    error = rebuilt - x  # (N, D)
    # d error^2 / d logit_i = 2 p_i (C_i - rebuilt) . error, and d logit_i / d C_i = sharpness (x - C_i)
    pull = p * (error @ c.T - (rebuilt * error).sum(axis=1, keepdims=True))  # (N, K)
    through_softmax = sharpness * (pull.T @ x - pull.sum(axis=0)[:, None] * c)  # (K, D)
    return np.asarray(2 * (p.T @ error + through_softmax) / _divisor(x, mean))


def cell_means(x: Array, c: Array) -> tuple[Array, Array]:
    """Return the mean (K, D) of the images nearest to each centre, C_i if there are none, and their number (K,)."""
    nearest = ((x[:, None] - c) ** 2).sum(axis=2).argmin(axis=1)  # (N,)
    counts = np.bincount(nearest, minlength=len(c))  # (K,)
    sums = np.zeros_like(c)
    np.add.at(sums, nearest, x)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], c), counts


def update(x: Array, c: Array, eta: float) -> Array:
    """Return the centres (K, D) after the rule C_i <- (1 - eta/5) C_i + (eta/5) m_i."""
    means, _ = cell_means(x, c)
    return (1 - eta / 5) * c + eta / 5 * means


def update_by_counts(x: Array, c: Array, eta: float, mean: Mean = "batch") -> Array:
    """Return the centres (K, D) after C_i <- (1 - a_i) C_i + a_i m_i with a_i = 2 eta n_i / N, for any n_i."""
    means, counts = cell_means(x, c)
    a = (2 * eta * counts / _divisor(x, mean))[:, None]  # (K, 1)
    return (1 - a) * c + a * means


def autograd_step(x: Array, c: Array, eta: float, sharpness: float = SHARPNESS, mean: Mean = "batch") -> Array:
    """Return the centres (K, D) after one step of gradient descent, with the gradient from PyTorch."""
    import torch

    images, centres = torch.from_numpy(x), torch.from_numpy(c).requires_grad_()
    logits = sharpness * (images @ centres.T - (centres**2).sum(dim=1) / 2)  # (N, K)
    error = torch.softmax(logits, 1) @ centres - images  # (N, D), the network's output
    (found,) = torch.autograd.grad((error**2).sum() / _divisor(x, mean), centres)
    return np.asarray(c - eta * found.numpy())


def made_batch(counts: Sequence[int], pixels: int = 64, spread: float = 0.1, seed: int = 0) -> tuple[Array, Array]:
    """Return images (N, D), ``counts[i]`` of them around the random point i, and centres (K, D) near those points.

    The points are uniform in [0, 1]; noise is added to images and centres, so that there is something to learn.
    """
    rng = np.random.default_rng(seed)
    middles = rng.uniform(0, 1, (len(counts), pixels))
    x = np.repeat(middles, counts, axis=0) + spread * rng.standard_normal((sum(counts), pixels))
    return x, middles + spread * rng.standard_normal(middles.shape)


def rule_error(x: Array, c: Array, eta: float, sharpness: float = SHARPNESS) -> Array:
    """Return how far the rule's step of each centre is from the true step, relative to the rule's step (K,)."""
    rule, true = update(x, c, eta) - c, autograd_step(x, c, eta, sharpness) - c  # (K, D) each
    return np.asarray(np.linalg.norm(true - rule, axis=1) / np.linalg.norm(rule, axis=1))


def _divisor(x: Array, mean: Mean) -> int:
    divisors = {"none": 1, "batch": len(x), "all": x.size}
    if mean not in divisors:
        raise InputError("mean", f"must be one of {', '.join(divisors)}", value=mean)
    return divisors[mean]


TEXT = r"""
# The update rule of k-means as a network

## What is asked

A network whose only parameters are the centres $C_1, \dots, C_{10}$ is trained by gradient descent on its
reconstruction error. What does one step do to a centre? The claim:

$$C_i \leftarrow \left( 1 - \frac{\eta}{5} \right) C_i + \frac{\eta}{5} m_i$$

$\eta$ is the learning rate and $m_i$ the mean of the batch's images that are nearest to $C_i$: the rule of
mini-batch k-means.

## The network

For an image $x$ with $D$ pixels, with $i$ counting the centres:

$$s_i = \beta \left( x \cdot C_i - \frac{1}{2} \lVert C_i \rVert^2 \right) ,
\qquad p = \mathrm{softmax}(s) , \qquad \hat x = \sum_i p_i C_i$$

Because $\lVert x - C_i \rVert^2 = \lVert x \rVert^2 - 2 (x \cdot C_i - \frac{1}{2} \lVert C_i \rVert^2)$, the
greatest $s_i$ belongs to the nearest centre. $\beta$ = @beta makes the softmax sharp, so that $p$ nearly is 1 for
the nearest centre and 0 for all others, and $\hat x$ nearly that centre. The network returns the error
$e = \hat x - x$. The loss over a batch of $B$ images $x_n$ is

$$J = \frac{1}{B} \sum_{n=1}^{B} \lVert e_n \rVert^2$$

## The gradient, exactly

A centre acts in two ways: as the picture that is returned, and through the softmax, on the choice. By the product
rule

$$\frac{\partial J}{\partial C_i} = \frac{2}{B} \sum_{n=1}^{B} \left[ p_{ni} e_n +
\beta p_{ni} \left( (C_i - \hat x_n) \cdot e_n \right) (x_n - C_i) \right]$$

The second term comes from $\partial \hat x / \partial s_i = p_i (C_i - \hat x)$ ([softmax](softmax.md)) and
$\partial s_i / \partial C_i = \beta (x - C_i)$.

## Three assumptions

**1. The softmax is an argmax.** If $p_{ni}$ is 0, both terms are 0. If it is 1, then $\hat x_n = C_i$ and the second
term is 0 again. What is left is, over the $n_i$ images nearest to centre $i$,

$$\frac{\partial J}{\partial C_i} = \frac{2}{B} \sum_{n \in \mathrm{cell}\ i} (C_i - x_n)
= \frac{2 n_i}{B} (C_i - m_i)$$

**2. Each cell gets a tenth of the batch.** With $n_i = B / 10$ the factor is $2 / 10 = 1 / 5$, and the step of
gradient descent $C_i \leftarrow C_i - \eta \partial J / \partial C_i$ is the rule. The batch size itself has
cancelled: $B$ = @batch only matters in that its tenth, @tenth, is not a whole number, so that no batch of @batch can
be split evenly.

**3. The loss is averaged over images, and summed over pixels.** With other averages the same derivation gives
$C_i \leftarrow (1 - a_i) C_i + a_i m_i$ with another $a_i$; for $n_i = B / 10$, $\eta$ = @eta and $D$ = @pixels:

@means

The last row is the one that PyTorch's `MSELoss` computes unless told otherwise. At $\eta$ = @eta it makes a step of
@literal and not of @meant.

## Does it hold?

A made batch: ten random centres, and @even images, @per_cell around each, so that assumption 2 holds exactly. One
step at $\eta$ = @eta by PyTorch's automatic differentiation, beside the rule, for the first centre's first pixels:

@example

The greatest difference over all centres and pixels is @check_rule.

## Breaking the assumptions

**Softness.** The same batch with a smaller $\beta$. The error is the length of the difference between the true step
and the rule's, by the length of the rule's, averaged over the centres:

@softness

What counts is $\beta$ times the gap between the nearest and the second nearest centre, measured in half squared
distances. In this batch the smallest gap of any image is @gap, so at $\beta$ = @beta the second centre has a share
of $e^{-@{margin}}$ at most. Real data have images in between: one that lies exactly halfway between two centres is
shared half and half at every $\beta$, and pulls at both.

**Uneven cells.** Give one cell more than its tenth of the @even images. The softmax is sharp, so the true step is
$a_i = 2 \eta n_i / B$, which is $10 n_i / B$ times the rule's:

@uneven

The rule with the counts, $a_i = 2 \eta n_i / B$, has no such error: its greatest difference from automatic
differentiation, over all rows of this table, is @check_counts.

![The rule's error for a softer softmax and for an uneven cell, and the steps of random batches.](kmeans-update.png)

**Chance.** If every image falls into a cell with probability 1/10, independently, $n_i$ is binomial: for $B$ =
@batch it has mean @tenth and standard deviation @count_sd. So at $\eta$ = @eta the step $a_i$ has mean @meant and
standard deviation @step_sd, and now and then it leaves the range in which the rule is stable: $a_i \gt 2$, which
takes the centre past the mean and farther from it than it was, has the probability @unstable per centre and batch
(right of the line in the picture), and so happens about once in @every batches of ten centres. A cell is empty, and
its centre stays where it is, with probability @empty. Real cells are not equally likely either. A centre with a
fifth of all images steps by $a_i$ = @fifth on average, and with probability @fifth_unstable it ends up farther from
its images' mean than it was. So $\eta$ = @eta, averaged over the batch only, is not a usable setting; a rate at which
every $a_i$ stays below 1 is safe.

## How it was checked

| what | against | greatest difference |
| --- | --- | ---: |
| the exact gradient, $\beta$ = @betas | PyTorch's automatic differentiation | @check_gradient |
| the rule, even cells, $\beta$ = @beta | a step by automatic differentiation | @check_rule |
| the rule with counts, uneven cells | the same | @check_counts |
| the rule with counts, three averages | the same | @check_means |

In float64, on made batches of @made_pixels pixels.

## Source

L. Bottou and Y. Bengio, "Convergence Properties of the K-Means Algorithms", NIPS 1994, on k-means as gradient
descent. D. Sculley, "Web-Scale K-Means Clustering", WWW 2010, on mini-batches.
"""


def page() -> Page:
    """Return the page on the update rule."""
    from scipy.stats import binom

    even = [6] * CENTRES
    x, c = made_batch(even)
    true, rule = autograd_step(x, c, ETA), update(x, c, ETA)
    softness = {beta: float(rule_error(x, c, ETA, beta).mean()) for beta in (20, 5, 2, 1, 0.5, 0.2, 0.1)}
    uneven = {n: made_batch([n, *_rest(sum(even) - n)]) for n in (6, 9, 12, 18, 24, 33)}
    counts = binom(BATCH, 1 / CENTRES)
    limit = int(np.floor(2 * BATCH / (2 * ETA)))  # a_i > 2 for more images than this
    text = fill(
        TEXT,
        beta=number(SHARPNESS, 2),
        batch=str(BATCH),
        tenth=fixed(BATCH / CENTRES, 1),
        eta=fixed(ETA, 1),
        pixels=str(PIXELS),
        means=table(
            ("squared errors are", "$a_i$", f"at $\\eta$ = {ETA}, $B$ = {BATCH}"),
            [
                ("summed over images and pixels", r"$2 \eta n_i$", fixed(2 * ETA * BATCH / CENTRES, 1)),
                ("averaged over images", r"$2 \eta n_i / B$", fixed(2 * ETA / CENTRES, 1)),
                ("averaged over images and pixels", r"$2 \eta n_i / (B D)$", fixed(2 * ETA / CENTRES / PIXELS, 5)),
            ],
        ),
        literal=fixed(2 * ETA / CENTRES / PIXELS, 5),
        meant=fixed(2 * ETA / CENTRES, 1),
        even=str(sum(even)),
        per_cell=str(even[0]),
        example=table(
            ("pixel", "$C_1$ before", "$m_1$", "the rule", "automatic differentiation"),
            [(str(d + 1), *(fixed(v[0, d], 6) for v in (c, cell_means(x, c)[0], rule, true))) for d in range(4)],
        ),
        softness=table(
            (r"$\beta$", "error of the rule"),
            [(f"{beta:g}", "< 1e-9" if error < 1e-9 else number(error, 2)) for beta, error in softness.items()],
        ),
        gap=fixed(_gap(x, c), 2),
        margin=fixed(SHARPNESS * _gap(x, c), 0),
        uneven=table(
            ("images in the cell", "share of the batch", "true $a_i$", "rule's $a_i$", "error of the rule"),
            [
                (
                    str(n),
                    fixed(n / sum(even), 2),
                    fixed(2 * ETA * n / sum(even), 2),
                    fixed(ETA / 5, 2),
                    fixed(rule_error(*batch, ETA)[0], 2),
                )
                for n, batch in uneven.items()
            ],
        ),
        count_sd=fixed(counts.std(), 2),
        step_sd=fixed(2 * ETA / BATCH * counts.std(), 2),
        unstable=number(counts.sf(limit), 2),
        every=fixed(1 / (CENTRES * counts.sf(limit)), 0),
        empty=number(counts.pmf(0), 2),
        fifth=fixed(2 * ETA / 5, 1),
        fifth_unstable=fixed(binom(BATCH, 1 / 5).sf(limit), 2),
        made_pixels=str(x.shape[1]),
        **_checks(x, c, list(uneven.values())),
    )
    return Page("kmeans-update", text, {"kmeans-update": _figure(x, c)})


def _rest(images: int) -> list[int]:
    """Return how many images each of the other centres gets if they share the rest as evenly as possible."""
    others = CENTRES - 1
    return [(images + k) // others for k in range(others)]


def _gap(x: Array, c: Array) -> float:
    """Return the smallest gap between the nearest and second nearest centre of any image, in half squared distances."""
    half = np.sort(((x[:, None] - c) ** 2).sum(axis=2) / 2, axis=1)  # (N, K)
    return float((half[:, 1] - half[:, 0]).min())


def _checks(x: Array, c: Array, uneven: Sequence[tuple[Array, Array]]) -> dict[str, str]:
    betas = (20.0, 1.0, 0.1)
    averages: tuple[Mean, ...] = ("none", "batch", "all")
    descents = [c - autograd_step(x, c, 1, beta) for beta in betas]
    return {
        "betas": ", ".join(f"{beta:g}" for beta in betas),
        "check_gradient": difference([gradient(x, c, beta) for beta in betas], descents, 1e-10),
        "check_rule": difference(update(x, c, ETA), autograd_step(x, c, ETA), 1e-10),
        "check_counts": difference(
            [update_by_counts(*batch, ETA) for batch in uneven], [autograd_step(*batch, ETA) for batch in uneven], 1e-10
        ),
        "check_means": difference(
            [update_by_counts(x, c, ETA, mean) for mean in averages],
            [autograd_step(x, c, ETA, mean=mean) for mean in averages],
            1e-10,
        ),
    }


def _figure(x: Array, c: Array) -> Figure:
    from matplotlib.ticker import FuncFormatter
    from scipy.stats import binom

    from narrows.figures.style import MUTED, PALETTE, new_panels, style

    betas = np.geomspace(0.1, 10, 41)
    shares = range(1, 52)
    cells = [made_batch([n, *_rest(len(x) - n)]) for n in shares]
    counts = np.arange(20)
    with style():
        figure, (soft, uneven, chance) = new_panels((8.8, 3), 1, 3)
        soft.plot(betas, [rule_error(x, c, ETA, beta).mean() for beta in betas], color=PALETTE[0], linewidth=1.6)
        soft.set(xscale="log", yscale="log", xlabel="β", ylabel="relative error of the rule", title="a softer softmax")
        soft.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        soft.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
        line = np.array(shares) / len(x)
        uneven.plot(line, np.abs(CENTRES * line - 1), color=MUTED, linewidth=0.9, label="|10 n / B - 1|")
        uneven.plot(
            line, [rule_error(*cell, ETA)[0] for cell in cells], "o", color=PALETTE[1], markersize=3, label="measured"
        )
        uneven.set(
            xlabel="share of the batch in the cell, n / B", ylabel="relative error of the rule", title="an uneven cell"
        )
        uneven.legend(loc="upper left")
        chance.bar(2 * ETA * counts / BATCH, binom(BATCH, 1 / CENTRES).pmf(counts), 0.11, color=PALETTE[2])
        chance.axvline(ETA / 5, color=MUTED, linewidth=0.9, linestyle=":")
        chance.axvline(2, color=PALETTE[1], linewidth=1.2)
        chance.set(xlabel="step a of a centre", ylabel="probability", title=f"chance: batches of {BATCH}, η = {ETA}")
    return figure
