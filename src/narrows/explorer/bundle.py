"""The data of the explorer: a header, and blobs of typed arrays and sheets of thumbnails."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.labels import natural
from narrows.data.scale import Eye
from narrows.disk.files import Array, parse_csv, unguarded
from narrows.encoding import codes as coding
from narrows.encoding.encoder import Encoder
from narrows.errors import RunFolderError
from narrows.evaluation import copies
from narrows.evaluation.examples import SHOWN
from narrows.evaluation.novelty import MEANING
from narrows.geometry.principal import principal_axes
from narrows.report.tables import METADATA, listed_copies, read_metadata
from narrows.report.verdict import signal_lines, verdict
from narrows.runs import UNFINISHED, Run
from narrows.work.threads import Workers, shared_out

FORMAT = 1
NEIGHBOURS = 10
LARGEST = 1 << 30  # bytes of a blob: a hostile page must not fill memory
SHEET_SIDE = 1024  # pixels of a sheet of thumbnails, which takes a browser 4 MiB
#: The longest side of a thumbnail, for each largest number of rows.
THUMBNAILS = ((20_000, 64), (100_000, 32), (250_000, 24), (1_000_000_000, 16))
REBUILT = 100_000  # with more rows, reconstructions are left out
AXES = 16  # principal axes on which the page knows the centres of the parts of clusters
#: A column with at most the first number of distinct words is a category; one with at most the second is, too, if there
#: are at least two rows per word on average.
FEW_CLASSES, MOST_CLASSES = 20, 1000
QUALITY = 75  # of lossy WebP, which is used if it is smaller than lossless

#: Columns of numbers: name, title and hint.
NUMBERS = (
    ("confidence", "confidence", ""),
    ("novelty", "novelty", MEANING),
    ("error", "reconstruction error", ""),
    ("distance", "outlier score", ""),
)

Block = tuple[slice, Array]


@dataclass
class Bundle:
    """A header of plain values, and the blobs that it refers to by number."""

    header: dict[str, Any]
    blobs: list[bytes] = field(default_factory=list)

    def add(self, array: Array) -> dict[str, Any]:
        """Add ``array``, compressed, and return its blob number and type."""
        plain = np.ascontiguousarray(array)
        self.blobs.append(zlib.compress(plain.astype(plain.dtype.newbyteorder("<")).tobytes(), 6))
        return {"blob": len(self.blobs) - 1, "type": str(plain.dtype)}

    def add_text(self, texts: list[str]) -> dict[str, Any]:
        """Add texts, and return their blob number."""
        self.blobs.append(zlib.compress(json.dumps(texts).encode(), 6))
        return {"blob": len(self.blobs) - 1, "type": "text"}

    def array(self, where: Mapping[str, Any]) -> Array:
        """Return an array added by ``add``, flat."""
        return np.frombuffer(self._inflated(where), np.dtype(where["type"]).newbyteorder("<"))

    def texts(self, where: Mapping[str, Any]) -> list[str]:
        """Return texts added by ``add_text``."""
        texts: list[str] = json.loads(self._inflated(where))
        return texts

    def _inflated(self, where: Mapping[str, Any]) -> bytes:
        return zlib.decompressobj().decompress(self.blobs[where["blob"]], LARGEST)

    def add_image(self, image: bytes) -> int:
        """Add an image file, and return its blob number."""
        self.blobs.append(image)
        return len(self.blobs) - 1


def gather(run: Run, data: Dataset | None) -> Bundle:
    """Gather the data that the explorer shows of a finished run.

    Parameters
    ----------
    run : the run
    data : its rows, for thumbnails and reconstructions; None if they are gone

    Raises
    ------
    RunFolderError : the run has no predictions
    """
    table = _predictions(run)
    ids = table["id"]
    clusters, points = table["cluster"], _map(run, len(ids))
    indices, distances = (array[:, :NEIGHBOURS] for array in _neighbours(run, len(ids)))
    tables, encoder = run.tables, run.encoder()
    checked_codes(run, len(ids), encoder)
    described = tables.get("data") or {}
    bundle = Bundle(
        {
            "format": FORMAT,
            "name": tables.get("name") or run.folder.name,
            "run": _identity(run),
            "rows": len(ids),
            "kind": described.get("kind", "images"),
            "decodes": encoder.decodes,
        }
    )
    header = bundle.header
    header["points"] = bundle.add(in_square(points, points))
    header["clusterOf"] = bundle.add(clusters)
    header["ids"] = bundle.add_text(ids)
    header["neighbours"] = {
        "count": indices.shape[1],
        "rows": bundle.add(indices.astype(np.int32)),
        "distances": bundle.add(distances.astype(np.float32)),
    }
    add_copies(bundle, run)
    header["verdict"] = [*verdict(run.results, tables), *signal_lines(tables)]
    header["columns"] = [*_columns(bundle, table), *_described(bundle, run)]
    add_examples(bundle, run)
    # Thumbnails are in the same order, so that those that are looked at together are on the same sheets.
    header["order"] = header["examples"]["order"]
    order = bundle.array(header["order"])
    header["pictures"] = _pictures(bundle, encoder, data, order) if data is not None and data.is_images else {}
    return bundle


def add_copies(bundle: Bundle, run: Run) -> None:
    """Add groups of copies to the header."""
    group_of, firsts = _copies(run, bundle.header["rows"])
    bundle.header["copies"] = {
        "groups": len(firsts),
        "rows": int((group_of >= 0).sum()),
        "groupOf": bundle.add(group_of),
        "firsts": bundle.add(firsts),
    }


def add_examples(bundle: Bundle, run: Run) -> None:
    """Add to the header what a page needs to show examples of clusters, both as found and as edited by a person.

    ``order``: rows by cluster, then by part (the largest first), then by distance from the part's centre; ``parts``:
    the part of each row; ``middles``: the centre of each part, on a few principal axes.
    """
    found = run.examples()
    middles, axes = found.centres, min(AXES, found.centres.shape[1])
    if axes < middles.shape[1]:
        mean, directions = principal_axes(lambda: iter([middles]), axes)
        middles = (middles - mean) @ directions.T
    bundle.header["examples"] = {
        "most": SHOWN,
        "order": bundle.add(np.lexsort((found.distances, found.parts)).astype(np.int32)),
        "parts": bundle.add(found.parts.astype(np.int32)),
        "axes": axes,
        "middles": bundle.add(middles.astype(np.float32)),
    }


def _identity(run: Run) -> str:
    """Return a short hash that identifies the codes, clusters and map of a run."""
    found = hashlib.sha256()
    for name in ("codes.npy", "clusters.npy", "map.npy"):
        found.update(run.parts.read(name))
    return found.hexdigest()[:16]


def _predictions(run: Run) -> dict[str, Any]:
    if "predictions.csv" not in run.parts:
        raise RunFolderError(str(run.folder), "must have predictions.csv", remedy=UNFINISHED)
    table: dict[str, Any] = run.parts.parsed("predictions.csv", _columns_of)
    return table


def _columns_of(content: bytes) -> dict[str, Any]:
    """Return the columns of a table of predictions: clusters int32 (N,), numbers float32 (N,), others as text."""
    names, *rows = parse_csv(content)
    table: dict[str, Any] = dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True))
    table = {name: column if name == "id" else list(map(unguarded, column)) for name, column in table.items()}
    numbers = {name: np.array(table[name], np.float32) for name, _, _ in NUMBERS if name in table}
    return table | numbers | {"id": table["id"], "cluster": np.array(table["cluster"], np.int32)}


def checked_codes(run: Run, rows: int, encoder: Encoder) -> Array:
    """Return the codes (N, K) of ``rows`` rows; raise RunFolderError if their shape does not fit rows and encoder."""
    codes = run.array("codes")
    if codes.shape != (rows, encoder.code_size):
        raise run.parts.damaged("codes.npy", f"{codes.shape}, of {rows} rows with {encoder.code_size} values")
    return codes


def _map(run: Run, rows: int) -> Array:
    points = run.array("map")
    if points.shape != (rows, 2) or points.dtype.kind != "f" or not np.isfinite(points).all():
        raise run.parts.damaged("map.npy", f"{points.dtype} {points.shape}, of {rows} rows")
    return points


def _neighbours(run: Run, rows: int) -> tuple[Array, Array]:
    indices, distances = run.neighbours()
    fits = indices.ndim == 2 and indices.shape == distances.shape and len(indices) == rows
    if not fits or indices.dtype.kind != "i" or not ((indices >= 0) & (indices < rows)).all():
        raise run.parts.damaged("neighbours.npz", f"{indices.dtype} {indices.shape}, of {rows} rows")
    return indices, distances


def _copies(run: Run, rows: int) -> tuple[Array, Array]:
    """Return the group of copies of each row (N,) int32, -1 for none, and the first row of each group."""
    if copies.NAME in run.parts:
        found: tuple[Array, Array] = run.parts.parsed(copies.NAME, lambda content: _copies_in(content, rows))
        return found
    groups = np.full(rows, -1, np.int32)
    firsts: list[int] = []
    for number, group in enumerate(listed_copies(run.tables)):  # a run made before that file existed
        members = [copy["row"] for copy in group["rows"] if copy["row"] is not None]
        if not all(type(row) is int and 0 <= row < rows for row in members):
            raise run.parts.damaged("tables.json", f"copies {members}, of {rows} rows")
        groups[members] = number
        firsts += members[:1]
    return groups, np.array(firsts, np.int32)


def _copies_in(content: bytes, rows: int) -> tuple[Array, Array]:
    """Return the same as ``_copies``, from a table of copies among ``rows`` rows; groups are numbered from 0."""
    groups = np.full(rows, -1, np.int32)
    firsts: list[int] = []
    names, *rows_of_copies = parse_csv(content)
    for cells in rows_of_copies:
        line = dict(zip(names, cells, strict=True))
        row = int(line["row"])
        if not 0 <= row < rows:
            raise ValueError(f"row {row} of {rows}")
        if not line["group"]:  # a blank picture
            continue
        group, is_first = int(line["group"]), line["kind"] == "first"
        if groups[row] >= 0 or group != len(firsts) - (not is_first):
            raise ValueError(f"row {row} in group {group}, after {len(firsts)} groups")
        groups[row] = group
        firsts += [row] * is_first
    return groups, np.array(firsts, np.int32)


def _columns(bundle: Bundle, table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each column that points can be coloured and filtered by."""
    for name, title, hint in NUMBERS:
        if name in table:
            known = table[name]
            values = bundle.add(np.where(np.isfinite(known), known, np.nan))
            yield {"name": name, "title": title, "kind": "number", "values": values} | ({"hint": hint} if hint else {})
    for name, title in (("label", "label"), ("split", "split")):
        if name in table:
            names, codes = np.unique(np.array(table[name], str), return_inverse=True)
            values = bundle.add(codes.astype(np.uint16 if len(names) < 1 << 16 else np.int32))
            yield {"name": name, "title": title, "kind": "category", "values": values, "names": names.tolist()}


