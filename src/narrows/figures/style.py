"""The look that all figures share: quiet ink, no empty frames, and colours that most eyes can tell apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures import DPI

INK, MUTED, FAINT = "#1f2328", "#666c75", "#d8dbdf"
UNKNOWN = "#b4b8bd"

# Okabe and Ito's first six colours (2008), then greedily the colour farthest from all before it. The distance is the
# smallest of the OKLab distances with normal vision, protanopia and deuteranopia (Machado, Oliveira & Fernandes 2009).
PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#78001e",
    "#3c2d87",
    "#78e1b4",
    "#874b69",
    "#874b00",
    "#6987e1",
    "#a5b487",
    "#00e1ff",
    "#d2d24b",
    "#690f5a",
    "#4b4ba5",
    "#a55a4b",
    "#78c3c3",
    "#693c4b",
)

_RC = {
    "figure.dpi": DPI,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$x$"
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
}


def style() -> AbstractContextManager[None]:
    """Return a context with matplotlib's defaults and narrows' own settings, whatever the user's settings are."""
    return matplotlib.style.context(["default", _RC])


def new_axes(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """Return ``ax`` and its figure, or new ones of ``width`` x ``height`` CSS pixels (1/96 inch)."""
    if ax is None:
        figure = Figure(figsize=(width / 96, height / 96), dpi=DPI, layout="constrained")
        return figure, figure.add_subplot()
    owner = ax.get_figure(root=True)
    if owner is None:
        raise InputError("ax", "must belong to a figure")
    return owner, ax


def new_panels(size: tuple[float, float], rows: int, columns: int, **options: Any) -> tuple[Figure, Any]:
    """Return a figure of ``size`` in inches, and its axes: one, or an array, as ``Figure.subplots`` returns them."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def class_colours(classes: Array) -> Array:
    """Return a colour for each class number: RGB float (N, 3), grey for -1.

    The first twenty classes have distinct colours. The next twenty have the same colours lightened, the twenty after
    those darkened, and then colours repeat: beyond about twenty classes, colour alone cannot identify a class, and the
    figures write names.
    """
    base = np.array([to_rgb(colour) for colour in PALETTE])  # (20, 3)
    table = np.concatenate([base, 0.5 + 0.5 * base, 0.6 * base, [to_rgb(UNKNOWN)]])  # (61, 3)
    classes = np.asarray(classes)
    return table[np.where(classes < 0, len(table) - 1, classes % (len(table) - 1))]


def class_names(names: Sequence[str] | None, count: int) -> list[str]:
    """Return printable names for classes 0 ... ``count`` - 1; their numbers if no names are given."""
    given = list(names) if names is not None else []
    if names is not None and len(given) < count:
        raise InputError("names", f"must name all {count} classes", value=f"{len(given)} names")
    return [short(name, 22) for name in given] if given else [str(number) for number in range(count)]


def ink_on(colour: Array) -> str:
    """Return a colour for text that can be read on ``colour``, RGB or RGBA in [0, 1]: dark ink or white.

    It is the one with the higher contrast ratio (WCAG 2.2). A translucent colour is taken to lie on white.
    """
    rgb = np.asarray(colour[:3], np.float64)
    if len(colour) == 4:
        rgb = 1 - colour[3] * (1 - rgb)
    ground, dark = (_luminance(c) + 0.05 for c in (rgb, np.array(to_rgb(INK))))
    return "white" if 1.05 / ground > ground / dark else INK


def _luminance(rgb: Array) -> float:
    """Return the relative luminance of an sRGB colour (3,), from 0 to 1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def scale_bar(image: AxesImage, ax: Axes, label: str, *, percent: bool = False) -> None:
    """Draw a scale beside ``ax`` that says what the colours of ``image`` mean."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise InputError("ax", "must belong to a figure")
    bar = figure.colorbar(image, ax=ax, fraction=0.035, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=7)
    bar.set_label(label, color=MUTED, fontsize=7.5)
    if percent:
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))


def legend_above(ax: Axes, columns: int = 4) -> None:
    """Put the legend of ``ax`` above it, where no curve can cross it."""
    if handles := ax.get_legend_handles_labels()[0]:
        title = ax.get_title(loc="left")
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.02 if not title else 1.1),
            borderaxespad=0,
            ncols=min(columns, len(handles)),
            labelcolor=INK,
            handlelength=1.6,
            columnspacing=1.4,
        )


def breadth(text: str) -> int:
    """Return the width of ``text`` in letters; a letter of an East Asian script is as wide as two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def short(text: object, limit: int) -> str:
    """Return ``text`` on one line, shortened in the middle to at most ``limit`` characters."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text))
    line = " ".join(line.split())
    if len(line) <= limit:
        return line
    tail = (limit - 1) // 2
    return f"{line[: limit - 1 - tail]}…{line[len(line) - tail :]}"
