"""How many rows a lane should have: speed by rows and cores, and what the statistics of a lane cost in quality.

A step of a batch of B rows in lanes of r rows on c cores takes about

    ceil(L / c) lane(r) + L sum + rest,    L = B / r

where ``lane(r)`` is one lane forward and back on one core, ``sum`` adds the gradients of one lane, and ``rest`` is what
happens once (choosing rows, the optimiser's step). The first two are fitted to what was measured on one core; the model
then says what 4, 8 and 16 cores would do, and what was measured on the cores that there are tells how far to trust it.

    python bench/lanes.py            # speeds
    python bench/lanes.py --quality  # five seeds with and without lanes; some minutes, resumable
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import narrows
from narrows.deep.agreement import Agreement
from narrows.disk.files import Array, read_json, write_json
from narrows.encoding.model import Model, apply
from narrows.evaluation.clustering import accuracy
from narrows.training import lanes
from narrows.training.loop import train
from narrows.training.settings import Settings
from narrows.work import environment
from narrows.work.cores import usable_cores

SHAPE, CODE, BATCH = (1, 28, 28), 32, 256
NETS: dict[str, dict[str, Any]] = {
    "conv 32": {"name": "conv", "width": 32},
    "dense": {"name": "dense"},
    "dense 2,048": {"name": "dense", "hidden": [2048, 2048]},
}
ROWS = (32, 64, 128, 256)
MODELLED = (1, 2, 4, 8, 16)
SEEDS = range(5)


def speed(net: dict[str, Any], images: Array, rows: int, cores: int) -> float:
    """Return images per second of training in lanes of ``rows`` rows on ``cores`` cores."""
    os.environ["OMP_NUM_THREADS"] = str(cores)
    model = Model(SHAPE, {"code_size": CODE, **net}, {"name": "reconstruction"})
    settings = Settings(epochs=1, batch_size=BATCH, lane_rows=rows)
    start = time.perf_counter()
    train(model, images, np.arange(len(images)), np.arange(0), settings)
    return len(images) / (time.perf_counter() - start)


def modelled(measured: dict[int, float]) -> dict[int, dict[int, float]]:
    """Return rows -> cores -> images per second, fitted to rows -> images per second on one core."""
    # On one core a step takes L (fixed + sum) + B value + rest, linear in L; fixed and sum cannot be told apart there,
    # and count as the lane's own, which errs in favour of many cores.
    rows = sorted(measured)
    many = np.array([BATCH / r for r in rows])
    seconds = np.array([BATCH / measured[r] for r in rows])
    fixed, all_rows = np.polyfit(many, seconds, 1)
    return {r: {c: BATCH / (-(-(BATCH // r) // c) * (fixed + all_rows * r / BATCH)) for c in MODELLED} for r in rows}


def speeds(images: Array, rounds: int) -> dict[str, Any]:
    """Measure every network, with all sizes of lanes and numbers of cores one after the other in each round."""
    cores = sorted({1, usable_cores()})
    found: dict[str, Any] = {}
    for name, net in NETS.items():
        speed(net, images[: 8 * BATCH], BATCH, 1)  # warm-up
        each: dict[tuple[int, int], list[float]] = {}
        for number in range(rounds):
            for c in cores:
                for r in ROWS if number % 2 else ROWS[::-1]:
                    each.setdefault((r, c), []).append(speed(net, images, r, c))
        medians = {key: statistics.median(values) for key, values in each.items()}
        model = modelled({r: medians[r, 1] for r in ROWS})
        found[name] = {
            "measured": {str(r): {str(c): round(medians[r, c]) for c in cores} for r in ROWS},
            "modelled": {str(r): {str(c): round(model[r][c]) for c in MODELLED} for r in ROWS},
        }
        print(f"\n{name}, batch {BATCH}: images/s\n  rows  " + "".join(f"{c:>8} measured" for c in cores), end="")
        print("".join(f"{c:>8} modelled" for c in MODELLED))
        for r in ROWS:
            print(f"  {r:>4}  " + "".join(f"{medians[r, c]:>17,.0f}" for c in cores), end="")
            print("".join(f"{model[r][c]:>17,.0f}" for c in MODELLED))
    return found


def labelled(name: str) -> tuple[Array, Array]:
    """Return the images of a data set and their classes."""
    data = narrows.open(name)
    if data.labels is None:
        raise ValueError(f"{name} has no labels")
    return data.values, data.labels


def autoencoder(seed: int) -> float:
    """Return the PSNR in dB of a convolutional autoencoder on MNIST's test images, from 10,000 of the others."""
    values = narrows.open("mnist").values
    model = Model(SHAPE, {"name": "conv", "code_size": CODE}, {"name": "reconstruction"}, seed=seed)
    train(model, values, np.arange(10_000), np.arange(0), Settings(epochs=5, batch_size=BATCH), seed=seed)
    return float(-10 * np.log10(model.errors(values[60_000:]).mean(dtype=np.float64)))


