"""The contract of encoders, which turn rows into codes; all code that encodes, decodes or compares rows relies on it.

A trained network is an encoder (``model.py``); encoders that are not trained by gradients are in ``encoders/``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from narrows.data.open import KEPT
from narrows.data.reading import MOST_PIXELS
from narrows.data.scale import check_white
from narrows.data.sizes import check_geometry, check_max_pixels
from narrows.disk.files import Array
from narrows.disk.sealed import Parts, new_place, seal
from narrows.errors import DataError, InputError, RunFolderError
from narrows.registry import Registry, Trust
from narrows.work.progress import Progress
from narrows.work.threads import Workers

FORMAT = 1  # of config.json; increased whenever older versions of narrows could not read it
CONFIG = "config.json"  # names, arguments, shape and preprocessing of a saved encoder
BLOCK_VALUES = 1 << 21  # in one block of input: 8 MiB of float32, and a small multiple of that in the network

encoders = Registry("narrows.encoders", "encoder")


class Encoder(ABC):
    """Turns rows, images uint8 (N, C, H, W) or vectors float32 (N, D), into codes (N, K).

    Attributes
    ----------
    input_shape : (C, H, W) or (D,), the shape of a row
    preprocessing : how its rows were opened, for opening new rows in the same way: the ``like`` of ``narrows.open``
    """

    #: Whether a run trains it by the training loop, with the sections net, objective and train of the recipe.
    trains_network: ClassVar[bool] = False
    #: Whether it is the baseline that others are compared with.
    is_baseline: ClassVar[bool] = False
    #: Its name in a report.
    title: ClassVar[str] = "encoder"
    #: The files that ``write`` writes.
    files: ClassVar[tuple[str, ...]]
    #: Arguments that are not settings of a recipe.
    given_by_run: ClassVar[tuple[str, ...]] = ("seed",)

    input_shape: tuple[int, ...] = ()  # until it is fitted
    preprocessing: dict[str, Any]

    @property
    @abstractmethod
    def code_size(self) -> int:
        """K, the number of values in a code."""

    @property
    def at_once(self) -> int | None:
        """How many blocks of rows are computed side by side; None for one on each core."""
        return None

    @property
    def is_images(self) -> bool:
        """Whether rows are images."""
        return len(self.input_shape) == 3

    @property
    def decodes(self) -> bool:
        """Whether codes can be decoded to rows."""
        return False

    @property
    def corrupts(self) -> bool:
        """Whether it learned to encode corrupted rows like clean ones, so that decoding cleans them."""
        return False

    @property
    def normal_codes(self) -> bool:
        """Whether codes are trained towards N(0, I), so that new codes are drawn from it."""
        return False

    def encode(self, values: Array, progress: Progress | None = None) -> Array:
        """Return the codes (N, K) float32 of rows, in bounded memory.

        Raises
        ------
        InputError : no array, rows of another shape, or an encoder that is not fitted
        """
        return in_blocks(self, values, self._encode, progress, "encode")

    def decode(self, codes: Array) -> Array:
        """Decode ``codes`` (N, K) to images float32 (N, C, H, W) in [0, 1], or vectors (N, D).

        Raises
        ------
        InputError : an encoder that cannot decode, or codes of the wrong size
        """
        self.require_decoder()
        self.require_fitted()
        codes = np.asarray(codes, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.code_size:
            raise InputError("codes", f"must have shape (N, {self.code_size})", value=codes.shape)
        outputs = np.empty((len(codes), *self.input_shape), dtype=np.float32)

        def decode(block: slice) -> None:
            outputs[block] = self._decode(codes[block])

        with Workers(self.at_once) as workers:
            list(workers.map(decode, self.blocks(len(codes))))
        return outputs

    def reconstruct(self, values: Array) -> Array:
        """Return the reconstructions of rows, in the form of ``decode``; a denoising encoder cleans corrupted rows."""
        self.require_decoder()
        return in_blocks(self, values, lambda block: self._decode(self._encode(block)))

    def denoised(self, values: Array, seed: int) -> Iterator[tuple[Array, Array, Array]]:
        """Yield (rows, corrupted rows, cleaned rows) block by block, each float32.

        Raises
        ------
        InputError : an encoder that did not learn to denoise
        """
        self.require_denoiser()
        raise NotImplementedError(f"{type(self).__name__} corrupts but does not define denoised")

    def errors(self, values: Array) -> Array:
        """Return each row's mean squared reconstruction error (N,) float32, in the units of ``prepared``."""
        self.require_decoder()
        return in_blocks(self, values, lambda block: _squares(self._decode(self._encode(block)), self.prepared(block)))

    def prepared(self, values: Array) -> Array:
        """Return rows (N, D) float32 in the units in which they are encoded: images in [0, 1], vectors as they are."""
        flat = np.asarray(values).reshape(len(values), -1).astype(np.float32)
        return flat / 255 if values.dtype == np.uint8 else flat

    def require_decoder(self) -> None:
        """Raise InputError unless it can decode."""
        if not self.decodes:
            raise InputError(
                "this encoder",
                "must have a decoder to reconstruct, denoise or generate; it only encodes",
                value=self.title,
                remedy="Use another encoder, such as encoder.name=network or encoder.name=pca.",
            )

    def require_denoiser(self) -> None:
        """Raise InputError unless it learned to clean corrupted rows."""
        if not self.corrupts:
            otherwise = ", or reconstruct rows instead" if self.decodes else ""
            raise InputError(
                "this encoder",
                "must have been trained to denoise",
                value=self.title,
                remedy=f"Train a network with objective.name=denoising{otherwise}.",
            )

    def require_fitted(self) -> None:
        """Raise InputError unless it is fitted."""
        if not self.input_shape:
            raise InputError(
                "this encoder",
                "must be fitted before it is used",
                value=self.title,
                remedy="Call its fit(values) first.",
            )

    def blocks(self, rows: int) -> Iterator[slice]:
        """Yield the slices in which ``rows`` rows are encoded."""
        return blocks(rows, self.input_shape)

    def to(self, device: Any) -> Self:
        """Compute on ``device`` from now on, if it computes with torch."""
        return self

    def save(self, folder: str | Path) -> None:
        """Write ``files`` into ``folder``, and their hashes."""
        self.require_fitted()
        folder = new_place(folder)
        self.write(folder)
        seal(folder, self.files)

    @abstractmethod
    def describe(self) -> str:
        """Return its description in Markdown, the start of a sentence that continues "on images of ..."."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write what ``save`` does, without hashes: the caller writes those of all its files together."""

    @classmethod
    @abstractmethod
    def load(cls, place: str | Path | Parts, *, trust_code: Trust = False) -> Self:
        """Load what ``save`` wrote, from a folder, a run folder, or the parts of a saved object.

        Raises
        ------
        RunFolderError : files missing, changed, damaged, or not fitting each other
        RecipeError : it names code outside narrows and ``trust_code`` is False
        """

    @abstractmethod
    def _encode(self, values: Array) -> Array:
        """Return the codes (B, K) of one block of rows; several threads may call it at once, see ``at_once``."""

    def _decode(self, codes: Array) -> Array:
        """Decode one block of codes (B, K) float32, as ``_encode`` is called; only called on encoders that decode."""
        raise NotImplementedError(f"{type(self).__name__} decodes but does not define _decode")


