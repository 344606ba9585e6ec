"""How training went, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.style import MUTED, PALETTE, legend_above, new_axes, style


def loss_curves(history: Sequence[Mapping[str, Any]], ax: Axes | None = None, *, loss: str = "loss") -> Figure:
    """Draw training and validation loss, the loss's terms, and the learning rate, against the epoch.

    The epoch with the lowest validation loss is marked. The axis is logarithmic when the losses span more than a factor
    of 20.

    Parameters
    ----------
    history : one row per epoch with "epoch", "train/loss" and, where known, "valid/loss", "train/<term>", "lr";
        None and NaN leave a gap
    loss : name of the loss, in words

    Raises
    ------
    InputError : there are no epochs
    """
    if not history:
        raise InputError("history", "must contain at least one epoch", value="none")
    epochs = column(history, "epoch")
    names = {name for row in history for name in row}
    terms = sorted(n for n in names if n.startswith("train/") and n != "train/loss")
    with style():
        figure, ax = new_axes(ax, 720, 300)
        drawn = []
        for name, colour, width, label in [
            ("train/loss", PALETTE[0], 1.6, "training"),
            ("valid/loss", PALETTE[1], 1.6, "validation"),
            *((term, PALETTE[2 + i % 18], 0.9, term.removeprefix("train/")) for i, term in enumerate(terms)),
        ]:
            drawn.append(column(history, name))
            line(ax, epochs, drawn[-1], color=colour, linewidth=width, label=label)
        _mark_best(ax, epochs, column(history, "valid/loss"))
        _scale(ax, np.concatenate(drawn))
        ax.set(xlabel="epoch", ylabel=loss)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
        ax.grid(axis="y", linewidth=0.4, alpha=0.5)
        _draw_rate(ax, epochs, column(history, "lr"))
        legend_above(ax)
    return figure


def _mark_best(ax: Axes, epochs: Array, valid: Array) -> None:
    if not np.isfinite(valid).any():
        return
    best = int(np.nanargmin(valid))
    ax.plot(epochs[best], valid[best], "o", markersize=5, color="white", markeredgecolor=PALETTE[1], zorder=4)
    late = best > (len(epochs) - 1) / 2  # write towards the middle, so that the text stays inside
    ax.annotate(
        f"best: epoch {epochs[best]:g}",
        (epochs[best], valid[best]),
        xytext=(-8 if late else 8, 9),
        textcoords="offset points",
        ha="right" if late else "left",
        fontsize=7.5,
        color=PALETTE[1],
    )


def _scale(ax: Axes, values: Array) -> None:
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 20 * values.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())


def _draw_rate(ax: Axes, epochs: Array, rate: Array) -> None:
    if not np.isfinite(rate).any():
        return
    right = ax.twinx()
    right.plot(epochs, rate, color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)))
    right.set(ylabel="learning rate (dotted)", ylim=(0, 1.08 * float(np.nanmax(rate)) or 1))
    right.yaxis.set_major_locator(MaxNLocator(4))
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    right.spines["right"].set_visible(False)
    right.tick_params(length=0, labelsize=7.5)


def line(ax: Axes, epochs: Array, values: Array, **look: Any) -> None:
    """Draw values (E,) over epochs, with gaps where they are nan; a single value is a dot."""
    if known := np.isfinite(values).sum():
        ax.plot(epochs, values, marker="o" if known == 1 else "", markersize=4, **look)


def column(history: Sequence[Mapping[str, Any]], name: str) -> Array:
    """Return the number ``name`` of each epoch (E,), nan where it is missing or not finite."""
    found = [row.get(name) for row in history]
    return np.array([v if isinstance(v, int | float) and math.isfinite(v) else math.nan for v in found], np.float64)
