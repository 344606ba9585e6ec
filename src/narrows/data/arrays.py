"""What an array means: which axis is which, and how its values become uint8 images or float32 vectors."""

from __future__ import annotations

import sys
from typing import Any, Literal

import numpy as np

from narrows.data.dataset import all_finite
from narrows.errors import DataError
from narrows.files import Array

BLOCK = 1024  # rows converted at a time, so that no second copy of everything is made
OVERSHOOT = 1e-3  # that rounding and interpolation may leave beyond black and white; it is clipped
LEVELS = 16  # white where no value is larger: 4-bit pictures, and scikit-learn's digits, whose pixels count to 16
DARK = 64  # of 255: images in which no pixel is brighter are worth a word

White = float | Literal["auto"]


def as_array(source: Any) -> Array:
    """Return an array-like, or a torch tensor on any device, as an array.

    Raises
    ------
    DataError : Python objects, or rows of unequal length
    """
    torch = sys.modules.get("torch")  # a tensor exists only where torch has been imported
    if torch is not None and isinstance(source, torch.Tensor):
        source = source.detach().cpu()
        source = (source.float() if source.dtype == torch.bfloat16 else source).numpy()
    try:
        array = source if isinstance(source, np.ndarray) else np.asarray(source)
    except ValueError as error:
        raise DataError("data", "must be an array with rows of equal shape", remedy=f"{error}.") from error
    if array.dtype == object and hasattr(source, "toarray"):
        raise DataError("data", "must be a dense array", value="a sparse matrix", remedy="Call its toarray() first.")
    return array


def check_white(white: Any) -> White:
    """Check what a person asked for.

    Raises
    ------
    DataError : anything else than "auto" or a number above 0
    """
    if isinstance(white, str) and white == "auto":
        return "auto"
    if isinstance(white, int | float | np.number) and not isinstance(white, bool) and 0 < white < np.inf:
        return int(white) if white == int(white) else float(white)
    raise DataError("white", 'must be "auto" or a number above 0, such as 1, 16, 255 or 65535', value=white)


def as_values(array: Array, origin: str = "data", white: White = "auto") -> tuple[Array, list[str], float | None]:
    """Turn an array of numbers into images uint8 (N, C, H, W) or vectors float32 (N, D).

    Two axes are vectors. Three are grey images (N, H, W). Four are images with their channels, of which there must be 1
    or 3, last (preferred where both fit) or second. uint8 images stay as they are, and memory-mapped ones stay on disk;
    other values are scaled so that ``white`` becomes 255.

    Parameters
    ----------
    array : (N, D), (N, H, W), (N, H, W, C) or (N, C, H, W); of booleans, whole numbers or floating-point numbers
    origin : where it came from, for messages
    white : a number; "auto" decides by the type and range of the values (``_auto_white``)

    Returns
    -------
    values : as above
    notes : a sentence for each conversion
    white : that images were scaled by; None for uint8 images and vectors

    Raises
    ------
    DataError : other shapes, kinds or ranges of values
    """
    if array.dtype.kind not in "buif":
        what = "Python objects" if array.dtype == object else f"dtype {array.dtype}"
        raise DataError(
            origin, "must hold plain numbers: booleans, whole numbers or floating-point numbers", value=what,
            remedy="Stack equally shaped rows into one array of numbers first.",
        )  # fmt: skip
    if array.ndim not in (2, 3, 4):
        raise DataError(
            origin, "must be vectors (N, D) or images (N, H, W), (N, H, W, C) or (N, C, H, W)",
            value=f"shape {array.shape}",
            remedy="Labels alone are no data." if array.ndim == 1 else "Reshape it first.",
        )  # fmt: skip
    if array.size == 0:
        raise DataError(origin, "must have at least one row and one value in each", value=f"shape {array.shape}")
    if array.ndim == 2:
        return _as_vectors(array, origin), [], None
    images = _channels_first(array, origin)  # (N, C, H, W), still of any dtype
    if images.dtype == np.uint8:
        values = images if isinstance(images, np.memmap) else np.ascontiguousarray(images)
        return values, _about_darkness(values, "Multiply them if another value stands for white."), None
    low, high = _range(images, origin)
    if images.dtype == bool:
        white = 1  # true is white, whatever was asked for
    elif white == "auto":
        white = _auto_white(images.dtype, low, high, origin)
    elif not _within(images.dtype, low, high, white):
        raise DataError(
            origin, f"of images must lie in 0..{white:g}, because white is {white:g}",
            value=f"{images.dtype} from {low:g} to {high:g}",
            remedy=f"Bring it to 0..{white:g} first, or say which value stands for white.",
        )  # fmt: skip
    values = np.empty(images.shape, dtype=np.uint8)
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        values[start : start + BLOCK] = np.rint(block if white == 255 else block * (255 / white)).clip(0, 255)
    notes = [note] if (note := _about_white(images.dtype, white)) else []
    if images.dtype != bool:
        notes += _about_darkness(values, f"White is {white:g}; if another value stands for it, say white=VALUE.")
    return values, notes, white