encoders.contract = Encoder


def in_blocks(
    encoder: Encoder,
    values: Array,
    what: Callable[[Array], Array],
    progress: Progress | None = None,
    doing: str = "",
    *,
    in_turn: bool = False,
) -> Array:
    """Apply ``what`` to rows block by block, and return the results as one float32 array.

    Parameters
    ----------
    encoder : determines the shape that rows must have
    values : (N, ...), in memory or mapped from a file
    what : block of rows (B, ...) -> the same number of rows, of any shape
    progress, doing : shows progress, under the title ``doing``
    in_turn : one block after the other, for a ``what`` that draws random numbers; otherwise they are shared out

    Raises
    ------
    InputError : no array, rows of another shape, or an encoder that is not fitted
    """
    encoder.require_fitted()
    check_array(values)
    if tuple(values.shape[1:]) != encoder.input_shape:
        raise InputError(
            "data",
            f"must have rows of shape {encoder.input_shape}, like the rows it was fitted on",
            value=tuple(values.shape[1:]),
        )
    made = None

    def work(block: slice) -> tuple[slice, Array]:
        return block, what(values[block])

    at_once = 1 if in_turn else encoder.at_once
    with (progress or Progress()).task(doing, len(values)) as task, Workers(at_once) as workers:
        for block, part in workers.map(work, encoder.blocks(len(values))):
            if len(part) == len(values):  # one block: not kept in memory twice
                made = np.ascontiguousarray(part, np.float32)
            else:
                made = np.empty((len(values), *part.shape[1:]), np.float32) if made is None else made
                made[block] = part
            task.advance(block.stop - block.start)
    if made is None:  # without rows, a row of zeros gives the shape
        made = np.asarray(what(np.zeros((1, *encoder.input_shape), values.dtype)), np.float32)[:0]
    return made


