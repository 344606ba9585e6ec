"""Grids of images whose pixels stay crisp: every pixel is a square of a whole number of screen dots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures import DPI
from narrows.figures.style import INK, MUTED, breadth, short, style

# Lengths in device pixels, two to a CSS pixel.
EDGE = 112  # approximate length of a tile's longer side
GAP = 8
LINE = 26  # a line of small text
LETTER = 9.0  # its average width per letter
IN_LINE = 6  # images of a group
MORE = 180  # the room for "and 9,999 more"
GALLERY = 400  # the most tiles on a page that a person can look through
PAGE_DOTS = 1 << 23  # the most on a page in all: drawing takes over a hundred bytes for each
FRAME = round(255 * 0.85)  # a hairline, so that white pictures have an edge on white paper


def comparison(rows: Mapping[str, Array]) -> Figure:
    """Draw rows of images below each other, each with its title on the left.

    Parameters
    ----------
    rows : title -> images, uint8 (n, C, H, W) or float (n, C, H, W) in [0, 1]; column j shows the same image in
        every row

    Raises
    ------
    InputError : no rows, or values that are not images
    """
    tiles = {title: enlarge(images, title) for title, images in rows.items()}
    if not tiles:
        raise InputError("rows", "must contain at least one row of images", value="none")
    sheet = Sheet()
    left = round(max(breadth(title) for title in tiles) * LETTER * 1.25) + 4 * GAP
    y = GAP
    for title, row in tiles.items():
        sheet.write(title, GAP, y + row.shape[1] / 2, size=8, va="center")
        y = sheet.grid(row, left, y, columns=len(row)) + GAP
    return sheet.draw()


def gallery(images: Array, columns: int = 10, captions: Sequence[str] | None = None) -> Figure:
    """Draw images in reading order, each with a caption below it if given (a line break starts a second line).

    At most 400 images are drawn, or, if they are wider than 144 pixels, as many as fit on a page of 2^23 dots. They are
    evenly spaced among all images, and a line at the bottom says how many of how many are shown.

    Parameters
    ----------
    images : uint8 (n, C, H, W) or float (n, C, H, W) in [0, 1]
    columns : images per line
    captions : one for each image, or None

    Raises
    ------
    InputError : values that are not images, columns below 1, or a different number of captions
    """
    if columns < 1:
        raise InputError("columns", "must be >= 1", value=columns)
    images = np.asarray(images)
    _check_captions(captions, len(images))
    most = max(1, min(GALLERY, PAGE_DOTS // max(EDGE**2, math.prod(images.shape[-2:]))))
    shown = np.arange(len(images))
    if len(images) > most:
        shown = np.linspace(0, len(images) - 1, most).round().astype(np.int64)
        captions = [captions[int(i)] for i in shown] if captions is not None else None
    sheet = Sheet()
    bottom = sheet.grid(enlarge(images[shown], "images"), GAP, GAP, columns, captions)
    if len(shown) < len(images):
        sheet.write(f"{len(shown):,} of {len(images):,}", GAP, bottom + GAP, size=7.5, colour=MUTED)
        sheet.height += LINE + GAP
    return sheet.draw()


def groups(members: Sequence[Array], captions: Sequence[Sequence[str]], sizes: Sequence[int]) -> Figure:
    """Draw groups of images, such as copies of each other: a line for each group, its first image on the left.

    A line shows as many images as fit; if the group has more, it ends with, for example, "and 9 more".

    Parameters
    ----------
    members : the images of each group, uint8 (n, C, H, W) or float (n, C, H, W) in [0, 1], n >= 1
    captions : one for each image
    sizes : how many images each group has, including those that are not in ``members``

    Raises
    ------
    InputError : no groups, not images, or lengths that differ
    """
    if not members or not len(members) == len(captions) == len(sizes):
        raise InputError(
            "captions and sizes",
            f"must have one entry for each of the groups ({len(members)}, at least 1)",
            value=(len(captions), len(sizes)),
        )
    sheet = Sheet()
    y = GAP
    for images, texts, size in zip(members, captions, sizes, strict=True):
        _check_captions(texts, len(images))
        tiles = enlarge(images)[:IN_LINE]
        sheet.grid(tiles, GAP, y, IN_LINE, texts[:IN_LINE], gap=2 * GAP)
        height, width = tiles.shape[1:3]
        if size > len(tiles):
            right = GAP + len(tiles) * (width + 2 * GAP)
            sheet.write(f"and {size - len(tiles):,} more", right, y + height / 2, size=7.5, colour=MUTED, va="center")
            sheet.width = max(sheet.width, right + MORE)
        y = sheet.height + GAP
    return sheet.draw()


def enlarge(images: Array, name: str = "images") -> Array:
    """Return images as framed tiles for the screen, uint8 (n, k H + 2, k W + 2, 3), each pixel k x k dots.

    Floats are clipped to [0, 1], the range of a picture.
    """
    images = np.asarray(images)
    if images.ndim != 4 or len(images) == 0 or images.shape[1] not in (1, 3):
        raise InputError(name, "must be images (n, C, H, W) with n >= 1 and C 1 or 3", value=f"shape {images.shape}")
    if np.issubdtype(images.dtype, np.floating):
        if not np.isfinite(images).all():
            raise InputError(name, "must be finite", value="NaN or infinity")
        images = np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
    elif images.dtype != np.uint8:
        raise InputError(name, "must be uint8 or floats in [0, 1]", value=str(images.dtype))
    pixels = np.broadcast_to(images, (len(images), 3, *images.shape[2:])).transpose(0, 2, 3, 1)  # (n, H, W, 3)
    # Even, so that a screen with one dot per CSS pixel shows whole squares too.
    scale = max(1, 2 * round(EDGE / 2 / max(images.shape[2:])))
    large = pixels.repeat(scale, axis=1).repeat(scale, axis=2)
    return np.pad(large, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=FRAME)


class Sheet:
    """A page in device pixels, with its origin at the top left, that grows as content is added."""

    def __init__(self) -> None:
        self._tiles: list[tuple[int, int, Array]] = []
        self._texts: list[tuple[str, float, float, float, str, str, str]] = []
        self.width = self.height = 0

    def grid(
        self, tiles: Array, x: int, y: int, columns: int, captions: Sequence[str] | None = None, gap: int = GAP
    ) -> int:
        """Put tiles (n, h, w, 3) in lines of ``columns`` from (x, y); return where the last line ends."""
        height, width = int(tiles.shape[1]), int(tiles.shape[2])
        lines = max((str(caption).count("\n") + 1 for caption in captions), default=0) if captions else 0
        step = height + gap + lines * LINE
        for i, tile in enumerate(tiles):
            row, column = divmod(i, columns)
            left, top = x + column * (width + gap), y + row * step
            self._tiles.append((left, top, tile))
            if captions:
                for n, text in enumerate(str(captions[i]).split("\n")):
                    fits = short(text, max(5, int((width + gap) / LETTER)))
                    middle = top + height + (n + 0.55) * LINE
                    self.write(fits, left + width / 2, middle, size=6.5, colour=MUTED, ha="center", va="center")
        count = len(tiles)
        bottom = y + -(-count // columns) * step - gap
        self.width = max(self.width, x + min(columns, count) * (width + gap) - gap + GAP)
        self.height = max(self.height, bottom + GAP)
        return bottom

    def write(
        self, text: str, x: float, y: float, *, size: float, colour: str = INK, ha: str = "left", va: str = "top"
    ) -> None:
        """Put a line of text at (x, y)."""
        self._texts.append((text, x, y, size, colour, ha, va))

    def draw(self) -> Figure:
        """Return the page as a figure with the same size in dots at ``DPI``."""
        page = np.full((self.height, self.width, 3), 255, np.uint8)
        for x, y, tile in self._tiles:
            page[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        with style():
            figure = Figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI)
            ax = figure.add_axes((0, 0, 1, 1))
            ax.set_axis_off()
            ax.imshow(page, interpolation="nearest", aspect="auto", extent=(0, self.width, self.height, 0))
            for text, left, top, size, colour, ha, va in self._texts:
                ax.text(left, top, short(text, 60), fontsize=size, color=colour, ha=ha, va=va)
        return figure


def _check_captions(captions: Sequence[str] | None, count: int) -> None:
    if captions is not None and len(captions) != count:
        raise InputError("captions", f"must have one entry for each of the {count} images", value=len(captions))
