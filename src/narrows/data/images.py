"""One file at a time: decoded safely, brought to 8 bits, to grey or colour, and to a size."""

from __future__ import annotations

import errno
import io
import logging
import math
import os
import struct
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import IO, Any

import numpy as np

from narrows.data import jpeg, kinds, sizes, tiff, upright
from narrows.data.pixels import Image, is_grey, to_image, to_pixels
from narrows.data.reading import MOST_MAX_PIXELS, MOST_PIXELS, Channels, How, NeedsScale
from narrows.data.scale import BYTES, Census
from narrows.data.sizes import SMALLEST_SIDE, draft_size, shrink
from narrows.data.upright import Size
from narrows.disk import regular
from narrows.disk.files import Array
from narrows.errors import InputError

# What is read, and how many frames of four bytes a pixel its decoder holds at once.
FORMATS = {
    "PNG": 1.0,
    "JPEG": 1.0,
    "GIF": 1.0,
    "BMP": 1.0,
    "DIB": 1.0,
    "TIFF": 1.0,
    "WEBP": 4.0,
    "PPM": 1.0,
    "AVIF": 2.5,
    "HEIF": 2.0,
}
INSTALLED = {"AVIF": "an AVIF image", "HEIF": "a HEIC photo"}  # read only where something is installed for them
DRAWN = ("GIF", "PNG", "WEBP", "AVIF")  # animations, whose later frames are drawn over those before
LATER_FRAME = 3.5
READS = "PNG, JPEG, GIF, BMP, TIFF, WEBP, PPM, AVIF, HEIC"
EXTENSIONS = frozenset(
    {
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".avif",
        ".heic",
        ".heif",
        ".hif",
    }
)
LEAST_LINES = 0.5  # of a picture that is cut off: with fewer it is not read

# One image, several images, and what was done with them.
CONVERSIONS = {
    "alpha": ("image with transparency", "images with transparency", "put on a white background"),
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
    "turned": ("photo", "photos", "turned upright by their EXIF orientation"),
}


class Unreadable(Exception):
    """A file that cannot be used. Its text is the reason."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image: pixels uint8 (1, H, W) when it is grey in content, else (3, H, W).

    ``native`` is the size it had in the file, upright; ``conversions`` says what else was changed, and ``damage`` in
    words what is missing of it.
    """

    pixels: Array
    native: Size
    conversions: tuple[str, ...]
    damage: str = ""


def readable_formats() -> list[str]:
    """Return those of ``FORMATS`` that can be read with what is installed."""
    from PIL import Image

    Image.init()
    return [name for name in FORMATS if _opener(name)[0] is not None]


def measure(path: Path, page: int = 0, max_pixels: int = MOST_PIXELS) -> Size:
    """Return height and width of an upright image from its header.

    Raises
    ------
    Unreadable : with the reason
    """
    how = How((SMALLEST_SIDE, SMALLEST_SIDE), "stretch", "auto", lambda dtype: BYTES, page, max_pixels)
    with _reasons(path), _opened(path, how) as source:
        return source.native


def count(path: Path) -> int:
    """Return how many pictures a file holds: pages, or frames.

    Raises
    ------
    Unreadable : with the reason
    """
    with _reasons(path), _regular(path) as file:
        if _is_tiff(file):
            return tiff.count(path)
        with _identified(file) as image:
            return int(getattr(image, "n_frames", 1))


def decode(path: Path, how: How) -> Picture:
    """Decode a file.

    Raises
    ------
    Unreadable : with the reason
    NeedsScale : from ``how.scale``
    """
    with _reasons(path), _opened(path, how) as source:
        toned = _Toned(source, how)  # asks for the scale before anything is decoded
        with _ROOM.take(source.held):
            source.load()
            pixels = to_pixels(shrink(source.size, toned.rows, how.size, how.fit))  # (C, H, W)
        found = toned.checked()
    if how.channels == "auto" and is_grey(pixels):
        pixels = pixels[:1]
    elif how.channels == 3:
        pixels = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
    return Picture(pixels, source.native, found, source.damage)