def check_array(values: Any) -> None:
    """Raise DataError unless ``values``, the rows for an encoder, are an array."""
    if not isinstance(values, np.ndarray):
        raise DataError(
            "values",
            "must be an array of rows",
            value=type(values).__name__,
            remedy="For other sources, use narrows.open(source).values.",
        )


def blocks(rows: int, shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices that cover ``rows`` rows of ``shape``, each of at most 1024 rows and BLOCK_VALUES values."""
    size = max(1, min(1024, BLOCK_VALUES // math.prod(shape)))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def usual_code_size(shape: Sequence[int]) -> int:
    """Return the default length of a code: 32, or a quarter of the values if there are fewer than 128."""
    values = math.prod(shape)
    return 32 if values >= 128 else max(min(2, values), values // 4)


def parts_of(place: str | Path | Parts, *names: str, what: str) -> Parts:
    """Return the parts of a saved object, after checking that all its files exist.

    Raises
    ------
    RunFolderError : any of the files ``names`` is missing
    """
    parts = place if isinstance(place, Parts) else Parts.of(place)
    if not all(name in parts for name in names):
        raise RunFolderError(
            str(parts.place),
            f"must contain {what} ({' and '.join(names)})",
            remedy="If the run was not finished, continue it with `narrows run --resume`.",
        )
    return parts


def checked_config(parts: Parts) -> Mapping[str, Any]:
    """Return the config.json of a saved encoder after checking its format and preprocessing.

    Raises
    ------
    RunFolderError : another format, or preprocessing that is not a valid ``like`` of ``narrows.open``
    """
    config = parts.json(CONFIG)
    if config.get("format") != FORMAT:
        raise RunFolderError(
            parts.path(CONFIG),
            f"must have format {FORMAT}",
            value=config.get("format"),
            remedy="Open it with the version of narrows that wrote it.",
        )
    kept = config.get("preprocessing")
    if not isinstance(kept, dict) or not kept.keys() <= KEPT:
        raise parts.damaged(CONFIG, f"preprocessing must be settings for opening data, not {kept!r}")
    try:
        size, _, _ = check_geometry(
            *(kept.get(*known) for known in (("size", "auto"), ("channels", "auto"), ("fit", "crop")))
        )
        check_max_pixels(kept.get("max_pixels", MOST_PIXELS))
        check_white(kept.get("white", "auto"))
    except DataError as error:
        raise parts.damaged(CONFIG, error) from error
    shape = config.get("input_shape")
    # Checked before data are opened, since everything would be resized to that size first.
    if size != "auto" and (not isinstance(shape, list) or shape[1:] != list(size)):
        raise parts.damaged(CONFIG, f"images of {size[0]}x{size[1]} do not fit an input of shape {shape}")
    # A person never types these two, so they are not checked when data are opened.
    offsets, ends = kept.get("offsets") or {}, kept.get("range") or [0, 1]
    if not isinstance(offsets, dict) or not all(map(str.isdecimal, offsets)) or not _are_numbers(offsets.values()):
        raise parts.damaged(CONFIG, f"offsets must be numbers by column number, not {offsets!r}")
    if not isinstance(ends, list) or len(ends) != 2 or not _are_numbers(ends):
        raise parts.damaged(CONFIG, f"range must be two numbers, not {ends!r}")
    return config


def _are_numbers(found: Iterable[Any]) -> bool:
    return all(type(one) in (int, float) and math.isfinite(one) for one in found)


def _squares(output: Array, x: Array) -> Array:
    found: Array = np.square(output.reshape(x.shape) - x).mean(axis=1)
    return found
