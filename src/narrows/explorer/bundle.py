"""What the explorer shows: one header, and blobs of typed arrays and sheets of thumbnails."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from narrows import codes as coding
from narrows.data.dataset import Dataset
from narrows.errors import RunFolderError
from narrows.evaluation import copies
from narrows.files import Array
from narrows.model import Model
from narrows.report.tables import listed_copies
from narrows.runs import Run

FORMAT = 1
NEIGHBOURS = 10
LARGEST = 1 << 30  # bytes of a blob: a hostile page must not fill the memory
SHEET_SIDE = 1024  # pixels of a sheet of thumbnails: a browser holds it in 4 MiB
#: The longest side of a thumbnail, by the number of rows up to which it is so long.
THUMBNAILS = ((20_000, 64), (100_000, 32), (250_000, 24), (1_000_000_000, 16))
REBUILT = 100_000  # rows up to which their reconstructions are put beside them
QUALITY = 75  # of lossy WebP, where that is smaller than lossless

Block = tuple[slice, Array]


@dataclass
class Bundle:
    """A header of plain values, and the blobs that it points to by their numbers."""

    header: dict[str, Any]
    blobs: list[bytes] = field(default_factory=list)

    def add(self, array: Array) -> dict[str, Any]:
        """Keep ``array``, compressed, and return where it is and of what type."""
        plain = np.ascontiguousarray(array)
        self.blobs.append(zlib.compress(plain.astype(plain.dtype.newbyteorder("<")).tobytes(), 6))
        return {"blob": len(self.blobs) - 1, "type": str(plain.dtype)}

    def add_text(self, texts: list[str]) -> dict[str, Any]:
        """Keep texts, and return where they are."""
        self.blobs.append(zlib.compress(json.dumps(texts).encode(), 6))
        return {"blob": len(self.blobs) - 1, "type": "text"}

    def array(self, where: Mapping[str, Any]) -> Array:
        """Return, flat, the array that ``add`` kept."""
        return np.frombuffer(self._inflated(where), np.dtype(where["type"]).newbyteorder("<"))

    def texts(self, where: Mapping[str, Any]) -> list[str]:
        """Return the texts that ``add_text`` kept."""
        texts: list[str] = json.loads(self._inflated(where))
        return texts

    def _inflated(self, where: Mapping[str, Any]) -> bytes:
        return zlib.decompressobj().decompress(self.blobs[where["blob"]], LARGEST)

    def add_image(self, image: bytes) -> int:
        """Keep an image file, and return its number."""
        self.blobs.append(image)
        return len(self.blobs) - 1


def gather(run: Run, data: Dataset | None) -> Bundle:
    """Return what the explorer shows of a finished run.

    Parameters
    ----------
    run : the run
    data : its rows, for thumbnails and reconstructions; None where they are gone

    Raises
    ------
    RunFolderError : the run lacks its predictions
    """
    table = _predictions(run)
    ids = table["id"]
    clusters, points = np.array(table["cluster"], np.int32), np.load(run.folder / "map.npy")
    with np.load(run.folder / "neighbours.npz") as file:
        indices, distances = file["indices"][:, :NEIGHBOURS], file["distances"][:, :NEIGHBOURS]
    tables, model = run.tables, run.model()
    described = tables.get("data") or {}
    bundle = Bundle({
        "format": FORMAT, "name": tables.get("name") or run.folder.name, "run": _identity(run), "rows": len(ids),
        "kind": described.get("kind", "images"), "decodes": model.objective.trains_decoder,
    })  # fmt: skip
    header = bundle.header
    header["points"] = bundle.add(in_square(points, points))
    header["clusterOf"] = bundle.add(clusters)
    header["ids"] = bundle.add_text(ids)
    header["neighbours"] = {
        "count": indices.shape[1], "rows": bundle.add(indices.astype(np.int32)),
        "distances": bundle.add(distances.astype(np.float32)),
    }  # fmt: skip
    group_of, firsts = _copies(run, len(ids))
    header["copies"] = {
        "groups": len(firsts), "rows": int((group_of >= 0).sum()), "groupOf": bundle.add(group_of),
        "firsts": bundle.add(firsts),
    }  # fmt: skip
    header["columns"] = list(_columns(bundle, table))
    # By cluster, the most typical first: those that are looked at together lie on the same sheets.
    typical = run.clusterer().typicality(np.load(run.folder / "codes.npy"))  # (N,)
    order = np.lexsort((-typical, clusters)).astype(np.int32)
    header["order"] = bundle.add(order)
    header["pictures"] = _pictures(bundle, model, data, order) if data is not None and data.is_images else {}
    return bundle


def _identity(run: Run) -> str:
    """Return a short name of what was found: another clustering or another map has another."""
    found = hashlib.sha256()
    for name in ("codes.npy", "clusters.npy", "map.npy"):
        found.update((run.folder / name).read_bytes())
    return found.hexdigest()[:16]


def _predictions(run: Run) -> dict[str, list[str]]:
    path = run.folder / "predictions.csv"
    if not path.is_file():
        raise RunFolderError(
            str(run.folder), "must have predictions.csv", remedy="Finish the run with `narrows run --resume`."
        )
    with open(path, encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    return dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True))


def _copies(run: Run, rows: int) -> tuple[Array, Array]:
    """Return the group of copies of each row (N,) int32, -1 where it is in none, and the first row of each group."""
    groups, firsts = np.full(rows, -1, np.int32), []
    path = run.folder / copies.NAME
    if path.is_file():
        with open(path, encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if line["group"]:
                    groups[int(line["row"])] = int(line["group"])
                    firsts += [int(line["row"])] if line["kind"] == "first" else []
        return groups, np.array(firsts, np.int32)
    for number, group in enumerate(listed_copies(run.tables)):  # of a run made before that file was written
        members = [copy["row"] for copy in group["rows"] if copy["row"] is not None]
        groups[members] = number
        firsts += members[:1]
    return groups, np.array(firsts, np.int32)


def _columns(bundle: Bundle, table: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """Yield each column that points can be coloured and filtered by."""
    for name, title in (("confidence", "confidence"), ("error", "reconstruction error"), ("distance", "outlier score")):
        if name in table:
            known = np.array(table[name], np.float32)
            values = bundle.add(np.where(np.isfinite(known), known, np.nan))
            yield {"name": name, "title": title, "kind": "number", "values": values}
    for name, title in (("label", "label"), ("split", "split")):
        if name in table:
            names, codes = np.unique(np.array(table[name], str), return_inverse=True)
            values = bundle.add(codes.astype(np.uint16 if len(names) < 1 << 16 else np.int32))
            yield {"name": name, "title": title, "kind": "category", "values": values, "names": names.tolist()}


def in_square(points: Array, known: Array) -> Array:
    """Return ``points`` (M, 2) moved and scaled as brings the map ``known`` (N, 2) between -1 and 1, undistorted."""
    low, high = known.min(0), known.max(0)
    half = float((high - low).max()) / 2 or 1.0
    moved: Array = ((points - (low + high) / 2) / half).astype(np.float32)
    return moved


def _pictures(bundle: Bundle, model: Model, data: Dataset, order: Array) -> dict[str, Any]:
    """Return the sheets of the images themselves, and of what the decoder makes of them, in ``order`` (N,) of rows."""
    rows, (_, height, width) = len(data), data.shape
    longest = next(side for most, side in THUMBNAILS if rows <= most)
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))

    def as_stored() -> Iterator[Block]:
        for block in coding.blocks(rows, data.shape):
            yield block, np.asarray(data.values[order[block]])

    pictures = {"images": _sheets(bundle, as_stored, rows, size)}
    if model.objective.trains_decoder and rows <= REBUILT:

        def rebuilt() -> Iterator[Block]:
            for block in coding.blocks(rows, data.shape):
                made = coding.reconstruct(model, data.values[order[block]])
                yield block, np.rint(255 * made).astype(np.uint8)

        pictures["rebuilt"] = _sheets(bundle, rebuilt, rows, size)
    if model.objective.trains_decoder and model.objective.corrupts and rows <= REBUILT:

        def cleaned() -> Iterator[Block]:
            for block in coding.blocks(rows, data.shape):
                chosen = data.values[order[block]]
                noisy = next(iter(coding.corrupted_reconstructions(model, chosen, seed=block.start)))
                yield block, np.rint(255 * noisy[2]).astype(np.uint8)

        pictures["cleaned"] = _sheets(bundle, cleaned, rows, size)
    return pictures


def _sheets(bundle: Bundle, images: Callable[[], Iterator[Block]], rows: int, size: tuple[int, int]) -> dict[str, Any]:
    """Put thumbnails of ``size`` side by side on sheets, and return where each of them is."""
    from PIL import Image

    height, width = size
    across, down = max(1, SHEET_SIDE // width), max(1, SHEET_SIDE // height)
    encode: dict[str, Any] | None = None
    numbers: list[int] = []
    for sheet in _filled(images(), rows, (height, width), (down, across)):
        picture = Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet)
        if encode is None:  # drawings are smaller without loss, photographs with it
            ways: list[dict[str, Any]] = [{"lossless": True, "quality": 50}, {"quality": QUALITY}]
            encode = min(ways, key=lambda way: len(_webp(picture, way)))
        numbers.append(bundle.add_image(_webp(picture, encode)))
    return {"width": width, "height": height, "across": across, "perSheet": across * down, "sheets": numbers}


def _webp(picture: Any, way: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", method=2, **way)
    return file.getvalue()


def _filled(blocks: Iterator[Block], rows: int, size: tuple[int, int], grid: tuple[int, int]) -> Iterator[Array]:
    """Yield sheets (H, W, C) uint8 of a grid of thumbnails, each full but the last."""
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
    """Return images (B, C, H, W) uint8 as (B, height, width, C), each pixel the mean of those it stands for."""
    import torch
    from torch.nn import functional

    if images.shape[2:] != size:
        x = torch.from_numpy(np.ascontiguousarray(images)).float()
        images = functional.adaptive_avg_pool2d(x, size).round().to(torch.uint8).numpy()
    return images.transpose(0, 2, 3, 1)
