"""Pictures of an embedding: few labelled points over many others, and the effect of training on clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.style import FAINT, INK, MUTED, PALETTE, UNKNOWN, class_colours, class_names, new_panels, style


def labelled_over_all(points: Array, labels: Array, clusters: Array, names: Sequence[str] | None = None) -> Figure:
    """Draw a map twice: labelled points coloured by class over all others in grey, and all points coloured by cluster.

    Parameters
    ----------
    points : float (N, 2)
    labels : integers (N,); -1 is unknown and grey
    clusters : integers (N,), the class matched to each point's cluster; -1 for none
    names : the names of classes 0, 1, ...; their numbers by default

    Raises
    ------
    InputError : shapes that do not fit together, no points, or points that are not finite
    """
    points, labels, clusters = np.asarray(points), np.asarray(labels), np.asarray(clusters)
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) == 0 or not np.isfinite(points).all():
        raise InputError("points", "must be finite (N, 2) with N >= 1", value=f"shape {points.shape}")
    for name, given in (("labels", labels), ("clusters", clusters)):
        if given.shape != points.shape[:1] or not np.issubdtype(given.dtype, np.integer):
            raise InputError(name, f"must be {len(points)} integers", value=f"{given.dtype} {given.shape}")
    titles = class_names(names, max(int(labels.max()), int(clusters.max())) + 1)
    order = np.random.default_rng(0).permutation(len(points))  # so that no class hides another
    size = 12 * min(1.0, (500 / len(points)) ** 0.55)  # in square points
    with style():
        figure, (left, right) = new_panels((760 / 96, 360 / 96), 1, 2)
        x, y = points[order].T
        left.scatter(x, y, s=size, color=UNKNOWN, alpha=0.5, linewidths=0, rasterized=True)
        shown = order[labels[order] >= 0]
        colours = class_colours(labels[shown])
        left.scatter(*points[shown].T, s=max(9.0, size), c=colours, linewidths=0.3, edgecolors="white")
        left.set_title("the labelled ones by their class, over all others")
        right.scatter(x, y, s=size, c=class_colours(clusters[order]), linewidths=0, rasterized=True)
        right.set_title("all by their cluster, in the colour of its class")
        for ax, given in ((left, labels), (right, clusters)):
            ax.set_aspect("equal", adjustable="datalim")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            _legend(ax, titles, np.unique(given[given >= 0]))
    return figure


def loss_against_accuracy(
    epochs: Sequence[int], losses: Sequence[float], accuracies: Sequence[float], *, reference: float | None = None
) -> Figure:
    """Draw loss and accuracy of the checkpoints of a training: over the epochs, and against each other.

    Parameters
    ----------
    epochs, losses, accuracies : (n,) each, in the order of the epochs
    reference : an accuracy to compare with, such as that of always answering the commonest class

    Raises
    ------
    InputError : different lengths, or no checkpoints
    """
    if not len(epochs) == len(losses) == len(accuracies) or len(epochs) == 0:
        raise InputError("epochs, losses and accuracies", "must have the same length, at least 1", value=len(epochs))
    with style():
        figure, (left, right) = new_panels((760 / 96, 330 / 96), 1, 2)
        figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
        accuracy = left.twinx()
        left.plot(
            epochs, losses, color=PALETTE[1], marker="s", markersize=3.5, linewidth=1.2, label="reconstruction loss"
        )
        accuracy.plot(
            epochs,
            accuracies,
            color=PALETTE[0],
            marker="o",
            markersize=3.5,
            linewidth=1.2,
            label="accuracy of the clusters",
        )
        left.set_xlabel("epoch")
        left.set_ylabel("reconstruction loss", color=PALETTE[1])
        left.set_ylim(bottom=0)
        accuracy.tick_params(colors=PALETTE[0])
        accuracy.spines["right"].set_visible(True)
        right.plot(losses, accuracies, color=FAINT, linewidth=1.2, zorder=1)
        right.scatter(losses, accuracies, s=22, color=PALETTE[0], zorder=3)
        _name_points(right, epochs, losses, accuracies)
        right.set(xlabel="reconstruction loss", ylabel="accuracy of the clusters")
        right.grid(color=FAINT, linewidth=0.6)
        right.set_axisbelow(True)
        for ax in (accuracy, right):
            ax.margins(y=0.12)
            if reference is not None:
                ax.axhline(
                    reference,
                    color=MUTED,
                    linewidth=0.8,
                    linestyle=(0, (4, 3)),
                    zorder=1,
                    label="always the commonest class",
                )
            ax.yaxis.set_major_locator(MaxNLocator(6))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
        left.yaxis.set_major_locator(MaxNLocator(6))
        right.xaxis.set_major_locator(MaxNLocator(6))
        left.set_title("as training goes on")
        right.set_title("each point a checkpoint, with its epoch")
        handles = [*left.get_legend_handles_labels()[0], *accuracy.get_legend_handles_labels()[0]]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, labelcolor=INK)
    return figure


def _name_points(ax: Axes, epochs: Sequence[int], x: Sequence[float], y: Sequence[float]) -> None:
    """Write its epoch at each point without overlaps: of points close together, one above and the next below."""
    across = np.ptp(x) or 1.0
    above, last = True, math.inf
    for i in np.argsort(x):
        above = not above if abs(x[i] - last) < 0.06 * across else True
        last = x[i]
        ax.annotate(
            str(epochs[i]),
            (x[i], y[i]),
            xytext=(0, 6 if above else -6),
            textcoords="offset points",
            fontsize=7,
            color=MUTED,
            ha="center",
            va="bottom" if above else "top",
        )


def _legend(ax: Axes, titles: Sequence[str], present: Array) -> None:
    dots = [
        Line2D([], [], marker="o", linestyle="", markersize=4.5, color=tuple(colour))
        for colour in class_colours(present)
    ]
    if 0 < len(dots) <= 20:
        ax.legend(
            dots,
            [titles[number] for number in present],
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            ncols=min(len(dots), 5),
            labelcolor=INK,
            handletextpad=0.1,
            columnspacing=1.0,
        )
