"""Which size images have, and how they are brought to another one.

Folders of pictures and arrays of pictures pass the same ``resize``, so that a model sees new data as it saw its own.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Literal

import numpy as np

from narrows.data import tiff
from narrows.data.pixels import Image, to_image, to_pixels
from narrows.data.reading import Channels, Fit
from narrows.data.upright import Size
from narrows.errors import DataError
from narrows.files import Array

AUTO_SIDE = 64
SMALLEST_SIDE = 8
MOST_SIZES = 3  # that a sentence names


def auto_size(sizes: set[Size]) -> Size:
    """Return the size that fits images of these sizes: their own where all have one, at most 64 on the longer side.

    Images of different sizes are brought to 64x64; images of one larger size keep their aspect. No side is below 8.
    """
    if len(sizes) != 1:
        return AUTO_SIDE, AUTO_SIDE
    ((height, width),) = sizes
    scale = min(1.0, AUTO_SIDE / max(height, width))
    return max(SMALLEST_SIDE, round(height * scale)), max(SMALLEST_SIDE, round(width * scale))


def resize(image: Image, size: Size, fit: Fit) -> Image:
    """Bring a grey or RGB image to height and width; pixels are untouched where it has that size already."""
    from PIL.Image import Resampling, new

    height, width = size
    if image.size == (width, height):
        return image
    method = {"resample": Resampling.LANCZOS, "reducing_gap": 3.0}
    if fit == "stretch":
        return image.resize((width, height), **method)
    across, down = width / image.width, height / image.height
    if fit == "crop":
        scale = max(across, down)
        left, top = (image.width - width / scale) / 2, (image.height - height / scale) / 2
        box = (max(left, 0), max(top, 0), image.width - max(left, 0), image.height - max(top, 0))
        return image.resize((width, height), box=box, **method)
    scale = min(across, down)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    framed = new(image.mode, (width, height))
    framed.paste(image.resize(inner, **method), (round((width - inner[0]) / 2), round((height - inner[1]) / 2)))
    return framed


def draft_size(stored: tuple[int, int], size: Size, fit: Fit, *, turned: bool) -> tuple[int, int]:
    """Return the least (width, height) to decode at: twice what ``resize`` needs."""
    height, width = (size[1], size[0]) if turned else size
    across, down = 2 * width / stored[0], 2 * height / stored[1]
    if fit == "stretch":
        return 2 * width, 2 * height
    scale = max(across, down) if fit == "crop" else min(across, down)
    return math.ceil(stored[0] * scale), math.ceil(stored[1] * scale)


def convert(values: Array, size: Size, channels: int, fit: Fit) -> Array:
    """Bring images uint8 (N, C, H, W) to another size and number of channels, exactly as ``decode`` does.

    Returns
    -------
    uint8 (N, channels, *size); ``values`` itself where nothing changes
    """
    if values.shape[1:] == (channels, *size):
        return values
    if values.shape[2:] == size and values.shape[1] == 1:
        return np.repeat(values, channels, axis=1)
    converted = np.empty((len(values), channels, *size), dtype=np.uint8)
    for row, pixels in enumerate(values):
        image = to_image(pixels)
        if channels == 1:
            image = image.convert("L")
        converted[row] = to_pixels(resize(image, size, fit))  # grey spreads over the channels
    return converted


def about_size(sizes: Counter[Size], size: Size, fit: Fit) -> list[str]:
    """Return a sentence about the images that had another size than ``size``, if any: how many of which sizes.

    Parameters
    ----------
    sizes : how many images had which size
    size : that all of them have now
    fit : how they took on its aspect, where theirs was another
    """
    others = Counter({native: count for native, count in sizes.items() if native != size})
    if not others:
        return []
    n, most = others.total(), others.most_common(MOST_SIZES)
    named = ", ".join(f"{count:,} of {height}x{width}" for (height, width), count in most)
    rest = n - sum(count for _, count in most)
    named += f", {rest:,} of other sizes" if rest else ""
    # Half a pixel of the target is rounding and no other aspect.
    distorted = any(2 * abs(height * size[1] - width * size[0]) > max(height, width) for height, width in others)
    how = {"crop": "the middle cut out", "pad": "with black bars", "stretch": "aspect changed"}[fit]
    fate = f"brought to {size[0]}x{size[1]}" + (f" ({how})" if distorted else "")
    which = f"{n:,} of {sizes.total():,} images" if n < sizes.total() else f"All {n:,} images" if n > 1 else "The image"
    return [f"{which} {'was' if n == 1 else 'were'} {fate}: {named}."]


def check_geometry(size: Any, channels: Any, fit: Any) -> tuple[Size | Literal["auto"], Channels, Fit]:
    """Check what a person asked for, and return the size as height and width.

    Raises
    ------
    DataError : anything else than "auto", a side, or two; 1 or 3 channels, or the numbers of one or three; crop, pad or
        stretch
    """
    if isinstance(size, int | np.integer) and not isinstance(size, bool):
        size = (size, size)
    if size != "auto":
        sides = tuple(size) if isinstance(size, list | tuple) else ()
        whole = all(isinstance(side, int | np.integer) and 1 <= side <= 4096 for side in sides)
        if len(sides) != 2 or not whole:
            raise DataError("size", 'must be "auto", one side or (height, width), each from 1 to 4096', value=size)
        size = (int(sides[0]), int(sides[1]))
    if isinstance(channels, list | tuple):
        whole = all(isinstance(number, int | np.integer) and not isinstance(number, bool) for number in channels)
        if len(channels) not in (1, 3) or not whole or not all(0 <= number < tiff.MOST_CHANNELS for number in channels):
            raise DataError(
                "channels", "must name one or three of a file's channels by their numbers from 0", value=channels
            )
        channels = tuple(int(number) for number in channels)
    elif isinstance(channels, bool) or channels not in ("auto", 1, 3):
        raise DataError(
            "channels", 'must be "auto", 1 (grey), 3 (colour), or a list of a file\'s own channels, such as [0]',
            value=channels,
        )  # fmt: skip
    if fit not in ("crop", "pad", "stretch"):
        raise DataError("fit", "must be crop, pad or stretch", value=fit)
    return size, channels, fit
