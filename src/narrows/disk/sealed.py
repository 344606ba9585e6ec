"""Saved files are read exactly as they were written, or not at all.

Saving also writes the sha256 of every file. Reading takes a file's bytes once, checks them against it, and parses those
bytes. A run folder keeps the hashes in ``manifest.json``, everything else that is
saved in ``hashes.json``::

    {"files": {"config.json": "3f0c...", "model.safetensors": "9a41..."}}

This detects changes by accident or by hand. It is not a signature, since a stranger can write hashes too. So parsed
content is checked as well, and only regular files of a plausible size are read (see ``regular``).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from narrows.disk.files import Array, parse_arrays, sha256, write_json
from narrows.disk.regular import MOST_SETTINGS, MOST_TEXT, half_of_memory, opened, parse_json, parse_toml, read
from narrows.errors import InputError, RecipeError, RunFolderError

T = TypeVar("T")

MANIFEST, HASHES = "manifest.json", "hashes.json"
AGAIN = "Copy it again from its source, or create it again."
RUN_AGAIN = "Copy it again from its source, or repeat the run."
HOLDS = "A run is writing to this folder: wait until it has finished."
HELD = ".holder"  # in the folder of a run while a process writes it
#: Bytes that a file may have, by the end of its name; any other is held whole in memory, which is its bound.
MOST = {".toml": MOST_SETTINGS, ".json": MOST_TEXT, ".md": MOST_SETTINGS}


class Parts:
    """The files saved in one place, read by name.

    Parameters
    ----------
    place : a folder, or a ``.zip`` file
    hashes : name -> sha256; None if there are none, as in files saved by older versions
    listing : the file that ``hashes`` come from
    whole : whether every file must have a hash; those of a folder that is being written need none
    remedy : what to do about a changed file, as a sentence

    Raises
    ------
    RunFolderError : by all that read: a file that is missing, changed, cannot be parsed, is no regular file or is too
        large; the error names it
    """

    def __init__(
        self,
        place: Path,
        hashes: Mapping[str, str] | None,
        listing: str = HASHES,
        *,
        whole: bool = True,
        remedy: str = AGAIN,
    ) -> None:
        self.place, self.hashes, self.listing, self.whole, self.remedy = place, hashes, listing, whole, remedy
        self._digests: dict[str, str] = {}

    @classmethod
    def of(cls, place: str | Path, *, remedy: str | None = None) -> Parts:
        """Return the files of a run folder, of a folder that something was saved to, or of a ``.zip`` file.

        Parameters
        ----------
        place : the folder or file
        remedy : what to do about a file that is not what it was; by default what suits the place
        """
        place = Path(place)
        if place.exists() and not place.is_dir():
            zipped = _Zip(place, None, remedy=remedy or AGAIN)
            return _Zip(place, zipped.json(HASHES), remedy=zipped.remedy) if HASHES in zipped else zipped
        of_run = HOLDS if (place / HELD).exists() else RUN_AGAIN
        for listing, usual in ((MANIFEST, of_run), (HASHES, AGAIN)):
            if (place / listing).exists():
                said = remedy or usual
                hashes = hashes_of(cls(place, None, remedy=said).json(listing), place / listing)
                return cls(place, hashes, listing, remedy=said)
        return cls(place, None, remedy=remedy or AGAIN)

    def __contains__(self, name: str) -> bool:
        """Whether there is such a file, or should be."""
        return name in (self.hashes or {}) or self._is_there(name)

    def path(self, name: str) -> str:
        """Return how a message calls a file."""
        return str(self.place / name)

    def within(self, folder: str) -> Parts:
        """Return the files saved in a folder inside this place."""
        return _Within(self, folder)

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        if not self._is_there(name):
            raise RunFolderError(str(self.place), f"must have {name}", remedy=self.remedy)
        try:
            content = self._content(name)
        except InputError as error:  # no regular file, or too large
            raise RunFolderError(self.path(name), error.rule, value=error.value, remedy=self.remedy) from error
        except OSError as error:
            raise RunFolderError(
                self.path(name), "must be a readable file", value=error.strerror, remedy=self.remedy
            ) from error
        self._digests[name] = digest = hashlib.sha256(content).hexdigest()
        if self.hashes is not None and digest != self.hashes.get(name, None if self.whole else digest):
            rule = "must be the file that was written" if name in self.hashes else "must be a file that was saved"
            raise RunFolderError(
                self.path(name), f"{rule}: its sha256 is not in {self.listing}", value=digest[:16], remedy=self.remedy
            )
        return content

    def digest(self, name: str) -> str:
        """Return the sha256 of a file as it was read."""
        if name not in self._digests:
            self.read(name)
        return self._digests[name]

    def parsed(self, name: str, parse: Callable[[bytes], Any]) -> Any:
        """Return what ``parse`` makes of a file; any error becomes one clear error that names the file."""
        content = self.read(name)
        try:
            return parse(content)
        except Exception as error:
            raise self.damaged(name, error) from error

    def damaged(self, name: str, what: object) -> RunFolderError:
        """Return the error that says what is wrong with a file."""
        said = f"{type(what).__name__}: {what}" if isinstance(what, Exception) else str(what)
        return RunFolderError(self.path(name), "must be undamaged", value=said, remedy=self.remedy)

    def text(self, name: str) -> str:
        """Return a text (UTF-8)."""
        text: str = self.parsed(name, lambda content: content.decode("utf-8"))
        return text

    def json(self, name: str) -> dict[str, Any]:
        """Return a JSON object."""
        found: dict[str, Any] = self.parsed(name, _object)
        return found

    def toml(self, name: str) -> dict[str, Any]:
        """Return a TOML table."""
        found: dict[str, Any] = self.parsed(name, parse_toml)
        return found

    def arrays(self, name: str) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return the arrays of a safetensors file, and its metadata."""
        arrays, metadata = self.parsed(name, parse_arrays)
        return arrays, metadata

    def built(self, name: str, build: Callable[[dict[str, Array], dict[str, Any]], T]) -> T:
        """Return what ``build`` makes of the arrays of a safetensors file, and of its metadata.

        Raises
        ------
        RunFolderError : it cannot, by the name of the file
        RecipeError : the file names code outside narrows
        """
        arrays, made_by = self.arrays(name)
        try:
            return build(arrays, made_by)
        except Exception as error:
            if isinstance(error, RecipeError) and ":" in str(made_by.get("name")):
                raise
            raise self.damaged(name, error) from error

    def npy(self, name: str) -> Array:
        """Return the array of a .npy file."""
        return np.asarray(self.parsed(name, lambda content: np.load(io.BytesIO(content), allow_pickle=False)))

    def npz(self, name: str) -> dict[str, Array]:
        """Return the arrays of a .npz file."""

        def read(content: bytes) -> dict[str, Array]:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                return dict(file.items())

        arrays: dict[str, Array] = self.parsed(name, read)
        return arrays

    def _is_there(self, name: str) -> bool:
        return (self.place / name).exists()

    def _content(self, name: str) -> bytes:
        return read(self.place / name, most=MOST.get(Path(name).suffix))