def _described(bundle: Bundle, run: Run) -> Iterator[dict[str, Any]]:
    """Yield each column of metadata; columns with many distinct words are text to read and search, not categories."""
    for name, column in read_metadata(run).items():
        if len(column) != bundle.header["rows"]:
            raise run.parts.damaged(METADATA, f"{len(column)} rows, of {bundle.header['rows']}")
        about = {"name": name, "title": name}
        if not isinstance(column, tuple):
            known = np.where(np.isfinite(column), column, np.nan)
            yield about | {"kind": "number", "values": bundle.add(known)}
            continue
        names = sorted(set(column), key=natural)
        if len(names) > min(MOST_CLASSES, max(FEW_CLASSES, sum(map(bool, column)) / 2)):
            yield about | {"kind": "text", "values": bundle.add_text(list(column))}
            continue
        number = {word: i for i, word in enumerate(names)}
        values = bundle.add(np.array([number[word] for word in column], np.uint16))
        yield about | {"kind": "category", "values": values, "names": names}


def in_square(points: Array, known: Array) -> Array:
    """Return ``points`` (M, 2) after the shift and scaling that fit the map ``known`` (N, 2) into [-1, 1]."""
    low, high = known.min(0), known.max(0)
    half = float((high - low).max()) / 2 or 1.0
    moved: Array = ((points - (low + high) / 2) / half).astype(np.float32)
    return moved


