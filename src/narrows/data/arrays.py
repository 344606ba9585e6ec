"""What an array means: which axis is which, and how its values become uint8 images or float32 vectors."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from narrows.data import columns
from narrows.data.dataset import all_finite
from narrows.data.scale import BYTES, KEPT, OVERSHOOT, SIXTEEN_BITS, UNIT, Census, Scale, of_model
from narrows.disk.files import Array
from narrows.errors import DataError

MOST_BYTES = 1 << 33  # of an array that is written out from a form in which zeros take no room
BLOCK = 1024  # rows converted at a time, so that no second copy of everything is made
LARGEST = 1e37  # of what becomes a vector, so that sums and differences of some are still numbers
LEVELS = 16  # white where no value is larger: 4-bit pictures, and scikit-learn's digits, whose pixels count to 16
DARK = 64  # of 255: images in which no pixel is brighter are worth a word


def as_array(source: Any) -> Array:
    """Return an array-like, a sparse matrix, or a tensor or a list of tensors on any device, as an array.

    Raises
    ------
    DataError : Python objects, rows of unequal length, or a sparse matrix that is too large to be written out
    """
    source = without_tensors(source)
    sparse = sys.modules.get("scipy.sparse")  # nobody has a matrix of it without it
    if sparse is not None and sparse.issparse(source):
        require_room(source.shape, source.dtype, "a sparse matrix")
        source = source.toarray()
    if np.ma.is_masked(source):
        raise DataError(
            "data", "must have a value everywhere", value="a masked array", remedy="Fill it: array.filled(0)."
        )
    try:
        array = source if isinstance(source, np.ndarray) else np.asarray(source)
    except ValueError as error:
        raise DataError("data", "must be an array with rows of equal shape", remedy=f"{error}.") from error
    return array


def require_room(shape: Sequence[int], dtype: np.dtype, origin: str) -> None:
    """Refuse to write out an array of ``shape`` that would take the memory of a usual machine.

    Raises
    ------
    DataError : more than ``MOST_BYTES``
    """
    if (needed := math.prod(shape) * dtype.itemsize) > MOST_BYTES:
        raise DataError(
            origin,
            f"must fit in {MOST_BYTES >> 30} GiB as a dense array",
            value=f"{needed / (1 << 30):,.1f} GiB, as {' x '.join(f'{n:,}' for n in shape)} {dtype}",
            remedy="Take fewer rows, or reduce the columns first: sklearn.decomposition.TruncatedSVD.",
        )


def without_tensors(source: Any) -> Any:
    """Return a tensor as an array, whatever its device, type, layout and gradients; those in lists as well.

    Anything else comes back as it is.
    """
    torch, first = sys.modules.get("torch"), source  # nobody has a tensor without torch
    while isinstance(first, list | tuple) and first:
        first = first[0]
    if torch is None or not isinstance(first, torch.Tensor):
        return source
    if not isinstance(source, torch.Tensor):
        return [without_tensors(item) for item in source]
    if source.layout != torch.strided:
        require_room(source.shape, np.dtype(np.float64), "a sparse tensor")
        source = source.to_dense()
    source = source.detach().cpu().resolve_conj().resolve_neg()
    has_no_twin = source.is_floating_point() and source.dtype not in (torch.float16, torch.float32, torch.float64)
    return (source.float() if has_no_twin else source).numpy()  # bfloat16, and the types of 8 bits


def as_values(
    array: Array,
    origin: str = "data",
    scale: Scale | None = None,
    *,
    like: Mapping[str, Any] | None = None,
    channels: tuple[int, ...] = (),
) -> tuple[Array, list[str], dict[str, Any]]:
    """Turn an array of numbers into images uint8 (N, C, H, W) or vectors float32 (N, D).

    Two axes are vectors. Three are grey images (N, H, W). Four are images with their channels, of which there must be 1
    or 3, last (preferred where both fit) or second. uint8 images stay as they are, and memory-mapped ones stay on disk;
    other values are scaled so that white becomes 255.

    Parameters
    ----------
    array : (N, D), (N, H, W), (N, H, W, C) or (N, C, H, W); of booleans, whole numbers or floating-point numbers
    origin : where it came from, for messages
    scale : which values are black and white, where a person has said so; otherwise the type and range of the values
        decide (``_auto_scale``)
    like : a model's ``preprocessing``, which decides instead (``scale.of_model``)
    channels : take these of however many there are

    Returns
    -------
    values : as above
    notes : a sentence for each conversion
    kept : of images white or range, as ``narrows.open`` takes them; of vectors the ``offsets`` of columns; empty where
        nothing was changed

    Raises
    ------
    DataError : other shapes, kinds or ranges of values
    """
    if array.dtype.kind not in "buif":
        what = "Python objects" if array.dtype == object else f"dtype {array.dtype}"
        raise DataError(
            origin,
            "must contain plain numbers: booleans, integers or floating-point numbers",
            value=what,
            remedy="Stack equally shaped rows into one array of numbers first.",
        )
    if array.ndim not in (2, 3, 4):
        raise DataError(
            origin,
            "must be vectors (N, D) or images (N, H, W), (N, H, W, C) or (N, C, H, W)",
            value=f"shape {array.shape}",
            remedy="Labels alone are not data." if array.ndim == 1 else "Reshape it first.",
        )
    if array.size == 0:
        raise DataError(origin, "must have at least one row, and one value in each", value=f"shape {array.shape}")
    if array.ndim == 2:
        return _as_vectors(array, origin, like)
    images = _channels_first(array, channels, origin)  # (N, C, H, W), still of any dtype
    if like is not None:
        scale = _of_model(images, like, origin)
    if images.dtype == np.uint8 and scale in (None, BYTES):
        values = images if isinstance(images, np.memmap) else np.ascontiguousarray(images)
        kept = {} if like is None else _kept(like)
        return values, _about_darkness(values, "Multiply them, or set range=[0, VALUE]."), kept
    low, high = _range(images, origin)
    note = ""
    if images.dtype == bool:
        scale = UNIT  # true is white, whatever was asked for
    elif scale is None:
        scale, note = _auto_scale(images, low, high, origin)
    elif not scale.holds(low, high, is_float=images.dtype.kind == "f"):
        raise DataError(
            origin,
            f"must have pixel values in 0..{scale.high:g}, because white is {scale.high:g}",
            value=f"{images.dtype} from {low:g} to {high:g}",
            remedy=f"Scale it to 0..{scale.high:g} first, or set white to the value of white.",
        )
    values = np.empty(images.shape, dtype=np.uint8)
    for start in range(0, len(images), BLOCK):
        values[start : start + BLOCK] = scale.to_bytes(images[start : start + BLOCK])
    notes = [note] if (note := note or _about_scale(images.dtype, scale)) else []
    if images.dtype != bool:
        notes += _about_darkness(values, f"White is {scale.high:g}; if that is wrong, set white=VALUE.")
    own = scale.as_options() | {"dtype": images.dtype.name}
    return values, notes, own if like is None else _kept(like)


def _kept(like: Mapping[str, Any]) -> dict[str, Any]:
    return {name: like[name] for name in KEPT if name in like}


def _of_model(images: Array, like: Mapping[str, Any], origin: str) -> Scale:
    """Return the scale of a model's images for others; what could be on another scale is refused.

    Raises
    ------
    DataError : bytes that are all within a white below 255, or fractions below 1 where white is above
    """
    scale = of_model(images.dtype, like)
    if like.get("dtype") == images.dtype.name:
        return scale
    white = like.get("white", 255)
    if images.dtype == np.uint8 and white < 255 and 0 < images.max() <= white:
        raise DataError(
            origin,
            f"could have white at {white:g}, like the model's images, or at 255, like bytes",
            value=f"uint8 up to {images.max()}",
            remedy=f"Set it: narrows.open(array, white={white:g}) or white=255, or --white on the command line.",
        )
    is_float = images.dtype.kind == "f"
    if is_float and scale.high > 1 and images.max() <= 1 and (images != np.rint(images)).any():
        raise DataError(
            origin,
            f"must have white at {scale.high:g}, like the model's images",
            value="values from 0 to 1",
            remedy=f"Multiply by {scale.high:g}, or set white=1 (--white 1 on the command line).",
        )
    return scale


def _as_vectors(array: Array, origin: str, like: Mapping[str, Any] | None) -> tuple[Array, list[str], dict[str, Any]]:
    offsets = columns.offsets_of(array) if like is None else dict(like.get("offsets") or {})
    with np.errstate(over="ignore", invalid="ignore"):
        moved = columns.without_offsets(array, offsets)
        vectors = moved if moved.dtype == np.float32 else moved.astype(np.float32)
    largest = max(vectors.max(initial=0), -vectors.min(initial=0))
    if largest > LARGEST and (np.isfinite(largest) or all_finite(array)):
        raise DataError(
            origin,
            f"must have values up to {LARGEST:g}, whose differences fit in float32",
            value=float(np.abs(array).max()),
            remedy="Rescale the columns that are this large.",
        )
    return vectors, [], {"offsets": offsets} if offsets else {}


def _axis_of_channels(shape: tuple[int, ...]) -> int:
    """Return which axis of (N, ?, ?, ?) holds channels: beside two equal sides the other, else the shorter."""
    _, first, middle, last = shape
    if (first == middle) != (middle == last):
        return 3 if first == middle else 1
    return 1 if first < last else 3


def _channels_first(array: Array, channels: tuple[int, ...], origin: str) -> Array:
    images = array[:, None] if array.ndim == 3 else array
    if channels:
        axis = _axis_of_channels(images.shape) if array.ndim == 4 else 1
        if max(channels) >= images.shape[axis]:
            raise DataError(
                "channels",
                f"must be among the {images.shape[axis]} channels of {origin}",
                value=list(channels),
                remedy="They count from 0.",
            )
        return np.moveaxis(np.take(images, channels, axis), axis, 1)
    if array.ndim == 3:
        return images
    if array.shape[3] in (1, 3):
        return np.moveaxis(array, 3, 1)
    if array.shape[1] in (1, 3):
        return array
    raise DataError(
        origin,
        "with four axes must have 1 or 3 channels, in its last or second axis",
        value=f"shape {array.shape}",
        remedy="Choose one or three, as in channels=[0] or channels=[0, 1, 2]; that also drops an alpha channel.",
    )


def _range(images: Array, origin: str) -> tuple[float, float]:
    """Return the least and the largest value, all of which must be finite."""
    if images.dtype.kind == "f" and not all_finite(images, BLOCK):
        bad = sum(int((~np.isfinite(images[i : i + BLOCK])).sum()) for i in range(0, len(images), BLOCK))
        raise DataError(
            origin,
            "must contain only finite numbers",
            value=f"NaN or infinity in {bad:,} pixels",
            remedy="Remove those images or fill in the missing pixels first.",
        )
    return images.min().item(), images.max().item()


def _auto_scale(images: Array, low: float, high: float, origin: str) -> tuple[Scale, str]:
    """Return the scale for images (N, C, H, W) of this type and range, and a sentence where it was measured.

    White is the least of 1, 16 and 255 that no value exceeds. Pictures of 0..255 that are nowhere above 16 would be all
    but black, and there is nothing to see in them. uint16 with larger values is scaled over all of it (``Census``).
    Floating-point numbers with a maximum between 1 and 2 could be too large for 0..1 or of 0..16, and are refused.

    Raises
    ------
    DataError : a range that is neither
    """
    dtype = images.dtype
    is_float = dtype.kind == "f"
    if UNIT.holds(low, high, is_float=is_float) and (is_float or high > 0):
        return UNIT, ""
    if BYTES.holds(low, high, is_float=is_float) and (high > 2 or not is_float):
        white = LEVELS if high > 0 and Scale(0, LEVELS).holds(low, high, is_float=is_float) else 255
        return Scale(0, white), ""
    if dtype.kind == "u" and dtype.itemsize == 2:  # of either byte order
        census = Census(dtype, -(-len(images) // BLOCK))
        for start in range(0, len(images), BLOCK):
            census.add(images[start : start + BLOCK])
        return census.scale()
    if is_float and low >= -OVERSHOOT and high <= 2:
        remedy = "Clip it with numpy.clip(x, 0, 1) if 1 is white, or set white=255 if the images really are that dark."
    elif low >= -OVERSHOOT and high <= 65535:
        remedy = "Set the value of white: white=4095 for 12 bits, white=65535 for 16. Or scale it first."
    elif is_float:
        remedy = (
            f"Set the values of black and white, such as range=[{low:.6g}, {high:.6g}], or scale it to 0..1 first: "
            "(x + 1) / 2 for values from -1 to 1, (x - min) / (max - min) for others."
        )
    else:
        remedy = (
            f"Set the values of black and white, such as range=[{low:.6g}, {high:.6g}], or scale it to 0..255 first "
            "and convert it to uint8."
        )
    raise DataError(
        origin,
        "must have pixel values in 0..255, or in 0..1 as floating-point numbers",
        value=f"{dtype} from {low:.6g} to {high:.6g}",
        remedy=remedy,
    )


def _about_scale(dtype: np.dtype, scale: Scale) -> str:
    """Return a sentence about what the type of the values alone does not say."""
    if scale.clips:
        return f"Values from {scale.low:g} to {scale.high:g} were scaled to 0..255; values outside are black or white."
    if scale == UNIT:
        return "" if dtype.kind == "b" else "Values from 0 to 1 were multiplied by 255 and rounded."
    if scale == SIXTEEN_BITS:
        return "16-bit images were scaled to 8 bits (divided by 257)."
    if scale != BYTES:
        return f"Values from 0 to {scale.high:g} were scaled to 0..255; if white has another value, set white=VALUE."
    if dtype.kind == "f":
        return "Floating-point values from 0 to 255 were rounded."
    return "16-bit values from 0 to 255 were left unchanged." if dtype.kind == "u" and dtype.itemsize == 2 else ""


def _about_darkness(values: Array, remedy: str) -> list[str]:
    """Return a sentence about images uint8 that are dark throughout, though not black."""
    brightest = 0
    for start in range(0, len(values), BLOCK):
        brightest = max(brightest, int(values[start : start + BLOCK].max()))
        if brightest >= DARK:
            return []
    return [f"The images are dark: no pixel is above {brightest} of 255. {remedy}"] if brightest else []
