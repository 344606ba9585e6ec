"""Which values of images become black and which white, where they are not bytes.

It is decided once, over everything that is opened together, and kept with the model: one image alone has the same
pixels as among others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np

from narrows.disk.files import Array
from narrows.errors import DataError

White = float | Literal["auto"]
Range = tuple[float, float] | Literal["auto"]

OVERSHOOT = 1e-3  # that rounding and interpolation may leave beyond black and white of floats; it is clipped
OUTLIERS = 0.1  # per cent of the values at either end that may stretch the range by no more than STRETCH
STRETCH = 1.25
SAMPLE = 4_000_000  # values at most from which the percentiles are taken


#: What of a model's ``preprocessing`` says which values are black and white.
KEPT = ("white", "range", "dtype")


class Scale(NamedTuple):
    """Values from ``low`` (black) to ``high`` (white).

    What lies beyond is made black or white where ``clips``; otherwise such images are refused.
    """

    low: float
    high: float
    clips: bool = False

    def holds(self, low: float, high: float, *, is_float: bool) -> bool:
        """Whether values from ``low`` to ``high`` lie within, but for what rounding leaves."""
        overshoot = OVERSHOOT if is_float else 0
        return self.clips or (low >= self.low - overshoot and high <= self.high + overshoot)

    def to_bytes(self, values: Array) -> Array:
        """Return values of any kind as uint8."""
        if values.dtype.kind in "ui" and values.dtype.itemsize == 2 and values.size > 1 << 16:
            return _table(self, values.dtype)[values.view(np.uint16)]
        if (self.low, self.high) == (0, 255):
            return np.asarray(np.rint(values).clip(0, 255), dtype=np.uint8)
        # Deep whole numbers are exact in float64 alone, where their difference from black is taken.
        wide = values if values.dtype.kind == "f" and values.dtype.itemsize <= 4 else values.astype(np.float64)
        scaled = (wide - self.low) * (255 / (self.high - self.low)) if self.low else wide * (255 / self.high)
        return np.asarray(np.rint(scaled).clip(0, 255), dtype=np.uint8)

    def as_options(self) -> dict[str, Any]:
        """Return what ``narrows.open`` is given to scale so again."""
        return {"range": [_plain(self.low), _plain(self.high)]} if self.clips else {"white": _plain(self.high)}


@cache
def _table(scale: Scale, dtype: np.dtype) -> Array:
    """Return the bytes of all 65,536 values that 16 bits can have."""
    return scale.to_bytes(np.arange(1 << 16, dtype=np.uint16).view(dtype))


BYTES = Scale(0, 255)
SIXTEEN_BITS = Scale(0, 65535)
UNIT = Scale(0, 1)


class Eye(NamedTuple):
    """What is shown of a set of images: bytes from ``low`` (black) to ``high`` (white).

    Pictures are stretched for the eye where a set is dark or flat throughout; a network gets the values as they are.
    """

    low: int
    high: int

    @classmethod
    def of(cls, values: Array) -> Eye:
        """Return what shows images uint8 (N, ...) best: as they are, unless they fill less than half of the range."""
        each = max(1, values[:1].size)
        some = values[:: max(1, len(values) * each // SAMPLE)]
        low, high = np.percentile(some, [OUTLIERS, 100 - OUTLIERS]).astype(int).tolist()
        return cls(0, 255) if not 0 < high - low < 128 else cls(low, high)

    def see(self, images: Array) -> Array:
        """Return images, uint8 or floating-point in [0, 1], as they are shown."""
        if (self.low, self.high) == (0, 255):
            return images
        unit = 1.0 if images.dtype == np.uint8 else 255.0
        shown = (images.astype(np.float32) * unit - self.low).clip(0, self.high - self.low) / (self.high - self.low)
        return np.rint(255 * shown).astype(np.uint8) if images.dtype == np.uint8 else shown.astype(images.dtype)

    @property
    def note(self) -> str:
        """A sentence for readers of the figures; empty where images are shown unchanged."""
        if (self.low, self.high) == (0, 255):
            return ""
        return (
            f"Nearly all pixels lie between {self.low} and {self.high} of 255: figures stretch the contrast, while "
            "the network gets the values unchanged."
        )


def check_white(white: Any) -> White:
    """Check what a person asked for.

    Raises
    ------
    DataError : anything else than "auto" or a number above 0
    """
    if isinstance(white, str) and white == "auto":
        return "auto"
    if _is_number(white) and 0 < white < np.inf:
        return _plain(float(white))
    raise DataError("white", 'must be "auto" or a number above 0, such as 1, 16, 255 or 65535', value=white)


def check_range(asked: Any, white: White) -> Range:
    """Check what a person asked for.

    Raises
    ------
    DataError : anything else than None, "auto" or two finite numbers, the second larger; or a white beside it
    """
    if asked is None or (isinstance(asked, str) and asked == "auto"):
        return "auto"
    ends = list(asked) if isinstance(asked, list | tuple | np.ndarray) else []
    if len(ends) != 2 or not all(_is_number(end) and np.isfinite(end) for end in ends) or not ends[0] < ends[1]:
        raise DataError("range", 'must be "auto" or two numbers: the values of black and white', value=asked)
    if white != "auto":
        raise DataError(
            "range", "cannot be given with white, which sets black to 0", value=asked, remedy="Leave one of them out."
        )
    return float(ends[0]), float(ends[1])


def asked(white: White, range_: Range) -> Scale | None:
    """Return the scale that a person asked for, if any."""
    if range_ != "auto":
        return Scale(range_[0], range_[1], True)
    return None if white == "auto" else Scale(0, white)


def of_model(dtype: np.dtype, kept: Mapping[str, Any]) -> Scale:
    """Return the scale of new images of ``dtype`` for a model; nothing is measured on them.

    Parameters
    ----------
    dtype : of the values as they are stored
    kept : the model's ``preprocessing``: ``white`` or ``range``, and the ``dtype`` it was decided for; or neither where
        the model has seen bytes alone

    Notes
    -----
    Values of the model's own type have its scale. Bytes have white at 255 otherwise, unless a person gave all files a
    range that is one of bytes. Other numbers count as the model's do.
    """
    own = kept.get("dtype")
    if own != dtype.name:
        if dtype == np.uint8:
            of_bytes = own is None and "range" in kept and kept["range"][1] <= 255
            return of_preprocessing(kept) if of_bytes else BYTES
        if dtype.kind == "b":
            return UNIT
    return of_preprocessing(kept)


def of_preprocessing(kept: Mapping[str, Any]) -> Scale:
    """Return the scale that a model's ``preprocessing`` holds: its range, or up to its white, by default 255."""
    return Scale(kept["range"][0], kept["range"][1], True) if "range" in kept else Scale(0, kept.get("white", 255))


