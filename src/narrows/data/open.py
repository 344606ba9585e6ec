"""``open``: any source of images or vectors becomes a ``Dataset``.

The source goes to a reader in ``formats/`` or a data set in ``named/``. The result passes the same few steps: labels,
limit, values, size and channels.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from narrows.data import columns as tables
from narrows.data import frames, label_tables, metadata_tables, row_tables, scale, sizes
from narrows.data import metadata as metadata_
from narrows.data.arrays import as_array, as_values
from narrows.data.dataset import Dataset
from narrows.data.formats import Options, Raw, Reader, find, find_several, readable
from narrows.data.labels import about_missing, as_labels, labels_file
from narrows.data.metadata import Column
from narrows.data.named import named
from narrows.data.reading import MOST_PIXELS, Fit
from narrows.data.scale import White, check_range, check_white
from narrows.data.walking import matching
from narrows.disk.files import Array
from narrows.errors import DataError, nearest
from narrows.wording import plural
from narrows.work.progress import Progress

# What ``like`` may say: how the data of a model were opened.
KEPT = frozenset({"size", "channels", "fit", *scale.KEPT, "page", "max_pixels", "columns", "offsets"})

CODE_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")  # package.module:function


def open(
    source: Any,
    *,
    labels: Any = "auto",
    key: str | None = None,
    size: Literal["auto"] | int | Sequence[int] = "auto",
    channels: Literal["auto"] | int | Sequence[int] = "auto",
    fit: Fit | None = None,
    white: White = "auto",
    range: Sequence[float] | Literal["auto"] | None = None,
    page: int | Literal["all"] | None = None,
    max_pixels: int | None = None,
    columns: Sequence[str | int] | None = None,
    ignore: Sequence[str | int] | None = None,
    metadata: Any = None,
    limit: int | None = None,
    strict: bool = False,
    like: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> Dataset:
    """Open a source of images or vectors.

    Images come out as uint8 (N, C, H, W), vectors as float32 (N, D).

    Parameters
    ----------
    source : a path (a folder of images, flat or nested; a glob; one image; .npy, .npz, IDX, .mat, .csv, .tsv, both also
        as .gz, .parquet; a sparse matrix as ``scipy.sparse.save_npz`` writes it; a folder or glob of train, valid and
        test .mat files as NIST36 has them; a folder of trainX, valX and valY .npy files); a list of image files; the
        name of a data set ("digits", "mnist"; all are files in ``narrows/data/named``); an array, a tensor or a list of
        them, (N, D), (N, H, W), (N, H, W, C) or (N, C, H, W); a sparse matrix (N, D); a dataframe of pandas, polars or
        pyarrow, whose index names the rows; or a ``Dataset``. A bare word that names a data set means it, even where a
        file of that name exists; ``./mnist`` is the file. In tables a column may hold vectors, as lists or as their
        text ("[0.1, 0.2]"): it is the data, and its numbers are columns called ``embedding[0]`` and so on
    labels : "auto" takes what the source offers (sub-folders, when every image lies in one; a file or array of labels
        with the usual name); "none"; "folders" (the names of sub-folders); the key of an array in .npz or .mat; the
        name or number of a column of a table; a file (.npy, .npz, .mat, IDX, or .csv with one label per row or columns
        of ids and labels), with the column or key after a colon where it has several ("labels.csv:species"); or an
        array, one-hot or not. In tables and arrays of strings "", "NA", "NaN", "None", "null" and "-" are unknown
    key : the array of a .npz or .mat that is the data
    size : of images: "auto", a side, or (height, width). "auto" keeps arrays as they are; of image files it keeps the
        size that all share, scaled to at most 64 pixels on the longer side and at least 8 on the shorter, and brings
        files of different sizes to 64x64
    channels : 1 (grey), 3 (colour), or "auto": of arrays their own; of image files 1 when red, green and blue are equal
        in all of them. A list takes these, one or three, of however many there are, by their numbers from 0: ``[2]`` of
        a micrograph with five
    fit : how images are changed to another aspect ratio: "crop" (the default) keeps the middle, "pad" adds black bars,
        "stretch" distorts
    white : the pixel value of white, such as 1, 16, 255, 4095 or 65535; no pixel may exceed it. "auto" chooses by the
        largest value: up to 1 it is 1; up to 16 it is 16, as in scikit-learn's digits; up to 255 it is 255; uint8
        always has 255. Deeper values, in files or arrays of 16 bits, are scaled over the whole set, and a note says
        how: 16 bits that reach their upper half are divided by 257, others are stretched from their least to their
        largest value, or between their 0.1 and 99.9 percentiles if there are outliers. For image files, a ``white``
        above 255 applies to the deeper ones
    range : instead of ``white``, the values that become black and white; values outside are clipped
    page : which picture of files with several (pages of a TIFF, frames of a GIF), from 0; or "all". By default the
        first. In a microscope's stack the axes T and Z count as pictures, channels do not
    max_pixels : the most pixels, at four bytes each, that decoding one image file may need: 50 million (200 MB) by
        default. A JPEG counts with the size it is decoded at, so one of 100 million pixels is read, plus its
        coefficients if it is progressive; a WebP counts four times, an AVIF two and a half times, a HEIC twice. Larger
        files are listed in ``Dataset.skipped`` with the value that reads them
    columns : the columns of a table that are data, in this order, by name or by number from 0. By default all except
        labels, ids (a column ``id``, the index that pandas writes) and columns without any number
    ignore : columns of a table to leave out, by name or number
    metadata : what else is known about rows; it never affects codes, clusters or scores. By default what the source
        offers: the columns of a table that are not data, the levels of sub-folders that differ (``folder 1``), and
        ``metadata.tsv`` next to ``tensors.tsv``. "none" ignores these. A table (.csv, .tsv, .parquet, or a dataframe)
        or a mapping of names to columns adds to them. Its rows are matched by id, file name, or file name without
        extension in a column with a usual name (``id``, ``file``, ``filename``, ``path``, ...), or else in order
    limit : the most rows to use, drawn with ``seed`` and kept in order; files are drawn before any is read
    strict : raise when a file cannot be read, instead of listing it in ``Dataset.skipped``
    like : the ``preprocessing`` of a model, or of a ``Dataset``'s provenance: open new data in the same way, so that a
        row becomes the same whatever other rows come with it. Other arguments take precedence. Arrays of another size,
        and arrays in colour for a model of grey images, are refused unless ``size`` or ``channels`` is given; files are
        converted
    progress : shows what takes time; quiet by default
    seed : of the draw that ``limit`` makes

    Returns
    -------
    Dataset : its ``provenance["preprocessing"]`` is what ``like`` takes: for images size, channels, fit, and white or
        range where it was decided; for tables with names the columns, so that other tables must have them all, and may
        have them in another order. Those names are in ``provenance["columns"]`` too

    Raises
    ------
    DataError : a source that does not exist, cannot be read, or has the wrong content
    """
    kept = like or {}
    size_, channels_, fit_ = sizes.check_geometry(
        kept.get("size", size) if size == "auto" else size,
        kept.get("channels", channels) if channels == "auto" else channels,
        fit or kept.get("fit", "crop"),
    )
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 1):
        raise DataError("limit", "must be a whole number of rows, at least 1", value=limit)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError("seed", "must be a whole number, at least 0", value=seed)
    if isinstance(labels, os.PathLike):
        labels = os.fspath(labels)
    white_ = check_white(white)
    unasked = {
        "size": size == "auto",
        "channels": channels == "auto",
        "page": page is None,
        "max_pixels": max_pixels is None,
    }
    options = Options(
        "none" if labels is None else labels,
        key,
        size_,
        channels_,
        fit_,
        limit,
        strict,
        progress or Progress(),
        seed,
        white_,
        check_range(range, white_),
        _check_page(kept.get("page") if page is None else page),
        tables.check(kept.get("columns") if columns is None else columns, "columns"),
        tables.check(ignore, "ignore"),
        metadata,
        sizes.check_max_pixels(kept.get("max_pixels", MOST_PIXELS) if max_pixels is None else max_pixels),
        like,
        frozenset(name for name, value in unasked.items() if like is not None and value),
    )
    source = given(source)
    if isinstance(source, Dataset):
        return _adapt(source, _without_page(options))
    if isinstance(source, str | os.PathLike):
        return _open_text(source, options)
    if isinstance(source, list):
        paths = [_path(item) for item in source]
        for path in paths:
            if not _exists(path):
                raise DataError("source", "must be a list of existing files", value=str(path))
        name, reader = find_several(paths)
        return _read(name, reader, paths, plural(len(paths), "file"), options)
    if isinstance(source, np.ndarray):
        what = f"array {source.shape} {source.dtype}"
        return _finish(Raw(source), what, "array", _without_page(options))
    return _finish(frames.read(source, _without_page(options)), "dataframe", "dataframe", options)


def given(source: Any) -> Any:
    """Return a source as what it is: a ``Dataset``, text or a path, a list of paths, a dataframe, or else an array.

    Raises
    ------
    DataError : none of them
    """
    if isinstance(source, Dataset | str | os.PathLike) or frames.is_frame(source):
        return source
    # A column of a dataframe, an array of text and what Path.glob yields are lists of files, too.
    is_column = getattr(source, "ndim", None) == 1 and hasattr(source, "tolist")
    items = list(source) if isinstance(source, Iterator) else source.tolist() if is_column else source
    if isinstance(items, list | tuple) and items and all(isinstance(item, str | os.PathLike) for item in items):
        return list(items)
    return as_array(source if is_column else items)


def open_like(
    source: Any, shape: Sequence[int], like: Mapping[str, Any], *, resize: bool = False, **options: Any
) -> Dataset:
    """Open new rows in the same way, and in the same shape, as those an encoder was fitted on.

    Parameters
    ----------
    source, options : as for ``open``; options take precedence over ``like``
    shape, like : of the encoder: ``input_shape`` and ``preprocessing``
    resize : bring arrays of another size, or in colour, to its; files always are

    Raises
    ------
    DataError : a source that cannot be opened, or rows of another shape
    """
    if resize:
        options = {"size": tuple(shape[1:]), "channels": like.get("channels", shape[0])} | options
    data = open(source, like=like, **options)
    if data.shape != tuple(shape):
        raise DataError("source", f"must have rows of shape {tuple(shape)}, like the training data", value=data.shape)
    return data


def _check_page(page: Any) -> int | Literal["all"]:
    if page is None:
        return 0
    if page == "all" or (isinstance(page, int | np.integer) and not isinstance(page, bool) and page >= 0):
        return page if page == "all" else int(page)
    raise DataError("page", 'must be a page number from 0, or "all"', value=page)


def _without_page(options: Options) -> Options:
    """Return options for data that are not image files: a model's page and cap are ignored, a person's are refused."""
    if options.page != 0 and "page" not in options.from_model:
        raise DataError("page", "applies only to image files", value=options.page, remedy="Leave it out.")
    if options.max_pixels != MOST_PIXELS and "max_pixels" not in options.from_model:
        raise DataError("max_pixels", "applies only to image files", value=options.max_pixels, remedy="Leave it out.")
    return replace(options, page=0, max_pixels=MOST_PIXELS)


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
        if matches := matching(str(path)):
            return _open_matches([Path(match) for match in matches], text, options)
    except PermissionError as error:
        raise DataError(text, "must be readable", value="no permission", remedy="Check its permissions.") from error
    except OSError as error:
        raise DataError(text, "must be readable", remedy=f"{error.strerror or error}.") from error
    if isinstance(source, str) and CODE_PATH.fullmatch(text):
        return _open_named(text, options)
    if is_bare_word:
        remedy = nearest(text, named.names())
    else:
        remedy = "The pattern matches nothing." if glob.has_magic(text) else "There is no such file or folder."
    raise DataError(
        "source",
        "must be the name of a data set, or an existing file or folder",
        value=text,
        remedy=f"{remedy} Files that are read: {readable()}.",
    )


def _path(source: str | os.PathLike[str]) -> Path:
    """Return what a person typed as a path, with ~ replaced."""
    text = os.fspath(source)
    if not text.strip():
        raise DataError("source", "must not be empty", value=text, remedy='For the current folder, give ".".')
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise DataError("source", "must begin with ~ or the ~name of a user of this machine", value=text) from error


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:  # a name too long, a folder closed to us
        return False


def _open_named(name: str, options: Options) -> Dataset:
    dataset: Dataset = named.get(name)(options.progress)
    return _adapt(dataset, _without_page(options))


def _open_matches(paths: list[Path], pattern: str, options: Options) -> Dataset:
    """Open what a pattern matches: one source of any kind, or several files that are one."""
    name, reader = find(paths[0]) if len(paths) == 1 else find_several(paths)
    return _read(name, reader, paths, pattern, options)


def _read(name: str, reader: Reader, paths: list[Path], source: str, options: Options) -> Dataset:
    if options.key is not None and not reader.has_keys:
        raise DataError("key", "applies only to .npz and .mat files", value=options.key, remedy="Leave it out.")
    if not reader.has_pages:
        options = _without_page(options)
    return _finish(reader.read(paths, options), source, name, options, metadata_tables.beside(paths[0]))


# From what it holds to a Dataset


def _finish(raw: Raw, source: str, format_: str, options: Options, beside: Path | None = None) -> Dataset:
    """Make a ``Dataset`` of what a reader found: labels, then the limit, then values, then size and channels.

    ``beside`` is a table of metadata that lies beside a file, and may be of another.
    """
    n = len(raw.values) if raw.values.ndim else 0
    ids = raw.ids or tuple(str(row) for row in range(n))
    labels, label_names, label_notes = _labels(raw, n, ids, options)
    split, paths, values, notes = raw.split, raw.paths, raw.values, [*raw.notes, *label_notes]
    described, said = _metadata(raw, ids, options, beside)
    notes += said
    kept: dict[str, Any] = {}
    provenance: dict[str, Any] = {"source": source, "format": format_}
    if options.limit is not None:
        provenance |= {"limit": options.limit, "seed": options.seed, "available": raw.n_source or n}
    rows = None if raw.preprocessing else options.choose(n)
    if rows is not None:
        values, ids = values[rows], tuple(ids[row] for row in rows)
        labels = None if labels is None else labels[rows]
        paths = None if paths is None else tuple(paths[row] for row in rows)
        split = None if split is None else split[rows]
        described = metadata_.taken(described, rows)
    if raw.preprocessing is None:
        asked = scale.asked(options.white, options.range)
        named_channels = options.channels if isinstance(options.channels, tuple) else ()
        if named_channels and values.ndim > 2:
            options = replace(options, channels=1 if len(named_channels) == 1 else 3)
        values, said, kept = as_values(
            values, source, asked, like=options.like if asked is None else None, channels=named_channels
        )
        notes += said
    if raw.columns is not None:
        provenance |= _about_columns(raw.columns)
        options = replace(options, columns=(), ignore=())  # the reader has seen to them
    if "offsets" in kept:
        provenance["preprocessing"] = provenance.get("preprocessing", {}) | kept
        if options.like is None:
            notes.append(tables.about_offsets(kept["offsets"], raw.columns))
    if raw.preprocessing:
        provenance["preprocessing"] = raw.preprocessing
    data = Dataset(
        values,
        labels=labels,
        label_names=label_names,
        ids=ids,
        paths=paths,
        split=split,
        metadata=described,
        provenance=provenance,
        skipped=raw.skipped,
        notes=tuple(notes),
        damaged=raw.damaged,
    )
    _check_meaning(data, options)
    return data if raw.preprocessing else _to_geometry(data, options, kept, named_channels)


def _adapt(data: Dataset, options: Options) -> Dataset:
    """Apply the given options to a finished ``Dataset``, and nothing else."""
    if options.key is not None:
        raise DataError("key", "applies only to .npz and .mat files", value=options.key, remedy="Leave it out.")
    for name, value in (("white", options.white), ("range", options.range)):
        if value != "auto":
            raise DataError(
                name,
                "applies only while values are read, and these were read already",
                value=value,
                remedy="Set it when you open the array or the files.",
            )
    if options.labels_word != "auto":
        labels, names, notes = _labels(Raw(data.values), len(data), data.ids, options)
        data = replace(data, labels=labels, label_names=names, notes=(*data.notes, *notes))
    if options.metadata is not None:
        described, notes = _metadata(Raw(data.values, metadata=data.metadata), data.ids, options)
        data = replace(data, metadata=described, notes=(*data.notes, *notes))
    rows = options.choose(len(data))
    if rows is not None:
        chosen = {"limit": options.limit, "seed": options.seed, "available": len(data)}
        data = data.take(rows)
        data = replace(data, provenance=data.provenance | chosen)
    _check_meaning(data, options)
    before = data.provenance.get("preprocessing", {})
    kept = {name: before[name] for name in (*scale.KEPT, "page", "max_pixels") if name in before}
    return _to_geometry(data, options, kept, before.get("channels"))


def _check_meaning(data: Dataset, options: Options) -> None:
    """Refuse options that do not apply to data of this kind."""
    of_images = {"size": options.size, "channels": options.channels, "white": options.white, "range": options.range}
    of_tables = {"columns": options.columns, "ignore": options.ignore}
    if not data.is_images and "size" in options.from_model and options.size != "auto":
        height, width = options.size
        raise DataError("data", f"must be images of {height}x{width}, like the model's", value="vectors")
    if data.is_images and options.like is not None and "columns" in options.like:
        raise DataError("data", "must be vectors, like the model's", value="images")
    for name, value in (of_tables if data.is_images else of_images).items():
        if value not in ("auto", ()):
            kinds = ("tables", "images") if data.is_images else ("images", "vectors")
            raise DataError(
                name,
                f"applies only to {kinds[0]}, and these are {kinds[1]}",
                value=value,
                remedy=None if data.is_images else "Reshape the array to (N, H, W) first if its rows are images.",
            )


def _to_geometry(data: Dataset, options: Options, kept: Mapping[str, Any], own: Any) -> Dataset:
    """Bring images to the size and channels, and vectors to the columns asked for; what was not stays as it is.

    Parameters
    ----------
    data, options : as elsewhere
    kept : of the preprocessing, what says which values are black and white
    own : the channels of a file that were taken, where a list named them
    """
    if not data.is_images:
        return _to_columns(data, options)
    native = (data.shape[1], data.shape[2])
    size = native if options.size == "auto" else options.size
    channels = data.shape[0] if options.channels == "auto" else options.channels
    if isinstance(channels, tuple):
        raise DataError("channels", "must be 1 or 3 for images that were opened already", value=list(channels))
    if "size" in options.from_model and native != size:
        raise DataError(
            "images",
            f"must be {size[0]}x{size[1]}, like the model's",
            value=f"{native[0]}x{native[1]}",
            remedy=f"To resize them: narrows.open(images, size={list(size)}), or --resize on the command line.",
        )
    if "channels" in options.from_model and channels == 1 and data.shape[0] == 3:
        raise DataError(
            "images",
            "must be grey, like the model's",
            value="three channels",
            remedy="To convert them: narrows.open(images, channels=1), or --resize on the command line.",
        )
    values = sizes.convert(data.values, size, channels, options.fit)
    named = list(own) if isinstance(own, list | tuple) and len(own) else channels
    preprocessing = {"size": list(size), "channels": named, "fit": options.fit, **kept}
    notes = (*data.notes, *sizes.about_size(Counter({native: len(data)}), size, options.fit))
    return replace(data, values=values, notes=notes, provenance=data.provenance | {"preprocessing": preprocessing})


def _to_columns(data: Dataset, options: Options) -> Dataset:
    """Take the columns of vectors that were asked for, counted from where a model counts them."""
    own = data.provenance.get("preprocessing", {})
    offsets = dict(own.get("offsets") or {})
    if options.columns or options.ignore:
        known, source = data.provenance.get("columns", ()), str(data.provenance.get("source", "data"))
        values, names, notes, positions = tables.take(data.values, known, options.columns, options.ignore, source)
        offsets = {str(i): offsets[str(at)] for i, at in enumerate(positions) if str(at) in offsets}
        about = {} if names is None else _about_columns(names)
        data = replace(data, values=values, provenance=data.provenance | about, notes=(*data.notes, *notes))
    wanted = offsets if options.like is None else dict(options.like.get("offsets") or {})
    if wanted != offsets:
        values = tables.without_offsets(tables.with_offsets(data.values, {"offsets": offsets}), wanted)
        data = replace(data, values=values.astype(np.float32))
    if not (wanted or offsets):
        return data
    kept = data.provenance.get("preprocessing", {}) | {"offsets": wanted}
    return replace(data, provenance=data.provenance | {"preprocessing": kept})


def _about_columns(names: Sequence[str]) -> dict[str, Any]:
    return {"columns": list(names), "preprocessing": {"columns": list(names)}}


def _labels(
    raw: Raw, n: int, ids: Sequence[str], options: Options
) -> tuple[Array | None, tuple[str, ...] | None, list[str]]:
    """Return class numbers, class names, and notes about them."""
    asked, found, origin = options.labels_word, raw.labels, "labels"
    notes: list[str] = []
    if asked == "none":
        return None, None, []
    if not asked:
        found = _of_rows_read(as_array(options.labels), raw, n)
    elif found is None:
        if asked == "auto":
            return None, None, []
        file = labels_file(asked)
        if file is None:
            looks_like_a_file = bool(re.search(r"[/\\]|\.(csv|tsv|npy|npz|mat|gz|parquet)(:|$)", asked))
            raise DataError(
                "labels",
                "must name labels of this source, or an existing file of labels",
                value=asked,
                remedy="There is no such file."
                if looks_like_a_file
                else nearest(asked, ["auto", "none", *raw.label_choices]),
            )
        path, part = file
        origin = asked
        if row_tables.is_table(path):
            table, said = label_tables.read(path, ids, part, {raw.n_source or n})
            found = table if len(table) == n else _of_rows_read(table, raw, n)
            notes.extend(said)
        else:
            found = _of_rows_read(_labels_of_file(path, part), raw, n)
    if raw.label_names is not None and found is raw.labels:
        return np.asarray(found), raw.label_names, notes
    labels, names = as_labels(found, n, origin)
    return labels, names, [*notes, *about_missing(found)]


def _metadata(
    raw: Raw, ids: Sequence[str], options: Options, beside: Path | None = None
) -> tuple[Mapping[str, Column], list[str]]:
    """Return the metadata of the rows, and sentences about where they come from."""
    if isinstance(options.metadata, str) and options.metadata == "none":
        return {}, []
    asked = beside if options.metadata is None else options.metadata
    if asked is None:
        return raw.metadata, []
    try:
        found, notes = metadata_tables.read(asked, ids, raw.positions, raw.n_source)
    except (DataError, OSError) as error:
        if options.metadata is not None:
            raise
        return raw.metadata, [f"{asked.name}, found next to the data, was ignored: {error}"]
    return {**raw.metadata, **found}, notes


def _labels_of_file(path: Path, key: str) -> Array:
    """Return the array of labels in a file other than a table: ``key``, or the one with a usual name."""
    _, reader = find(path)
    if key and not reader.has_keys:
        raise DataError("labels", "may name an array only in a .npz or .mat file", value=f"{path}:{key}")
    if key:
        return reader.read([path], Options(labels="none", key=key)).values
    try:
        raw = reader.read([path], Options())
    except DataError as error:
        if not reader.has_keys:
            raise
        raise DataError(
            "labels",
            f"must be clearly one array in {path.name}",
            remedy=f"Name it after a colon, as in {path.name}:KEY. ({error})",
        ) from error
    return raw.values if raw.labels is None else np.asarray(raw.labels)


def _of_rows_read(labels: Array, raw: Raw, n: int) -> Array:
    """Return the labels of the rows that were read, where there is one for each row of the source."""
    if labels.ndim and raw.positions is not None and len(labels) == raw.n_source != n:
        return labels[raw.positions]
    return labels
