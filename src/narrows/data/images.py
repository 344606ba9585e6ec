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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from narrows.data import scale, tiff, upright
from narrows.data.scale import BYTES, SIXTEEN_BITS, UNIT, Range, Scale, White
from narrows.data.upright import Size
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

Fit = Literal["crop", "pad", "stretch"]
Channels = Literal["auto", 1, 3] | tuple[int, ...]  # a tuple: these of the file's own, by number from 0
Image = Any  # PIL.Image.Image, which is imported only where a file is decoded

# One image, several images, and what was done with them.
CONVERSIONS = {
    "alpha": ("image with transparency", "images with transparency", "laid on white"),
    "palette": ("image with a palette", "images with a palette", "converted to red, green and blue"),
    "deep": ("image with 16 bits or more per pixel", "images with 16 bits or more per pixel", "scaled to 8 bits"),
    "cut": (
        "image in colour with 16 bits per channel",
        "images in colour with 16 bits per channel",
        "upper 8 bits read",
    ),
    "cmyk": ("CMYK image", "CMYK images", "converted to red, green and blue"),
    "other": ("image in another colour space", "images in another colour space", "converted to red, green and blue"),
    "frames": ("animated image", "animated images", "first frame used"),
    "GIF": ("animated GIF", "animated GIFs", "first frame used"),
    "pages": ("TIFF with several pages", "TIFFs with several pages", "first page used"),
    "turned": ("photo", "photos", "turned upright as the camera noted (EXIF)"),
}


class Unreadable(Exception):
    """A file that cannot be used. Its text is the reason, in plain words."""


class NeedsScale(Exception):
    """A file holds deeper values than bytes, and nobody has said which of them are black and white."""


@dataclass(frozen=True)
class How:
    """How images are read.

    Parameters
    ----------
    size : height and width
    fit : "crop" cuts the middle out at the target's aspect, "pad" adds black bars, "stretch" changes the aspect
    channels : 1 converts colour to grey (ITU-R 601), 3 repeats grey, "auto" gives 1 where red, green and blue are
        equal; a tuple takes these of the file's own channels, one or three
    scale : the value that becomes black and the one that becomes white, given the type in which a file holds them; it
        may raise ``NeedsScale``
    page : which picture of a file that holds several, from 0
    """

    size: Size
    fit: Fit
    channels: Channels
    scale: Callable[[np.dtype], Scale]
    page: int = 0


@dataclass(frozen=True, eq=False)
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


def of_format(dtype: np.dtype) -> Scale:
    """Return the scale that the type of the values stands for, where nothing else is known."""
    if dtype == np.uint8:
        return BYTES
    return UNIT if dtype.kind in "fb" else SIXTEEN_BITS


def scale_of(white: White, range_: Range, like: Mapping[str, Any] | None) -> Callable[[np.dtype], Scale] | None:
    """Return the scale of files for each type of values, where it can be said before any is read; None where not.

    Parameters
    ----------
    white, range_ : what a person asked for. Bytes keep their own white where the asked one is none of theirs
    like : a model's ``preprocessing``, which decides where nobody asked
    """
    asked = scale.asked(white, range_)
    if asked is not None:
        wanted = asked
        return lambda dtype: BYTES if dtype == np.uint8 and wanted.high > 255 else wanted
    return None if like is None else partial(_of_model, like)


def _of_model(like: Mapping[str, Any], dtype: np.dtype) -> Scale:
    """Return the scale of a model's files. What the model has seen may be arrays, whose white says little of files."""
    own = like.get("dtype")
    if dtype == np.uint8 or own == dtype.name or ("range" in like and own is None):
        return scale.of_model(dtype, like)
    kept = scale.of_preprocessing(like)
    # White at 1 or 100 is a scale of floats, and white at 4095 one of 16 bits; white at 255 is one of bytes. A range
    # that was measured on one type of values says nothing of another.
    its = "white" in like and (kept.high > 255 if dtype.kind in "ui" else kept != BYTES)
    return kept if its else of_format(dtype)


def how_of(preprocessing: Mapping[str, Any]) -> How:
    """Return how a model's images were read, given its ``preprocessing``; of files with several pages, the first."""
    height, width = preprocessing["size"]
    channels, page = preprocessing["channels"], preprocessing.get("page", 0)
    return How(
        (height, width), preprocessing["fit"], tuple(channels) if isinstance(channels, list | tuple) else channels,
        partial(_of_model, preprocessing), 0 if page == "all" else page,
    )  # fmt: skip