def _pictures(bundle: Bundle, encoder: Encoder, data: Dataset, order: Array) -> dict[str, Any]:
    """Return the sheets of the images and of their reconstructions, in ``order`` (N,) of rows."""
    rows, (_, height, width) = len(data), data.shape
    longest = next(side for most, side in THUMBNAILS if rows <= most)
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))

    eye = Eye.of(data.values)

    def sheets(draw: Callable[[Array, int], Array]) -> dict[str, Any]:
        """Return the sheets of the images that ``draw`` returns for consecutive positions in ``order``."""

        def seen(block: slice) -> Block:
            x = draw(data.values[order[block]], block.start)
            return block, eye.see(x if x.dtype == np.uint8 else np.rint(255 * x).astype(np.uint8))

        with Workers(encoder.at_once) as workers:
            return _sheets(bundle, workers.map(seen, coding.blocks(rows, data.shape)), rows, size)

    pictures = {"images": sheets(lambda values, _: np.asarray(values))}
    if encoder.decodes and rows <= REBUILT:
        pictures["rebuilt"] = sheets(lambda values, _: encoder.reconstruct(values))
        if encoder.corrupts:
            pictures["cleaned"] = sheets(lambda values, start: next(encoder.denoised(values, seed=start))[2])
    return pictures


def _sheets(bundle: Bundle, images: Iterator[Block], rows: int, size: tuple[int, int]) -> dict[str, Any]:
    """Put thumbnails of ``size`` side by side on sheets, and return the layout."""
    from PIL import Image

    height, width = size
    across, down = max(1, SHEET_SIDE // width), max(1, SHEET_SIDE // height)
    filled = _filled(images, rows, (height, width), (down, across))
    pictures = (Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet) for sheet in filled)
    first = next(pictures)
    # Drawings are smaller when lossless, photographs when lossy.
    ways: list[dict[str, Any]] = [{"lossless": True, "quality": 50}, {"quality": QUALITY}]
    made, way = min(((_webp(first, way), way) for way in ways), key=lambda one: len(one[0]))
    others = shared_out(lambda picture: _webp(picture, way), pictures)
    numbers = [bundle.add_image(sheet) for sheet in chain([made], others)]
    return {"width": width, "height": height, "across": across, "perSheet": across * down, "sheets": numbers}


