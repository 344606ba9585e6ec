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
import textwrap
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
RESULTS = Path(__file__).parent / "results" / "lanes.json"
PAGE = Path(__file__).parents[1] / "docs" / "lanes.md"


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


def speeds(images: Array, rounds: int, most: int) -> dict[str, Any]:
    """Measure every network, with all sizes of lanes and numbers of cores one after the other in each round."""
    cores = sorted({1, most})
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


def quality(out: Path, kept: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Measure each of ``QUALITIES`` with whole batches and with lanes, unless that is in ``kept``."""
    found = kept.get("quality", {})
    usual = lanes.ROWS
    for name in names:
        measure, line = QUALITIES[name], found.setdefault(name, {"whole batches": [], "lanes": []})
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


def page(results: dict[str, Any]) -> str:
    """Return docs/lanes.md, with all figures from ``results``."""
    on, rows = results["environment"], results["rows"]
    lines = [
        "# Lanes: the same bits on any number of cores",
        "",
        _paragraph(
            f"Every batch is cut into lanes of at most {rows} rows (`train.lane_rows`; equal parts, so 150 rows "
            f"become {-(-150 // rows)} lanes). Each lane goes forward and back in one thread, on layers of its own "
            "that share the weights. Gradients and running statistics are added in the order of the lanes, and then "
            "the optimiser takes one step. So a network ends with the same bits whether 1, 2 or 64 cores worked on it, "
            "a training that was stopped goes on with the same bits on another machine with such a processor, and "
            "cores wait for each other once in a step rather than in each of its hundred operations: beside another "
            "busy program that costs half of the speed, where two threads inside an operation lose nearly all of it "
            "([LOG.md](../LOG.md))."
        ),
        "",
        _paragraph(
            "Encoding, decoding and validation are shared out in blocks in the same way, and so are patches, nearest "
            "neighbours and layouts. No operation of torch, BLAS or OpenMP uses more than one thread. How many threads "
            "there are is decided by `OMP_NUM_THREADS`; otherwise by the cores this process is bound to, and its "
            "cgroup's quota: a container with half a core gets one thread, and one with two of sixty-four cores two."
        ),
        "",
        "## How many rows",
        "",
        _paragraph(
            f"Images a second in training (28x28, code of {CODE}, batches of {BATCH}), by the rows of a lane: measured "
            f"on {' and '.join(map(str, on['measured_cores']))} cores of {on['processor']}, and for more cores by a "
            "model: a step takes ceil(lanes / cores) times a lane, whose time is linear in its rows. The model leaves "
            "out what one core does alone at the end of a step, so for many cores and large networks it promises too "
            "much."
        ),
    ]
    for name, found in results["speed"].items():
        cores = list(next(iter(found["measured"].values())))
        heads = [*(f"{c} measured" for c in cores), *(f"{c} modelled" for c in MODELLED if str(c) not in cores)]
        lines += ["", f"**{name}**", "", f"| rows | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
        for r, measured in found["measured"].items():
            cells = [measured[c] for c in cores]
            cells += [found["modelled"][r][str(c)] for c in MODELLED if str(c) not in cores]
            lines.append(f"| {r} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    lines += [
        "",
        _paragraph(
            f"Few rows keep many cores busy, and waste a little of each. With {rows}, a batch of {BATCH} keeps "
            f"{BATCH // rows} cores busy. With more cores, take larger batches, or fewer rows in a lane."
        ),
        "",
        "## What the statistics of a lane cost",
        "",
        _paragraph(
            'Batch normalisation uses the statistics of a lane ("ghost batch normalisation", Hoffer, Hubara & Soudry '
            f"2017). Mean and standard deviation over {len(SEEDS)} seeds, with whole batches and with lanes:"
        ),
        "",
        "| | whole batches | lanes | difference, in sd |",
        "|---|---|---|---|",
    ]
    for name, line in results["quality"].items():
        whole, cut = np.array(line["whole batches"]), np.array(line["lanes"])
        sd = float(np.std(whole, ddof=1))
        cells = [f"{np.mean(each):.4f} ± {np.std(each, ddof=1):.4f}" for each in (whole, cut)]
        lines.append(f"| {name} | {' | '.join(cells)} | {(np.mean(cut) - np.mean(whole)) / sd:+.1f} |")
    lines += [
        "",
        _paragraph(
            "An objective that compares the rows of a batch (`contrastive`, `imsat`) joins what the lanes of its "
            "network made, and hands each lane back its part of the gradient; `kmeans` needs whole batches. On a GPU, "
            "and with `train.compile`, a batch is one lane. Where layers draw from torch's global generator, as its "
            "dropout does, lanes take turns."
        ),
        "",
        "`python bench/lanes.py` and `python bench/lanes.py --quality` measure this again.",
    ]
    return "\n".join(lines) + "\n"


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Measure, print, and save under bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_240)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quality", nargs="*", metavar="NAME", help="what lanes cost in quality, rather than speeds")
    parser.add_argument("--page", action="store_true", help="write docs/lanes.md from what was measured")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    kept = read_json(given.out) if given.out.exists() else {}
    if given.page:
        PAGE.write_text(page(kept), encoding="utf-8")
        return
    if given.quality is not None:
        kept["quality"] = quality(given.out, kept, given.quality or list(QUALITIES))
    else:
        cores = usable_cores()
        images = np.random.default_rng(0).integers(0, 256, (given.images, *SHAPE), dtype=np.uint8)
        kept["speed"] = speeds(images, given.rounds, cores)
        kept["rows"] = lanes.ROWS
        on = {name: value for name, value in environment.describe().items() if name != "command"}
        kept["environment"] = on | {"measured_cores": sorted({1, cores})}
    write_json(given.out, kept)


if __name__ == "__main__":
    main()
