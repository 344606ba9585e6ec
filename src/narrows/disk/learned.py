"""What is learned as a few arrays: kept under their names, and read again only where they fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from narrows.disk.files import Array
from narrows.errors import RunFolderError


class Learned:
    """For whatever learns a few arrays of floating-point numbers, and answers by them alone."""

    #: The arrays that are learned (each kept with an underscore after its name), and their axes, a letter each; the
    #: same letter is the same length, and a digit is itself.
    learned: ClassVar[Mapping[str, str]] = {}

    def state(self) -> dict[str, Array]:
        """Return the learned arrays."""
        return {name: getattr(self, f"{name}_") for name in self.learned}

    def take_state(self, owner: str, arrays: Mapping[str, Array]) -> None:
        """Take on what ``state`` returned; see ``checked_state``."""
        for name, array in checked_state(owner, self.learned, arrays).items():
            setattr(self, f"{name}_", array)

    def length(self, axis: str) -> int:
        """Return the length of an axis of the learned arrays."""
        name, axes = next((name, axes) for name, axes in self.learned.items() if axis in axes)
        length: int = getattr(self, f"{name}_").shape[axes.index(axis)]
        return length


def checked_state(owner: str, shapes: Mapping[str, str], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return ``arrays`` when they are what ``owner`` saved.

    Parameters
    ----------
    owner : in the words of a message
    shapes : of each array, a letter for each axis; the same letter stands for the same length, a digit for itself
    arrays : floating-point numbers

    Raises
    ------
    RunFolderError : other names, shapes that do not fit together, or values that are not finite numbers
    """
    if set(arrays) != set(shapes):
        raise RunFolderError(f"the saved {owner}", f"must contain {', '.join(sorted(shapes))}", value=sorted(arrays))
    lengths: dict[str, int] = {}
    for name, letters in shapes.items():
        shape, dtype = arrays[name].shape, arrays[name].dtype
        fits = len(shape) == len(letters) and all(
            length == (int(letter) if letter.isdigit() else lengths.setdefault(letter, length)) and length > 0
            for letter, length in zip(letters, shape, strict=True)
        )
        if not fits or dtype.kind != "f" or not np.isfinite(arrays[name]).all():
            raise RunFolderError(
                f"the saved {owner}",
                f"must have finite numbers of shape ({', '.join(letters)}) in {name!r}",
                value=f"{dtype} {shape}",
                remedy="The file is damaged or comes from another program; repeat the run.",
            )
    return dict(arrays)