def _webp(picture: Any, way: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", method=2, **way)
    return file.getvalue()


def _filled(blocks: Iterator[Block], rows: int, size: tuple[int, int], grid: tuple[int, int]) -> Iterator[Array]:
    """Yield sheets (H, W, C) uint8 of a grid of thumbnails; all but the last are full."""
    (height, width), (down, across) = size, grid
    sheet: Array | None = None
    for block, images in blocks:
        small = _shrunk(images, size)  # (B, height, width, C)
        for row, image in zip(range(block.start, block.stop), small, strict=True):
            place = row % (down * across)
            if sheet is None:
                left = min(down, -(-(rows - row) // across))
                sheet = np.zeros((left * height, across * width, image.shape[-1]), np.uint8)
            top, start = place // across * height, place % across * width
            sheet[top : top + height, start : start + width] = image
            if place == down * across - 1:
                yield sheet
                sheet = None
    if sheet is not None:
        yield sheet


def _shrunk(images: Array, size: tuple[int, int]) -> Array:
    """Resize images (B, C, H, W) uint8 to (B, height, width, C), averaging pixels."""
    import torch
    from torch.nn import functional

    if images.shape[2:] != size:
        x = torch.from_numpy(np.ascontiguousarray(images)).float()
        images = functional.adaptive_avg_pool2d(x, size).round().to(torch.uint8).numpy()
    return images.transpose(0, 2, 3, 1)