class _Zip(Parts):
    """The files of a ``.zip``, none of them compressed: a small file could unfold to a large one."""

    def __init__(self, place: Path, listing: Mapping[str, Any] | None, *, remedy: str) -> None:
        super().__init__(place, None if listing is None else hashes_of(listing, place / HASHES), remedy=remedy)
        try:
            with opened(place, most=half_of_memory()) as file, zipfile.ZipFile(file) as archive:
                self._names = frozenset(archive.namelist())
        except InputError as error:
            raise RunFolderError(str(place), error.rule, value=error.value, remedy=remedy) from error
        except Exception as error:  # zipfile raises whatever the bytes make it stumble on
            raise RunFolderError(
                str(place), "must be a .zip that was saved", value=str(error), remedy=remedy
            ) from error

    def _is_there(self, name: str) -> bool:
        return name in self._names

    def _content(self, name: str) -> bytes:
        try:
            with opened(self.place) as file, zipfile.ZipFile(file) as archive:
                part = archive.getinfo(name)
                if part.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{name} is compressed")
                if part.file_size > MOST.get(Path(name).suffix, part.file_size):
                    raise ValueError(f"{name} has {part.file_size:,} bytes")
                return archive.read(part)
        except Exception as error:
            raise self.damaged(name, error) from error


class _Within(Parts):
    """The files of a folder inside a place, by the hashes of that place."""

    def __init__(self, outer: Parts, folder: str) -> None:
        super().__init__(outer.place / folder, None, outer.listing, remedy=outer.remedy)
        self._outer, self._folder = outer, folder

    def __contains__(self, name: str) -> bool:
        return f"{self._folder}/{name}" in self._outer

    def read(self, name: str) -> bytes:
        return self._outer.read(f"{self._folder}/{name}")

    def digest(self, name: str) -> str:
        return self._outer.digest(f"{self._folder}/{name}")


def new_place(folder: str | Path) -> Path:
    """Make a folder to save to.

    Raises
    ------
    RunFolderError : it is that of a run, whose files would no longer be what its manifest says
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / MANIFEST).exists():
        raise RunFolderError(
            "folder",
            "must not be a run's folder, because the run's files would be replaced",
            value=str(folder),
            remedy="Choose another folder.",
        )
    return folder


def seal(folder: Path, names: Iterable[str]) -> None:
    """Keep the sha256 of the files ``names``, all of what was saved to ``folder``."""
    write_json(folder / HASHES, {"files": {name: sha256(folder / name) for name in sorted(names)}})


def hashes_of(listing: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Return name -> sha256 as a listing has them.

    Raises
    ------
    RunFolderError : a listing that has none
    """
    files = listing.get("files")
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        raise RunFolderError(str(path), "must list the sha256 of every file", remedy=AGAIN)
    return files


def _object(content: bytes) -> dict[str, Any]:
    found = parse_json(content)
    if not isinstance(found, dict):
        raise ValueError(f"a JSON object is expected, not {type(found).__name__}")
    return found
