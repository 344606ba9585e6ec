"""Whether a cluster's pictures show what it contains: rows nearest to its centre, random rows, or one of each part.

    python bench/examples.py

"shown": of the classes with at least 15 % of a cluster's rows, the share with a picture. "off": half the sum of
absolute differences between the shares of classes among the pictures, each weighted by the share it stands for (or
equally), and those in the cluster; the mean over clusters. Labels are read only to score.

Each seed draws 5,000 other images of Fashion-MNIST; k-means finds the clusters.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import narrows
from narrows.clustering.kmeans import KMeans
from narrows.disk.files import Array, write_json
from narrows.encoders.pca import PCACodes
from narrows.evaluation.examples import SHOWN, examples

ROWS, CODE = 5_000, 32
LEAST = 0.15  # of a cluster: classes with a smaller share are ignored
RESULTS = Path(__file__).parent / "results" / "examples.json"

Pick = Callable[[int], tuple[Array, Array]]  # of a cluster: rows, and the share that each stands for


def spaces(values: Array, seed: int) -> Iterator[tuple[str, Array]]:
    """Yield the rows (N, D) as pixels and as PCA codes."""
    yield "pixels", values.reshape(len(values), -1).astype(np.float32) / 255
    yield f"codes of PCA, {CODE}", PCACodes(CODE, seed=seed).fit(values).encode(values)


def scores(pick: Pick, clusters: Array, labels: Array) -> dict[str, float]:
    """Return the share of large classes with a picture, and the error of the pictures' shares of classes."""
    seen = there = 0
    off = []
    for cluster in np.unique(clusters):
        rows, stands = pick(cluster)
        shares = np.bincount(labels[clusters == cluster], minlength=10) / (clusters == cluster).sum()
        large = np.flatnonzero(shares >= LEAST)
        seen += int(np.isin(large, labels[rows]).sum())
        there += len(large)
        off.append(np.abs(shares - np.bincount(labels[rows], stands, minlength=10)).sum() / 2)
    return {"shown": seen / there, "off": float(np.mean(off))}


def ways(codes: Array, kmeans: KMeans, seed: int) -> tuple[dict[str, Pick], float]:
    """Return three ways to choose rows of a cluster, and the seconds taken to find its parts."""
    clusters, typicality = kmeans.labels_, kmeans.typicality(codes)
    start = time.perf_counter()
    found = examples(codes, clusters, seed=seed)
    seconds = time.perf_counter() - start
    rng = np.random.default_rng(seed)

    def nearest(cluster: int) -> tuple[Array, Array]:
        rows = np.flatnonzero(clusters == cluster)
        return alike(rows[np.argsort(-typicality[rows], kind="stable")][:SHOWN])

    def drawn(cluster: int) -> tuple[Array, Array]:
        return alike(rng.permutation(np.flatnonzero(clusters == cluster))[:SHOWN])

    return {"nearest to the centre": nearest, "random": drawn, "one of each part": found.of}, seconds


def alike(rows: Array) -> tuple[Array, Array]:
    """Return rows, and equal shares for them."""
    return rows, np.full(len(rows), 1 / len(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--clusters", type=int, nargs="+", default=[5, 10])
    asked = parser.parse_args()
    data = narrows.open("fashion-mnist")
    known = np.asarray(data.labels)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    seconds: dict[str, list[float]] = {}
    for seed in range(asked.seeds):
        rows = np.sort(np.random.default_rng(seed).choice(len(data), ROWS, replace=False))
        values, labels = data.values[rows], known[rows]
        for space, codes in spaces(values, seed):
            for n_clusters in asked.clusters:
                kmeans = KMeans(n_clusters, seed).fit(codes)
                picks, spent = ways(codes, kmeans, seed)
                setting = f"{space}, {n_clusters} clusters"
                seconds.setdefault(setting, []).append(spent)
                for name, pick in picks.items():
                    line = found.setdefault(setting, {}).setdefault(name, {"shown": [], "off": []})
                    for measure, value in scores(pick, kmeans.labels_, labels).items():
                        line[measure].append(value)
    table: dict[str, Any] = {"rows": ROWS, "pictures": SHOWN, "least_share": LEAST, "seeds": asked.seeds}
    for setting, names in found.items():
        table[setting] = {name: {m: summed(of) for m, of in line.items()} for name, line in names.items()}
        table[setting]["seconds"] = round(statistics.median(seconds[setting]), 2)
        print(setting, table[setting], flush=True)
    write_json(RESULTS, table)


def summed(values: list[float]) -> dict[str, float]:
    """Return mean and standard deviation over seeds."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 3), "sd": round(spread, 3)}


if __name__ == "__main__":
    main()