def _as_vectors(array: Array, origin: str) -> Array:
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):
        vectors = array.astype(np.float32)
    if array.dtype.kind == "f" and not all_finite(vectors) and all_finite(array):
        raise DataError(
            origin, "must hold values that float32 can hold (below 3.4e38)", value=float(np.abs(array).max()),
            remedy="Rescale the columns that are this large.",
        )  # fmt: skip
    return vectors


def _channels_first(array: Array, origin: str) -> Array:
    if array.ndim == 3:
        return array[:, None]
    if array.shape[3] in (1, 3):
        return np.moveaxis(array, 3, 1)
    if array.shape[1] in (1, 3):
        return array
    raise DataError(
        origin, "with four axes must have 1 or 3 channels, in its last or second axis", value=f"shape {array.shape}",
        remedy="Drop an alpha channel with images[..., :3]; move the axis of the channels with numpy.moveaxis.",
    )  # fmt: skip


def _range(images: Array, origin: str) -> tuple[float, float]:
    """Return the least and the largest value, all of which must be finite."""
    if images.dtype.kind == "f" and not all_finite(images, BLOCK):
        bad = sum(int((~np.isfinite(images[i : i + BLOCK])).sum()) for i in range(0, len(images), BLOCK))
        raise DataError(
            origin, "must hold finite numbers only", value=f"NaN or infinity in {bad:,} pixels",
            remedy="Remove those images or fill the missing pixels in first.",
        )  # fmt: skip
    return images.min().item(), images.max().item()


def _auto_white(dtype: np.dtype, low: float, high: float, origin: str) -> float:
    """Return the value that stands for white in images of this type and range.

    It is the least of 1, 16 and 255 that no value exceeds, and 65535 for uint16 with larger ones. Pictures of 0..255
    that are nowhere above 16 would be all but black, and there is nothing to see in them. Floating-point numbers with
    a maximum between 1 and 2 could be too large for 0..1 or of 0..16, and are refused.

    Raises
    ------
    DataError : a range that is neither
    """
    is_float = dtype.kind == "f"
    if _within(dtype, low, high, 1) and (is_float or high > 0):
        return 1
    if _within(dtype, low, high, 255) and (high > 2 or not is_float):
        return LEVELS if high > 0 and _within(dtype, low, high, LEVELS) else 255
    if dtype.kind == "u" and dtype.itemsize == 2:  # of either byte order
        return 65535
    if is_float and low >= -OVERSHOOT and high <= 2:
        remedy = "Clip it with numpy.clip(x, 0, 1) if 1 is white, or say white=255 if it is that dark."
    elif low >= -OVERSHOOT and high <= 65535:
        remedy = "Say which value stands for white: white=4095 for 12 bits, white=65535 for 16. Or scale it first."
    elif is_float:
        remedy = "Scale it to 0..1 first: (x + 1) / 2 for values from -1 to 1, (x - min) / (max - min) for others."
    else:
        remedy = "Scale it to that range first, and convert it to uint8."
    raise DataError(
        origin, "of images must lie in 0..255, or in 0..1 for floating-point numbers",
        value=f"{dtype} from {low:.6g} to {high:.6g}", remedy=remedy,
    )  # fmt: skip


def _within(dtype: np.dtype, low: float, high: float, white: float) -> bool:
    overshoot = OVERSHOOT if dtype.kind == "f" else 0
    return low >= -overshoot and high <= white + overshoot


def _about_white(dtype: np.dtype, white: float) -> str:
    """Return a sentence about what the type of the values alone does not say."""
    if white == 65535:
        return "16-bit images were scaled to 8 bits (divided by 257)."
    if white == 1:
        return "" if dtype.kind == "b" else "Values from 0 to 1 were multiplied by 255 and rounded."
    if white != 255:
        return f"Values from 0 to {white:g} were scaled to 0..255; if another value stands for white, say white=VALUE."
    if dtype.kind == "f":
        return "Floating-point values from 0 to 255 were rounded."
    return "16-bit values from 0 to 255 were kept as they are." if dtype.kind == "u" and dtype.itemsize == 2 else ""


def _about_darkness(values: Array, remedy: str) -> list[str]:
    """Return a sentence about images uint8 that are dark throughout, though not black."""
    brightest = 0
    for start in range(0, len(values), BLOCK):
        brightest = max(brightest, int(values[start : start + BLOCK].max()))
        if brightest >= DARK:
            return []
    return [f"The images are dark: no pixel is above {brightest} of 255. {remedy}"] if brightest else []
