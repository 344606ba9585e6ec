"""How many copies are found, and how many pictures are wrongly called copies.

    NARROWS_DATA=... python bench/copies.py --seeds 5 --sheets FOLDER

arrays : 4,800 pictures of nature8500 (32x32) and 200 copies of some of them, 50 of each kind: mirrored, cropped (5 % or
    up to 5 % from each side, and scaled back), saved as JPEG at quality 60 to 90, halved and scaled back.
files : the same from files: 500 pictures of 160x120 or 120x160, cut from mosaics of the same data, and 100 copies,
    which keep the size that cropping or halving leaves them.
digits, clothes : 10,000 test images of MNIST and of Fashion-MNIST, and smaller parts of MNIST, with nothing planted.
large : seconds for all 70,000 images of MNIST.

Groups with two original pictures are drawn on ``FOLDER/*.png``, a line for each, since the data contain pictures that
are nearly the same, and only a person can tell which.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Resampling, Transpose

import narrows
from narrows.data.pixels import to_image, to_pixels
from narrows.disk.files import Array, write_json
from narrows.evaluation import copies
from narrows.figures import save
from narrows.figures.images import groups as draw_groups
from narrows.work import environment

RESULTS = Path(__file__).parent / "results" / "copies.json"
PICTURES, PLANTED = 5000, 200
FILES, PLANTED_FILES = 600, 100
PARTS = (100, 300, 1000, 3000)  # of MNIST
DRAWN = 60  # groups on a sheet

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def mirrored(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn it over."""
    return image.transpose(Transpose.FLIP_LEFT_RIGHT)


def cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut 5 % from each side of one half of the pictures, and up to 5 % from each side of the other."""
    left, top, right, bottom = rng.uniform(0, 0.05, 4) if rng.random() < 0.5 else [0.05] * 4
    width, height = image.size
    box = (max(left, 0.01) * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.resize((round(box[2] - box[0]), round(box[3] - box[1])), Resampling.BICUBIC, box=box)


def saved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Save a picture as JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(rng.integers(60, 91)))
    return Image.open(file)


def halved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Halve both sides."""
    return image.resize((image.width // 2, image.height // 2), Resampling.LANCZOS)


KINDS: dict[str, Change] = {"mirrored": mirrored, "cropped": cropped, "saved": saved, "halved": halved}


def score(found: copies.Copies, sources: Array, first: int, kinds: list[str]) -> tuple[dict[str, float], list[Any]]:
    """Return the share of copies found, for each kind and for all, and the groups with two original pictures.

    Copy number i, row ``first`` + i, was made from row ``sources[i]``.
    """
    group_of = {copy.row: number for number, group in enumerate(found.groups) for copy in group}
    hits = [group_of.get(first + i, -1) == group_of.get(int(row), -2) for i, row in enumerate(sources)]
    shares = {kind: float(np.mean([hit for hit, of in zip(hits, kinds, strict=True) if of == kind])) for kind in KINDS}
    others = [group for group in found.groups if sum(copy.row < first for copy in group) > 1]
    mixed = [
        group
        for group in found.groups
        if len({int(sources[copy.row - first]) if copy.row >= first else copy.row for copy in group}) > 1
    ]
    return {"found": float(np.mean(hits)), **shares, "other_groups": len(mixed)}, others


def arrays(seed: int) -> tuple[dict[str, float], Array, list[Any]]:
    """Plant copies in an array."""
    rng = np.random.default_rng(seed)
    images = narrows.open("nature8500").values
    pictures = images[np.sort(rng.choice(len(images), PICTURES - PLANTED, replace=False))]
    sources = rng.choice(len(pictures), PLANTED, replace=False)
    kinds = [list(KINDS)[i % len(KINDS)] for i in range(PLANTED)]
    made = []
    for row, kind in zip(sources, kinds, strict=True):
        image = to_image(pictures[row])
        made.append(to_pixels(KINDS[kind](image, rng).resize(image.size, Resampling.BICUBIC)))
    planted = np.concatenate([pictures, np.stack(made)])
    shares, others = score(copies.find(planted), sources, len(pictures), kinds)
    return shares, planted, others


def files(seed: int) -> tuple[dict[str, float], Array, list[Any]]:
    """Plant copies in a folder of files: mosaics of 20 pictures each, so that large pictures have detail."""
    rng = np.random.default_rng(seed)
    images = narrows.open("nature8500").values
    with tempfile.TemporaryDirectory() as folder:
        drawn = []
        for number in range(FILES - PLANTED_FILES):
            some = images[rng.choice(len(images), 20, replace=False)].transpose(0, 2, 3, 1)
            mosaic = np.concatenate([np.concatenate(some[i : i + 5], axis=1) for i in range(0, 20, 5)])  # 128 x 160
            photo = Image.fromarray(mosaic).crop((0, 4, 160, 124))
            drawn.append(photo if number % 2 else photo.transpose(Transpose.ROTATE_90))
            drawn[-1].save(Path(folder, f"{number:04}.png"))
        sources = rng.choice(len(drawn), PLANTED_FILES, replace=False)
        kinds = [list(KINDS)[i % len(KINDS)] for i in range(PLANTED_FILES)]
        for i, (row, kind) in enumerate(zip(sources, kinds, strict=True)):
            changed = KINDS[kind](drawn[row], rng)
            changed.save(Path(folder, f"copy-{i:04}.{'jpg' if kind == 'saved' else 'png'}"), quality=75)
        data = narrows.open(folder, labels="none")
        shares, others = score(copies.find(data), sources, len(drawn), kinds)
        return shares, np.asarray(data.values), others


def untouched(name: str, rows: int, seed: int) -> tuple[dict[str, float], Array, list[Any]]:
    """Count groups among images without planted copies: test images, or a part of all."""
    data = narrows.open(name)
    of = np.flatnonzero(data.split == "test") if rows == 10_000 else np.arange(len(data))
    images = np.asarray(data.values[np.sort(np.random.default_rng(seed).choice(of, rows, replace=False))])
    found = copies.find(images)
    return {"groups": len(found.groups), "rows": found.rows, "exact": found.exact}, images, found.groups


def measure(
    name: str, what: Callable[[int], tuple[dict[str, float], Array, list[Any]]], seeds: int, sheet: Path | None
) -> dict[str, Any]:
    """Repeat a measurement with each seed; return the mean and standard deviation of each number."""
    outcomes = []
    for seed in range(seeds):
        start = time.process_time()
        numbers, images, others = what(seed)
        outcomes.append(numbers | {"seconds": time.process_time() - start})
        print(f"{name}, seed {seed}: {outcomes[-1]}", flush=True)
        if sheet is not None and others and seed == 0:
            shown = [[copy.row for copy in group] for group in others[:DRAWN]]
            named = [[copy.kind for copy in group] for group in others[:DRAWN]]
            save(draw_groups([images[rows] for rows in shown], named, [len(group) for group in shown]), sheet)
    return {
        number: {
            "values": [outcome[number] for outcome in outcomes],
            "mean": statistics.mean(outcome[number] for outcome in outcomes),
            "sd": statistics.stdev(outcome[number] for outcome in outcomes) if seeds > 1 else None,
        }
        for number in outcomes[0]
    }


def main() -> None:
    """Measure everything, and save it under bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sheets", type=Path, help="folder for pictures of the groups of seed 0")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()

    tried: dict[str, tuple[Any, int]] = {
        "arrays": (arrays, given.seeds),
        "files": (files, given.seeds),
        "digits": (lambda seed: untouched("mnist", 10_000, seed), 1),
        "clothes": (lambda seed: untouched("fashion-mnist", 10_000, seed), 1),
        "large": (lambda seed: untouched("mnist", 70_000, seed), 1),
    }
    for rows in PARTS:
        tried[f"digits_{rows}"] = (lambda seed, rows=rows: untouched("mnist", rows, seed), given.seeds)
    summary: dict[str, Any] = {
        name: measure(name, what, seeds, None if given.sheets is None else given.sheets / f"{name}.png")
        for name, (what, seeds) in tried.items()
    }
    summary["measured_on"] = {name: value for name, value in environment.describe().items() if name != "command"}
    write_json(given.out, summary)


if __name__ == "__main__":
    main()
