"""One image at a time: decoded safely, brought to 8 bits, to grey or colour, and to a size.

Folders of pictures and arrays of pictures pass the same ``resize``, so that a model sees new data as it saw its own.
"""

from __future__ import annotations

import logging
import math
import os
import stat
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from narrows.data.arrays import OVERSHOOT
from narrows.errors import DataError
from narrows.files import Array

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM")
EXTENSIONS = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
        ".pbm", ".pnm",
    }
)  # fmt: skip
MOST_PIXELS = 50_000_000  # checked in the header, before anything is decoded
AUTO_SIDE = 64
SMALLEST_SIDE = 8
MOST_SIZES = 3  # that a sentence names

Size = tuple[int, int]  # height, width
Fit = Literal["crop", "pad", "stretch"]
Image = Any  # PIL.Image.Image, which is imported only where a file is decoded

# EXIF orientation -> the member of PIL.Image.Transpose that undoes it (FLIP_LEFT_RIGHT is 0, ROTATE_90 is 2, ...).
UPRIGHT = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}

# One image, several images, and what was done with them.
CONVERSIONS = {
    "alpha": ("image with transparency", "images with transparency", "laid on white"),
    "palette": ("image with a palette", "images with a palette", "converted to red, green and blue"),
    "deep": ("image with 16 bits or more per pixel", "images with 16 bits or more per pixel", "scaled to 8 bits"),
    "cmyk": ("CMYK image", "CMYK images", "converted to red, green and blue"),
    "other": ("image in another colour space", "images in another colour space", "converted to red, green and blue"),
    "frames": ("animated image", "animated images", "first frame used"),
    "GIF": ("animated GIF", "animated GIFs", "first frame used"),
    "pages": ("TIFF with several pages", "TIFFs with several pages", "first page used"),
    "turned": ("photo", "photos", "turned upright as the camera noted (EXIF)"),
}


class Unreadable(Exception):
    """A file that cannot be used. Its text is the reason, in plain words."""


@dataclass(frozen=True)
class Picture:
    """A decoded image: pixels uint8 (1, H, W) when it is grey in content, else (3, H, W).

    ``native`` is the size it had in the file, upright; ``conversions`` says what else was changed.
    """

    pixels: Array
    native: Size
    conversions: tuple[str, ...]


def auto_size(sizes: set[Size]) -> Size:
    """Return the size that fits images of these sizes: their own where all have one, at most 64 on the longer side.

    Images of different sizes are brought to 64x64; images of one larger size keep their aspect. No side is below 8.
    """
    if len(sizes) != 1:
        return AUTO_SIDE, AUTO_SIDE
    ((height, width),) = sizes
    scale = min(1.0, AUTO_SIDE / max(height, width))
    return max(SMALLEST_SIDE, round(height * scale)), max(SMALLEST_SIDE, round(width * scale))


def measure(path: Path) -> Size:
    """Return height and width of an upright image from its header.

    Raises
    ------
    Unreadable : with the reason
    """
    with _opened(path) as image:
        turned = _orientation(image) >= 5 and image.format in ("JPEG", "MPO", "WEBP")
        width, height = image.size
        return (width, height) if turned else (height, width)


def decode(path: Path, size: Size, fit: Fit, channels: Literal["auto", 1, 3] = "auto") -> Picture:
    """Decode a file to ``size``.

    Parameters
    ----------
    path : of the file
    size : height and width
    fit : "crop" cuts the middle out at the target's aspect, "pad" adds black bars, "stretch" changes the aspect
    channels : 1 converts colour to grey (ITU-R 601), 3 repeats grey, "auto" gives 1 where red, green and blue are equal

    Raises
    ------
    Unreadable : with the reason
    """
    with _opened(path) as stored:
        width, height = stored.size
        if stored.format in ("JPEG", "MPO"):
            # libjpeg decodes at 1/2, 1/4 or 1/8 for a fraction of the work; twice the target leaves room to smooth.
            stored.draft(None, _draft_size(stored.size, size, fit, turned=_orientation(stored) >= 5))
        image, found = _to_grey_or_rgb(stored)
        # Asked for once the pixels are there: loading turns a TIFF upright, and finds a PNG's orientation behind them.
        orientation = _orientation(stored)
        if orientation > 1:
            image = image.transpose(UPRIGHT[orientation])
            found.append("turned")
            width, height = (height, width) if orientation >= 5 else (width, height)
        if channels == 1:
            image = image.convert("L")
        pixels = to_pixels(resize(image, size, fit))  # (C, H, W)
    if channels == "auto" and is_grey(pixels):
        pixels = pixels[:1]
    elif channels == 3:
        pixels = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
    return Picture(pixels, (height, width), tuple(found))


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


def to_pixels(image: Image) -> Array:
    """Return a grey or RGB image as uint8 (C, H, W)."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def to_image(pixels: Array) -> Image:
    """Return pixels uint8 (C, H, W) as a grey or RGB image."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)))


def is_grey(pixels: Array) -> bool:
    """Whether images (..., C, H, W) are grey in content: red, green and blue are equal everywhere."""
    if pixels.shape[-3] == 1:
        return True
    red, green, blue = (pixels[..., channel, :, :] for channel in range(3))
    return bool((red == green).all() and (red == blue).all())


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
    from PIL.Image import fromarray

    converted = np.empty((len(values), channels, *size), dtype=np.uint8)
    for row, pixels in enumerate(values):
        image = fromarray(np.ascontiguousarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)))
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


