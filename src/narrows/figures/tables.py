"""Tables of counts as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.style import INK, MUTED, PALETTE, breadth, class_names, ink_on, new_axes, scale_bar, style

CELLS = 60  # lines or columns; with more, cells become too small for their numbers


def contingency(
    counts: Array,
    row_names: Sequence[str],
    column_names: Sequence[str],
    ax: Axes | None = None,
    matched: Sequence[int] | None = None,
    *,
    line: str = "cluster",
    column: str = "label",
) -> Figure:
    """Draw how many rows of the data fall into each cell, coloured by the cell's share of its line, with a scale.

    With more than 60 lines or columns, the picture does not grow further: it shows colours without numbers, and only
    some names.

    Parameters
    ----------
    counts : integers >= 0 (K, C), such as clusters x labels
    row_names, column_names : K and C names
    matched : the column matched to each line, which is outlined; -1 for none
    line, column : what a line and a column of the table stand for

    Raises
    ------
    InputError : not a table of counts, or a different number of names or matches
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or 0 in counts.shape or not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0:
        raise InputError("counts", "must be whole numbers >= 0, (K, C)", value=f"{counts.dtype} {counts.shape}")
    for name, given, expected in [
        ("row_names", row_names, counts.shape[0]),
        ("column_names", column_names, counts.shape[1]),
        ("matched", matched, counts.shape[0]),
    ]:
        if given is not None and len(given) != expected:
            raise InputError(name, f"must have {expected} entries", value=len(given))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (K, C)
    rows, columns = class_names(row_names, counts.shape[0]), class_names(column_names, counts.shape[1])
    # A cell is wide enough for its longest number, and the picture as large as its cells need, in CSS pixels.
    is_large = max(counts.shape) > CELLS
    height = 30 if max(counts.shape) <= 16 else 23
    width = height * 1.3 if is_large else max(height * 1.3, 7.0 * len(str(counts.max())) + 9)
    with style():
        figure, ax = new_axes(
            ax,
            min(counts.shape[1], CELLS) * width + 7 * max(map(breadth, rows)) + 110,
            min(counts.shape[0], CELLS) * height + 7 * max(map(breadth, columns)) + 40,
        )
        paint = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#9cc7e4", PALETTE[0], "#003f66"])
        image = ax.imshow(share, cmap=paint, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        if not is_large:
            write_cells(ax, counts, paint(share), matched if matched is not None else [])
        upright = max(map(breadth, columns)) * 6 <= width
        across, down = (range(0, count, -(-count // CELLS)) for count in (len(columns), len(rows)))
        ax.set_xticks(across, [columns[j] for j in across], rotation=0 if upright else 90, color=INK)
        ax.set_yticks(down, [rows[i] for i in down], color=INK)
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.xaxis.set_label_position("top")
        ax.set_ylabel(line, color=MUTED)
        ax.set_xlabel(column, color=MUTED)
        scale_bar(image, ax, f"share of each {line}'s rows", percent=True)
    return figure


def write_cells(ax: Axes, counts: Array, colours: Array, matched: Sequence[int] = (), size: float = 7.5) -> None:
    """Write the numbers above 0 into their cells, outline the matched cells, and draw lines between cells."""
    for (i, j), count in np.ndenumerate(counts):
        if count:
            ax.text(j, i, str(count), ha="center", va="center", fontsize=size, color=ink_on(colours[i, j]))
    for i, j in enumerate(matched):
        if j >= 0:
            box = Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False, edgecolor=PALETTE[1], linewidth=1.3)
            ax.add_patch(box)
    ax.set_xticks(np.arange(counts.shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(counts.shape[0] + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#e3e6ea", linewidth=0.5)
    ax.tick_params(which="minor", length=0)
