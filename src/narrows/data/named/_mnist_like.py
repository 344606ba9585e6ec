"""What MNIST and its likes share: four IDX files, where to find them, and what must be in them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.download import fetch, hash_uncompressed
from narrows.data.formats.idx import read_file
from narrows.disk.files import cache_folder
from narrows.errors import DataError
from narrows.work.progress import Progress

PARTS = (("train", "train"), ("t10k", "test"))  # how files begin, and the split they are


def load(
    name: str,
    folder: str,
    sources: Sequence[str],
    hashes: Mapping[str, str],
    label_names: tuple[str, ...],
    progress: Progress | None,
) -> Dataset:
    """Return training images, then test images.

    Files are looked for in ``$NARROWS_DATA/<folder>``, then in the cache, plain or gzipped, and downloaded into the
    cache otherwise. Whatever their way, their uncompressed content is checked.

    Parameters
    ----------
    name : of the data set
    folder : that holds its files
    sources : addresses of folders with the files, gzipped, in the order to try
    hashes : sha256 of each file's uncompressed content, by the file's name without ".gz"
    label_names : of class 0, 1, ...
    progress : shows the download

    Raises
    ------
    DataError : a file with other content, or none and no way to download it
    """
    paths = _locate(folder, sources, hashes, progress)
    labels = [read_file(paths[f"{prefix}-labels-idx1-ubyte"]) for prefix, _ in PARTS]
    images = np.concatenate([read_file(paths[f"{prefix}-images-idx3-ubyte"]) for prefix, _ in PARTS])[:, None]
    split = np.repeat([part for _, part in PARTS], [len(part) for part in labels])
    return Dataset(
        images,  # (N, 1, 28, 28)
        labels=np.concatenate(labels).astype(np.int64),
        label_names=label_names,
        split=split,
        provenance={
            "source": name,
            "format": "idx",
            "sha256": dict(hashes),
            "preprocessing": {"size": list(images.shape[2:]), "channels": 1, "fit": "crop"},
        },
    )


def _locate(
    folder: str, sources: Sequence[str], hashes: Mapping[str, str], progress: Progress | None
) -> dict[str, Path]:
    """Return the path of each file, downloaded where it must be."""
    cache = cache_folder() / "data" / folder
    places = [Path(os.environ["NARROWS_DATA"]) / folder] if os.environ.get("NARROWS_DATA") else []
    paths = {file: _find(file, [*places, cache]) for file in hashes}
    missing = [file for file, path in paths.items() if path is None]
    remedy = (
        f"Put {', '.join(f'{file}.gz' for file in missing)} (or unpacked, without .gz) into {cache}, "
        f"or set NARROWS_DATA to a folder in which {folder}/ holds them."
    )
    for file in missing:
        urls = [f"{source.rstrip('/')}/{file}.gz" for source in sources]
        paths[file] = fetch(urls, cache / f"{file}.gz", hashes[file], progress, remedy=remedy)
    found = {file: path for file, path in paths.items() if path is not None}
    for file, path in found.items():
        if file not in missing and hash_uncompressed(path) != hashes[file]:
            raise DataError(
                str(path),
                "must contain the original (by its sha256)",
                value="other content",
                remedy="Delete it to download it again.",
            )
    return found


def _find(file: str, places: Sequence[Path]) -> Path | None:
    candidates = (place / name for place in places for name in (file, f"{file}.gz"))
    return next((path for path in candidates if path.is_file()), None)
