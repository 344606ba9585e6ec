"""Pictures of how a classifier learns: its curves, its first weights, its signals layer by layer, its mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.curves import column, line
from narrows.figures.images import GAP, LINE, Sheet, enlarge
from narrows.figures.style import (
    INK,
    MUTED,
    PALETTE,
    breadth,
    class_names,
    new_axes,
    new_panels,
    scale_bar,
    short,
    style,
)
from narrows.figures.tables import CELLS, write_cells

History = Sequence[Mapping[str, Any]]


def weights_grid(
    weights: Mapping[str, Array], shape: tuple[int, int], *, order: Literal["C", "F"] = "C", columns: int = 16
) -> Figure:
    """Draw the weights into each hidden unit as an image, for example before and after training.

    Grey is 0, white positive, black negative. Each set has its own scale, stated in its title: the half per cent of
    largest magnitudes is clipped, so that a few large weights do not make all others grey.

    Parameters
    ----------
    weights : title -> first-layer weights (D, K), a column for each hidden unit
    shape : (H, W) with H W = D
    order : how an image is stored in a row of the data: "C" line by line, "F" column by column, as in MATLAB
    columns : images per line

    Raises
    ------
    InputError : no weights, or weights that do not fit images of that shape
    """
    if not weights:
        raise InputError("weights", "must contain at least one set", value="none")
    sheet, y = Sheet(), GAP
    for title, given in weights.items():
        array = np.asarray(given, np.float64)
        if array.ndim != 2 or array.shape[0] != shape[0] * shape[1] or not np.isfinite(array).all():
            rule = f"must be finite weights (D, K) with D = {shape[0]} x {shape[1]}"
            raise InputError(f"weights[{title!r}]", rule, value=f"shape {array.shape}")
        scale = float(np.quantile(np.abs(array), 0.995)) or 1.0
        images = np.stack([unit.reshape(shape, order=order) for unit in array.T])  # (K, H, W)
        sheet.write(f"{title} (black -{scale:.2g}, white +{scale:.2g})", GAP, y, size=8)
        y = sheet.grid(enlarge(0.5 + images[:, None] / scale / 2, title), GAP, y + LINE + GAP, columns) + 3 * GAP
    return sheet.draw()


def curves_by_rate(histories: Mapping[str, History]) -> Figure:
    """Draw training and validation loss and accuracy side by side, one line of plots for each history.

    All plots of a column share their axes, so that learning rates can be compared.

    Parameters
    ----------
    histories : title, such as the learning rate -> one row per epoch with "epoch", "train/loss" and, where known,
        "valid/loss", "train/accuracy" and "valid/accuracy"

    Raises
    ------
    InputError : no histories, or one without epochs
    """
    _check_histories(histories)
    with style():
        figure, grid = new_panels(
            (720 / 96, (30 + 190 * len(histories)) / 96), len(histories), 2, squeeze=False, sharex=True, sharey="col"
        )
        for pair, (title, history) in zip(grid, histories.items(), strict=True):
            epochs = column(history, "epoch")
            for ax, score in zip(pair, ("loss", "accuracy"), strict=True):
                for part, colour, label in [("train", PALETTE[0], "training"), ("valid", PALETTE[1], "validation")]:
                    line(ax, epochs, column(history, f"{part}/{score}"), color=colour, linewidth=1.4, label=label)
                ax.set_ylabel(score)
                ax.grid(axis="y", linewidth=0.4, alpha=0.5)
                ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            pair[0].set_title(short(title, 40))
            final = column(history, "valid/accuracy")[-1]
            if np.isfinite(final):
                pair[1].set_title(f"validation ends at {final:.3f}", color=MUTED)
        losses = np.concatenate([column(h, f"{part}/loss") for h in histories.values() for part in ("train", "valid")])
        _log_if_wide(grid[0, 0], losses)
        grid[0, 1].set_ylim(0, 1.02)
        for ax in grid[-1]:
            ax.set_xlabel("epoch")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), labelcolor=INK)
    return figure


def compare_losses(histories: Mapping[str, History], ax: Axes | None = None, *, loss: str = "loss") -> Figure:
    """Draw the losses of several trainings on one plot: training as a line, validation dashed in the same colour.

    Parameters
    ----------
    histories : title, such as the method -> rows as in ``curves_by_rate``
    loss : name of the loss, in words

    Raises
    ------
    InputError : no histories, or one without epochs
    """
    _check_histories(histories)
    with style():
        figure, ax = new_axes(ax, 720, 300)
        drawn = []
        for i, (title, history) in enumerate(histories.items()):
            name, colour = short(title, 24), PALETTE[i % len(PALETTE)]
            for part, dashes, label in [("train", "-", name), ("valid", (0, (3, 2)), f"{name}, validation")]:
                drawn.append(column(history, f"{part}/loss"))
                line(
                    ax, column(history, "epoch"), drawn[-1], color=colour, linewidth=1.4, linestyle=dashes, label=label
                )
        _log_if_wide(ax, np.concatenate(drawn))
        ax.set(xlabel="epoch", ylabel=loss)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
        ax.grid(axis="y", linewidth=0.4, alpha=0.5)
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), labelcolor=INK)
    return figure


def variance_by_layer(activations: Mapping[str, Array], gradients: Mapping[str, Array]) -> Figure:
    """Draw the variance of activations and of gradients by layer, on logarithmic axes, with a line for each init.

    A variance of exactly 0, which is not on such an axis, is a triangle at the lower edge.

    Parameters
    ----------
    activations : init -> variance of the input and of the outputs of the L hidden layers (L + 1,)
    gradients : init -> variance of the loss's gradient with respect to each of them (L + 1,)

    Raises
    ------
    InputError : nothing to draw, or values that are not variances
    """
    with style():
        figure, (left, right) = new_panels((720 / 96, 300 / 96), 1, 2)
        for ax, name, title, variances in [
            (left, "activations", "activations", activations),
            (right, "gradients", "gradient of the loss by them", gradients),
        ]:
            if not variances:
                raise InputError(name, "must contain at least one line", value="none")
            lines = {init: np.asarray(values, np.float64) for init, values in variances.items()}
            for init, values in lines.items():
                if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
                    raise InputError(f"{name}[{init!r}]", "must be finite variances >= 0 (L + 1,)", value=values)
            positive = np.concatenate([values[values > 0] for values in lines.values()])
            floor = positive.min() / 10 if len(positive) else 0.1
            for i, (init, values) in enumerate(lines.items()):
                layers, colour = np.arange(len(values)), PALETTE[i % len(PALETTE)]
                above = np.where(values > 0, values, np.nan)
                ax.plot(layers, above, color=colour, linewidth=1.4, marker="o", markersize=3.5, label=init)
                none = layers[values == 0]
                if len(none):  # the box of an empty line without clipping would disturb the layout
                    ax.plot(none, np.full(len(none), floor), "v", color=colour, markersize=5, clip_on=False, zorder=4)
            _log_axis(ax, floor, float(positive.max(initial=floor)))
            ax.set_ylim(bottom=floor)
            ax.set(title=title, ylabel="variance", xlabel="layer (0: the input)")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.grid(axis="y", linewidth=0.4, alpha=0.5)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), labelcolor=INK)
    return figure


def confusion(
    counts: Array, names: Sequence[str] | None = None, *, diagonal: bool = True, ax: Axes | None = None
) -> Figure:
    """Draw true classes (lines) x predicted ones (columns), coloured by the share of each line's rows.

    Parameters
    ----------
    counts : integers >= 0 (C, C), true classes x predicted ones
    names : names of the C classes; None for their numbers
    diagonal : False leaves out right predictions, so that the colours show only mistakes

    Raises
    ------
    InputError : not a square table of counts, or a different number of names
    """
    counts = np.asarray(counts)
    is_table = counts.ndim == 2 and counts.shape[0] == counts.shape[1] > 0
    if not is_table or not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0:
        raise InputError("counts", "must be whole numbers >= 0, (C, C)", value=f"{counts.dtype} {counts.shape}")
    if names is not None and len(names) != len(counts):
        raise InputError("names", f"must name all {len(counts)} classes", value=f"{len(names)} names")
    classes = class_names(names, len(counts))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (C, C)
    right = np.eye(len(counts), dtype=bool)
    top = 1.0
    if not diagonal:
        share = np.where(right, np.nan, share)
        top = float(np.nanmax(share, initial=0)) or 1.0
    cell = max(21.0, 6.0 * len(str(counts.max())) + 7)  # in CSS pixels, wide enough for the longest number
    side = min(len(counts), CELLS) * cell
    longest = max(map(breadth, classes))
    with style():
        figure, ax = new_axes(ax, side + 7 * longest + 110, side + 7 * longest + 50)
        paint = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#9cc7e4", PALETTE[0], "#003f66"])
        image = ax.imshow(
            share, cmap=paint.with_extremes(bad="#e9ebee"), vmin=0, vmax=top, aspect="auto", interpolation="nearest"
        )
        colours = image.to_rgba(np.ma.masked_invalid(share))  # (C, C, 4)
        if len(counts) <= CELLS:
            write_cells(ax, counts if diagonal else np.where(right, 0, counts), colours, size=7)
        shown = range(0, len(counts), -(-len(counts) // CELLS))
        ax.set_xticks(shown, [classes[j] for j in shown], rotation=0 if longest * 6 <= cell else 90, color=INK)
        ax.set_yticks(shown, [classes[i] for i in shown], color=INK)
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_ylabel("true class", color=MUTED)
        ax.set_xlabel("predicted class" if diagonal else "predicted class (mistakes only)", color=MUTED)
        scale_bar(image, ax, "share of each true class's rows", percent=True)
    return figure


def _log_if_wide(ax: Axes, values: Array) -> None:
    """Make the axis logarithmic if the values span more than a factor of 20."""
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 20 * values.min():
        _log_axis(ax, float(values.min()), float(values.max()))


def _log_axis(ax: Axes, low: float, high: float) -> None:
    """Make the axis logarithmic, with plain numbers; over few decades, multiples of 2 and 5 are written too."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1e3 * low else (1,), numticks=10))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def _check_histories(histories: Mapping[str, History]) -> None:
    if not histories:
        raise InputError("histories", "must contain at least one training", value="none")
    for title, history in histories.items():
        if not history:
            raise InputError(f"histories[{title!r}]", "must contain at least one epoch", value="none")
