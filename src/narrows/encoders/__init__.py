"""Encoders turn rows into codes. One file per encoder; a trained network is one of them."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from narrows.disk.files import Array, write_arrays, write_json
from narrows.disk.learned import Learned
from narrows.disk.sealed import Parts
from narrows.encoding.encoder import (
    CONFIG,
    FORMAT,
    Encoder,
    check_array,
    checked_config,
    encoders,
    parts_of,
    usual_code_size,
)
from narrows.errors import DataError, NarrowsError, RunFolderError
from narrows.registry import Trust, name_of
from narrows.wording import plural
from narrows.work.threads import single_threaded

__all__ = ["Encoder", "FittedEncoder", "encoders", "load", "usual_code_size"]

ARRAYS = "encoder.safetensors"


class FittedEncoder(Learned, Encoder):
    """An encoder that consists of a few arrays, fitted in one pass over the rows without gradients.

    A subclass's constructor takes the arguments that a recipe may set, each with a default, keeps each under its own
    name, and raises InputError where they cannot be.
    """

    files = (ARRAYS, CONFIG)

    @single_threaded
    def fit(self, values: Array, *, preprocessing: Mapping[str, Any] | None = None) -> Self:
        """Learn from rows, images uint8 (N, C, H, W) or vectors float32 (N, D).

        Raises
        ------
        DataError : no array, no rows, too few of them, or rows of a shape that it cannot encode
        """
        check_array(values)
        self.check_rows(tuple(values.shape[1:]), len(values))
        self.input_shape, self.preprocessing = tuple(values.shape[1:]), dict(preprocessing or {})
        self._fit(values)
        return self

    def check_rows(self, shape: tuple[int, ...], rows: int) -> None:
        """Raise DataError unless it can learn from that many rows of ``shape``."""
        if not rows or not shape:
            raise DataError("values", "must have at least one row", value=(rows, *shape))

    def arguments(self) -> dict[str, Any]:
        """Return what it was made with, name -> value."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_state(cls, arrays: Mapping[str, Array], shape: Sequence[int], **arguments: Any) -> Self:
        """Build from what ``state`` returned, the shape of one row, and the arguments of the constructor.

        Raises
        ------
        RunFolderError : arrays that are not those of this encoder, for rows of that shape
        """
        encoder = cls(**arguments)
        if not isinstance(shape, list | tuple) or not all(type(side) is int and side > 0 for side in shape):
            raise RunFolderError("the saved encoder", "must give the shape of its rows", value=shape)
        encoder.take_state("encoder", arrays)
        encoder.input_shape, encoder.preprocessing = tuple(shape), {}
        if not encoder._fits():
            raise RunFolderError(
                "the saved encoder", "must contain the arrays of one encoder for its rows", value=shape
            )
        return encoder

    def describe(self) -> str:
        """Return how long its codes are, and what they come from."""
        return f"Codes of {plural(self.code_size, 'value')} from {self.title}, without a network to train,"

    def write(self, folder: Path) -> None:
        """Write ``encoder.safetensors`` and ``config.json`` into ``folder``."""
        write_arrays(folder / ARRAYS, self.state(), {"format": FORMAT})
        write_json(
            folder / CONFIG,
            {
                "format": FORMAT,
                "encoder": {"name": name_of(type(self)), **self.arguments()},
                "input_shape": list(self.input_shape),
                "preprocessing": self.preprocessing,
            },
        )

    @classmethod
    def load(cls, place: str | Path | Parts, *, trust_code: Trust = False) -> Self:
        """Read what ``save`` wrote; see ``Encoder.load``."""
        parts = parts_of(place, CONFIG, ARRAYS, what="a saved encoder")
        config, (arrays, _) = checked_config(parts), parts.arrays(ARRAYS)
        try:
            named = dict(config["encoder"])
            if (name := named.pop("name")) != name_of(cls):
                raise ValueError(f"{name!r} cannot be read by {cls.__name__}")
            encoder = cls.from_state(arrays, config["input_shape"], **named)
        except Exception as error:
            raise parts.damaged(CONFIG, error) from error
        encoder.preprocessing = dict(config["preprocessing"])
        return encoder

    @abstractmethod
    def _fit(self, values: Array) -> None:
        """Learn the arrays from rows (N, *input_shape), of which ``check_rows`` approves."""

    @abstractmethod
    def _fits(self) -> bool:
        """Whether saved arrays, of which each is what ``learned`` says, fit the arguments and the shape of the rows."""


def load(place: str | Path | Parts, *, trust_code: Trust = False) -> Encoder:
    """Read a saved encoder, whichever it is, from its folder, that of a run, or the parts of something saved.

    Raises
    ------
    RunFolderError : files missing, changed, damaged, or not fitting each other
    RecipeError : it names code outside narrows and ``trust_code`` is False
    """
    parts = parts_of(place, CONFIG, what="a saved encoder")
    named = parts.json(CONFIG).get("encoder", {"name": "network"})
    if not isinstance(named, dict) or not isinstance(named.get("name"), str):
        raise parts.damaged(CONFIG, f"an encoder must have a name, not {named!r}")
    try:
        entry = encoders.get(named["name"], trusted=trust_code)
    except NarrowsError as error:
        if ":" in named["name"]:
            raise
        raise parts.damaged(CONFIG, error) from error
    encoder: Encoder = entry.load(parts, trust_code=trust_code)
    return encoder
