"""The map: every row as a point of the plane, coloured by its class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.style import INK, breadth, class_colours, class_names, new_axes, short, style

LIMIT = 100_000  # with more points than dots in the picture, points only cover each other


def scatter(points: Array, classes: Array, names: Sequence[str] | None = None, ax: Axes | None = None) -> Figure:
    """Draw points coloured by class, with each class's name at the median of its points.

    Points are drawn in shuffled order, so that no class hides another; of more than 100,000 points, 100,000 are chosen
    at random. Both are seeded, so the same points give the same picture. Up to 20 classes have a legend.

    Parameters
    ----------
    points : float (N, 2)
    classes : integers (N,); -1 is unknown and grey
    names : the names of classes 0, 1, ...; their numbers by default

    Raises
    ------
    InputError : shapes that do not fit together, no points, or points that are not finite
    """
    points, classes = np.asarray(points), np.asarray(classes)
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) == 0:
        raise InputError("points", "must be (N, 2) with N >= 1", value=f"shape {points.shape}")
    if classes.shape != points.shape[:1] or not np.issubdtype(classes.dtype, np.integer):
        raise InputError("classes", f"must be {len(points)} integers", value=f"{classes.dtype} {classes.shape}")
    if not np.isfinite(points).all():
        raise InputError("points", "must be finite", value="NaN or infinity")
    present = np.unique(classes[classes >= 0])
    titles = class_names(names, int(present.max()) + 1 if len(present) else 0)
    order = np.random.default_rng(0).permutation(len(points))[:LIMIT]
    with style():
        figure, ax = new_axes(ax, 460, 480)
        size = 16 * min(1.0, (500 / len(order)) ** 0.55)  # in square points: 16 up to 500 rows, 0.9 at 100,000
        alpha = 0.9 * min(1.0, (2000 / len(order)) ** 0.25)
        colours = class_colours(classes[order])
        x, y = points[order].T
        ax.scatter(x, y, s=size, c=colours, alpha=alpha, linewidths=0, rasterized=True)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        halo = [withStroke(linewidth=2.5, foreground="white", alpha=0.85)]
        for number in present:
            x, y = np.median(points[classes == number], axis=0)
            text = short(titles[number], 16)
            fontsize = 9 if len(present) <= 20 else 7
            ax.text(x, y, text, fontsize=fontsize, weight="bold", ha="center", va="center", path_effects=halo)
        if 0 < len(present) <= 20:
            _legend(ax, present, titles, has_unknown=bool((classes < 0).any()))
    return figure


def _legend(ax: Axes, present: Array, titles: list[str], has_unknown: bool) -> None:
    shown = [(titles[number], number) for number in present] + ([("unknown", -1)] if has_unknown else [])
    colours = class_colours(np.array([number for _, number in shown]))
    dots = [Line2D([], [], marker="o", linestyle="", markersize=4.5, color=tuple(c)) for c in colours]
    longest = max(breadth(title) for title, _ in shown)
    ax.legend(
        dots,
        [title for title, _ in shown],
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=min(len(shown), 10, max(2, 60 // (longest + 4))),
        fontsize=8,
        labelcolor=INK,
        handletextpad=0.1,
        columnspacing=1.0,
    )
