"""Cluster all rows of a source by one method, and score the clusters by labels that the method never saw."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from narrows.arguments import checked
from narrows.clustering import Clusterer, methods
from narrows.clustering.kmeans import KMeans
from narrows.data.dataset import Dataset
from narrows.deep.agreement import Agreement
from narrows.disk.files import Array, read_json, write_json, write_npy
from narrows.errors import DataError, Interrupted, RecipeError
from narrows.evaluation import clustering as scores
from narrows.figures.images import gallery
from narrows.figures.tables import contingency as contingency_figure
from narrows.studies.jobs import Results, Work
from narrows.training.stages import Stages

__all__ = ["clustering"]

STAGES = "stages"  # folder of the finished steps of a clustering that trains a network
TIMED_ROWS = 60_000  # predicted at once to measure the time; rows are repeated if there are fewer
TIMED_SINGLES = 20  # rows predicted one by one
SHOWN = 10  # images of each cluster in a picture
SHOWN_CLUSTERS = 12  # the most clusters in a picture


def clustering(
    work: Work,
    *,
    source: str,
    n_clusters: int,
    method: Mapping[str, Any],
    part: Literal["all", "test"] = "all",
    data: Mapping[str, Any] | None = None,
) -> Results:
    """Find ``n_clusters`` clusters and compare them with the labels of the labelled rows.

    Parameters
    ----------
    source : the data
    n_clusters : the number of clusters
    method : its name in ``narrows.clustering.methods`` and its arguments; a method that clusters codes gets the rows as
        codes. Or "pixels": the k-means on the rows with which every method is compared
    part : cluster "all" rows, or only the "test" rows
    data : further arguments of ``narrows.open``

    Returns
    -------
    results : "clustering/accuracy" (best matching), "/nmi", "/ari", "/pixels_accuracy" (k-means on the rows);
        "time/fit_s", "time/predict_one_ms", "time/predict_60000_s"; "memory/peak_mb", the peak memory of the process
        while fitting; for the method "agreement" also the clusterings it found on the way, with their accuracies
    """
    clusterer = _clusterer(work, n_clusters, method)
    found = work.open(source, **(data or {}))
    if part == "test":
        if found.split is None or not (found.split == "test").any():
            raise DataError("part", 'must be "all" for data without a test part', value=part)
        found = found.take(found.split == "test")
    if found.labels is None:
        raise DataError("data", "must have labels to score clusters by")
    labels = found.labels
    as_codes = _rows(found.values)
    pixels = KMeans(n_clusters, work.seed).fit(as_codes).labels_
    results: Results = {"clustering/pixels_accuracy": scores.accuracy(pixels, labels), "data/rows": len(found)}
    if clusterer is None:
        return results | _scores(work, found, pixels)
    before = work.folder / "fitting.json"  # seconds spent in attempts that were stopped
    spent = read_json(before) if before.is_file() else {"fit": 0.0, "peak": 0}
    with _peak_memory() as peak:
        start = time.perf_counter() - spent["fit"]
        try:
            rows = found.values if clusterer.trains_network else as_codes
            _fit(work, clusterer, rows)
        except Interrupted:
            write_json(before, {"fit": time.perf_counter() - start, "peak": max(peak[0], spent["peak"])})
            raise
        results["time/fit_s"] = time.perf_counter() - start
    held = max(peak[0], spent["peak"])
    if clusterer.trains_network:  # finished steps stay until the clusters are scored, for resuming
        write_json(before, {"fit": results["time/fit_s"], "peak": held})
    results["memory/peak_mb"] = held / 2**20
    work.note(*clusterer.notes)
    results |= _scores(work, found, clusterer.labels_)
    results |= _timed(clusterer, rows)
    results["predict/agrees"] = float((clusterer.predict(rows) == clusterer.labels_).mean())
    if isinstance(clusterer, Agreement):
        results |= _on_the_way(work, clusterer, found)
    before.unlink(missing_ok=True)
    _forget(work.folder / STAGES)
    return results


def _clusterer(work: Work, n_clusters: int, method: Mapping[str, Any]) -> Any:
    """Return the clustering that a method names; None for the pixels, which are always clustered."""
    given = dict(method)
    name = given.pop("name", None)
    if not isinstance(name, str):
        raise RecipeError("method.name", "must name a clustering", value=name, remedy='For example {name = "kmeans"}.')
    if name == "pixels":
        if given:
            raise RecipeError("method", "must have no other keys with the name pixels", value=", ".join(sorted(given)))
        return None
    made = methods.get(name)
    arguments = checked(made, given, "method.", given_by_us=("n_clusters", "seed"))
    return made(n_clusters=n_clusters, seed=work.seed, **arguments | (made.quick if work.quick else {}))


def _fit(work: Work, clusterer: Any, rows: Array) -> None:
    """Fit and keep a clusterer; one that trains a network resumes where a stopped attempt was."""
    folder = work.folder / STAGES
    with work.interrupt.deferred():
        if clusterer.trains_network:
            clusterer.fit(rows, Stages(folder, work.progress, work.interrupt))
        else:
            clusterer.fit(rows)
    clusterer.save(work.folder / "clusterer")
    write_npy(work.folder / "clusters.npy", clusterer.labels_)


def _forget(folder: Path) -> None:
    if folder.exists():
        done = folder.with_name("stages-done")  # a half-deleted folder would be mistaken for that of another clustering
        shutil.rmtree(done, ignore_errors=True)
        folder.rename(done)
        shutil.rmtree(done)


def _scores(work: Work, data: Dataset, clusters: Array) -> Results:
    """Score clusters, and draw them."""
    labels = np.asarray(data.labels)
    counts = scores.contingency(clusters, labels, n_classes=len(data.class_names))
    matched = scores.match(counts)
    if len(counts) <= 40:
        lines = [f"cluster {cluster}" for cluster in range(len(counts))]
        picture = contingency_figure(counts, lines, data.class_names, matched=matched.tolist())
        work.figure("contingency", picture, "Rows by cluster and class; the class matched to a cluster is outlined.")
    if data.is_images:
        rng = np.random.default_rng(0)
        shown = [
            np.resize(rng.permutation(np.flatnonzero(clusters == cluster))[:SHOWN], SHOWN)
            for cluster in range(min(SHOWN_CLUSTERS, len(counts)))
            if (clusters == cluster).any()
        ]
        images = data.values[np.concatenate(shown)].astype(np.float32) / 255
        work.figure("clusters", gallery(images, columns=SHOWN), f"{SHOWN} random images of each cluster, a row each.")
        wrong = np.flatnonzero((labels >= 0) & (matched[clusters] != labels))
        if len(wrong):
            some = np.sort(rng.permutation(wrong)[: 4 * SHOWN])
            images = data.values[some].astype(np.float32) / 255
            caption = "Images whose cluster is matched to a class other than their own, chosen at random."
            work.figure("errors", gallery(images, columns=SHOWN), caption)
    return {
        "clustering/accuracy": scores.accuracy(clusters, labels),
        "clustering/nmi": scores.nmi(clusters, labels),
        "clustering/ari": scores.ari(clusters, labels),
    }


def _timed(clusterer: Clusterer, values: Array) -> Results:
    """Return how long it takes to predict one row, and 60,000 rows."""
    clusterer.predict(values[:1])
    start = time.perf_counter()
    for row in range(min(TIMED_SINGLES, len(values))):
        clusterer.predict(values[row : row + 1])
    single = (time.perf_counter() - start) / min(TIMED_SINGLES, len(values))
    start, done = time.perf_counter(), 0
    while done < TIMED_ROWS:
        block = values[: min(len(values), TIMED_ROWS - done)]
        clusterer.predict(block)
        done += len(block)
    return {"time/predict_one_ms": 1000 * single, "time/predict_60000_s": time.perf_counter() - start}


def _on_the_way(work: Work, clusterer: Agreement, data: Dataset) -> Results:
    """Report the result of each stage, and whether the information of neighbours identified the best one."""
    results: Results = {
        "agreement/agreeing": clusterer.agreeing_,
        "agreement/taught": float(clusterer.taught_),
        "agreement/information": clusterer.information_[0],
        "agreement/information_taught": clusterer.information_[1],
        "agreement/graph_accuracy": None,
        "agreement/best_accuracy": None,
        "agreement/mean_accuracy": None,
    }
    labels = np.asarray(data.labels)
    all_rows, compared_rows = labels[clusterer.rows_], labels[clusterer.compared_rows_]
    found = _scored((*clusterer.found_, *clusterer.compared_), all_rows)
    compared = _scored(clusterer.compared_, compared_rows)
    if found:
        work.table("Clusterings found on the way, and the information about neighbours by which one was chosen", found)
        if clusterer.chosen_ is not None:
            results["agreement/graph_accuracy"] = scores.accuracy(clusterer.chosen_.clusters, all_rows)
        results["agreement/best_accuracy"] = max(row["accuracy"] for row in found)
        results["agreement/mean_accuracy"] = float(np.mean([row["accuracy"] for row in found]))
    if compared and len(compared_rows) < len(all_rows):
        title = f"Clusterings of {len(compared_rows):,} images, and the information by which their space was chosen"
        work.table(title, compared)
    results["agreement/rank_correlation"] = _tracks(found)
    results["agreement/rank_correlation_of_spaces"] = _tracks(compared)
    return results


def _scored(clusterings: Iterable[Any], labels: Array) -> list[dict[str, Any]]:
    """Return a line for each clustering of the rows with these ``labels`` (N,)."""
    return [
        {
            "space": one.space,
            "layout": one.layout,
            "cells": one.cells,
            "information": one.information,
            "accuracy": scores.accuracy(one.clusters, labels),
        }
        for one in {id(one): one for one in clusterings}.values()
        if len(one.clusters) == len(labels)
    ]


def _tracks(table: list[dict[str, Any]]) -> float | None:
    """Return the rank correlation of information and accuracy; None if either has fewer than three values."""
    from scipy.stats import spearmanr

    columns = [[row[name] for row in table] for name in ("information", "accuracy")]
    return None if min(len(set(column)) for column in columns) < 3 else float(spearmanr(*columns).statistic)


def _rows(values: Array) -> Array:
    rows = values.reshape(len(values), -1)
    return rows / np.float32(255) if values.dtype == np.uint8 else rows


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """Monitor the memory of this process; the list's only number is the peak in bytes (0 if it cannot be read)."""
    most, done = [0], threading.Event()
    status = Path("/proc/self/status")

    def watch() -> None:
        while True:
            for line in status.read_text().splitlines():
                if line.startswith("VmRSS:"):
                    most[0] = max(most[0], 1024 * int(line.split()[1]))
            if done.wait(0.1):
                return

    if not status.exists():
        yield most
        return
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()