class Census:
    """What is known of values that were looked at piece by piece: their ends, and a sample in between."""

    def __init__(self, dtype: np.dtype, pieces: int = 1) -> None:
        self.dtype = dtype
        self.low, self.high = np.inf, -np.inf
        self._each = max(1024, SAMPLE // pieces)
        self._samples: list[Array] = []

    def add(self, values: Array, start: int = 0, of: int | None = None) -> None:
        """Look at a piece of finite values, or at the part from ``start`` on of a piece of length ``of``."""
        self.low, self.high = min(self.low, values.min().item()), max(self.high, values.max().item())
        flat = values.reshape(-1) if values.flags.c_contiguous else values.ravel()
        step = -(-(of or len(flat)) // self._each)
        self._samples.append(flat[-start % step :: step].copy())

    def merge(self, other: Census) -> None:
        """Merge with the census of other pieces of the same type."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self._samples += other._samples

    def scale(self) -> tuple[Scale, str]:
        """Return the scale for all pieces, and a sentence about it.

        Whole numbers of 16 bits that reach their upper half, and floating-point numbers within 0 to 1 that are not all
        dark, have the white of their type. For others black and white are the least and the largest value, or where a
        few outliers would stretch that range by more than a quarter, the 0.1 and 99.9 percentiles.
        """
        bottom, top = np.percentile(np.concatenate(self._samples), [OUTLIERS, 100 - OUTLIERS]).tolist()
        is_float = self.dtype.kind == "f"
        if self.dtype.kind == "u" and self.dtype.itemsize == 2 and top >= 32768:
            return SIXTEEN_BITS, "16-bit images were scaled to 8 bits (divided by 257)."
        if is_float and UNIT.holds(self.low, self.high, is_float=True) and top >= 1 / 16:
            return UNIT, "Values from 0 to 1 were multiplied by 255 and rounded."
        low, high, how = self.low, self.high, "the least and the largest"
        if high - low > STRETCH * (top - bottom) and top > bottom:
            low, high, how = bottom, top, f"the {OUTLIERS:g} and {100 - OUTLIERS:g} percentiles of all"
        if self.low >= 0 and low <= high / 10:
            low, how = 0, how.replace("the least and ", "").replace("0.1 and 99.9 percentiles", "99.9 percentile")
        if high <= low:
            high = low + 1  # a single value throughout: black
        return Scale(low, high, clips=True), (
            f"Values from {low:,.6g} to {high:,.6g} ({how}) were scaled to 0..255; to change this, set "
            "white=VALUE or range=[LOW, HIGH]."
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


def _plain(number: float) -> float:
    return int(number) if number == int(number) else float(number)
