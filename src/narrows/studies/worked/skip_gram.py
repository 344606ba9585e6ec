"""Skip-gram: the loss and its gradients.

A word predicts its neighbours: the loss for a word and its context, both gradients derived and checked in two ways, and
a softmax whose denominator leaves words out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from narrows.disk.files import Array
from narrows.studies.reference.layers import softmax
from narrows.studies.worked import Page
from narrows.studies.worked._markdown import difference, fill, fixed, number, table, vector
from narrows.studies.worked.softmax import log_sum_exp

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["page"]

SENTENCE = ("the", "cat", "sat", "on", "the", "mat")
CENTRE, WINDOW = 2, 2  # the position of the centre word, and how many words on each side it predicts
HIDDEN = 2


class Forward(NamedTuple):
    """The values in the network: hidden values h (H,), scores u (V,) and probabilities y (V,)."""

    h: Array
    u: Array
    y: Array


def forward(x: Array, w: Array, w_out: Array) -> Forward:
    """Pass a word through the network: h = W^T x, u = W'^T h, y = softmax(u).

    Parameters
    ----------
    x : (V,), one-hot for a single word
    w : W (V, H), a row per word; these are the word vectors
    w_out : W' (H, V), a column per word
    """
    h = w.T @ x  # (H,)
    u = w_out.T @ h  # (V,)
    return Forward(h, u, softmax(u[None])[0])


def skip_gram(x: Array, w: Array, w_out: Array, context: Sequence[int]) -> float:
    """Return the loss L = - sum_{c in C} u_c + |C| log sum_m exp u_m.

    Parameters
    ----------
    x, w, w_out : as in ``forward``
    context : C, the numbers of the words around x; a word that occurs twice is listed twice
    """
    u = forward(x, w, w_out).u
    return float(-u[list(context)].sum() + len(context) * log_sum_exp(u[None])[0])


def counts(context: Sequence[int], words: int) -> Array:
    """Return t (V,): how often each word occurs in the context."""
    return np.bincount(np.asarray(context, np.int64), minlength=words).astype(np.float64)


def gradients(x: Array, w: Array, w_out: Array, context: Sequence[int]) -> tuple[Array, Array]:
    """Return dL/dW (V, H) and dL/dW' (H, V), with e = |C| y - t: x (W' e)^T and h e^T."""
    h, _, y = forward(x, w, w_out)
    e = len(context) * y - counts(context, len(y))  # (V,)
    return np.outer(x, w_out @ e), np.outer(h, e)


def short_denominator(x: Array, w: Array, w_out: Array, context: Sequence[int]) -> Array:
    """Return dL/dW' (H, V) with the mistake that the softmax's sum includes only the words of the context."""
    h, u, _ = forward(x, w, w_out)
    y = np.exp(u) / np.exp(u[sorted(set(context))]).sum()  # (V,), not probabilities
    return np.outer(h, len(context) * y - counts(context, len(u)))


def central_differences(loss: Callable[[Array], float], at: Array, h: float = 1e-5) -> Array:
    """Return (loss(at + h) - loss(at - h)) / 2h for each number of ``at``, one at a time, in the shape of ``at``."""
    found = np.empty_like(at)
    for place in np.ndindex(at.shape):
        move = np.zeros_like(at)
        move[place] = h
        found[place] = (loss(at + move) - loss(at - move)) / (2 * h)
    return found


TEXT = r"""
# Skip-gram: the loss and its gradients

## What is asked

Words become vectors by a game: from a word, guess the words around it. A word's vector is what the network needs to
play it well. Wanted are the loss for one word with its context, and its gradient for every weight.

## The network

There are $V$ words and $H$ hidden values. The input $x$ is one-hot: 1 at the word's place, 0 elsewhere.

$$h = W^{\top} x , \qquad u = W'^{\top} h , \qquad y_i = \frac{e^{u_i}}{\sum_{m=1}^{V} e^{u_m}}$$

- $W$ is $V \times H$. As $x$ is one-hot, $h$ is simply the word's row of $W$: its vector.
- $W'$ is $H \times V$, with a column for each word that may be predicted.
- $u_i$ is the score of word $i$, $y_i$ its probability.

