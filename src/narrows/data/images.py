"""One file at a time: decoded safely, brought to 8 bits, to grey or colour, and to a size."""

from __future__ import annotations

import logging
import os
import stat
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from narrows.data import tiff, upright
from narrows.data.pixels import Image, is_grey, to_image, to_pixels
from narrows.data.reading import Channels, How, NeedsScale
from narrows.data.scale import BYTES, Scale
from narrows.data.sizes import draft_size, resize
from narrows.data.upright import Size
from narrows.files import Array

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM")
EXTENSIONS = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
        ".pbm", ".pnm",
    }
)  # fmt: skip
MOST_PIXELS = 50_000_000  # checked in the header, before anything is decoded

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


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image: pixels uint8 (1, H, W) when it is grey in content, else (3, H, W).

    ``native`` is the size it had in the file, upright; ``conversions`` says what else was changed.
    """

    pixels: Array
    native: Size
    conversions: tuple[str, ...]


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
                stored_image.draft(None, draft_size(stored_image.size, how.size, how.fit, turned=orientation >= 5))
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


def describe(conversions: Counter[str]) -> list[str]:
    """Return one sentence for each kind of conversion and how many images it touched."""
    sentences = [
        f"{count:,} {one if count == 1 else several}: {done}."
        for kind, (one, several, done) in CONVERSIONS.items() if (count := conversions[kind])
    ]  # fmt: skip
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

    mode = image.mode
    if mode in ("L", "RGB") and "transparency" not in image.info:
        return image, []
    if mode == "1":
        return image.convert("L"), []
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        if layered.getchannel("A").getextrema()[0] < 255:
            white = new("RGBA", layered.size, "white")
            return alpha_composite(white, layered).convert("RGB"), ["alpha"]
        return layered.convert("RGB"), []
    return image.convert("RGB"), [{"P": "palette", "CMYK": "cmyk"}.get(mode, "other")]
