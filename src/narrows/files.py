"""Writing files so that a reader sees either the old content or the new, never half of it.

Every write goes to a temporary file in the same folder, is flushed to the disk, and is then renamed over the
target, after which the folder itself is flushed. A full disk or a killed process leaves the old file intact.

Arrays are stored as safetensors, which holds numbers and names only and cannot run code.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from narrows.errors import TrainingError

Array = NDArray[Any]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@contextmanager
def atomic_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary file that replaces ``path`` when the block ends, and leaves it untouched if the block fails."""
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk does not say what was being written
            error.filename = str(path)
        raise
    flush_folder(path.parent)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step."""
    with atomic_file(path) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Replace ``path`` by ``content`` (UTF-8) in one step."""
    write_bytes(path, content.encode("utf-8"))


def write_csv(path: str | Path, rows: Iterable[Iterable[Any]]) -> None:
    """Replace ``path`` by a table, the first of whose rows are the names of its columns, in one step."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


def write_json(path: str | Path, content: Any) -> None:
    """Replace ``path`` by ``content`` as indented JSON; NaN and infinity become null, which JSON has."""
    write_text(path, json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_npy(path: str | Path, array: Array) -> None:
    """Replace ``path`` by ``array`` in NumPy's format, without pickled objects."""
    with atomic_file(path) as file:
        np.save(file, array, allow_pickle=False)


def write_arrays(path: str | Path, arrays: Mapping[str, Array], metadata: Mapping[str, Any] | None = None) -> None:
    """Replace ``path`` by a safetensors file of ``arrays``, with ``metadata`` (JSON) and its own sha256 in its header.

    Raises
    ------
    TrainingError : an array holds NaN or infinity; what is no number is not kept
    """
    from safetensors.numpy import save

    if (name := not_finite(arrays)) is not None:
        raise TrainingError(f"{Path(path).name} was not written: {name!r} holds NaN or infinity.")
    contiguous = {name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}
    plain = json.loads(json.dumps(metadata or {}))  # as it will be read
    # One text for both: the library writes several in any order, and equal content must be equal bytes.
    text = json.dumps(plain | {"sha256": _digest(contiguous, plain)}, sort_keys=True)
    write_bytes(path, save(contiguous, metadata={"narrows": text}))


def read_arrays(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what ``write_arrays`` wrote: the arrays, and the metadata.

    Raises
    ------
    ValueError : the content is not what was written; and whatever parsing it raises
    """
    return parse_arrays(Path(path).read_bytes())


def parse_arrays(content: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return what ``read_arrays`` returns of a file with this content; older files have no sha256 in their header."""
    from safetensors.numpy import load

    arrays = load(content)  # refuses what does not fit together, the header's length among it
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
    metadata = json.loads(header.get("narrows", "{}"))
    digest = metadata.pop("sha256", None)
    if digest is not None and digest != _digest(arrays, metadata):
        raise ValueError("its content is not what was written: it has another sha256 than its header says")
    return arrays, metadata


def not_finite(arrays: Mapping[str, Array]) -> str | None:
    """Return the name of the first of ``arrays`` that holds NaN or infinity; None where all are finite."""
    floating = (name for name, array in arrays.items() if np.asarray(array).dtype.kind in "fc")
    return next((name for name in floating if not np.isfinite(arrays[name]).all()), None)


def _digest(arrays: Mapping[str, Array], metadata: Mapping[str, Any]) -> str:
    """Return the sha256 of arrays, of their names, types and shapes, and of the metadata."""
    found = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode("utf-8"))
    for name, array in sorted(arrays.items()):
        found.update(json.dumps([name, str(array.dtype), array.shape]).encode("utf-8"))
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def sha256(path: str | Path) -> str:
    """Return the sha256 of a file's content, as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """Return the folder for downloads and decoded images: ``$NARROWS_CACHE``, else the user's cache folder."""
    explicit = os.environ.get("NARROWS_CACHE")
    if explicit:
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "narrows"


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, np.generic):
        content = content.item()
    if isinstance(content, float) and not np.isfinite(content):
        return None
    return content


def flush_folder(folder: Path) -> None:
    """Flush a folder to the disk, so that a file renamed in it stays renamed."""
    if os.name == "nt":  # a folder cannot be opened for flushing there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def safe_name(text: str) -> str:
    """Return what of ``text`` is safe in a file's name everywhere: letters, digits, "-", "_", "." and blanks inside.

    At most 80 bytes; "unnamed" where nothing is left.
    """
    kept = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in text)
    return kept.encode("utf-8")[:80].decode("utf-8", "ignore").strip(" .") or "unnamed"
