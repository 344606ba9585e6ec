"""Draws the figures of a run from what is in its folder and from its data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from narrows import codes as coding
from narrows.data.dataset import Dataset
from narrows.errors import InputError
from narrows.figures import architecture, curves, features, images, maps, save, sheets, sweeps, tables
from narrows.files import Array
from narrows.model import Model
from narrows.report.tables import listed_copies
from narrows.runs import Run

SHOWN = 12  # images in a strip
MAPPED = 6  # images whose feature maps are drawn
SHEETS = 50  # clusters that get a contact sheet


def draw(run: Run, data: Dataset, test: Array, seed: int) -> None:
    """Write every figure that the run has something for into ``figures/``.

    Parameters
    ----------
    run : with results, tables, codes, clusters and map
    data : what the run was made from
    test : row indices of which reconstructions are shown
    seed : which rows and which samples are shown
    """
    folder = run.folder / "figures"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    model = run.model()
    clusters, points = np.load(run.folder / "clusters.npy"), np.load(run.folder / "map.npy")
    if run.history:  # of a single cluster there is nothing to learn
        save(curves.loss_curves(run.history), folder / "curves.png")
    save(
        maps.scatter(points, clusters, [f"{cluster}" for cluster in range(clusters.max() + 1)]),
        folder / "map-clusters.png",
    )
    found = run.tables
    if numbers := found.get("numbers"):
        standing = [row["stands_out"] for row in numbers]
        picture = sweeps.sweep(
            [row["n_clusters"] for row in numbers], standing, [None] * len(numbers), setting="number of clusters",
            metric="how much it stands out", reference=1.0,
        )  # fmt: skip
        save(picture, folder / "numbers.png")
    if data.labels is not None:
        save(maps.scatter(points, data.labels, found["data"]["label_names"]), folder / "map-labels.png")
        table = found["contingency"]
        save(
            tables.contingency(np.array(table["counts"]), table["clusters"], table["labels"]),
            folder / "contingency.png",
        )
    if data.is_images:
        if model.objective.trains_decoder:
            _reconstructions(run, model, data, test, seed, folder)
            _samples(run, model, seed, folder)
        _finds(data, found, folder)
    _network(run, model, data, test, seed, folder)
    _clusters(run, data, clusters, folder)


def _network(run: Run, model: Model, data: Dataset, test: Array, seed: int, folder: Path) -> None:
    """Draw the network, and of images what its first layer makes of them."""
    save(architecture.sketch(model.net, data.shape), folder / "architecture.png")
    objective = model.objective
    learned = {"trains_decoder": objective.trains_decoder, "shaped_by_decoder": objective.shaped_by_decoder}
    run.add_tables({"network": learned})
    if not data.is_images:
        return
    rng = np.random.default_rng(seed)
    shown = data.values[np.sort(rng.choice(test, min(MAPPED, len(test)), replace=False))]
    with suppress(InputError):  # a network without convolutions
        save(features.feature_maps(model.net, shown), folder / "feature-maps.png")
    with suppress(InputError):  # one whose first layer does not see the image as it is
        save(features.first_filters(model.net, data.shape), folder / "filters.png")


def _reconstructions(run: Run, model: Model, data: Dataset, test: Array, seed: int, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    shown = data.values[np.sort(rng.choice(test, min(SHOWN, len(test)), replace=False))]
    rows = {
        "original": shown,
        f"autoencoder, {model.code_size} values": coding.reconstruct(model, shown),
        f"PCA, {model.code_size} values": run.baseline().reconstruct(shown),
    }
    save(images.comparison(rows), folder / "reconstruction.png")
    _, corrupted, cleaned = next(coding.corrupted_reconstructions(model, shown, seed))
    if not np.array_equal(corrupted, shown / np.float32(255)):
        save(
            images.comparison({"original": shown, "corrupted": corrupted, "cleaned": cleaned}), folder / "denoising.png"
        )


def _samples(run: Run, model: Model, seed: int, folder: Path) -> None:
    normal = coding.normal_codes(42, model.code_size, seed)
    fitted = run.code_distribution().sample(42, seed)
    save(images.gallery(coding.decode(model, normal), columns=7), folder / "samples-normal.png")
    save(images.gallery(coding.decode(model, fitted), columns=7), folder / "samples-fitted.png")


def _finds(data: Dataset, found: dict[str, Any], folder: Path) -> None:
    outliers = found["outliers"]
    captions = [entry["id"] for entry in outliers]
    save(
        images.gallery(data.values[[entry["row"] for entry in outliers]], columns=12, captions=captions),
        folder / "outliers.png",
    )
    groups = listed_copies(found)[:SHOWN]
    if groups:
        shown = [data.values[[entry["row"] for entry in group["rows"]]] for group in groups]
        captions = [[f"{entry['id']}\n{entry['kind']}" for entry in group["rows"]] for group in groups]
        save(images.groups(shown, captions, [group["size"] for group in groups]), folder / "duplicates.png")


def _clusters(run: Run, data: Dataset, clusters: Array, folder: Path) -> None:
    """Draw a contact sheet of each cluster, and list the clusters."""
    typicality = run.clusterer().typicality(np.load(run.folder / "codes.npy"))
    names = run.tables["data"]["label_names"]
    matched = run.tables.get("contingency", {}).get("matched")
    listed = []
    for cluster in range(int(clusters.max()) + 1):
        rows = np.flatnonzero(clusters == cluster)
        rows = rows[np.argsort(-typicality[rows], kind="stable")]  # most typical first
        figure = None
        if data.is_images and cluster < SHEETS and len(rows):
            figure = f"cluster-{cluster:02}.png"
            half = min(SHOWN, -(-len(rows) // 2))
            others = rows[half:][-SHOWN:][::-1]  # none is shown as most and as least typical
            save(sheets.contact_sheet(data.values[rows[:half]], data.values[others]), folder / figure)
        entry: dict[str, Any] = {
            "cluster": cluster,
            "size": len(rows),
            "share": len(rows) / len(clusters),
            "label": None,
            "purity": None,
        }
        if data.labels is not None and matched is not None and len(rows):
            known = data.labels[rows][data.labels[rows] >= 0]
            entry["label"] = names[matched[cluster]] if matched[cluster] >= 0 else None
            entry["purity"] = float(np.bincount(known).max() / len(known)) if len(known) else None
        listed.append(entry | {"figure": figure})
    run.add_tables({"clusters": listed})
