"""What an array means: which axis is which, and how its values become uint8 images or float32 vectors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from narrows.data.dataset import all_finite
from narrows.errors import DataError
from narrows.files import Array

BLOCK = 1024  # rows converted at a time, so that no second copy of everything is made


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


def as_values(array: Array, origin: str = "data") -> tuple[Array, list[str]]:
    """Turn an array of numbers into images uint8 (N, C, H, W) or vectors float32 (N, D).

    Two axes are vectors. Three are grey images (N, H, W). Four are images with their channels, of which there must be 1
    or 3, last (preferred where both fit) or second. uint8 images stay as they are, and memory-mapped ones stay on disk.

    Parameters
    ----------
    array : (N, D), (N, H, W), (N, H, W, C) or (N, C, H, W); of booleans, whole numbers or floating-point numbers
    origin : where it came from, for messages

    Returns
    -------
    values : as above
    notes : a sentence for each conversion

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
        return _as_vectors(array, origin), []
    images = _channels_first(array, origin)  # (N, C, H, W), still of any dtype
    if images.dtype == np.uint8:
        return images if isinstance(images, np.memmap) else np.ascontiguousarray(images), []
    to_bytes, note = _rule(images, origin)
    values = np.empty(images.shape, dtype=np.uint8)
    for start in range(0, len(images), BLOCK):
        values[start : start + BLOCK] = to_bytes(images[start : start + BLOCK])
    return values, [note] if note else []


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


def _rule(images: Array, origin: str) -> tuple[Callable[[Array], Array], str]:
    """Return how values of this dtype and range become 0..255, and a sentence that says so."""
    if images.dtype == bool:
        return lambda block: block * np.uint8(255), ""
    if images.dtype.kind == "f" and not all_finite(images, BLOCK):
        bad = sum(int((~np.isfinite(images[i : i + BLOCK])).sum()) for i in range(0, len(images), BLOCK))
        raise DataError(
            origin, "must hold finite numbers only", value=f"NaN or infinity in {bad:,} pixels",
            remedy="Remove those images or fill the missing pixels in first.",
        )  # fmt: skip
    if images.dtype == np.uint16:
        return lambda block: np.rint(block / 257), "16-bit images were scaled to 8 bits (divided by 257)."
    low, high = images.min().item(), images.max().item()
    if images.dtype.kind in "ui":
        if low >= 0 and high <= 255:
            return lambda block: block, ""
        remedy = "Scale it to that range first, and convert it to uint8."
    else:
        if low >= 0 and high <= 1:
            return lambda block: np.rint(block * 255.0), "Values from 0 to 1 were multiplied by 255 and rounded."
        if low >= 0 and high <= 255:
            return np.rint, "Floating-point values from 0 to 255 were rounded."
        remedy = "Scale it to 0..1 first: (x + 1) / 2 for values from -1 to 1, (x - min) / (max - min) for others."
    raise DataError(
        origin, "of images must lie in 0..255, or in 0..1 for floating-point numbers",
        value=f"{images.dtype} from {low:g} to {high:g}", remedy=remedy,
    )  # fmt: skip
