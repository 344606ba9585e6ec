"""Images as files: a folder, flat or nested; a glob; a list of files; one file.

Files are decoded once, in parallel, into one uint8 array in the cache folder, which is then mapped into memory. The
next time, the same files with the same settings are there at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from narrows.data import images, scale
from narrows.data.dataset import Skipped
from narrows.data.formats import Options, Raw, Reader
from narrows.data.images import How, NeedsScale, Picture, Unreadable
from narrows.data.labels import from_names, labels_file
from narrows.data.scale import BYTES, Census, Scale
from narrows.data.upright import Size
from narrows.environment import usable_cores
from narrows.errors import DataError
from narrows.files import Array, atomic_file, cache_folder, read_json, sha256, write_json
from narrows.wording import out_of, plural

__all__ = ["Folder"]

CACHE_FORMAT = 4  # raised when the same files would be decoded to other pixels
BLOCK = 256  # files decoded between two writes
HEADER_BYTES = 128
MOST_NAMED = 20  # files that an error names
SPLITS = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class _File:
    path: Path
    name: str  # relative to the folder, with "/"; "#3" behind it is its fourth page, where all pages are read
    page: int = 0


@dataclass(frozen=True)
class _Written:
    """What ``_decode`` wrote, and how each of the files fared."""

    shape: tuple[int, ...]
    all_grey: bool  # red, green and blue are equal in all, and nobody asked for three channels
    positions: list[int]  # of the files that could be read
    failures: list[Skipped]
    conversions: dict[str, int]
    sizes: Counter[Size]  # how many files had which
    in_colour: int  # how many
    scaled: tuple[dict[str, Any], str] | None  # white or range that was measured on deep files, and a sentence


@dataclass(frozen=True, eq=False)
class _Decoded:
    """The images that could be read (N, C, H, W) uint8, and how each of the files fared."""

    values: Array
    positions: list[int]
    failures: list[Skipped]
    conversions: dict[str, int]
    size: Size
    sizes: Counter[Size]  # how many files had which
    in_colour: int  # how many
    scaled: tuple[dict[str, Any], str] | None  # white or range that was measured on deep files, and a sentence


class Folder(Reader):
    """Reads images of allowed formats; what cannot be read is listed with its reason."""

    has_pages = True
    reads = "a folder or glob of images (PNG, JPEG, GIF, BMP, TIFF, WEBP, PPM), one such image"

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is a folder, or a file named like an image."""
        return path.is_dir() or path.suffix.lower() in images.EXTENSIONS

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Read every image in ``paths``, which may be folders or files."""
        root = paths[0] if len(paths) == 1 and paths[0].is_dir() else _common_parent(paths)
        files, closed, others = _list(paths, root, ignore=options.labels_word)
        skipped = [*closed, *others]
        if closed and options.strict:
            raise DataError(
                str(root), "has folders that cannot be listed, and strict stops at those",
                remedy=f"{_named(closed)}. Give permission, or leave strict away.",
            )  # fmt: skip
        if not files:
            raise DataError(
                str(root), "must hold images (PNG, JPEG, GIF, BMP, TIFF, WEBP or PPM)",
                value=_what_instead(skipped), remedy=_hint(root, skipped),
            )  # fmt: skip
        if options.page == "all":
            files = _pages(files)
        n_source = len(files)
        chosen = options.choose(n_source)
        positions = np.arange(n_source) if chosen is None else chosen
        decoded, notes = _decode_or_recall([files[i] for i in positions], root, options)
        if decoded.failures and options.strict:
            raise DataError(
                out_of(len(decoded.failures), len(positions), "image"), "cannot be read, and strict stops at those",
                remedy=f"{_named(decoded.failures)}. Repair or remove them, or leave strict away.",
            )  # fmt: skip
        positions = positions[decoded.positions]
        names = tuple(files[i].name for i in positions)
        found, split, said = _from_subfolders(names, [file.name for file in files], options.labels_word)
        labels, label_names = (None, None) if found is None else from_names(found)
        return Raw(
            decoded.values,
            labels=labels,
            label_names=label_names,
            label_choices=("folders",),
            preprocessing=_preprocessing(decoded, options),
            positions=positions,
            n_source=n_source,
            ids=names,
            paths=tuple(_text(str(files[i].path)) for i in positions),
            split=split,
            skipped=(*decoded.failures, *skipped),
            notes=(
                *images.about_size(decoded.sizes, decoded.size, options.fit),
                *images.describe(Counter(decoded.conversions)),
                *([decoded.scaled[1]] if decoded.scaled else []),
                *_about_colour(decoded, options),
                *said,
                *notes,
            ),
        )


def _preprocessing(decoded: _Decoded, options: Options) -> dict[str, Any]:
    """Return the options that open other files the same way."""
    n = int(decoded.values.shape[1])
    how: dict[str, Any] = {
        "size": list(decoded.size), "channels": list(options.channels) if isinstance(options.channels, tuple) else n,
        "fit": options.fit,
    }  # fmt: skip
    if options.page != 0:
        how["page"] = options.page
    asked = scale.asked(options.white, options.range)
    if asked is not None:
        # A white that bytes can have was applied to them too: kept as a range, it speaks of bytes.
        return how | (asked._replace(clips=True) if asked.high < 255 else asked).as_options()
    if options.like is not None:
        return how | {name: options.like[name] for name in scale.KEPT if name in options.like}
    return how | (decoded.scaled[0] if decoded.scaled else {})


def _about_colour(decoded: _Decoded, options: Options) -> list[str]:
    """Return a sentence where some images alone are in colour, which gives three channels to all."""
    n, some = len(decoded.values), decoded.in_colour
    if options.channels != "auto" or not 0 < some < n:
        return []
    return [
        f"{some:,} of {n:,} images {'is' if some == 1 else 'are'} in colour, so all have three channels; channels=1 "
        "makes all grey."
    ]


# Which files there are


def _list(paths: Sequence[Path], root: Path, ignore: str) -> tuple[list[_File], list[Skipped], list[Skipped]]:
    """Return image files, sorted by name; folders that cannot be listed; and other files, but no hidden ones."""
    named = labels_file(ignore)
    of_labels = named and named[0].resolve()
    files: list[_File] = []
    closed: list[Skipped] = []
    others: list[Skipped] = []
    walked = [found for path in paths for found in (_walk(path, root, closed) if path.is_dir() else [path])]
    for path in {os.path.abspath(path): path for path in walked}.values():  # once, however it was spelled
        file = _File(path, _relative(path, root))
        if path.suffix.lower() in images.EXTENSIONS:
            files.append(file)
        elif path.resolve() != of_labels:
            others.append(Skipped(file.name, f"not an image file ({path.suffix or 'no extension'})"))
    return sorted(files, key=lambda file: file.name), closed, sorted(others, key=lambda file: file.path)


def _pages(files: list[_File]) -> list[_File]:
    """Return a file for each page of those that have several."""

    def pages(file: _File) -> int:
        try:
            return images.count(file.path)
        except Unreadable:
            return 1  # decoding it will say why

    with images.quiet(), ThreadPoolExecutor(usable_cores()) as pool:
        counts = list(pool.map(pages, files))
    return [
        file if count == 1 else _File(file.path, f"{file.name}#{page}", page)
        for file, count in zip(files, counts, strict=True) for page in range(count)
    ]  # fmt: skip


def _walk(folder: Path, root: Path, closed: list[Skipped]) -> Iterator[Path]:
    """Yield all files below ``folder``, through links to folders too, but through each folder only once."""

    def note(error: OSError) -> None:
        name = _relative(Path(error.filename), root)
        closed.append(Skipped(name, f"a folder that cannot be listed: {(error.strerror or '').lower()}"))

    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=note):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _common_parent(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([os.path.abspath(path.parent) for path in paths]))


def _relative(path: Path, root: Path) -> str:
    return _text(Path(os.path.relpath(path, root)).as_posix())


def _text(name: str) -> str:
    """Return a file name as text that can be written anywhere: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _what_instead(skipped: list[Skipped]) -> str:
    return plural(len(skipped), "other file") if skipped else "nothing"


def _hint(root: Path, skipped: list[Skipped]) -> str | None:
    data = [file.path for file in skipped if Path(file.path).suffix in (".npy", ".npz", ".mat", ".csv", ".gz")]
    return f"It holds {', '.join(data[:5])}: open one of those, such as {root / data[0]}." if data else None


# What their folders say


def _from_subfolders(
    names: tuple[str, ...], all_names: list[str], asked: str
) -> tuple[list[str] | None, Array | None, list[str]]:
    """Return labels and split that lie in the names of sub-folders, and a sentence about them.

    ``train/cat/1.png`` carries both. Unasked, sub-folders are labels only when every image lies in one of at least two,
    and exactly that deep: folders of folders may be years and months, or anything.
    """
    parents = [name.split("/")[:-1] for name in all_names]
    tops = {parent[0] if parent else "" for parent in parents}
    split, notes, depth = None, [], 0
    if len(tops) > 1 and all(top.lower() in SPLITS for top in tops) and "train" in {SPLITS[t.lower()] for t in tops}:
        split = np.array([SPLITS[name.split("/")[0].lower()] for name in names])
        notes.append(f"The folders {', '.join(sorted(tops))} were taken as the source's own split.")
        depth = 1
    classes = {parent[depth] for parent in parents if len(parent) > depth}
    clear = len(classes) >= 2 and all(len(parent) == depth + 1 for parent in parents)
    if asked == "folders" or (asked == "auto" and clear):
        labels = [(name.split("/")[:-1][depth:] or [""])[0] for name in names]
        if asked == "auto":
            notes.append(f"The names of the {len(classes)} sub-folders were taken as labels; they only score.")
        return labels, split, notes
    return None, split, notes


