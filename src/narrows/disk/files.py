"""Writing files so that a reader sees either the old content or the new, never half of it.

Every write goes to a temporary file in the same folder, is flushed to the disk, and is then renamed over the
target, after which the folder itself is flushed. A full disk or a killed process leaves the old file intact. What the
file system does not offer (flushing a folder, locks) is done without; what fails says which file, and of a full disk
how many bytes. Nothing of the process is changed: a file has the mode that the umask leaves.

Arrays are stored as safetensors, which holds numbers and names only and cannot run code.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from narrows.disk.regular import MOST_TEXT, half_of_memory, opened, parse_json, read
from narrows.errors import TrainingError, WriteError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Array = NDArray[Any]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

#: What a spreadsheet runs: after blanks too, in letters of full width too, and what a guard stands before already.
FORMULA = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠])")
NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|nan)")
# Names that Windows keeps for its devices, whatever stands behind a dot.
RESERVED = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)
# What is being written, or what a writer that was killed has left.
UNFINISHED = re.compile(r"\..+\.[a-z0-9_]{8}\.part", re.DOTALL)
CHUNK = 1 << 22  # bytes that are read at once
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: How a system says that it has no such thing for this file or folder.
NOT_OFFERED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF)


@contextmanager
def atomic_file(path: str | Path, size: int | None = None, *, expected: bytes | None = None) -> Iterator[IO[bytes]]:
    """Open a binary file that replaces ``path`` when the block ends, and leaves it untouched if the block fails.

    Parameters
    ----------
    path : of the file
    size : bytes that will be written, where they are known, for the message of a full disk
    expected : what will be written, where it is to be read back from the disk before it replaces ``path``

    Raises
    ------
    WriteError : it cannot be written, or the disk returns something else than ``expected``
    """
    path = Path(path)
    with naming(path, size):
        descriptor, temporary = _begun(path)
        file = os.fdopen(descriptor, "wb")
        try:
            yield file
            file.flush()
            _flush(file.fileno())
            if expected is not None and not _returns(file.fileno(), expected):
                raise OSError(errno.EIO, "the disk does not return what was written to it")
            if os.name == "nt":  # where an open file keeps its name
                file.close()
            os.replace(temporary, path)
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in FULL and size is None and not file.closed:
                error.add_note(f"more than {file.tell():,} bytes")
            temporary.unlink(missing_ok=True)
            raise
        finally:
            with suppress(OSError):  # what is left in its buffer finds no room either
                file.close()
    flush_folder(path.parent)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a new folder, which becomes ``path`` when the block ends, in place of what was there; or goes if it fails.

    Raises
    ------
    WriteError : it cannot be written
    """
    path = Path(path).absolute()
    with naming(path):
        new, held = _begun_folder(path)
    old = new.with_suffix(".old")
    try:
        yield new
        with naming(path):
            if os.path.lexists(path):
                path.rename(old)
            new.rename(path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists():
            old.rename(path)
        raise
    finally:
        if held is not None:
            os.close(held)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def naming(path: str | Path, size: int | None = None) -> Iterator[None]:
    """Have an error of the system say what could not be written, and of a full disk how much room there was.

    Parameters
    ----------
    path : what is written in the block
    size : its bytes, where they are known

    Raises
    ------
    WriteError : in place of an OSError of a full disk, or one that names no other file
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if error.errno is None or (error.errno not in FULL and not _is_of(error, Path(path))):
            raise
        raise _named(error, Path(path), size) from error


def reserve(file: IO[bytes], size: int) -> None:
    """Give an empty file ``size`` bytes of the disk: one that is mapped would end the process where there is no room.

    Raises
    ------
    OSError : there is no room
    """
    file.truncate(size)
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in NOT_OFFERED:
                raise


def sweep(folder: Path) -> None:
    """Delete what writers that are gone left unfinished in ``folder`` and in the folders in it.

    Whoever writes holds a lock on what is unfinished, which ends with the process; where the system knows no such
    locks, nothing is deleted.
    """
    with suppress(OSError):  # a folder that may not be listed
        for found in list(os.scandir(folder)):
            if UNFINISHED.fullmatch(found.name):
                _sweep(Path(found.path))
            elif found.is_dir(follow_symlinks=False):
                sweep(Path(found.path))


def sweep_beside(path: Path) -> None:
    """Delete what writers of ``path`` that are gone left unfinished beside it."""
    for other in path.parent.iterdir():
        if UNFINISHED.fullmatch(other.name) and other.name.startswith(f"{_beginning(path)}."):
            _sweep(other)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` in one step."""
    with atomic_file(path, len(content)) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Replace ``path`` by ``content`` (UTF-8) in one step."""
    write_bytes(path, content.encode("utf-8"))


def write_csv(path: str | Path, rows: Iterable[Iterable[Any]], *, exact: Collection[str] = ()) -> None:
    """Replace ``path`` by a table, the first of whose rows are the names of its columns, in one step.

    Texts that a spreadsheet would run are guarded (see ``guarded``), but for those in the columns ``exact``.
    """
    text = io.StringIO()
    writer, names = csv.writer(text, lineterminator="\n"), None
    for row in rows:
        cells = list(row)
        names = cells if names is None else names
        writer.writerow(
            [
                guarded(cell) if isinstance(cell, str) and (cells is names or name not in exact) else cell
                for name, cell in zip(names, cells, strict=True)
            ]
        )
    write_text(path, text.getvalue())


def parse_csv(content: bytes) -> list[list[str]]:
    """Return the cells of a table that ``write_csv`` wrote, row by row, however long they are, and guarded as they are.

    Raises
    ------
    ValueError : no text in UTF-8, or no such table
    """
    before = csv.field_size_limit(max(1, len(content)))  # the usual one is short of what any reader of data takes
    try:
        return list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    finally:
        csv.field_size_limit(before)


def guarded(text: str) -> str:
    """Return ``text`` with an apostrophe before it where a spreadsheet would take it for a formula, but for numbers."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unguarded(text: str) -> str:
    """Return the text that ``guarded`` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def write_json(path: str | Path, content: Any) -> None:
    """Replace ``path`` by ``content`` as indented JSON; NaN and infinity become null, which JSON has."""
    write_text(path, json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    ValueError : it is no JSON, or (InputError) no regular file of a size that can be
    OSError : there is none, or it may not be read
    """
    return parse_json(read(path, most=MOST_TEXT))


def write_npy(path: str | Path, array: Array) -> None:
    """Replace ``path`` by ``array`` in NumPy's format, without pickled objects."""
    with atomic_file(path) as file:
        # By way of Python: NumPy's own writing to an open file ends, on a full disk, in an error without a number.
        np.save(SimpleNamespace(write=file.write), array, allow_pickle=False)


def write_arrays(path: str | Path, arrays: Mapping[str, Array], metadata: Mapping[str, Any] | None = None) -> None:
    """Replace ``path`` by a safetensors file of ``arrays``, with ``metadata`` (JSON) and its own sha256 in its header.

    Raises
    ------
    TrainingError : an array holds NaN or infinity; what is not a number is not kept
    WriteError : it cannot be written, or the disk returns other bytes; what was there is untouched
    """
    from safetensors.numpy import save

    if (name := not_finite(arrays)) is not None:
        raise TrainingError(f"{Path(path).name} was not written: {name!r} holds NaN or infinity.")
    contiguous = {name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}
    plain = json.loads(json.dumps(metadata or {}))  # as it will be read
    # One text for both: the library writes several in any order, and equal content must be equal bytes.
    text = json.dumps(plain | {"sha256": _digest(contiguous, plain)}, sort_keys=True)
    content = save(contiguous, metadata={"narrows": text})
    with atomic_file(path, len(content), expected=content) as file:
        file.write(content)


def read_arrays(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what ``write_arrays`` wrote: the arrays, and the metadata.

    Raises
    ------
    ValueError : the content is not what was written; and whatever parsing it raises
    """
    return parse_arrays(read(path))


def parse_arrays(content: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return what ``read_arrays`` returns of a file with this content; older files have no sha256 in their header."""
    from safetensors.numpy import load

    arrays = load(content)  # refuses what does not fit together, the header's length among it
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__", {})
    metadata = json.loads(header.get("narrows", "{}"))
    digest = metadata.pop("sha256", None)
    if digest is not None and digest != _digest(arrays, metadata):
        raise ValueError("its content is not what was written: its sha256 differs from the one in its header")
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


def sha256(path: str | Path, most: int | None = None) -> str:
    """Return the sha256 of a regular file's content, as hexadecimal text; ``most`` is as ``regular.read`` takes it."""
    with opened(path, most=half_of_memory() if most is None else most) as file:
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
    """Flush a folder to the disk, so that a file renamed in it stays renamed, where the system can."""
    if os.name == "nt":  # a folder cannot be opened for flushing there
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # it may be written to and not be read
        return
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)


def _flush(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise


def _returns(descriptor: int, content: bytes) -> bool:
    """Whether a flushed file has ``content`` when it is read from the disk, where the system forgets its own copy."""
    if hasattr(os, "posix_fadvise"):
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            if error.errno not in NOT_OFFERED:
                raise
    os.lseek(descriptor, 0, os.SEEK_SET)
    expected, place = memoryview(content), 0
    while part := os.read(descriptor, CHUNK):
        if part != expected[place : place + len(part)]:
            return False
        place += len(part)
    return place == len(content)


def _begun(path: Path) -> tuple[int, Path]:
    """Begin a file beside ``path``, locked for as long as this process writes it; its mode is what the umask leaves."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        temporary = _beside(path)
        try:
            descriptor = os.open(temporary, flags, 0o666)
        except FileExistsError:
            continue
        if _hold(descriptor) and os.path.lexists(temporary):  # or it was swept before it was held
            return descriptor, temporary
        os.close(descriptor)


def _begun_folder(path: Path) -> tuple[Path, int | None]:
    while True:
        new = _beside(path)
        try:
            new.mkdir()
        except FileExistsError:
            continue
        try:
            held = os.open(new, os.O_RDONLY)
        except PermissionError:  # Windows
            return new, None
        if _hold(held) and new.exists():
            return new, held
        os.close(held)


def _beside(path: Path) -> Path:
    """Return a name for what becomes ``path``; of a long name a part, or there would be no room for the rest."""
    return path.with_name(f"{_beginning(path)}.{secrets.token_hex(4)}.part")


def _beginning(path: Path) -> str:
    return f".{path.name[:50]}"


def _hold(descriptor: int) -> bool:
    """Lock an open file until it is closed; whether nobody else has it. Where there are no locks, nobody has."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def _sweep(path: Path) -> None:
    if fcntl is None:
        return
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        finally:
            os.close(descriptor)


def _is_of(error: OSError, path: Path) -> bool:
    """Whether an error is about ``path`` or what it is made of, as far as it says."""
    return error.filename is None or Path(os.fsdecode(error.filename)).parent in (path.parent, path)


def _named(error: OSError, path: Path, size: int | None) -> WriteError:
    """Return the error that says what could not be written and, of a full disk, the bytes it needs and those free."""
    said = error.strerror or str(error)
    if error.errno in FULL:
        needs = [f"{size:,} bytes"] if size is not None else getattr(error, "__notes__", ["some bytes more"])
        with suppress(OSError):
            said += f"; it needs {needs[0]}, and {shutil.disk_usage(path.parent).free:,} are free"
    return WriteError(error.errno, said, str(path))


def safe_name(text: str) -> str:
    """Return what of ``text`` is safe in a file's name everywhere: letters, digits, "-", "_", "." and blanks inside.

    At most 80 bytes, without a dash in front, which programs take for an option, and no name that a system keeps for
    itself (``CON``, ``nul.txt``); "unnamed" where nothing is left.
    """
    text = unicodedata.normalize("NFC", text)  # one letter is one, however it was typed
    kept = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in text)
    name = kept.encode("utf-8")[:80].decode("utf-8", "ignore").strip(" .") or "unnamed"
    return unreserved(name)


def unreserved(name: str) -> str:
    """Return a name that no system keeps for itself and no program takes for an option."""
    return f"_{name}" if name.startswith("-") or RESERVED.fullmatch(name.split(".", maxsplit=1)[0].strip()) else name


def safe_suffix(path: Path) -> str:
    """Return the end of a file's name that says its type, or "" where it is none that is safe everywhere."""
    return path.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,16}", path.suffix) else ""