def page_of(name: str, preprocessing: Mapping[str, Any]) -> int:
    """Return the page of a row's file, given the row's id and how its data were opened."""
    page = preprocessing.get("page", 0)
    number = name.rpartition("#")[2]
    return page if page != "all" else int(number) if number.isdecimal() else 0


def measure(path: Path, page: int = 0) -> Size:
    """Return height and width of an upright image from its header.

    Raises
    ------
    Unreadable : with the reason
    """
    with _reasons(path), _regular(path) as file:
        if _is_tiff(file):
            stored = _of_tiff(path, page, planes=False)
            return upright.turned_size(stored.size, stored.orientation)
        with _opened(file, page) as image:
            return upright.size_of(image, upright.orientation(image))


def count(path: Path) -> int:
    """Return how many pictures a file holds: pages, or frames.

    Raises
    ------
    Unreadable : with the reason
    """
    with _reasons(path), _regular(path) as file:
        if _is_tiff(file):
            return tiff.count(path)
        with _opened(file, 0) as image:
            return int(getattr(image, "n_frames", 1))


def decode(path: Path, how: How) -> Picture:
    """Decode a file.

    Raises
    ------
    Unreadable : with the reason
    NeedsScale : from ``how.scale``
    """
    with _reasons(path):
        image, native, found = _loaded(path, how)
        if how.channels == 1:
            image = image.convert("L")
        pixels = to_pixels(resize(image, how.size, how.fit))  # (C, H, W)
    if how.channels == "auto" and is_grey(pixels):
        pixels = pixels[:1]
    elif how.channels == 3:
        pixels = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
    return Picture(pixels, native, tuple(found))


def deep_values(path: Path, channels: Channels, page: int) -> Array | None:
    """Return the values of an image as its file holds them, where they are deeper than bytes; None where they are not.

    Raises
    ------
    Unreadable : with the reason
    """
    values: list[Array] = []

    def keep(dtype: np.dtype) -> Scale:
        if dtype == np.uint8:
            return BYTES
        raise NeedsScale

    try:
        with _reasons(path):
            _loaded(path, How((1, 1), "stretch", channels, keep, page), values)
    except NeedsScale:
        return values[0]
    return None


def _loaded(path: Path, how: How, seen: list[Array] | None = None) -> tuple[Image, Size, list[str]]:
    """Return an upright image in mode L or RGB, its native size, and what was converted; deep values go to ``seen``."""
    page = how.page
    with _regular(path) as file:
        if _is_tiff(file):
            stored = _of_tiff(path, page)
            if stored.planes is not None:
                found = ["pages"] if page == 0 and stored.pictures > 1 else []
                found += ["deep"] if stored.planes.dtype != np.uint8 else []
                found += ["turned"] if stored.orientation > 1 else []
                planes = upright.turned_planes(_chosen(stored.planes, how.channels), stored.orientation)
                image = _as_image(planes, how, seen)
                return image, (planes.shape[1], planes.shape[2]), found
            page = stored.page
        with _opened(file, page) as stored_image:
            orientation = upright.orientation(stored_image)
            native = upright.size_of(stored_image, orientation)
            if stored_image.format in ("JPEG", "MPO"):
                # libjpeg decodes at 1/2, 1/4 or 1/8 for a fraction of the work; twice the target leaves room to smooth.
                stored_image.draft(None, _draft_size(stored_image.size, how.size, how.fit, turned=orientation >= 5))
            image, found = _to_grey_or_rgb(stored_image, how, seen)
            if orientation > 1:
                # Pillow turns a TIFF upright as it loads it.
                if stored_image.format != "TIFF":
                    image = upright.turned(image, orientation)
                found.append("turned")
            return image, native, found


def _of_tiff(path: Path, page: int, *, planes: bool = True) -> tiff.Stored:
    stored = tiff.read(path, page, MOST_PIXELS, planes=planes)
    if stored is None:
        raise Unreadable(_no_page(page, tiff.count(path)))
    return stored


def _chosen(planes: Array, channels: Channels) -> Array:
    """Return one or three of the planes (C, H, W) of a file."""
    n = len(planes)
    if isinstance(channels, tuple):
        if max(channels) >= n:
            raise Unreadable(
                f"it has {n} {'channel' if n == 1 else 'channels'}, and channel {max(channels)} was asked for"
            )
        return planes[list(channels)]
    if n not in (1, 3):
        raise Unreadable(f"it has {n} channels: say which, one or three, as in channels=[0]")
    return planes