def census(path: Path, how: How, pieces: int) -> Census | None:
    """Return what is to know of the values of a file that are deeper than bytes; None where they are not.

    Parameters
    ----------
    how : which page and channels; its size and scale are not looked at
    pieces : how many files share a sample

    Raises
    ------
    Unreadable : with the reason
    """
    with _reasons(path), _opened(path, how) as source:
        if source.dtype == np.uint8:
            return None
        height, width = source.size
        found = Census(source.dtype, pieces)
        step = max(1, sizes.BAND_PIXELS // width)
        with _ROOM.take(source.held):
            source.load()
            for top in range(0, height, step):
                planes = source.rows(top, min(top + step, height))
                _check_values(planes)
                for number, plane in enumerate(planes):
                    found.add(plane, (number * height + top) * width, len(planes) * height * width)
        return found


class Room:
    """Memory that all threads share: one waits while the others hold most of it.

    Parameters
    ----------
    pixels : how many of four bytes it has room for
    """

    def __init__(self, pixels: float) -> None:
        self._all = self._free = pixels
        self._changed = Condition()

    @contextmanager
    def take(self, pixels: float) -> Iterator[None]:
        """Reserve room for that many pixels of four bytes; a picture larger than all the room has it alone."""
        pixels = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


_ROOM = Room(4 * MOST_PIXELS)


@dataclass(eq=False)
class _Source:
    """A picture in an open file.

    ``size`` is that at which it is decoded, upright. ``rows`` returns those from top to bottom, once it is loaded: an
    image of at most 8 bits in any mode, or the planes asked for (C, H, W) of any ``dtype``.
    """

    size: Size
    native: Size
    dtype: np.dtype
    rows: Callable[[int, int], Any]
    found: list[str]  # names of ``CONVERSIONS``
    held: float  # pixels of four bytes that are in memory at once
    load: Callable[[], None] = lambda: None
    damage: str = ""


@contextmanager
def _opened(path: Path, how: How) -> Iterator[_Source]:
    """Open a picture, of which nothing is decoded yet, and refuse it where that would take too much memory."""
    with _regular(path) as file:
        if not _is_tiff(file):
            with _identified(file, how.page, how.max_pixels) as image:
                yield _of_image(image, file, how)
            return
        with tiff.opened(path, how.page) as stored:
            if stored is None:
                raise Unreadable(_no_page(how.page, tiff.count(path)))
            if stored.rows is not None:
                yield _of_planes(stored, stored.rows, how)
                return
        with _identified(file, stored.page, how.max_pixels) as image:
            yield _of_image(image, file, how)


def _of_planes(stored: tiff.Stored, stored_rows: Callable[[int, int], Array], how: How) -> _Source:
    height, width = stored.size
    turned = stored.orientation >= 5  # rows upright are columns of the file, so all must be there
    all_bytes = height * width * stored.channels * stored.dtype.itemsize
    held = _check_held(height * width, max(height * width, (all_bytes if turned else stored.held) / 4), how.max_pixels)
    native = upright.turned_size(stored.size, stored.orientation)
    every: list[Array] = []

    def rows(top: int, bottom: int) -> Array:
        left, first, right, last = upright.stored_box(native, stored.orientation, top, bottom)
        if turned:
            if not every:
                every.append(_chosen(stored_rows(0, height), how.channels))
            return upright.turned_planes(every[0][:, first:last, left:right], stored.orientation)
        return upright.turned_planes(_chosen(stored_rows(first, last), how.channels), stored.orientation)

    found = ["pages"] if how.page == 0 and stored.pictures > 1 else []
    found += ["deep"] if stored.dtype != np.uint8 else []
    found += ["turned"] if stored.orientation > 1 else []
    return _Source(native, native, stored.dtype, rows, found, held)


def _of_image(image: Image, file: io.BufferedReader, how: How) -> _Source:
    stored = image.width * image.height
    if not isinstance(file, jpeg.Padded):  # before notes are looked for, which may stand behind the pixels
        held = _check_held(stored, stored * _copies(image.format, how.page), how.max_pixels)
    orientation = upright.orientation(image)
    native = size = upright.size_of(image, orientation)
    if isinstance(file, jpeg.Padded):
        coefficients = jpeg.coefficients(image)
        # libjpeg decodes at 1/2, 1/4 or 1/8 for a fraction of the work; twice the target leaves room to smooth.
        image.draft(None, draft_size(image.size, how.size, how.fit, turned=orientation >= 5))
        held = _check_held(stored, image.width * image.height + coefficients, how.max_pixels)
        size = upright.turned_size((image.height, image.width), orientation)
    upright.forget(image)
    found = []
    if how.page == 0 and image.format in (*DRAWN, "TIFF") and getattr(image, "is_animated", False):
        found.append({"GIF": "GIF", "TIFF": "pages"}.get(image.format, "frames"))
    if image.format == "PNG" and image.tile and str(image.tile[0][3]).split(";")[0] in ("RGB", "RGBA", "LA"):
        found += ["cut"] if ";16" in str(image.tile[0][3]) else []
    deep = image.mode == "F" or image.mode.startswith("I")
    dtype: np.dtype = np.dtype(np.uint8)
    if deep:
        # 16 bits that Pillow keeps in 32
        in_16 = image.mode != "F" and (image.mode != "I" or image.format in ("PNG", "PPM"))
        dtype = np.dtype(np.uint16 if in_16 else np.int32 if image.mode == "I" else np.float32)
    found += ["deep"] if deep else []
    found += ["turned"] if orientation > 1 else []

    def rows(top: int, bottom: int) -> Any:
        if orientation == 1 and (top, bottom) == (0, size[0]):
            part = image
        else:
            part = upright.turned(image.crop(upright.stored_box(size, orientation, top, bottom)), orientation)
        return _chosen(np.asarray(part)[None].astype(dtype, copy=False), how.channels) if deep else part

    source = _Source(size, native, dtype, rows, found, held)

    def load() -> None:
        if not isinstance(file, jpeg.Padded):
            image.load()
            return
        place = file.tell()
        file.pads = True
        try:
            image.load()
        except OSError:
            if not file.padded:
                raise
            file.leave_out_last_segment()
            image.load()
        if file.padded or not jpeg.ends(file, place):
            source.damage = _damage(image)

    source.load = load
    return source


def _copies(name: str, page: int) -> float:
    """Return how many frames of a format its decoder holds at once."""
    drawn = page > 0 and name in DRAWN
    return max(FORMATS[name], LATER_FRAME) if drawn else FORMATS[name]


def _check_held(pixels: int, held: float, most: int) -> float:
    """Refuse a picture of which decoding would hold more pixels of four bytes than ``most``; else return how many."""
    if pixels == 0:
        raise Unreadable("it has no pixels")
    if held <= most:
        return held
    found = f"it has {pixels / 1e6:,.1f} megapixels"
    if held > pixels:
        found += f", and decoding it needs memory for {held / 1e6:,.1f}"
    remedy = f": max_pixels={math.ceil(held / 1e6)}_000_000 reads it" if held <= MOST_MAX_PIXELS else ""
    raise Unreadable(f"{found}, above the limit of {most / 1e6:g} megapixels{remedy}")


def _damage(image: Image) -> str:
    """Say how much there is of a loaded JPEG that was cut off.

    Raises
    ------
    Unreadable : too few of its lines
    """
    lines, height = jpeg.lines(image), image.height
    share = f"{100 * lines // height} % of its lines"
    if lines < LEAST_LINES * height:
        raise Unreadable(f"it is truncated after {share}, of which at least {100 * LEAST_LINES:g} % are needed")
    return "truncated, but with all of its lines" if lines == height else f"truncated after {share}; the rest is grey"


class _Toned:
    """A picture in 8 bits, grey or colour, band by band."""

    def __init__(self, source: _Source, how: How) -> None:
        self._source, self._channels = source, how.channels
        self._scale = how.scale(source.dtype)
        self._low, self._high = math.inf, -math.inf
        self._found: list[str] = []

    def rows(self, top: int, bottom: int) -> Image:
        """Return rows in mode L or RGB."""
        found = self._source.rows(top, bottom)
        if isinstance(found, np.ndarray):
            image = self._scaled(found)
        else:
            image, said = _of_8_bits(found)
            self._found += [one for one in said if one not in self._found]
            if isinstance(self._channels, tuple) or self._scale != BYTES:
                image = self._scaled(_chosen(to_pixels(image), self._channels))
        return image.convert("L") if self._channels == 1 else image

    def _scaled(self, planes: Array) -> Image:
        """Return planes (C, H, W), one or three, as an image of 8 bits."""
        _check_values(planes)
        if planes.dtype == np.uint8 and self._scale == BYTES:
            return to_image(planes)
        self._low, self._high = min(self._low, planes.min().item()), max(self._high, planes.max().item())
        return to_image(self._scale.to_bytes(planes))

    def checked(self) -> tuple[str, ...]:
        """Return which conversions it took, now that all rows were asked for.

        Raises
        ------
        Unreadable : values that are neither black nor white nor between them
        """
        low, high, scale = self._low, self._high, self._scale
        if low <= high and not scale.holds(low, high, is_float=self._source.dtype.kind == "f"):
            raise Unreadable(
                f"its values run from {low:g} to {high:g}, and {scale.low:g} to {scale.high:g} are read, unless white "
                "or range says otherwise"
            )
        turned = [one for one in self._source.found if one == "turned"]
        return (*(one for one in self._source.found if one != "turned"), *self._found, *turned)


def _check_values(planes: Array) -> None:
    if planes.dtype.kind not in "buif":
        raise Unreadable(f"it has {planes.dtype} values")
    if planes.dtype.kind == "f" and not np.isfinite(planes).all():
        raise Unreadable("it has pixels that are NaN or infinite")


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
        raise Unreadable(f"it has {n} channels: choose one or three, as in channels=[0]")
    return planes


def describe(conversions: Counter[str]) -> list[str]:
    """Return one sentence for each kind of conversion and how many images it touched."""
    sentences = [
        f"{count:,} {one if count == 1 else several}: {done}."
        for kind, (one, several, done) in CONVERSIONS.items()
        if (count := conversions[kind])
    ]
    if conversions["frames"] or conversions["GIF"] or conversions["pages"]:
        sentences.append('The others are read with page=NUMBER or page="all".')
    return sentences


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what reads files: what it says about one is either harmless or listed as its reason."""
    from PIL import Image

    Image.init()  # once, before threads ask for it
    logs = [logging.getLogger(name) for name in ("PIL", "tifffile")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


@contextmanager
def _reasons(path: Path) -> Iterator[None]:
    """Turn any error in reading a file into a reason."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (Unreadable, NeedsScale):
        raise
    except tiff.Refused as error:
        raise Unreadable(str(error)) from error
    except UnidentifiedImageError as error:
        known = kinds.of_file(path)
        raise Unreadable(known or f"its content is not an image that can be read ({READS})") from error
    except Image.DecompressionBombError as error:
        raise Unreadable("it has more pixels than Pillow reads of this format") from error
    except PermissionError as error:
        raise Unreadable("no permission to read it") from error
    except FileNotFoundError as error:
        raise Unreadable(
            "it is a link to a file that does not exist" if path.is_symlink() else "it no longer exists"
        ) from error
    except MemoryError as error:
        raise Unreadable("not enough memory to decode it") from error
    except Exception as error:  # a damaged file makes decoders fail in every way there is
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise Unreadable("it is a link that leads back to itself") from error
        text = str(error).strip() or type(error).__name__
        short = "truncated" in text or isinstance(error, EOFError)
        reason = "it is truncated: the file ends before the image does" if short else f"damaged: {text}"
        raise Unreadable(reason) from error


def _regular(path: Path) -> io.BufferedReader:
    """Open a file that is a file: reading a pipe or a device would wait for ever."""
    try:
        content = regular.opened(path).detach()
    except InputError as error:
        raise Unreadable("it is not a regular file") from error
    if os.fstat(content.fileno()).st_size == 0:
        content.close()
        raise Unreadable("the file is empty (0 bytes)")
    is_jpeg = content.read(len(jpeg.START)) == jpeg.START
    content.seek(0)
    return (jpeg.Padded if is_jpeg else io.BufferedReader)(content)


@contextmanager
def _identified(file: IO[bytes], page: int = 0, max_pixels: int = MOST_PIXELS) -> Iterator[Image]:
    """Open a file as an image of a format that is read, at one of its pages.

    Pillow's own ``open`` has a limit of its own on pixels, which is one for the whole process.
    """
    from PIL import Image, UnidentifiedImageError

    Image.init()
    file.seek(0)
    head = file.read(16)
    known = ""
    for name in FORMATS:
        factory, accepts = _opener(name)
        try:
            accepted = factory is not None and (accepts is None or accepts(head))
            if not accepted or isinstance(accepted, str):  # text says what this Pillow was built without
                continue
            known = name
            file.seek(0)
            image = factory(file, "")
        except (SyntaxError, IndexError, TypeError, KeyError, struct.error):
            continue
        with image:
            if page:
                frames = getattr(image, "n_frames", 1)
                if page >= frames:
                    raise Unreadable(_no_page(page, frames))
                if name in DRAWN:  # at once
                    stored = image.width * image.height
                    _check_held(stored, stored * _copies(name, page), max_pixels)
                image.seek(page)
            yield image
        return
    if known in INSTALLED:  # or it would be said that they are not
        raise Unreadable(f"damaged: it begins like {INSTALLED[known]}")
    raise UnidentifiedImageError


def _opener(name: str) -> tuple[Any, Any]:
    """Return what opens a format, and what tells it by its first bytes; None where nothing installed does."""
    from PIL import Image

    if name != "HEIF":
        opener: tuple[Any, Any] = Image.OPEN.get(name, (None, None))
        return opener
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        return None, None
    return HeifImageFile, kinds.is_heif


def _no_page(page: int, pages: int) -> str:
    return f"it has {pages:,} {'page' if pages == 1 else 'pages'}, and page {page} was asked for (they count from 0)"


def _is_tiff(file: IO[bytes]) -> bool:
    return file.read(4) in tiff.MAGIC


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
