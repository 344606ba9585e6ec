"""An LSTM cell, traced.

Eight inputs through one cell with three gates, every number written out: what each gate does, the exact outputs beside
the rounded ones, and which misreadings of the equations give something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from narrows.disk.files import Array
from narrows.studies.reference.layers import sigmoid
from narrows.studies.worked import Page
from narrows.studies.worked._markdown import difference, fill, fixed, number, table, vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["page"]

INPUTS = (
    (0, 1, 0, 3),
    (1, 0, 1, -2),
    (1, 1, 1, 4),
    (0, 1, 1, 0),
    (0, 1, 0, 2),
    (0, 0, 1, -4),
    (1, 1, 1, 1),
    (1, 0, 1, 2),
)


class Weights(NamedTuple):
    """Weights (D,) and bias of the cell's input and of its three gates."""

    z: tuple[Sequence[float], float]
    i: tuple[Sequence[float], float]
    f: tuple[Sequence[float], float]
    o: tuple[Sequence[float], float]


WEIGHTS = Weights(
    z=((0, 0, 0, 1), 0),
    i=((100, 100, 0, 0), -10),
    f=((-100, -100, 0, 0), 110),
    o=((0, 0, 100, 0), -10),
)


class Trace(NamedTuple):
    """The trace of a cell, one number per step (T,): input z, gates i, f and o, cell c after the step, output y."""

    z: Array
    i: Array
    f: Array
    o: Array
    c: Array
    y: Array


def identity(a: Array) -> Array:
    """Return ``a``."""
    return a


def lstm_trace(
    inputs: Array | Sequence[Sequence[float]],
    weights: Weights = WEIGHTS,
    *,
    gate: Callable[[Array], Array] = sigmoid,
    g: Callable[[Array], Array] = identity,
    h: Callable[[Array], Array] = identity,
    start: float = 0.0,
) -> Trace:
    """Run one LSTM cell without recurrent weights and return all intermediate numbers.

    z = w x + b, i, f, o = gate(w x + b), each with its own weights; c <- f c + i g(z); y = o h(c).

    Parameters
    ----------
    inputs : (T, D)
    weights : of z and of the gates
    gate, g, h : functions applied to the gates' sums, to z, and to the cell
    start : initial value of the cell
    """
    x = np.asarray(inputs, np.float64)  # (T, D)
    z, i, f, o = (x @ np.asarray(w, np.float64) + b for w, b in weights)  # (T,) each
    i, f, o = gate(i), gate(f), gate(o)
    cells, c = np.empty(len(x)), start
    for t in range(len(x)):
        c = f[t] * c + i[t] * float(g(z[t]))
        cells[t] = c
    return Trace(z, i, f, o, cells, o * h(cells))


def hard(a: Array) -> Array:
    """Return 1 where ``a`` > 0 and 0 elsewhere: a gate that is either open or shut, as if rounded by hand."""
    return (np.asarray(a) > 0).astype(np.float64)


def old_cell(trace: Trace, start: float = 0.0) -> Array:
    """Return the outputs (T,) for the misreading that the output gate is applied to the cell before the step."""
    return np.asarray(trace.o * np.concatenate([[start], trace.c[:-1]]))


def forget_means_forget(inputs: Array | Sequence[Sequence[float]], weights: Weights = WEIGHTS) -> Trace:
    """Return the trace for the misreading that an open forget gate erases the cell: f replaced by 1 - f."""
    w, b = weights.f
    return lstm_trace(inputs, weights._replace(f=([-v for v in w], -b)))  # sigmoid(-a) = 1 - sigmoid(a)


