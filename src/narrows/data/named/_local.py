"""What data sets that cannot be downloaded share: their folder, and the error when it is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from narrows.errors import DataError


def folder_of(name: str, files: Sequence[str], otherwise: str) -> Path:
    """Return ``$NARROWS_DATA/<name>``, in which all of ``files`` are.

    Raises
    ------
    DataError : it is not there; ``otherwise`` says what else can be done
    """
    place = os.environ.get("NARROWS_DATA")
    folder = Path(place) / name if place else None
    if folder is None or not all((folder / file).is_file() for file in files):
        raise DataError(
            name,
            f"is not published, so its files ({', '.join(files)}) must be in $NARROWS_DATA/{name}",
            value="NARROWS_DATA is not set" if folder is None else str(folder),
            remedy=otherwise,
        )
    return folder