def classifier(seed: int) -> float:
    """Return the accuracy of a residual network on Fashion-MNIST's test images, from 10,000 of the others."""
    values, labels = labelled("fashion-mnist")
    net = {"name": "cnn", "n_classes": 10}
    model = Model(SHAPE, net, {"name": "classification"}, seed=seed)
    settings = Settings(epochs=5, batch_size=BATCH)
    train(model, values, np.arange(10_000), np.arange(0), settings, labels=labels, seed=seed)
    answers = apply(model, values[60_000:], lambda net, x: net(x)).argmax(1)
    return float((answers == labels[60_000:]).mean())


def clusters(seed: int) -> float:
    """Return the accuracy of clusters of 4,000 of MNIST's test images, whose views are learned by contrast."""
    values, labels = labelled("mnist")
    rows = np.arange(60_000, 64_000)
    return accuracy(Agreement(10, seed).fit(np.ascontiguousarray(values[rows])).labels_, labels[rows])


QUALITIES: dict[str, Callable[[int], float]] = {
    "autoencoder, MNIST, PSNR in dB": autoencoder,
    "classifier, Fashion-MNIST, accuracy": classifier,
    "clusters, 4,000 of MNIST, accuracy": clusters,
}


def quality(out: Path, kept: dict[str, Any]) -> dict[str, Any]:
    """Measure each of ``QUALITIES`` with whole batches and with lanes, unless that is in ``kept``."""
    found = kept.get("quality", {})
    usual = lanes.ROWS
    for name, measure in QUALITIES.items():
        line = found.setdefault(name, {"whole batches": [], "lanes": []})
        for seed in SEEDS:
            for which, rows in (("whole batches", 1 << 30), ("lanes", usual)):
                if len(line[which]) > seed:
                    continue
                lanes.ROWS = rows
                line[which].append(measure(seed))
                write_json(out, kept | {"quality": found})
        texts = [f"{which} {np.mean(line[which]):.4f} (sd {np.std(line[which], ddof=1):.4f})" for which in line]
        print(f"{name}: {', '.join(texts)}", flush=True)
    lanes.ROWS = usual
    return dict(found)


def main() -> None:
    """Measure, print, and save under bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_240)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quality", action="store_true", help="what lanes cost in quality, rather than speeds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "lanes.json")
    given = parser.parse_args()
    kept = read_json(given.out) if given.out.exists() else {}
    if given.quality:
        kept["quality"] = quality(given.out, kept)
    else:
        images = np.random.default_rng(0).integers(0, 256, (given.images, *SHAPE), dtype=np.uint8)
        kept["speed"] = speeds(images, given.rounds)
        kept["rows"] = lanes.ROWS
    kept["environment"] = {name: value for name, value in environment.describe().items() if name != "command"}
    write_json(given.out, kept)


if __name__ == "__main__":
    main()
