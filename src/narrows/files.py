"""Writing files so that a reader sees either the old content or the new, never half of it.

Every write goes to a temporary file in the same folder, is flushed to the disk, and is then renamed over the
target, after which the folder itself is flushed. A full disk or a killed process leaves the old file intact.

Arrays are stored as safetensors, which holds numbers and names only and cannot run code.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

Array = np.ndarray[Any, Any]


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
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step."""
    with atomic_file(path) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Replace ``path`` by ``content`` (UTF-8) in one step."""
    write_bytes(path, content.encode("utf-8"))


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
    """Replace ``path`` by a safetensors file of ``arrays``, with ``metadata`` (JSON) in its header."""
    from safetensors.numpy import save

    header = {"narrows": json.dumps(metadata or {}, sort_keys=True)}
    contiguous = {name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}
    write_bytes(path, save(contiguous, metadata=header))


def read_arrays(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what ``write_arrays`` wrote: the arrays, and the metadata."""
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        metadata = json.loads((file.metadata() or {}).get("narrows", "{}"))
    return arrays, metadata


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