TEXT = r"""
# An LSTM cell, traced

## What is asked

A long short-term memory cell keeps one number, $c$, over many steps. Gates decide when it takes in something new,
when it forgets, and when it shows what it holds. Given are weights and eight inputs; wanted are the cell and the
output after every step.

## The formulas

Each input $x$ has four numbers. Four weighted sums of them, with weights $w$ and a bias $b$ each, give the cell's
input $z$ and three gates:

$$z = w \cdot x + b , \qquad i = \sigma(w_i \cdot x + b_i) ,
\qquad f = \sigma(w_f \cdot x + b_f) , \qquad o = \sigma(w_o \cdot x + b_o)$$

$\sigma(a) = 1 / (1 + e^{-a})$ lies between 0 (shut) and 1 (open). Then, in this order,

$$c \leftarrow f c + i g(z) , \qquad y = o h(c)$$

- $i$, the input gate: how much of $g(z)$ is added to the cell.
- $f$, the forget gate: how much of the old cell *stays*. It forgets when it is shut.
- $o$, the output gate: how much of the cell is shown.
- $g$ and $h$ are functions, usually tanh; here both are the identity. The cell starts at 0.

| sum | weights | bias | in words |
| --- | --- | ---: | --- |
| $z$ | @w_z | @b_z | the fourth number |
| $i$ | @w_i | @b_i | open if the first or the second number is 1 |
| $f$ | @w_f | @b_f | open unless both are 1 |
| $o$ | @w_o | @b_o | open if the third number is 1 |

## The steps

Rounded to whole numbers:

@steps

Step by step, in words:

@story

![The cell, the output and the three gates over the eight steps.](lstm-trace.png)

## Exactly

Gates, cell and output are not quite whole numbers, since a sigmoid never quite shuts: $\sigma(-10)$ = @shut, and
$\sigma(10)$ = 1 - @shut. The gates' sums are @sums here, and the other ones are too far out to show in seven digits:

@exact

So the output of the first step is $3 \sigma(90) \sigma(-10)$, which is 3 times @shut.

## What goes wrong

**Reading the forget gate by its name.** If an open $f$ erased the cell, or if $y$ were taken from the cell before
the step, the outputs would be:

@misread

**The obvious sigmoid.** $1 / (1 + e^{-a})$ at $a$ = -100 asks for $e^{100}$ = @overflow, which float32 cannot hold:
infinity, with a warning, and only by luck the right 0 after the division. $e^{-|a|}$ is at most 1:
$1 / (1 + e^{-|a|})$ for $a \ge 0$ and $e^{-|a|} / (1 + e^{-|a|})$ for $a \lt 0$ never overflows.

**Rounding the gates.** With gates that are exactly 0 or 1 the outputs are whole numbers, at most @rounding away from
the true ones. That is harmless for eight steps. But an open forget gate keeps @kept of the cell per step, not all of
it, and no rounded trace shows what that does to a memory over thousands of steps: half of it would be gone after
@half_life of them.

## How it was checked

| what | against | greatest difference |
| --- | --- | ---: |
| exact cells and outputs | the same in decimal arithmetic with @decimals digits | @check_decimal |
| the trace with $g = h = \tanh$ | `torch.nn.LSTMCell` with these weights, recurrent weights 0 | @check_torch |

## Source

S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", *Neural Computation* 9, 1997. The forget gate: F. A.
Gers, J. Schmidhuber and F. Cummins, "Learning to Forget: Continual Prediction with LSTM", *Neural Computation* 12,
2000.
"""


def page() -> Page:
    """Return the page on the LSTM cell."""
    trace, rounded = lstm_trace(INPUTS), lstm_trace(INPUTS, gate=hard)
    x = np.array(INPUTS, np.float64)
    sums = sorted({int(v) for w, b in WEIGHTS[1:] for v in x @ np.array(w) + b})
    shut = float(sigmoid(np.array(-10.0)))
    kept = float(sigmoid(np.array(10.0)))
    names = ("z", "i", "f", "o")
    text = fill(
        TEXT,
        **{f"w_{name}": vector(w, 0) for name, (w, _) in zip(names, WEIGHTS, strict=True)},
        **{f"b_{name}": fixed(b, 0) for name, (_, b) in zip(names, WEIGHTS, strict=True)},
        steps=table(
            ("step", "input", "$z$", "$i$", "$f$", "$o$", "$c$", "$y$"),
            [
                (str(t + 1), vector(INPUTS[t], 0), *(fixed(column[t], 0) for column in trace))
                for t in range(len(INPUTS))
            ],
        ),
        story="\n".join(f"{t + 1}. {sentence}" for t, sentence in enumerate(story(rounded))),
        shut=number(shut, 7),
        sums=", ".join(map(str, sums)),
        exact=table(
            ("step", "cell", "output", "output minus the whole number"),
            [
                (str(t + 1), number(trace.c[t], 7), number(trace.y[t], 7), _excess(trace.y[t] - rounded.y[t]))
                for t in range(len(INPUTS))
            ],
        ),
        misread=table(
            ("reading", *(f"step {t + 1}" for t in range(len(INPUTS)))),
            [
                ("as above", *(fixed(v, 0) for v in trace.y)),
                ("an open $f$ erases", *(fixed(v, 0) for v in forget_means_forget(INPUTS).y)),
                ("$y$ from the cell before", *(fixed(v, 0) for v in old_cell(trace))),
            ],
        ),
        overflow=number(np.exp(100), 2),
        rounding=number(np.abs(trace.y - rounded.y).max(), 2),
        kept=fixed(kept, 7),
        half_life=f"{round(np.log(0.5) / np.log(kept)):,}",
        **_checks(trace),
    )
    return Page("lstm", text, {"lstm-trace": _figure(trace)})


