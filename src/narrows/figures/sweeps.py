"""How a number changes over a sweep: mean and spread over seeds against one or two settings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.style import FAINT, MUTED, PALETTE, ink_on, new_axes, style


def sweep(
    settings: Sequence[float],
    means: Sequence[float],
    sds: Sequence[float | None],
    *,
    setting: str,
    metric: str,
    percent: bool = False,
    reference: float | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a number against one setting, with one standard deviation on either side.

    The axis is logarithmic if the settings are positive and span more than a factor of ten. Settings that are not
    numbers keep their order.

    Parameters
    ----------
    settings, means, sds : (n,) each; a standard deviation is None where there is a single seed
    setting, metric : names of the axes, in words
    percent : whether the number is a share, to be written as per cent
    reference : a level to compare with

    Raises
    ------
    InputError : different lengths, or nothing to draw
    """
    if not len(settings) == len(means) == len(sds) or len(settings) == 0:
        raise InputError("settings, means and sds", "must have the same length, at least 1", value=len(settings))
    with style():
        figure, ax = new_axes(ax, 430, 290)
        numeric = all(isinstance(value, int | float) for value in settings)
        places = np.array(settings, float) if numeric else np.arange(len(settings), dtype=float)
        order = np.argsort(places)
        mean, sd = np.array(means, float)[order], np.array([s or 0.0 for s in sds])[order]
        if reference is not None:
            ax.axhline(reference, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        ax.errorbar(places[order], mean, yerr=sd, color=PALETTE[0], marker="o", markersize=4, linewidth=1.2, capsize=2)
        if numeric and places.min() > 0 and places.max() / places.min() > 10:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        if not numeric:
            ax.set_xticks(places, [str(value) for value in settings])
        if percent:
            ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
        ax.set(xlabel=setting, title=metric, axisbelow=True)
        ax.grid(axis="y", color=FAINT, linewidth=0.6)
    return figure


def sweep_grid(
    rows: Sequence[float],
    columns: Sequence[float],
    means: Array,
    *,
    row_setting: str,
    column_setting: str,
    metric: str,
    percent: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Draw a number over two settings as a table of shades, each cell with its value.

    Parameters
    ----------
    rows, columns : the values of the two settings, (R,) and (C,)
    means : (R, C), nan where a combination was not run
    row_setting, column_setting, metric : names, in words
    percent : whether the number is a share, to be written as per cent

    Raises
    ------
    InputError : ``means`` has another shape
    """
    means = np.asarray(means, float)
    if means.shape != (len(rows), len(columns)):
        raise InputError("means", f"must have shape {(len(rows), len(columns))}", value=means.shape)
    with style():
        figure, ax = new_axes(ax, 150 + 62 * len(columns), 110 + 34 * len(rows))
        image = ax.imshow(np.ma.masked_invalid(means), cmap="Blues", aspect="auto")
        colours = image.to_rgba(np.ma.masked_invalid(means))  # (R, C, 4)
        for (i, j), value in np.ndenumerate(means):
            if np.isfinite(value):
                text = f"{100 * value:.1f} %" if percent else f"{value:.4g}"
                ax.text(j, i, text, ha="center", va="center", color=ink_on(colours[i, j]), fontsize=7.5)
        ax.set_xticks(range(len(columns)), [f"{value:,g}" for value in columns])
        ax.set_yticks(range(len(rows)), [f"{value:,g}" for value in rows])
        ax.set(xlabel=column_setting, ylabel=row_setting, title=metric)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure
