"""The one door: any source of images or vectors becomes a ``Dataset``.

The source is routed to a reader in ``formats/`` or a data set in ``named/``; what comes back passes the same few steps:
labels, limit, values, size and channels.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from narrows.data import columns as tables
from narrows.data import images
from narrows.data.arrays import White, as_array, as_values, check_white
from narrows.data.dataset import Dataset
from narrows.data.formats import Options, Raw, Reader, find, find_several, readable
from narrows.data.images import Fit
from narrows.data.labels import as_labels, labels_file, read_table
from narrows.data.named import named
from narrows.errors import DataError, nearest
from narrows.files import Array
from narrows.progress import Progress
from narrows.wording import plural

CODE_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")  # package.module:function


def open(
    source: Any,
    *,
    labels: Any = "auto",
    key: str | None = None,
    size: Literal["auto"] | int | Sequence[int] = "auto",
    channels: Literal["auto"] | int = "auto",
    fit: Fit = "crop",
    white: White = "auto",
    columns: Sequence[str | int] | None = None,
    ignore: Sequence[str | int] | None = None,
    limit: int | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    seed: int = 0,
) -> Dataset:
    """Open a source of images or vectors.

    Images come out as uint8 (N, C, H, W), vectors as float32 (N, D).

    Parameters
    ----------
    source : a path (a folder of images, flat or nested; a glob; one image; .npy, .npz, IDX, .mat, .csv, .tsv; a folder
        or glob of train, valid and test .mat files as NIST36 has them; a folder of trainX, valX and valY .npy files); a
        list of image files; the name of a data set ("digits", "mnist"; all are files in ``narrows/data/named``); an
        array or tensor (N, D), (N, H, W), (N, H, W, C) or (N, C, H, W); or a ``Dataset``. A bare word that names a data
        set means it, even where a file of that name exists; ``./mnist`` is the file
    labels : "auto" takes what the source offers (sub-folders, when every image lies in one; a file or array of labels
        with the usual name); "none"; "folders" (the names of sub-folders); the key of an array in .npz or .mat; the
        name or number of a column of a table; a file (.npy, IDX, or .csv with one label per row or columns id and
        label); or an array, one-hot or not
    key : which array of a .npz or .mat is the data
    size : of images: "auto", a side, or (height, width). "auto" keeps arrays as they are; of image files it keeps the
        size that all share, scaled to at most 64 pixels on the longer side and at least 8 on the shorter, and brings
        files of different sizes to 64x64
    channels : 1 (grey), 3 (colour), or "auto": of arrays their own; of image files 1 when red, green and blue are equal
        in all of them
    fit : how images take on another aspect: "crop" cuts the middle out, "pad" adds black bars, "stretch" distorts
    white : the value that stands for white in arrays of images, such as 1, 16, 255, 4095 or 65535. "auto" goes by the
        largest value: up to 1 it is 1; up to 16 it is 16, as in scikit-learn's digits; up to 255 it is 255; beyond, for
        uint16 alone, 65535. uint8 arrays and image files have 255, whatever is said here
    columns : of a table, those that are data, in this order, by their names or their numbers from 0. All by default,
        but for labels, ids (a column ``id``, the index that pandas writes) and columns without a single number
    ignore : columns of a table to leave out, by name or number
    limit : at most so many rows, drawn with ``seed`` and kept in order; of files, before it is known which can be read
    strict : raise when a file cannot be read, instead of listing it in ``Dataset.skipped``
    progress : shows what takes time; quiet by default
    seed : of the draw that ``limit`` makes

    Returns
    -------
    Dataset : its ``provenance["preprocessing"]`` opens other data the same way: for images size, channels, fit, and
        white where it was decided; for tables with names the columns, so that other tables must have them all, and
        may have them in another order. Those names are in ``provenance["columns"]`` too

    Raises
    ------
    DataError : a source that does not exist, cannot be read, or does not hold what it should
    """
    size_, channels_, fit_ = images.check_geometry(size, channels, fit)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 1):
        raise DataError("limit", "must be a whole number of rows, at least 1", value=limit)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError("seed", "must be a whole number, at least 0", value=seed)
    if isinstance(labels, os.PathLike):
        labels = os.fspath(labels)
    options = Options(
        "none" if labels is None else labels, key, size_, channels_, fit_, limit, strict, progress or Progress(), seed,
        check_white(white), tables.check(columns, "columns"), tables.check(ignore, "ignore"),
    )  # fmt: skip
    if isinstance(source, Dataset):
        return _adapt(source, options)
    if isinstance(source, str | os.PathLike):
        return _open_text(source, options)
    if isinstance(source, list | tuple) and source and all(isinstance(item, str | os.PathLike) for item in source):
        paths = [_path(item) for item in source]
        for path in paths:
            if not _exists(path):
                raise DataError("source", "must be a list of files that exist", value=str(path))
        name, reader = find_several(paths)
        return _read(name, reader, paths, plural(len(paths), "file"), options)
    array = as_array(source)
    origin = f"array {array.shape} {array.dtype}"
    return _finish(Raw(array), origin, "array", options)


# From a source to what it holds


def _open_text(source: str | os.PathLike[str], options: Options) -> Dataset:
    """Open what a person typed: the name of a data set, a path, or a pattern of paths."""
    text = os.fspath(source)
    is_bare_word = isinstance(source, str) and not Path(text).suffix and not re.search(r"[/\\~]", text)
    if is_bare_word and text in named.names():
        return _open_named(text, options)
    path = _path(source)
    try:
        if path.exists():
            name, reader = find(path)
            return _read(name, reader, [path], text, options)
        if matches := sorted(glob.glob(str(path), recursive=True)):
            return _open_matches([Path(match) for match in matches], text, options)
    except PermissionError as error:
        raise DataError(text, "must be readable", value="no permission", remedy="Look at who may read it.") from error
    except OSError as error:
        raise DataError(text, "must be readable", remedy=f"{error.strerror or error}.") from error
    if isinstance(source, str) and CODE_PATH.fullmatch(text):
        return _open_named(text, options)
    if is_bare_word:
        remedy = nearest(text, named.names())
    else:
        remedy = "A pattern must match something." if glob.has_magic(text) else "There is no such file or folder."
    raise DataError(
        "source", "must be the name of a data set, or a file or folder that exists", value=text,
        remedy=f"{remedy} Files that are read: {readable()}.",
    )  # fmt: skip


def _path(source: str | os.PathLike[str]) -> Path:
    """Return what a person typed as a path, with ~ replaced."""
    text = os.fspath(source)
    if not text.strip():
        raise DataError("source", "must not be empty", value=text, remedy='The folder you are in is ".".')
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise DataError("source", "must begin with ~ or the ~name of a user here", value=text) from error


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:  # a name too long, a folder closed to us
        return False


def _open_named(name: str, options: Options) -> Dataset:
    dataset: Dataset = named.get(name)(options.progress)
    return _adapt(dataset, options)


def _open_matches(paths: list[Path], pattern: str, options: Options) -> Dataset:
    """Open what a pattern matches: one source of any kind, or several files that are one."""
    name, reader = find(paths[0]) if len(paths) == 1 else find_several(paths)
    return _read(name, reader, paths, pattern, options)


def _read(name: str, reader: Reader, paths: list[Path], source: str, options: Options) -> Dataset:
    if options.key is not None and not reader.has_keys:
        raise DataError("key", "chooses among the arrays of a .npz or .mat", value=options.key, remedy="Leave it away.")
    return _finish(reader.read(paths, options), source, name, options)


# From what it holds to a Dataset


def _finish(raw: Raw, source: str, format_: str, options: Options) -> Dataset:
    """Make a ``Dataset`` of what a reader found: labels, then the limit, then values, then size and channels."""
    n = len(raw.values) if raw.values.ndim else 0
    ids = raw.ids or tuple(str(row) for row in range(n))
    labels, label_names, label_notes = _labels(raw, n, ids, options)
    split, paths, values, notes = raw.split, raw.paths, raw.values, [*raw.notes, *label_notes]
    white: float | None = None
    provenance: dict[str, Any] = {"source": source, "format": format_}
    if options.limit is not None:
        provenance |= {"limit": options.limit, "seed": options.seed, "available": raw.n_source or n}
    rows = None if raw.preprocessing else options.choose(n)
    if rows is not None:
        values, ids = values[rows], tuple(ids[row] for row in rows)
        labels = None if labels is None else labels[rows]
        paths = None if paths is None else tuple(paths[row] for row in rows)
        split = None if split is None else split[rows]
    if raw.preprocessing is None:
        values, said, white = as_values(values, source, options.white)
        notes += said
    if raw.columns is not None:
        provenance |= _about_columns(raw.columns)
        options = replace(options, columns=(), ignore=())  # the reader has seen to them
    data = Dataset(
        values, labels=labels, label_names=label_names, ids=ids, paths=paths, split=split,
        provenance=provenance | ({"preprocessing": raw.preprocessing} if raw.preprocessing else {}),
        skipped=raw.skipped, notes=tuple(notes),
    )  # fmt: skip
    _check_meaning(data, options)
    return data if raw.preprocessing else _to_geometry(data, options, white)


def _adapt(data: Dataset, options: Options) -> Dataset:
    """Apply to a finished ``Dataset`` what was asked for, and only that."""
    if options.key is not None:
        raise DataError("key", "chooses among the arrays of a .npz or .mat", value=options.key, remedy="Leave it away.")
    if options.labels_word != "auto":
        labels, names, notes = _labels(Raw(data.values), len(data), data.ids, options)
        data = replace(data, labels=labels, label_names=names, notes=(*data.notes, *notes))
    rows = options.choose(len(data))
    if rows is not None:
        chosen = {"limit": options.limit, "seed": options.seed, "available": len(data)}
        data = data.take(rows)
        data = replace(data, provenance=data.provenance | chosen)
    _check_meaning(data, options)
    return _to_geometry(data, options, data.provenance.get("preprocessing", {}).get("white"))


def _check_meaning(data: Dataset, options: Options) -> None:
    """Refuse what has no meaning for data of this kind."""
    of_images = {"size": options.size, "channels": options.channels, "white": options.white}
    of_tables = {"columns": options.columns, "ignore": options.ignore}
    for name, value in (of_tables if data.is_images else of_images).items():
        if value not in ("auto", ()):
            kinds = ("tables", "images") if data.is_images else ("images", "vectors")
            raise DataError(
                name, f"has a meaning for {kinds[0]} only, and these are {kinds[1]}", value=value,
                remedy=None if data.is_images else "Reshape the array to (N, H, W) first if its rows are images.",
            )  # fmt: skip


def _to_geometry(data: Dataset, options: Options, white: float | None) -> Dataset:
    """Bring images to the size and channels, and vectors to the columns asked for; what was not stays as it is."""
    if not data.is_images:
        return _to_columns(data, options)
    native = (data.shape[1], data.shape[2])
    size = native if options.size == "auto" else options.size
    channels = data.shape[0] if options.channels == "auto" else options.channels
    values = images.convert(data.values, size, channels, options.fit)
    preprocessing = {"size": list(size), "channels": channels, "fit": options.fit}
    if white is not None:
        preprocessing["white"] = white
    notes = (*data.notes, *images.about_size(Counter({native: len(data)}), size, options.fit))
    return replace(data, values=values, notes=notes, provenance=data.provenance | {"preprocessing": preprocessing})


def _to_columns(data: Dataset, options: Options) -> Dataset:
    """Take the columns of vectors that were asked for."""
    if not (options.columns or options.ignore):
        return data
    known, source = data.provenance.get("columns", ()), str(data.provenance.get("source", "data"))
    values, names, notes = tables.take(data.values, known, options.columns, options.ignore, source)
    about = {} if names is None else _about_columns(names)
    return replace(data, values=values, provenance=data.provenance | about, notes=(*data.notes, *notes))


def _about_columns(names: Sequence[str]) -> dict[str, Any]:
    return {"columns": list(names), "preprocessing": {"columns": list(names)}}


def _labels(
    raw: Raw, n: int, ids: Sequence[str], options: Options
) -> tuple[Array | None, tuple[str, ...] | None, list[str]]:
    """Return class numbers, class names, and what should be said about them."""
    asked, found, notes, origin = options.labels_word, raw.labels, [], "labels"
    if asked == "none":
        return None, None, []
    if not asked:
        found = _of_rows_read(as_array(options.labels), raw, n)
    elif found is None:
        if asked == "auto":
            return None, None, []
        path = labels_file(asked)
        if path is None:
            choices = ["auto", "none", *raw.label_choices]
            raise DataError(
                "labels", "must name labels of this source, or a file of labels that exists", value=asked,
                remedy=nearest(asked, choices),
            )  # fmt: skip
        origin = str(path)
        if path.suffix.lower() in (".csv", ".tsv"):
            table, note = read_table(path, ids)
            found = table if len(table) == n else _of_rows_read(table, raw, n)
            notes = [note] if note else []
        else:
            _, reader = find(path)
            found = _of_rows_read(reader.read([path], Options(labels="none")).values, raw, n)
    if raw.label_names is not None and found is raw.labels:
        return np.asarray(found), raw.label_names, notes
    labels, names = as_labels(found, n, origin)
    return labels, names, notes


def _of_rows_read(labels: Array, raw: Raw, n: int) -> Array:
    """Return the labels of the rows that were read, where there is one for each row of the source."""
    if labels.ndim and raw.positions is not None and len(labels) == raw.n_source != n:
        return labels[raw.positions]
    return labels
