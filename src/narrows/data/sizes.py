"""Which size images have, and how they are brought to another one.

Folders of pictures and arrays of pictures pass the same ``resize``, so that a model sees new data as it saw its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from narrows.data import tiff
from narrows.data.pixels import Image, to_image, to_pixels
from narrows.data.reading import MOST_MAX_PIXELS, Channels, Fit
from narrows.data.upright import Size
from narrows.disk.files import Array
from narrows.errors import DataError

AUTO_SIDE = 64
SMALLEST_SIDE = 8
MOST_SIZES = 3  # that a sentence names
REDUCING_GAP = 3.0
LANCZOS_SUPPORT = 3  # pixels of the target to either side that the filter weighs
BAND_PIXELS = 1 << 18


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

    def rows(top: int, bottom: int) -> Image:
        return image if bottom - top == image.height else image.crop((0, top, image.width, bottom))

    return shrink((image.height, image.width), rows, size, fit)


def shrink(native: Size, rows: Callable[[int, int], Image], size: Size, fit: Fit) -> Image:
    """Bring a picture to another size, a band of its rows at a time, so that no more of it need be there at once.

    The result has the bits of Pillow's ``resize`` of the whole (Lanczos, ``reducing_gap`` 3): first the mean of blocks
    of pixels, as large as leave three times the target; then the filter.

    Parameters
    ----------
    native : height and width of the picture
    rows : returns those from top to bottom, grey or RGB
    size, fit : as in ``How``
    """
    from PIL.Image import Resampling, new

    height, width = size
    if native == size:
        return _reduced(native, rows, (1, 1), (0, 0, native[1], native[0]))
    box: tuple[float, ...] = (0.0, 0.0, float(native[1]), float(native[0]))
    target = (width, height)
    fill = width / native[1], height / native[0]
    if fit == "crop":
        scale = max(fill)
        left, top = (native[1] - width / scale) / 2, (native[0] - height / scale) / 2
        box = (max(left, 0), max(top, 0), native[1] - max(left, 0), native[0] - max(top, 0))
    elif fit == "pad":
        scale = min(fill)
        target = (max(1, round(native[1] * scale)), max(1, round(native[0] * scale)))
    across, down = (int((box[i + 2] - box[i]) / target[i] / REDUCING_GAP) or 1 for i in (0, 1))
    whole, inner = (0, 0, native[1], native[0]), box
    if (across, down) != (1, 1):
        # As far around the box as the filter reaches.
        reach = [(LANCZOS_SUPPORT - 0.5) * (box[i + 2] - box[i]) / target[i] for i in (0, 1)]
        whole = (
            max(0, int(box[0] - reach[0])),
            max(0, int(box[1] - reach[1])),
            min(native[1], math.ceil(box[2] + reach[0])),
            min(native[0], math.ceil(box[3] + reach[1])),
        )
        inner = tuple((box[i] - whole[i % 2]) / (across, down)[i % 2] for i in range(4))
    image = _reduced(native, rows, (across, down), whole).resize(target, Resampling.LANCZOS, inner)
    if target == (width, height):
        return image
    framed = new(image.mode, (width, height))
    framed.paste(image, (round((width - target[0]) / 2), round((height - target[1]) / 2)))
    return framed


def _reduced(
    native: Size, rows: Callable[[int, int], Image], factors: tuple[int, int], box: tuple[int, int, int, int]
) -> Image:
    """Return the means of blocks of ``factors`` (across, down) pixels of what lies in ``box``, computed in bands."""
    from PIL.Image import new

    left, top, right, bottom = box
    down = factors[1]
    step = max(1, BAND_PIXELS // (native[1] * down)) * down
    if bottom - top <= step:
        image = rows(top, bottom)
        return (
            image
            if (factors, left, right) == ((1, 1), 0, native[1])
            else image.reduce(factors, (left, 0, right, bottom - top))
        )
    whole = None
    for start in range(top, bottom, step):
        end = min(start + step, bottom)
        band = rows(start, end).reduce(factors, (left, 0, right, end - start))
        whole = whole or new(band.mode, (band.width, -(-(bottom - top) // down)))
        whole.paste(band, (0, (start - top) // down))
    return whole


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
            raise DataError("channels", "must be one or three channel numbers, from 0", value=channels)
        channels = tuple(int(number) for number in channels)
    elif isinstance(channels, bool) or channels not in ("auto", 1, 3):
        raise DataError(
            "channels",
            'must be "auto", 1 (grey), 3 (colour), or a list of channel numbers, such as [0]',
            value=channels,
        )
    if fit not in ("crop", "pad", "stretch"):
        raise DataError("fit", "must be crop, pad or stretch", value=fit)
    return size, channels, fit


def check_max_pixels(value: Any) -> int:
    """Check what a person asked for, or a model's settings say.

    Raises
    ------
    DataError : anything else than a whole number from 1 to a thousand million
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= MOST_MAX_PIXELS:
        raise DataError("max_pixels", f"must be a whole number from 1 to {MOST_MAX_PIXELS:,}", value=value)
    return int(value)
