"""Maps of MNIST beside those of openTSNE and umap-learn, on which ours are built: seconds and trustworthiness.

The codes are the first 32 principal components of all 70,000 images. Every round (one seed) makes all maps of them, one
after the other, so that a slower machine slows all: ours with ``fit``, neighbours included, and theirs of all codes,
as they come. Trustworthiness is the figure of a run, ``narrows.evaluation.projection``. Seconds of processor are all
threads' together: where other programs are busy, they say more than those of the clock.

- opentsne: ``openTSNE.TSNE`` with as many jobs as there are cores
- umap-learn: ``umap.UMAP`` with a seed, so with the same promise of the same bits; without one it uses all cores

    python bench/maps.py --pictures /tmp/maps
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import bars
import narrows
from narrows.disk.files import Array, write_json
from narrows.encoders.pca import PCACodes
from narrows.evaluation.projection import trustworthiness
from narrows.projection.tsne import TSNE
from narrows.projection.umap import UMAP
from narrows.work import environment
from narrows.work.cores import usable_cores

COMPONENTS = 32
#: Ours -> theirs, and the bars: of trustworthiness, and of our time as a share of theirs.
PAIRS = {
    "tsne": ("opentsne", bars.Bar(0.99, 0.995, more=True), bars.Bar(1 / 2, 1 / 3)),
    "umap": ("umap-learn", bars.Bar(0.966, 0.97, more=True), bars.Bar(1 / 3, 1 / 5)),
}


def codes_of_mnist(count: int) -> tuple[Array, Array]:
    """Return principal components (N, 32) float32 of the first ``count`` images, and their classes."""
    data = narrows.open("mnist")
    encoder = PCACodes(COMPONENTS).fit(data.values[:count])
    return encoder.encode(data.values[:count]), np.asarray(data.labels)[:count]


def opentsne(codes: Array, seed: int) -> Array:
    """Return openTSNE's map of all codes."""
    import openTSNE

    fit = openTSNE.TSNE(n_jobs=usable_cores(), random_state=seed).fit(codes)
    return np.asarray(fit, np.float32)


def umap_learn(codes: Array, seed: int | None) -> Array:
    """Return umap-learn's map of all codes."""
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a seed means one thread
        return np.asarray(umap.UMAP(random_state=seed).fit_transform(codes), np.float32)


MAKERS: dict[str, Callable[[Array, int], Array]] = {
    "tsne": lambda codes, seed: TSNE(seed).fit(codes).map_,
    "opentsne": opentsne,
    "umap": lambda codes, seed: UMAP(seed).fit(codes).map_,
    "umap-learn": umap_learn,
    "umap-learn without a seed": lambda codes, seed: umap_learn(codes, None),
}


def picture(points: Array, classes: Array, path: Path) -> None:
    """Draw a map, coloured by class."""
    from matplotlib.figure import Figure

    figure = Figure((10, 10), layout="tight")
    axes = figure.subplots()
    axes.scatter(points[:, 0], points[:, 1], c=classes, s=0.3, cmap="tab10", linewidths=0)
    axes.set_aspect("equal")
    figure.savefig(path, dpi=110)


def summarised(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return means and standard deviations over rounds."""
    return {
        name: {
            f"{what} {kind}": float(of([made[name][what] for made in rounds]))
            for what in ("seconds", "processor seconds", "trustworthiness")
            for kind, of in (("mean", np.mean), ("sd", np.std))
        }
        for name in rounds[0]
    }


def ratios(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return our seconds over theirs, the median over rounds."""
    return {
        ours: {
            what: statistics.median(made[ours][what] / made[theirs][what] for made in rounds)
            for what in ("seconds", "processor seconds")
        }
        for ours, (theirs, *_) in PAIRS.items()
        if {ours, theirs} <= set(rounds[0])
    }


def table(rounds: list[dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """Return the lines of the maps of ours that were made beside another library's."""
    lines = []
    for ours, (theirs, trust, share) in PAIRS.items():
        if {ours, theirs} <= set(rounds[0]):
            found = statistics.mean(made[ours]["trustworthiness"] for made in rounds)
            lines.append(bars.Line(f"{ours} of MNIST, trustworthiness", None, found, trust))
            lines.append(bars.Line(f"{ours} of MNIST, time / {theirs}", None, ratios(rounds)[ours]["seconds"], share))
    return [line.record for line in lines]


def save(rounds: list[dict[str, dict[str, float]]], rows: int, path: Path) -> None:
    """Write what was found so far, with versions and hardware."""
    path.parent.mkdir(parents=True, exist_ok=True)
    described = {name: value for name, value in environment.describe().items() if name != "command"}
    found = {
        "table": table(rounds),
        "ratios": ratios(rounds),
        "maps": summarised(rounds),
        "rounds": rounds,
        "rows": rows,
    }
    write_json(path, found | {"environment": described})


def main() -> None:
    """Run the benchmark, print it, and save it under bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=70_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=MAKERS, nargs="+", default=list(MAKERS))
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw the maps of the first seed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "maps.json")
    given = parser.parse_args()

    codes, classes = codes_of_mnist(given.rows)
    for name in given.only:
        MAKERS[name](codes[:500], 0)  # imports, and compiles what is compiled
    rounds: list[dict[str, dict[str, float]]] = []
    for seed in range(given.seeds):
        made: dict[str, dict[str, float]] = {}
        for name in given.only:
            start, busy = time.perf_counter(), time.process_time()
            points = MAKERS[name](codes, seed)
            seconds, busy = time.perf_counter() - start, time.process_time() - busy
            trust = trustworthiness(codes, points)
            made[name] = {"seconds": seconds, "processor seconds": busy, "trustworthiness": trust}
            print(f"seed {seed}  {name:<26} {seconds:6.1f} s  (processor {busy:6.1f} s)  {trust:.4f}", flush=True)
            if given.pictures and seed == 0:
                given.pictures.mkdir(parents=True, exist_ok=True)
                picture(points, classes, given.pictures / f"{name}.png")
        rounds.append(made)
        save(rounds, len(codes), given.out)
    print(f"\n{len(codes):,} codes of {COMPONENTS} values, {usable_cores()} cores, {given.seeds} seeds")
    print(bars.show(table(rounds)))


if __name__ == "__main__":
    main()
