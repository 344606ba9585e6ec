"""A finished run, opened with its data: everything that the explorer can be asked for."""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from narrows.clustering.kmeans import KMeans
from narrows.data.columns import with_offsets
from narrows.data.dataset import Dataset
from narrows.data.scale import Eye
from narrows.disk.files import Array, atomic_file, atomic_folder, naming, safe_name, safe_suffix
from narrows.disk.regular import opened
from narrows.errors import DataError, InputError
from narrows.explorer.bundle import Bundle, add_copies, add_examples, checked_codes, in_square
from narrows.explorer.edits import EditLog, require_own
from narrows.runs import EXPORTS, Run

MOST_DRAWN = 64  # the most images in one answer
MOST_SHOWN = 2048  # pixels on the longer side of a photo that is too large to be decoded in full
WRITTEN = 2000  # rows of Parquet at a time
NEAREST = 8  # points of the map whose codes are averaged for a place between them
PARTS = 2, 20  # the fewest and most parts of a split


class Opened:
    """A run, its rows, its map as the page shows it, and the log of edits.

    Parameters
    ----------
    run : the run
    data : its rows; None if they are gone, and then requests that need them are refused
    bundle : the data of the page
    read_only : refuse edits; another explorer may have the run open
    """

    def __init__(self, run: Run, data: Dataset | None, bundle: Bundle, *, read_only: bool = False) -> None:
        self.run, self.data, self.bundle = run, data, bundle
        self.encoder = run.encoder()
        self.eye = Eye.of(data.values) if data is not None and data.is_images else Eye(0, 255)
        self.codes = checked_codes(run, bundle.header["rows"], self.encoder)  # (N, K)
        if "examples" not in bundle.header:  # a page that an earlier version wrote
            add_examples(bundle, run)
        if "copies" not in bundle.header:
            add_copies(bundle, run)
        self.points = bundle.array(bundle.header["points"]).reshape(-1, 2)
        self.ids = bundle.texts(bundle.header["ids"])
        clusters = bundle.array(bundle.header["clusterOf"])
        self.log = EditLog(run.folder, bundle.header["run"], clusters, read_only=read_only)
        self._sd = self.codes.std(0)
        self._naming = threading.Lock()
        self._exported: set[str] = set()

    # Pictures

    def picture(self, row: int) -> bytes:
        """Return the image of a row, at the largest size available, as the bytes of a PNG.

        Raises
        ------
        InputError : no such row, or no images are available
        """
        from narrows.data.images import Unreadable, decode, measure
        from narrows.data.reading import Channels, how_of, page_of

        self._check_rows([row])
        data = self._images()
        path = None if data.paths is None else Path(data.paths[row])
        if path is not None and path.is_file():
            try:
                own = how_of(self.encoder.preprocessing)
                page = page_of(self.ids[row], self.encoder.preprocessing)
                channels: Channels = own.channels if isinstance(own.channels, tuple) else "auto"
                height, width = measure(path, page, own.max_pixels)
                # A photo with more pixels than may be decoded is shown at a reduced size.
                scale = min(1.0, MOST_SHOWN / max(height, width)) if height * width > own.max_pixels else 1.0
                size = round(height * scale), round(width * scale)
                whole = replace(own, size=size, fit="stretch", channels=channels, page=page)
                return png(self.eye.see(decode(path, whole).pixels))  # upright, 8 bits, and no metadata
            except Unreadable:  # changed since the run was made
                pass
        return png(self.eye.see(np.asarray(data.values[row])))

    def draw(self, asked: Mapping[str, Any]) -> tuple[Array, Array]:
        """Return codes (n, K), and the images uint8 (n, C, H, W) or vectors (n, D) that they decode to.

        Parameters
        ----------
        asked : one of ``{"at": [x, y]}``, a place on the map; ``{"between": [row, row], "steps": n}``;
            ``{"around": row, "spread": share of the codes' spread, "n": n, "seed": seed}``; ``{"codes": [[...], ...]}``

        Raises
        ------
        InputError : anything else, or codes that cannot be decoded
        """
        codes = self._codes_of(asked)
        return codes, self._shown(self.encoder.decode(codes))

    def _shown(self, made: Array) -> Array:
        """Return images as they are displayed, or vectors in their own units."""
        if not self.encoder.is_images:
            return with_offsets(made, self.encoder.preprocessing)
        return self.eye.see(np.rint(255 * made).astype(np.uint8))

    def _codes_of(self, asked: Mapping[str, Any]) -> Array:
        if asked.keys() == {"at"}:
            place = np.array(_numbers(asked["at"], 2, "at"))
            away = ((self.points - place) ** 2).sum(1)
            near = np.argpartition(away, min(NEAREST, len(away)) - 1)[:NEAREST]
            weights = 1 / (away[near] + 1e-9)
            return np.asarray(weights @ self.codes[near] / weights.sum(), np.float32)[None]
        if asked.keys() == {"between", "steps"}:
            first, last = self.codes[self._check_rows(asked["between"], 2)]
            steps = np.linspace(0, 1, _count(asked["steps"], "steps"), dtype=np.float32)[:, None]
            return np.asarray((1 - steps) * first + steps * last, np.float32)
        if asked.keys() == {"around", "spread", "n", "seed"}:
            (row,) = self._check_rows([asked["around"]])
            rng = np.random.default_rng(_count(asked["seed"], "seed", 1 << 31, least=0))
            (spread,) = _numbers([asked["spread"]], 1, "spread")
            drawn = rng.standard_normal((_count(asked["n"], "n"), self.codes.shape[1]))
            return np.asarray(self.codes[row] + spread * self._sd * drawn, np.float32)
        if asked.keys() == {"codes"} and isinstance(asked["codes"], list) and 1 <= len(asked["codes"]) <= MOST_DRAWN:
            return np.array([_numbers(code, self.codes.shape[1], "codes") for code in asked["codes"]], np.float32)
        raise InputError("draw", "must give one of at, between, around and codes", value=sorted(asked))

    def place(self, image: bytes) -> dict[str, Any]:
        """Return the cluster of a new image, its place on the map, the rows nearest to it, and its novelty.

        Novelty is the share of held-out rows that are odder; None if an earlier version of narrows made the run.

        Raises
        ------
        InputError, DataError : a run of vectors, or a file that cannot be read as an image
        """
        from narrows.data.images import Unreadable, decode
        from narrows.data.reading import how_of

        how = self.encoder.preprocessing
        if not self.encoder.is_images or not {"size", "fit", "channels"} <= how.keys():
            raise InputError("image", "can be placed only on the map of a run of images")
        with tempfile.TemporaryDirectory(prefix="narrows-") as folder:
            path = Path(folder) / "image"
            path.write_bytes(image)
            try:
                decoded = decode(path, how_of(how))
            except Unreadable as error:
                raise DataError("image", "must be readable", value=str(error)) from error
        values = decoded.pixels[None]  # (1, C, H, W)
        code = self.encoder.encode(values)  # (1, K)
        found = self.run.assign_values(self.encoder, values, code)
        x, y = in_square(self.run.projection().transform(code), self.run.array("map"))[0]
        away = np.sqrt(((self.codes - code) ** 2).sum(1))
        near = np.argsort(away, kind="stable")[:10]
        return {
            "cluster": int(found.clusters[0]),
            "confidence": float(found.confidence[0]),
            "novelty": None if found.novelty is None else float(found.novelty[0]),
            "point": [float(x), float(y)],
            "rows": near.tolist(),
            "distances": away[near].astype(float).tolist(),
        }

    # Clusters

    def split(self, rows: Sequence[int], parts: int, seed: int = 0) -> list[int]:
        """Divide ``rows`` into ``parts`` by k-means on their codes, and return the part of each; part 0 is the largest.

        Raises
        ------
        InputError : rows that do not exist, fewer than two rows, or a number of parts that is not from 2 to 20
        """
        chosen = self._check_rows(rows)
        if not isinstance(parts, int) or not PARTS[0] <= parts <= PARTS[1]:
            raise InputError("parts", f"must be a whole number from {PARTS[0]} to {PARTS[1]}", value=parts)
        if len(chosen) < 2:
            raise InputError("rows", "must be at least two to be split", value=len(chosen))
        found: list[int] = KMeans(min(parts, len(chosen)), seed).fit(self.codes[chosen]).labels_.tolist()
        return found

    # Out of the explorer

    def export_folders(self, rows: Sequence[int] | None, how: Literal["copy", "link"]) -> str:
        """Write a folder with a subfolder for each cluster of ``rows`` (all by default), and return its name.

        Image files are copied or linked if the run was made from files, otherwise images are written as PNG. The folder
        gets its name only once it is complete.

        Raises
        ------
        InputError : rows that do not exist, no images, or ``how`` other than "copy" and "link"
        """
        data, state = self._images(), self.log.state()
        chosen = np.arange(len(self.ids)) if rows is None else np.array(self._check_rows(rows), np.int64)
        if how not in ("copy", "link"):
            raise InputError("how", "must be copy or link", value=how)
        exports = self.run.folder / EXPORTS
        require_own(exports)
        with naming(exports):
            exports.mkdir(exist_ok=True)
        with self._naming:  # there may be two exports in one second
            stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
            names = (f"{stamp}-{i}" if i else stamp for i in range(1000))
            name = next(name for name in names if name not in self._exported and not (exports / name).exists())
            self._exported.add(name)
        with atomic_folder(exports / name) as part:
            folders: dict[int, Path] = {}
            for cluster in sorted({int(c) for c in state.clusters[chosen]}):
                folders[cluster] = part / _unique(safe_name(state.name(cluster)), {f.name for f in folders.values()})
                with naming(folders[cluster]):
                    folders[cluster].mkdir()
            width = len(str(len(self.ids)))
            for row in np.unique(chosen):
                source = Path(data.paths[row]) if data.paths is not None else None
                stem = f"{row:0{width}}-{safe_name(Path(self.ids[row]).stem)}"
                folder = folders[int(state.clusters[row])]
                if source is None or not source.is_file():
                    made = png(np.asarray(data.values[row]))
                    with naming(exports / name, len(made)):
                        (folder / f"{stem}.png").write_bytes(made)
                    continue
                target = folder / (stem + safe_suffix(source))
                with naming(exports / name):
                    if how == "link":
                        target.symlink_to(source.resolve())
                    else:
                        _copy(source, target)
        return f"{EXPORTS}/{name}"

    def table(self, rows: Sequence[int] | None = None) -> dict[str, Any]:
        """Return all that is known about ``rows`` (all by default), after all edits: name -> column."""
        chosen = np.arange(len(self.ids)) if rows is None else np.array(self._check_rows(rows), np.int64)
        state, header = self.log.state(), self.bundle.header
        columns: dict[str, Any] = {
            "id": [self.ids[row] for row in chosen],
            "row": chosen,
            "cluster": state.clusters[chosen],
            "cluster_name": [state.name(int(cluster)) for cluster in state.clusters[chosen]],
            "confirmed": state.confirmed[chosen],
            "x": self.points[chosen, 0],
            "y": self.points[chosen, 1],
        }
        for column in header["columns"]:
            if column["kind"] == "text":
                texts = self.bundle.texts(column["values"])
                columns[column["name"]] = [texts[row] for row in chosen]
                continue
            values = self.bundle.array(column["values"])[chosen]
            names = column.get("names")
            columns[column["name"]] = [names[value] for value in values] if names else values
        return columns

    def write_parquet(self, path: Path, rows: Sequence[int] | None = None) -> None:
        """Write the table as Parquet, with the columns that embedding-atlas reads, a few thousand rows at a time.

        These are ``x`` and ``y``; ``neighbors``, with the positions in this table (``ids``) and the distances of the
        nearest rows that are in it; and, for images, ``image``, with the bytes of a PNG.
        """
        import pyarrow as pa
        from pyarrow import parquet

        columns = self.table(rows)
        chosen, known = np.asarray(columns["row"]), self.bundle.header["neighbours"]
        indices = self.bundle.array(known["rows"]).reshape(len(self.ids), -1)
        distances = self.bundle.array(known["distances"]).reshape(len(self.ids), -1)
        place = np.full(len(self.ids), -1)
        place[chosen] = np.arange(len(chosen))
        images = self.data.values if self.data is not None and self.data.is_images else None
        writer = None
        with atomic_file(path) as file:
            try:
                for start in range(0, len(chosen), WRITTEN):
                    block = slice(start, start + WRITTEN)
                    some = {name: column[block] for name, column in columns.items()}
                    some["neighbors"] = [
                        {"ids": place[near][place[near] >= 0], "distances": away[place[near] >= 0]}
                        for near, away in zip(indices[chosen[block]], distances[chosen[block]], strict=True)
                    ]
                    if images is not None:
                        some["image"] = [{"bytes": png(np.asarray(images[row]))} for row in chosen[block]]
                    table = pa.table(some)
                    writer = writer or parquet.ParquetWriter(file, table.schema)
                    writer.write_table(table)
            finally:
                if writer is not None:
                    writer.close()

    def _images(self) -> Dataset:
        if self.data is None or not self.data.is_images:
            why = "the run's images are no longer where they were" if self.data is None else "the run is of vectors"
            raise InputError("images", "are needed for this", value=why)
        return self.data

    def _check_rows(self, rows: Any, count: int | None = None) -> list[int]:
        if not isinstance(rows, list | tuple) or (count is not None and len(rows) != count) or not rows:
            raise InputError("rows", "must list rows" if count is None else f"must list {count} rows", value=rows)
        wrong = next((row for row in rows if type(row) is not int or not 0 <= row < len(self.ids)), None)
        if wrong is not None:
            raise InputError("rows", f"must be whole numbers from 0 to {len(self.ids) - 1}", value=wrong)
        return list(rows)


