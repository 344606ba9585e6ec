"""Which way up an image stands: the orientation that a camera noted, wherever a file keeps it.

The one place that knows it, for reading, measuring, thumbnails, the explorer and whole pictures.
"""

from __future__ import annotations

import os
from typing import IO, Any

import numpy as np

from narrows.data.tiff import ORIENTATION
from narrows.disk.files import Array

Size = tuple[int, int]  # height, width
Image = Any  # PIL.Image.Image, which is imported only where a file is decoded

# EXIF orientation -> the member of PIL.Image.Transpose that undoes it (FLIP_LEFT_RIGHT is 0, ROTATE_90 is 2, ...).
TRANSPOSED = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
NOTES = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}  # of a PNG, as Pillow calls them


def orientation(image: Image) -> int:
    """Return the orientation that the camera noted, 1 (upright) to 8; from 5 on, height and width change places.

    Of EXIF, or XMP, or the tag of a TIFF. Ask once, before the pixels are loaded, which makes a TIFF forget.
    """
    try:
        if image.format == "PNG" and "exif" not in image.info and _has_notes_behind_pixels(image.fp):
            image.load()
        value = image.getexif().get(ORIENTATION, 1) if _may_be_turned(image) else 1
    except Exception:  # damaged notes do not make a damaged image
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turned_size(size: Size, orientation: int) -> Size:
    """Return height and width once an orientation is undone."""
    return (size[1], size[0]) if orientation >= 5 else size


def forget(image: Image) -> None:
    """Keep Pillow from turning a TIFF itself as it loads it, which takes its memory twice."""
    if image.format == "TIFF":
        notes = image.getexif()
        while ORIENTATION in notes:
            del notes[ORIENTATION]


def size_of(image: Image, orientation: int) -> Size:
    """Return height and width of an image once it stands upright."""
    width, height = image.size
    if image.format == "TIFF":  # some versions of Pillow have turned its size already, others have not
        width, height = image.tag_v2[256], image.tag_v2[257]
    return turned_size((height, width), orientation)


def stored_box(size: Size, orientation: int, top: int, bottom: int) -> tuple[int, int, int, int]:
    """Return where the rows ``top`` to ``bottom`` of an upright image of ``size`` lie in the file, as Pillow's box."""
    height, width = size
    if orientation in (3, 4, 7, 8):  # counted from the other end
        top, bottom = height - bottom, height - top
    return (top, 0, bottom, width) if orientation >= 5 else (0, top, width, bottom)


def turned(image: Image, orientation: int) -> Image:
    """Undo an orientation of a loaded image."""
    return image if orientation == 1 else image.transpose(TRANSPOSED[orientation])


def turned_planes(planes: Array, orientation: int) -> Array:
    """Undo an orientation of planes (C, H, W), as ``turned`` does of images."""
    undone = {
        1: lambda x: x,
        2: lambda x: x[:, :, ::-1],
        3: lambda x: x[:, ::-1, ::-1],
        4: lambda x: x[:, ::-1],
        5: lambda x: x.transpose(0, 2, 1),
        6: lambda x: x.transpose(0, 2, 1)[:, :, ::-1],
        7: lambda x: x[:, ::-1, ::-1].transpose(0, 2, 1),
        8: lambda x: x.transpose(0, 2, 1)[:, ::-1],
    }
    return np.ascontiguousarray(undone[orientation](planes))


def _may_be_turned(image: Image) -> bool:
    # Pillow loads a PNG's pixels to look for notes behind them; whether there are any has been found out without.
    return image.format != "PNG" or bool(NOTES & image.info.keys())


def _has_notes_behind_pixels(file: IO[bytes]) -> bool:
    """Whether a PNG has chunks of notes behind its pixels, found by the lengths of its chunks alone."""
    place = file.tell()
    try:
        file.seek(8)
        behind = False
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            behind = behind or kind == b"IDAT"
            if behind and kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
                return True
            if kind == b"IEND" or length >= 1 << 31:
                break
            file.seek(length + 4, os.SEEK_CUR)
        return False
    finally:
        file.seek(place)
