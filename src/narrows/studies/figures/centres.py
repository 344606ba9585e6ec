"""Centres of k-means, drawn as images, and the errors that mini-batches leave in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.images import GAP, LINE, Sheet, enlarge
from narrows.figures.style import FAINT, INK, MUTED, PALETTE, ink_on, new_panels, style


def centres(stages: Mapping[str, Array], counts: Array, columns: int = 10) -> Figure:
    """Draw a grid of the centres at each of several stages; the last grid shows their numbers of rows.

    Parameters
    ----------
    stages : title -> images (K, C, H, W); values are clipped to [0, 1]
    counts : rows (K,) of each centre at the last stage; 0 is a dead centre
    columns : centres per line

    Raises
    ------
    InputError : nothing to draw, or values that are not images with one centre for each of ``counts``
    """
    if not stages or any(len(images) != len(counts) for images in stages.values()):
        raise InputError(
            "stages", f"must contain {len(counts)} images each", value={k: len(v) for k, v in stages.items()}
        )
    sheet, y = Sheet(), GAP
    for number, (title, images) in enumerate(stages.items(), start=1):
        captions = [f"{count:,}" if count else "dead" for count in counts] if number == len(stages) else None
        sheet.write(title, GAP, y, size=8)
        y = sheet.grid(enlarge(images, title), GAP, y + LINE + GAP, columns, captions) + 3 * GAP
    return sheet.draw()


@dataclass(frozen=True, eq=False)
class Balance:
    """Measured and predicted squared errors of centres for several learning rates, (E,) each, per value.

    Parameters
    ----------
    title : title of the panel, such as the batch size
    etas : learning rates, in increasing order
    bias, variance : measured values; nan where a training diverged
    theory_bias, theory_variance : predicted values; nan where the theory makes no prediction
    """

    title: str
    etas: Sequence[float]
    bias: Array
    variance: Array
    theory_bias: Array
    theory_variance: Array


def balances(panels: Sequence[Balance], columns: int = 2) -> Figure:
    """Draw squared bias and variance against the learning rate: measured values as dots, predictions as lines.

    Raises
    ------
    InputError : no panels
    """
    if not panels:
        raise InputError("panels", "must contain at least one panel", value="none")
    lines = -(-len(panels) // columns)
    with style():
        figure, grid = new_panels(
            (760 / 96, (60 + 250 * lines) / 96), lines, columns, squeeze=False, sharex=True, sharey=True
        )
        for ax in grid.flat[len(panels) :]:
            ax.set_axis_off()
        for ax, panel in zip(grid.flat, panels, strict=False):
            for measured, theory, colour, label in [
                (panel.bias, panel.theory_bias, PALETTE[0], "bias²"),
                (panel.variance, panel.theory_variance, PALETTE[1], "variance"),
            ]:
                ax.plot(panel.etas, theory, color=colour, linewidth=1.3, label=f"{label}, predicted")
                ax.plot(panel.etas, measured, "o", color=colour, markersize=4, label=f"{label}, measured")
            ax.axvline(
                10, label="η = 10: unstable from here", color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0
            )
            ax.set(xscale="log", yscale="log", title=panel.title, axisbelow=True)
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.grid(axis="y", color=FAINT, linewidth=0.6)
        for ax in grid[-1]:
            ax.set_xlabel("η")
        for ax in grid[:, 0]:
            ax.set_ylabel("squared error per pixel")
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, labelcolor=INK)
    return figure


def errors_grid(
    etas: Sequence[float], sizes: Sequence[int], errors: Array, predicted: Array, *, names: tuple[str, str]
) -> Figure:
    """Draw a number over learning rate and batch size, measured and predicted, with the same logarithmic shades.

    Parameters
    ----------
    etas, sizes : (E,) and (S,)
    errors, predicted : (E, S) above 0; nan where there is no value, such as after a divergence
    names : titles of the two panels

    Raises
    ------
    InputError : tables of the wrong shape
    """
    both = [np.asarray(errors, np.float64), np.asarray(predicted, np.float64)]
    if any(table.shape != (len(etas), len(sizes)) for table in both):
        raise InputError("errors and predicted", f"must have shape {(len(etas), len(sizes))}", value=both[0].shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        shades = [np.log10(table) for table in both]
    finite = np.concatenate([shade[np.isfinite(shade)] for shade in shades])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    with style():
        size = (150 + 2 * (60 + 60 * len(sizes)), 90 + 27 * len(etas))
        figure, pair = new_panels((size[0] / 96, size[1] / 96), 1, 2, sharey=True)
        for ax, table, shade, name in zip(pair, both, shades, names, strict=True):
            image = ax.imshow(np.ma.masked_invalid(shade), cmap="Blues", vmin=low, vmax=high, aspect="auto")
            colours = image.to_rgba(np.ma.masked_invalid(shade))  # (E, S, 4)
            for (i, j), value in np.ndenumerate(table):
                text, ink = (f"{value:.2g}", ink_on(colours[i, j])) if np.isfinite(value) else ("–", INK)
                ax.text(j, i, text, ha="center", va="center", color=ink, fontsize=7.5)
            ax.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
            ax.set_yticks(range(len(etas)), [f"{eta:g}" for eta in etas])
            ax.set(xlabel="batch size", title=name)
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
        figure.axes[0].set_ylabel("η")
    return figure