# Decoding, and the cache


def _decode_or_recall(files: list[_File], root: Path, options: Options) -> tuple[_Decoded, list[str]]:
    """Return the decoded files: from the cache, or decoded into it, or into memory where it cannot be written."""
    target = cache_folder() / "images" / f"{_key(files, root, options)}.npy"
    recalled = _recall(target)
    if recalled is not None:
        return recalled, []
    with images.quiet(), ThreadPoolExecutor(usable_cores(), thread_name_prefix="decode") as pool:
        files = [file if options.page == "all" else replace(file, page=options.page) for file in files]
        size = _size_for(files, options, pool)
        try:
            _to_disk(files, size, options, pool, target)
            recalled = _recall(target)
        except OSError as error:
            reason = error.strerror or str(error)
            note = f"Decoded images are kept in memory, because the cache folder cannot be written ({reason.lower()})."
            return _to_memory(files, size, options, pool), [note]
    if recalled is None:
        raise DataError(
            str(target), "must hold what was just written to it",
            remedy="The disk may be failing; set NARROWS_CACHE to a folder on another one.",
        )  # fmt: skip
    return recalled, []


def _to_disk(files: list[_File], size: Size, options: Options, pool: ThreadPoolExecutor, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(target.parent).free < len(files) * 3 * size[0] * size[1]:
        raise OSError("not enough room on its disk")
    with atomic_file(target) as file:
        decoded = _decode(files, size, options, pool, file)
    if decoded.all_grey:
        _keep_one_channel(target, decoded.shape)
    # The sidecar is written last: without it, or where it does not fit, there is nothing in the cache.
    outcome = {
        "positions": decoded.positions, "failures": [asdict(file) for file in decoded.failures],
        "conversions": decoded.conversions, "size": list(size),
        "sizes": [[*native, count] for native, count in decoded.sizes.items()],
        "in_colour": decoded.in_colour, "scaled": decoded.scaled,
    }  # fmt: skip
    write_json(target.with_suffix(".json"), outcome | {"sha256": sha256(target)})


def _to_memory(files: list[_File], size: Size, options: Options, pool: ThreadPoolExecutor) -> _Decoded:
    memory = BytesIO()
    decoded = _decode(files, size, options, pool, memory)
    values = np.frombuffer(memory.getbuffer(), np.uint8, offset=HEADER_BYTES).reshape(decoded.shape)
    if decoded.all_grey:
        values = values[:, :1].copy()
    return _Decoded(
        values, decoded.positions, decoded.failures, decoded.conversions, size, decoded.sizes, decoded.in_colour,
        decoded.scaled,
    )  # fmt: skip


def _decode(files: list[_File], size: Size, options: Options, pool: ThreadPoolExecutor, sink: IO[bytes]) -> _Written:
    """Write the images that can be read to ``sink`` as one .npy, block by block, so that memory stays bounded.

    Where files turn out to be deeper than bytes, and nobody has said what is white in them, all are looked at first.
    """
    of_types = images.scale_of(options.white, options.range, options.like)
    if of_types is not None:
        return _decode_as(files, How(size, options.fit, options.channels, of_types), options, pool, sink)
    try:
        return _decode_as(files, How(size, options.fit, options.channels, _bytes_alone), options, pool, sink)
    except NeedsScale:
        sink.seek(0)
        sink.truncate()
    dtype, measured, said = _measure_values(files, options, pool)

    def of_type(other: np.dtype) -> Scale:
        return measured if other == dtype else images.of_format(other)

    written = _decode_as(files, How(size, options.fit, options.channels, of_type), options, pool, sink)
    return replace(written, scaled=(measured.as_options() | {"dtype": dtype.name}, said))


def _bytes_alone(dtype: np.dtype) -> Scale:
    if dtype != np.uint8:
        raise NeedsScale
    return BYTES


def _measure_values(files: list[_File], options: Options, pool: ThreadPoolExecutor) -> tuple[np.dtype, Scale, str]:
    """Return the commonest type of the deep values in files, the scale that suits all of them, and a sentence."""

    def values(file: _File) -> Array | None:
        try:
            return images.deep_values(file.path, options.channels, file.page)
        except Unreadable:
            return None  # decoding it will say why

    found: dict[np.dtype, Census] = {}
    many: Counter[np.dtype] = Counter()
    with options.progress.task("measure values", len(files)) as task:
        for start in range(0, len(files), BLOCK):
            block = files[start : start + BLOCK]
            for deep in pool.map(values, block):
                if deep is not None:
                    found.setdefault(deep.dtype, Census(deep.dtype, len(files))).add(deep)
                    many[deep.dtype] += 1
            task.advance(len(block))
    dtype = many.most_common(1)[0][0]
    return dtype, *found[dtype].scale()


def _decode_as(files: list[_File], how: How, options: Options, pool: ThreadPoolExecutor, sink: IO[bytes]) -> _Written:
    size = how.size
    channels = 1 if options.channels == 1 or len(_named_channels(options)) == 1 else 3
    positions: list[int] = []
    failures: list[Skipped] = []
    conversions: Counter[str] = Counter()
    sizes: Counter[Size] = Counter()
    in_colour = 0

    def decode(file: _File) -> Picture | str:
        try:
            return images.decode(file.path, replace(how, page=file.page))
        except Unreadable as error:
            return str(error)

    sink.write(bytes(HEADER_BYTES))  # the number of rows is known at the end
    with options.progress.task("decode", len(files)) as task:
        for start in range(0, len(files), BLOCK):
            block = files[start : start + BLOCK]
            rows = np.empty((len(block), channels, *size), dtype=np.uint8)
            filled = 0
            for position, picture in enumerate(pool.map(decode, block), start):
                if isinstance(picture, str):
                    failures.append(Skipped(files[position].name, picture))
                    continue
                rows[filled] = picture.pixels  # (1, H, W) spreads over the channels
                filled += 1
                positions.append(position)
                conversions.update(picture.conversions)
                sizes[picture.native] += 1
                in_colour += len(picture.pixels) == 3
            sink.write(rows[:filled].tobytes())
            task.advance(len(block), text=f"{len(failures)} unreadable" if failures else "")
    if not positions:
        raise DataError(
            "images", "must be readable, one at least", value=f"{len(failures)} that are not",
            remedy=f"{_named(failures)}.",
        )  # fmt: skip
    shape = (len(positions), channels, *size)
    sink.seek(0)
    sink.write(_npy_header(shape))
    all_grey = not in_colour and channels == 3 and options.channels == "auto"
    return _Written(shape, all_grey, positions, failures, dict(conversions), sizes, in_colour, None)


def _named_channels(options: Options) -> tuple[int, ...]:
    return options.channels if isinstance(options.channels, tuple) else ()


def _keep_one_channel(target: Path, shape: tuple[int, ...]) -> None:
    """Rewrite an .npy of grey images (N, 3, H, W) as (N, 1, H, W), block by block."""
    n, channels, height, width = shape
    with atomic_file(target) as file, open(target, "rb") as stored:
        file.write(_npy_header((n, 1, height, width)))
        stored.seek(HEADER_BYTES)
        for start in range(0, n, BLOCK):
            rows = min(BLOCK, n - start)
            block = np.frombuffer(stored.read(rows * channels * height * width), np.uint8)
            file.write(block.reshape(rows, channels, height, width)[:, 0].tobytes())


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of a uint8 .npy, always of the same length, so that it can be written last."""
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    fixed = b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER_BYTES - 10)
    return fixed + text.ljust(HEADER_BYTES - 11).encode("ascii") + b"\n"


def _size_for(files: list[_File], options: Options, pool: ThreadPoolExecutor) -> Size:
    """Return the size to decode to."""
    if options.size != "auto":
        return options.size

    def measure(file: _File) -> Size | None:
        try:
            return images.measure(file.path, file.page)
        except Unreadable:
            return None  # decoding it will say why

    found: set[Size] = set()
    for start in range(0, len(files), BLOCK):
        found |= {size for size in pool.map(measure, files[start : start + BLOCK]) if size is not None}
        if len(found) > 1:
            break
    return images.auto_size(found)


def _key(files: Iterable[_File], root: Path, options: Options) -> str:
    """Return a name for these files, as they are now, decoded with these settings."""
    import PIL

    content = [
        CACHE_FORMAT, PIL.__version__, os.path.realpath(root), options.size, options.channels, options.fit,
        options.white, options.range, options.page, options.like and _scale_in(options.like),
        [(file.name, *_status(file.path)) for file in files],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _scale_in(like: Mapping[str, Any]) -> list[Any]:
    return [like.get(name) for name in scale.KEPT]


def _status(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    # The time of the last change of status as well: permission may have been given since.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _recall(target: Path) -> _Decoded | None:
    """Return what the cache holds, mapped into memory; None when it holds nothing or something damaged."""
    try:
        known = read_json(target.with_suffix(".json"))
        if sha256(target) != known["sha256"]:
            return None
        return _Decoded(
            np.load(target, mmap_mode="r", allow_pickle=False), known["positions"],
            [Skipped(**file) for file in known["failures"]], known["conversions"],
            _pair(known["size"]), Counter({_pair([h, w]): count for h, w, count in known["sizes"]}),
            known["in_colour"], None if known["scaled"] is None else (known["scaled"][0], known["scaled"][1]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _pair(sides: list[int]) -> Size:
    height, width = sides
    return height, width


def _named(failures: list[Skipped]) -> str:
    text = "; ".join(f"{file.path}: {file.reason}" for file in failures[:MOST_NAMED])
    return text + ("; ..." if len(failures) > MOST_NAMED else "")