def _excess(value: float) -> str:
    return "< 1e-12" if abs(value) < 1e-12 else number(value, 3)


def story(trace: Trace) -> list[str]:
    """Return a sentence for each step of a trace with ``hard`` gates."""
    sentences, before = [], 0.0
    for z, i, f, o, c, y in zip(*trace, strict=True):
        kept = f"keeps {before:g}" if f else f"forgets {before:g}"
        taken = f"takes in {z:g}" if i else f"does not let in {z:g}"
        shown = f"shows {y:g}" if o else "shows nothing"
        sentences.append(f"The cell {kept}, {taken}, holds {c:g} and {shown}.")
        before = c
    return sentences


def decimal_trace(inputs: Sequence[Sequence[int]], weights: Weights = WEIGHTS, digits: int = 50) -> tuple[Array, Array]:
    """Return cells and outputs (T,) in decimal arithmetic, in which sigmoids near 0 and 1 lose no digits."""
    from decimal import Decimal, localcontext

    cells, outputs = [], []
    with localcontext() as context:
        context.prec = digits
        c = Decimal(0)
        for x in inputs:
            z, *sums = (
                sum((Decimal(v) * Decimal(n) for v, n in zip(w, x, strict=True)), Decimal(b)) for w, b in weights
            )
            i, f, o = (1 / (1 + (-a).exp()) for a in sums)
            c = f * c + i * z
            cells.append(float(c))
            outputs.append(float(o * c))
    return np.array(cells), np.array(outputs)


def _checks(trace: Trace) -> dict[str, str]:
    digits = 50
    ours = lstm_trace(INPUTS, g=np.tanh, h=np.tanh)
    return {
        "decimals": str(digits),
        "check_decimal": difference((trace.c, trace.y), decimal_trace(INPUTS, digits=digits), 1e-12),
        "check_torch": difference((ours.c, ours.y), torch_trace(INPUTS, WEIGHTS), 1e-12),
    }


def torch_trace(inputs: Sequence[Sequence[float]], weights: Weights) -> tuple[Array, Array]:
    """Return cells and outputs (T,) of ``torch.nn.LSTMCell`` without recurrent weights; its g and h are tanh."""
    import torch

    cell = torch.nn.LSTMCell(len(inputs[0]), 1, dtype=torch.float64)
    order = (weights.i, weights.f, weights.z, weights.o)  # in torch's order
    learned = {
        "weight_ih": torch.tensor([[float(v) for v in w] for w, _ in order], dtype=torch.float64),
        "bias_ih": torch.tensor([float(b) for _, b in order], dtype=torch.float64),
        "weight_hh": torch.zeros(4, 1, dtype=torch.float64),
        "bias_hh": torch.zeros(4, dtype=torch.float64),
    }
    cell.load_state_dict(learned)
    y = c = torch.zeros(1, 1, dtype=torch.float64)
    cells, outputs = [], []
    with torch.no_grad():
        for x in torch.tensor(inputs, dtype=torch.float64):
            y, c = cell(x[None], (y, c))
            cells.append(c.item())
            outputs.append(y.item())
    return np.array(cells), np.array(outputs)


def _figure(trace: Trace) -> Figure:
    from narrows.figures.style import FAINT, PALETTE, new_panels, style

    steps = np.arange(len(trace.c)) + 1
    with style():
        figure, (above, below) = new_panels((7, 3.8), 2, 1, sharex=True, height_ratios=(3, 1.4))
        above.axhline(0, color=FAINT, linewidth=0.7)
        above.plot(steps, trace.z, "x", color=PALETTE[1], markersize=9, zorder=4, label="z, offered")
        above.step(steps, trace.c, where="mid", color=PALETTE[0], linewidth=1.6, label="c, held")
        above.plot(steps, trace.y, "o", color=PALETTE[2], markersize=6, label="y, shown")
        above.set(ylabel="value", title="one cell over eight steps")
        above.legend(loc="lower left", ncols=3)
        above.set_ylim(-5.6, 7)
        below.imshow(
            np.stack([trace.i, trace.f, trace.o]),
            cmap="Greys",
            vmin=-0.05,
            vmax=1.4,
            aspect="auto",
            extent=(0.5, len(steps) + 0.5, 2.5, -0.5),
        )
        for row, gate in enumerate((trace.i, trace.f, trace.o)):
            for t, value in zip(steps, gate, strict=True):
                text, colour = ("open", "white") if value > 0.5 else ("shut", "black")
                below.text(t, row, text, ha="center", va="center", fontsize=7.5, color=colour)
        below.set(xlabel="step", yticks=range(3), yticklabels=("input i", "forget f", "output o"), xticks=steps)
        below.spines[:].set_visible(False)
        below.tick_params(length=0)
    return figure
