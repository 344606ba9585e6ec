"""How images are read: to which size and channels, and between which values; asked for, or as a model's own were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from narrows.data import scale
from narrows.data.scale import BYTES, SIXTEEN_BITS, UNIT, Range, Scale, White
from narrows.data.upright import Size

# How many pixels, of 4 bytes each, decoding a picture may hold at once: 200 MB unless told otherwise.
MOST_PIXELS = 50_000_000
MOST_MAX_PIXELS = 1_000_000_000

Fit = Literal["crop", "pad", "stretch"]
Channels = Literal["auto", 1, 3] | tuple[int, ...]  # a tuple: these of the file's own, by number from 0


class NeedsScale(Exception):
    """A file has more than 8 bits per value, and black and white were not set."""


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
    max_pixels : how many pixels, of 4 bytes each, decoding may hold at once
    """

    size: Size
    fit: Fit
    channels: Channels
    scale: Callable[[np.dtype], Scale]
    page: int = 0
    max_pixels: int = MOST_PIXELS


def of_format(dtype: np.dtype) -> Scale:
    """Return the scale that the type of the values stands for, where nothing else is known."""
    if dtype == np.uint8:
        return BYTES
    return UNIT if dtype.kind in "fb" else SIXTEEN_BITS


def scale_of(white: White, range_: Range, like: Mapping[str, Any] | None) -> Callable[[np.dtype], Scale] | None:
    """Return the scale of files for each type of values, where it can be said before any is read; None where not.

    Parameters
    ----------
    white, range_ : as set by a person. Bytes keep their own white where they cannot have the one that was set
    like : a model's ``preprocessing``, used where neither was set
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
        (height, width),
        preprocessing["fit"],
        tuple(channels) if isinstance(channels, list | tuple) else channels,
        partial(_of_model, preprocessing),
        0 if page == "all" else page,
        preprocessing.get("max_pixels", MOST_PIXELS),
    )


def page_of(name: str, preprocessing: Mapping[str, Any]) -> int:
    """Return the page of a row's file, given the row's id and how its data were opened."""
    page = preprocessing.get("page", 0)
    number = name.rpartition("#")[2]
    return page if page != "all" else int(number) if number.isdecimal() else 0