def png(pixels: Array) -> bytes:
    """Return an image uint8 (C, H, W) as the bytes of a PNG."""
    from narrows.data.pixels import to_image

    file = io.BytesIO()
    to_image(pixels).save(file, "PNG")
    return file.getvalue()


def _copy(source: Path, target: Path) -> None:
    """Copy a file and, if the file system supports them, its mode and times."""
    with opened(source) as found, open(target, "xb") as file:
        shutil.copyfileobj(found, file)
    with suppress(OSError):
        shutil.copystat(source, target)


def _unique(name: str, taken: set[str]) -> str:
    """Return a name that differs from those ``taken`` even if case is ignored."""
    lower = {other.casefold() for other in taken}
    return next(n for i in range(len(taken) + 1) if (n := f"{name} ({i + 1})" if i else name).casefold() not in lower)


def _numbers(values: Any, count: int, name: str) -> list[float]:
    ok = isinstance(values, list) and len(values) == count
    if not ok or not all(type(v) in (int, float) and abs(v) < 1e6 for v in values):
        raise InputError(name, f"must be {count} numbers", value=values)
    return [float(value) for value in values]


def _count(value: Any, name: str, most: int = MOST_DRAWN, *, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= most:
        raise InputError(name, f"must be a whole number from {least} to {most}", value=value)
    return int(value)