$C$ is the list of words in the context, $\vert C \vert$ its length, and $t_i$ how often word $i$ stands in it. The
loss is the negative log probability of all of them, each guessed independently from the same $y$:

$$L = - \sum_{c \in C} \log y_c = - \sum_{c \in C} u_c + \vert C \vert \log \sum_{m=1}^{V} e^{u_m}$$

## The gradients

By the scores first. A score $u_i$ appears $t_i$ times in the first sum, and in the logarithm as $e^{u_i}$:

$$\frac{\partial L}{\partial u_i} = - t_i + \vert C \vert \frac{e^{u_i}}{\sum_m e^{u_m}} = \vert C \vert y_i - t_i$$

That is the error of word $i$: how often it was expected, minus how often it came. Then $u_i = \sum_j W'_{ji} h_j$
gives

$$\frac{\partial L}{\partial W'_{ji}} = h_j \left( \vert C \vert y_i - t_i \right)$$

for every word $i$: one inside the context, where $t_i \ge 1$, and one outside, where $t_i = 0$. And as every score
depends on $h_i$, and $h_i = \sum_j W_{ji} x_j$,

$$\frac{\partial L}{\partial W_{ji}} = x_j \sum_{m=1}^{V} W'_{im} \left( \vert C \vert y_m - t_m \right)$$

Only the row of the word itself moves, since all other $x_j$ are 0.

## By numbers

@sentence: the word is *@word*, its context the @window words to each side, @context. So $\vert C \vert$ = @size, and
*@twice* counts twice. With $H$ = @hidden and weights of one decimal, to be followed by hand, $h$ = @h and:

@words

$L$ = @loss. The errors add up to @error_sum: both $\vert C \vert y$ and $t$ add up to $\vert C \vert$. The gradients
follow. That of $W'$:

@gradient_out

That of $W$ has one row that is not zero, the one of *@word*: @gradient_in.

One step of gradient descent with learning rate @rate takes the loss from @loss to @after.

![The expected and the actual counts, and the error of central differences by their step.](skip-gram.png)

## The denominator

A version of this derivation in circulation ends with a softmax whose denominator does not sum over all outputs. It
must: the sum in $L$ runs over all $V$ words, its derivative divides by that same sum, and an index of its own ($m$)
keeps it apart from the $i$ that is asked about. What happens if it runs over the words of the context only, for the
first hidden value:

@denominator

The right errors add up to @right_sum, the wrong ones to @wrong_sum. That is a test that needs no second derivation:
adding the same number to all scores changes no probability, so the gradient along that direction must be 0.

## What else goes wrong

**Contexts as sets.** With $t$ made of 0 and 1, a word that stands twice in the context counts once, and the errors
do not add up to 0 either.

**Large scores.** $\log \sum_m e^{u_m}$ overflows as the [softmax](softmax.md) does, and has the same cure: take the
greatest score out first. With all scores @large higher the loss is @naive_loss in the naive form and @stable_loss in
the stable one.

**Cost.** $y$ needs all $V$ scores for each word read, which is a million dot products for a vocabulary of a million.
That is why word2vec replaces the full softmax by negative sampling or a tree of binary choices, which have other
gradients.

**The step of central differences.** $(L(w + h) - L(w - h)) / 2h$ is off by about $h^2$ because $L$ is curved, and by
about @eps$/ h$ because $L$ is rounded. The picture shows both, in decimal arithmetic of 16 digits, which rounds about
as coarsely and comes out the same on every machine. The best $h$ lies near the cube root of @eps, which
is @best, and a smaller step is worse.

## How it was checked

| what | against | greatest difference |
| --- | --- | ---: |
| both gradients, the example | central differences, $h$ = 1e-5 | @check_central |
| both gradients, the example | PyTorch's automatic differentiation | @check_autograd |
| both gradients, $V$ = @random_words, $H$ = @random_hidden, $x$ not one-hot | the same | @check_random |

## Source

T. Mikolov, K. Chen, G. Corrado and J. Dean, "Efficient Estimation of Word Representations in Vector Space", 2013
(arXiv 1301.3781). X. Rong, "word2vec Parameter Learning Explained", 2014 (arXiv 1411.2738), derives the same
gradients.
"""


class Example(NamedTuple):
    """The page's sentence as numbers: words (V), x (V,), W (V, H), W' (H, V) and the context."""

    words: list[str]
    x: Array
    w: Array
    w_out: Array
    context: list[int]


def example(seed: int = 0) -> Example:
    """Return the sentence as numbers, with weights of one decimal."""
    words = list(dict.fromkeys(SENTENCE))
    around = [*range(CENTRE - WINDOW, CENTRE), *range(CENTRE + 1, CENTRE + WINDOW + 1)]
    rng = np.random.default_rng(seed)
    w = rng.uniform(-1, 1, (len(words), HIDDEN)).round(1)
    w_out = rng.uniform(-1, 1, (HIDDEN, len(words))).round(1)
    x = np.eye(len(words))[words.index(SENTENCE[CENTRE])]
    return Example(words, x, w, w_out, [words.index(SENTENCE[place]) for place in around])


def page() -> Page:
    """Return the page on skip-gram."""
    words, x, w, w_out, context = game = example()
    h, u, y = forward(x, w, w_out)
    t, size = counts(context, len(words)), len(context)
    e = size * y - t
    loss = skip_gram(x, w, w_out, context)
    dw, dw_out = gradients(x, w, w_out, context)
    wrong, central = short_denominator(x, w, w_out, context), _central(game)[1]
    rate, large = 0.1, 1000
    with np.errstate(over="ignore"):
        naive = -(u + large)[context].sum() + size * np.log(np.exp(u + large).sum())
    stable = -(u + large)[context].sum() + size * log_sum_exp((u + large)[None])[0]
    text = fill(
        TEXT,
        sentence=f'"{" ".join(SENTENCE).capitalize()}"',
        word=SENTENCE[CENTRE],
        window=str(WINDOW),
        context=", ".join(words[c] for c in context),
        size=str(size),
        twice=words[int(t.argmax())],
        hidden=str(HIDDEN),
        h=vector(h, 1),
        words=table(
            ("word", "column of $W'$", "$u_i$", "$y_i$", r"expected $\vert C \vert y_i$", "came $t_i$", "error"),
            [
                (
                    word,
                    vector(w_out[:, i], 1),
                    fixed(u[i], 2),
                    fixed(y[i], 4),
                    fixed(size * y[i], 4),
                    fixed(t[i], 0),
                    fixed(e[i], 4),
                )
                for i, word in enumerate(words)
            ],
        ),
        loss=fixed(loss, 4),
        error_sum=fixed(e.sum(), 4),
        gradient_out=table(
            (r"$\partial L / \partial W'_{ji}$", *words),
            [(f"$j = {j + 1}$", *(fixed(v, 4) for v in row)) for j, row in enumerate(dw_out)],
        ),
        gradient_in=vector(dw[x.argmax()], 4),
        rate=number(rate, 1),
        after=fixed(skip_gram(x, w - rate * dw, w_out - rate * dw_out, context), 4),
        denominator=table(
            (r"$\partial L / \partial W'_{1i}$", *words),
            [
                ("sum over all words", *(fixed(v, 4) for v in dw_out[0])),
                ("central differences", *(fixed(v, 4) for v in central[0])),
                ("sum over the context", *(fixed(v, 4) for v in wrong[0])),
            ],
        ),
        right_sum=fixed(dw_out[0].sum(), 4),
        wrong_sum=fixed(wrong[0].sum(), 4),
        large=str(large),
        eps=number(np.finfo(np.float64).eps, 2),
        best=number(np.cbrt(np.finfo(np.float64).eps), 1),
        naive_loss="infinite" if np.isposinf(naive) else fixed(naive, 4),
        stable_loss=fixed(stable, 4),
        **_checks(game),
    )
    return Page("skip-gram", text, {"skip-gram": _figure(game)})


def _central(game: Example, h: float = 1e-5) -> tuple[Array, Array]:
    _, x, w, w_out, context = game
    return (
        central_differences(lambda moved: skip_gram(x, moved, w_out, context), w, h),
        central_differences(lambda moved: skip_gram(x, w, moved, context), w_out, h),
    )


def _central_by_hand(game: Example, h: float) -> Array:
    """Return the central differences of every weight in decimal arithmetic of 16 digits, W first.

    Its rounding is about that of float64, but the same on every machine, unlike that of a float64 sum.
    """
    _, x, w, w_out, context = game
    with localcontext(prec=16):
        one_hot = [Decimal(float(value)) for value in x]
        weights = [Decimal(str(value)) for value in np.concatenate([w.ravel(), w_out.ravel()])]
        step = Decimal(h)
        (words, hidden), found = w.shape, []

        def loss(at: list[Decimal]) -> Decimal:
            first, second = at[: words * hidden], at[words * hidden :]
            code = [
                sum((one_hot[i] * first[i * hidden + j] for i in range(words) if one_hot[i]), Decimal(0))
                for j in range(hidden)
            ]
            scores = [sum((second[j * words + i] * code[j] for j in range(hidden)), Decimal(0)) for i in range(words)]
            return len(context) * sum((score.exp() for score in scores), Decimal(0)).ln() - sum(
                scores[c] for c in context
            )

        for place, weight in enumerate(weights):
            ahead, behind = list(weights), list(weights)
            ahead[place], behind[place] = weight + step, weight - step
            found.append(float((loss(ahead) - loss(behind)) / (2 * step)))
    return np.array(found)


def autograd(x: Array, w: Array, w_out: Array, context: Sequence[int]) -> tuple[Array, Array]:
    """Return dL/dW (V, H) and dL/dW' (H, V), computed by PyTorch."""
    import torch

    weights, weights_out = torch.from_numpy(w).requires_grad_(), torch.from_numpy(w_out).requires_grad_()
    u = weights_out.T @ (weights.T @ torch.from_numpy(x))  # (V,)
    loss = -torch.log_softmax(u, 0)[list(context)].sum()
    found = torch.autograd.grad(loss, (weights, weights_out))
    return found[0].numpy(), found[1].numpy()


def _checks(game: Example) -> dict[str, str]:
    rng = np.random.default_rng(1)
    v, k = 12, 5
    random = rng.normal(size=v), rng.normal(size=(v, k)), rng.normal(size=(k, v)), [3, 3, 0, 11, 7]
    ours = gradients(*game[1:])
    return {
        "check_autograd": difference(ours, autograd(*game[1:]), 1e-12),
        "check_central": difference(ours, _central(game), 1e-8),
        "check_random": difference(gradients(*random), autograd(*random), 1e-10),
        "random_words": str(v),
        "random_hidden": str(k),
    }


def _figure(game: Example) -> Figure:
    from matplotlib.ticker import FuncFormatter

    from narrows.figures.style import PALETTE, new_panels, style

    words, x, w, w_out, context = game
    t, expected = counts(context, len(words)), len(context) * forward(x, w, w_out).y
    steps = np.geomspace(1e-11, 1, 45)
    true = np.concatenate([*map(np.ravel, gradients(x, w, w_out, context))])
    errors = [np.abs(_central_by_hand(game, float(h)) - true).max() for h in steps]
    places = np.arange(len(words))
    with style():
        figure, (left, right) = new_panels((7.8, 3), 1, 2)
        left.bar(places - 0.2, expected, 0.38, color=PALETTE[5], label="expected, |C| y")
        left.bar(places + 0.2, t, 0.38, color=PALETTE[0], label="came, t")
        left.set(xticks=places, yticks=range(int(t.max()) + 1), ylabel="times")
        left.set_title(f"words around “{SENTENCE[CENTRE]}”")
        left.set_xticklabels(words)
        left.legend(loc="upper right")
        right.plot(steps, errors, "o-", color=PALETTE[1], markersize=3, linewidth=0.9)
        right.set(xscale="log", yscale="log", xlabel="step h", ylabel="greatest error", title="central differences")
        for axis in (right.xaxis, right.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
        right.grid(axis="y", linewidth=0.4, alpha=0.5)
    return figure