def describe(conversions: Counter[str]) -> list[str]:
    """Return one sentence for each kind of conversion and how many images it touched."""
    sentences = []
    for kind, (one, several, done) in CONVERSIONS.items():
        if count := conversions[kind]:
            sentences.append(f"{count:,} {one if count == 1 else several}: {done}.")
    return sentences


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings: what they say about a file is either harmless or listed as its reason."""
    from PIL import Image

    Image.init()  # once, before threads ask for it
    log = logging.getLogger("PIL")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        log.setLevel(level)


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Open a file as an image of an allowed format, and turn whatever goes wrong into a reason."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _regular(path) as file, Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise Unreadable(_too_large(width * height))
            yield image
    except Unreadable:
        raise
    except Image.DecompressionBombError as error:
        raise Unreadable(_too_large(None)) from error
    except UnidentifiedImageError as error:
        raise Unreadable(f"its content is no image of a kind that is read ({', '.join(FORMATS)})") from error
    except PermissionError as error:
        raise Unreadable("no permission to read it") from error
    except FileNotFoundError as error:
        raise Unreadable("it is a link to a file that does not exist" if path.is_symlink() else "it is gone") from error
    except MemoryError as error:
        raise Unreadable("not enough memory to decode it") from error
    except Exception as error:  # a damaged file makes decoders fail in every way there is
        text = str(error).strip() or type(error).__name__
        short = "truncated" in text or isinstance(error, EOFError)
        reason = "it is cut off: the file ends before the image does" if short else f"damaged: {text}"
        raise Unreadable(reason) from error


def _regular(path: Path) -> IO[bytes]:
    """Open a file that is a file: reading a pipe or a device would wait for ever."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("it is not a regular file")
    if status.st_size == 0:
        raise Unreadable("the file is empty (0 bytes)")
    return open(path, "rb")


def _too_large(pixels: int | None) -> str:
    found = f"it has {pixels / 1e6:,.1f} megapixels" if pixels else "it has far too many pixels"
    return f"{found}, above the limit of {MOST_PIXELS // 1_000_000} megapixels"


def _orientation(image: Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; from 5 on, height and width change places."""
    # A PNG keeps it behind the pixels, which asking for it would decode.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # damaged notes do not make a damaged image
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _draft_size(stored: tuple[int, int], size: Size, fit: Fit, *, turned: bool) -> tuple[int, int]:
    """Return the least (width, height) to decode at: twice what ``resize`` needs."""
    height, width = (size[1], size[0]) if turned else size
    across, down = 2 * width / stored[0], 2 * height / stored[1]
    if fit == "stretch":
        return 2 * width, 2 * height
    scale = max(across, down) if fit == "crop" else min(across, down)
    return math.ceil(stored[0] * scale), math.ceil(stored[1] * scale)


def _to_grey_or_rgb(image: Image) -> tuple[Image, list[str]]:
    """Return the first frame in mode L or RGB, and which conversions that took."""
    from PIL.Image import alpha_composite, fromarray, new

    found = []
    if image.format in ("GIF", "WEBP", "PNG", "TIFF") and getattr(image, "is_animated", False):
        found.append({"GIF": "GIF", "TIFF": "pages"}.get(image.format, "frames"))
    image.load()
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" not in image.info:
        return image, found
    if mode == "1":
        return image.convert("L"), found
    if mode == "F" or mode.startswith("I"):
        return fromarray(_to_8_bits(np.asarray(image), 1 if mode == "F" else 65535)), [*found, "deep"]
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        if layered.getchannel("A").getextrema()[0] < 255:
            white = new("RGBA", layered.size, "white")
            return alpha_composite(white, layered).convert("RGB"), [*found, "alpha"]
        return layered.convert("RGB"), found
    found.append({"P": "palette", "CMYK": "cmyk"}.get(mode, "other"))
    return image.convert("RGB"), found


def _to_8_bits(array: Array, white: int) -> Array:
    """Scale a grey image (H, W) of deeper values to uint8.

    ``white`` goes by the mode of the file, never by its largest value: a dark picture must stay dark among its like.
    """
    if not np.isfinite(array).all():
        raise Unreadable("it has pixels that are NaN or infinite")
    low, high = array.min().item(), array.max().item()
    overshoot = OVERSHOOT if array.dtype.kind == "f" else 0
    if low < -overshoot or high > white + overshoot:
        raise Unreadable(f"its values run from {low:g} to {high:g}; in files of this kind only 0..{white} is read")
    return np.rint(array * (255 / white)).clip(0, 255).astype(np.uint8)


def check_geometry(size: Any, channels: Any, fit: Any) -> tuple[Size | Literal["auto"], Literal["auto", 1, 3], Fit]:
    """Check what a person asked for, and return the size as height and width.

    Raises
    ------
    DataError : anything else than "auto", a side, or two; 1 or 3 channels; crop, pad or stretch
    """
    if isinstance(size, int | np.integer) and not isinstance(size, bool):
        size = (size, size)
    if size != "auto":
        sides = tuple(size) if isinstance(size, list | tuple) else ()
        whole = all(isinstance(side, int | np.integer) and 1 <= side <= 4096 for side in sides)
        if len(sides) != 2 or not whole:
            raise DataError("size", 'must be "auto", one side or (height, width), each from 1 to 4096', value=size)
        size = (int(sides[0]), int(sides[1]))
    if channels not in ("auto", 1, 3):
        raise DataError("channels", 'must be "auto", 1 (grey) or 3 (colour)', value=channels)
    if fit not in ("crop", "pad", "stretch"):
        raise DataError("fit", "must be crop, pad or stretch", value=fit)
    return size, channels, fit
