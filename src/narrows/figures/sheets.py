"""The contact sheet of a cluster: its most and its least typical images."""

from __future__ import annotations

from matplotlib.figure import Figure

from narrows.figures.images import GAP, LINE, Sheet, enlarge
from narrows.figures.style import MUTED
from narrows.files import Array


def contact_sheet(typical: Array, atypical: Array, columns: int = 12) -> Figure:
    """Draw two labelled strips: the images nearest to a cluster's centre, and those farthest from it.

    Parameters
    ----------
    typical, atypical : uint8 (n, C, H, W) or float (n, C, H, W) in [0, 1]; either may be empty, not both
    columns : images per line

    Raises
    ------
    InputError : something that is not images
    """
    strips = {"most typical": typical, "least typical": atypical}
    # An empty strip is left out; with both empty, the first one says what is wrong.
    drawn = {title: images for title, images in strips.items() if len(images)} or {"most typical": typical}
    sheet = Sheet()
    y = GAP
    for title, images in drawn.items():
        sheet.write(title, GAP, y, size=7.5, colour=MUTED)
        y = sheet.grid(enlarge(images, title), GAP, y + LINE + GAP // 2, columns) + 2 * GAP
    return sheet.draw()