def _as_image(planes: Array, how: How, seen: list[Array] | None) -> Image:
    """Return planes (C, H, W), one or three, as an image of 8 bits."""
    if planes.dtype.kind not in "buif":
        raise Unreadable(f"it holds {planes.dtype} values")
    if not np.isfinite(planes).all():
        raise Unreadable("it has pixels that are NaN or infinite")
    if planes.dtype == np.uint8 and how.scale(planes.dtype) == BYTES:
        return to_image(planes)
    if seen is not None:
        seen.append(planes)
    wanted = how.scale(planes.dtype)
    low, high = planes.min().item(), planes.max().item()
    if not wanted.holds(low, high, is_float=planes.dtype.kind == "f"):
        raise Unreadable(
            f"its values run from {low:g} to {high:g}, and {wanted.low:g} to {wanted.high:g} are read, unless white or "
            "range says otherwise"
        )
    return to_image(wanted.to_bytes(planes))


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
    if conversions["frames"] or conversions["GIF"] or conversions["pages"]:
        sentences.append('The others are read with page=NUMBER or page="all".')
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
def _reasons(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a file into a reason."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (Unreadable, NeedsScale):
        raise
    except tiff.Refused as error:
        raise Unreadable(str(error)) from error
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


@contextmanager
def _opened(file: IO[bytes], page: int) -> Iterator[Image]:
    """Open a file as an image of an allowed format, at one of its pages."""
    from PIL import Image

    file.seek(0)
    with Image.open(file, formats=FORMATS) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise Unreadable(_too_large(width * height))
        if page:
            frames = getattr(image, "n_frames", 1)
            if page >= frames:
                raise Unreadable(_no_page(page, frames))
            image.seek(page)
        yield image


def _no_page(page: int, pages: int) -> str:
    return f"it has {pages:,} {'page' if pages == 1 else 'pages'}, and page {page} was asked for (they count from 0)"


def _is_tiff(file: IO[bytes]) -> bool:
    return file.read(4) in tiff.MAGIC


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


def _draft_size(stored: tuple[int, int], size: Size, fit: Fit, *, turned: bool) -> tuple[int, int]:
    """Return the least (width, height) to decode at: twice what ``resize`` needs."""
    height, width = (size[1], size[0]) if turned else size
    across, down = 2 * width / stored[0], 2 * height / stored[1]
    if fit == "stretch":
        return 2 * width, 2 * height
    scale = max(across, down) if fit == "crop" else min(across, down)
    return math.ceil(stored[0] * scale), math.ceil(stored[1] * scale)


def _to_grey_or_rgb(image: Image, how: How, seen: list[Array] | None) -> tuple[Image, list[str]]:
    """Return the frame in mode L or RGB, scaled and with the channels asked for, and which conversions that took."""
    found = []
    if how.page == 0 and image.format in ("GIF", "WEBP", "PNG", "TIFF") and getattr(image, "is_animated", False):
        found.append({"GIF": "GIF", "TIFF": "pages"}.get(image.format, "frames"))
    if image.format == "PNG" and image.tile and str(image.tile[0][3]).split(";")[0] in ("RGB", "RGBA", "LA"):
        found += ["cut"] if ";16" in str(image.tile[0][3]) else []
    image.load()
    if image.mode == "F" or image.mode.startswith("I"):
        planes = _chosen(np.asarray(image)[None], how.channels)
        if image.mode == "I" and image.format in ("PNG", "PPM"):  # 16 bits that Pillow keeps in 32
            planes = planes.astype(np.uint16)
        return _as_image(planes, how, seen), [*found, "deep"]
    image, said = _of_8_bits(image)
    if isinstance(how.channels, tuple) or how.scale(np.dtype(np.uint8)) != BYTES:
        image = _as_image(_chosen(to_pixels(image), how.channels), how, seen)
    return image, found + said


def _of_8_bits(image: Image) -> tuple[Image, list[str]]:
    """Return a loaded image of at most 8 bits in mode L or RGB, and which conversions that took."""
    from PIL.Image import alpha_composite, new

    found: list[str] = []
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" not in image.info:
        return image, found
    if mode == "1":
        return image.convert("L"), found
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        if layered.getchannel("A").getextrema()[0] < 255:
            white = new("RGBA", layered.size, "white")
            return alpha_composite(white, layered).convert("RGB"), [*found, "alpha"]
        return layered.convert("RGB"), found
    found.append({"P": "palette", "CMYK": "cmyk"}.get(mode, "other"))
    return image.convert("RGB"), found


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
