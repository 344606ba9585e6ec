"""Draws the figures of a run from what is in its folder and from its data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.scale import Eye
from narrows.data.splits import some_rows
from narrows.disk.files import Array
from narrows.encoding.codes import normal_codes
from narrows.encoding.encoder import Encoder
from narrows.encoding.model import Model
from narrows.errors import InputError
from narrows.figures import architecture, curves, features, images, maps, save, sheets, sweeps, tables
from narrows.nets import Network
from narrows.report.tables import listed_copies
from narrows.runs.making import Making
from narrows.wording import plural

SHOWN = 12  # images in a strip
MAPPED = 6  # images whose feature maps are drawn
SHEETS = 50  # clusters that get a contact sheet
LEAST = 8  # least typical images on it


def draw(run: Making, data: Dataset, test: Array, seed: int) -> None:
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
    encoder = run.encoder()
    clusters, points = run.array("clusters"), run.array("map")
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
            [row["n_clusters"] for row in numbers],
            standing,
            [None] * len(numbers),
            setting="number of clusters",
            metric="how much it stands out",
            reference=1.0,
        )
        save(picture, folder / "numbers.png")
    if data.labels is not None:
        save(maps.scatter(points, data.labels, found["data"]["label_names"]), folder / "map-labels.png")
        table = found["contingency"]
        save(
            tables.contingency(np.array(table["counts"]), table["clusters"], table["labels"]),
            folder / "contingency.png",
        )
    eye = Eye.of(data.values) if data.is_images else None
    if eye:
        if encoder.decodes:
            _reconstructions(run, encoder, data, test, seed, eye, folder)
            _samples(run, encoder, seed, eye, folder)
        _finds(data, found, eye, folder)
    if encoder.trains_network:
        _network(run, run.model(), data, test, seed, folder)
    _clusters(run, data, clusters, eye, folder)


def _network(run: Making, model: Model, data: Dataset, test: Array, seed: int, folder: Path) -> None:
    """Draw the network, and of images what its first layer makes of them."""
    save(architecture.sketch(model.net, data.shape), folder / "architecture.png")
    objective = model.objective
    learned = {"trains_decoder": objective.trains_decoder, "shaped_by_decoder": objective.shaped_by_decoder}
    run.add_tables(
        {"network": learned | {"has_decoder": isinstance(model.net, Network), "normal_codes": objective.normal_codes}}
    )
    if not data.is_images:
        return
    shown = data.values[test[some_rows(len(test), MAPPED, seed)]]
    with suppress(InputError):  # a network without convolutions
        save(features.feature_maps(model.net, shown), folder / "feature-maps.png")
    with suppress(InputError):  # one whose first layer does not see the image as it is
        save(features.first_filters(model.net, data.shape), folder / "filters.png")


def _reconstructions(
    run: Making, encoder: Encoder, data: Dataset, test: Array, seed: int, eye: Eye, folder: Path
) -> None:
    shown = data.values[test[some_rows(len(test), SHOWN, seed)]]
    rows = {
        "original": shown,
        f"{encoder.title}, {plural(encoder.code_size, 'value')}": encoder.reconstruct(shown),
    }
    if not encoder.is_baseline:
        rows[f"PCA, {plural(encoder.code_size, 'value')}"] = run.baseline().reconstruct(shown)
    save(images.comparison({title: eye.see(row) for title, row in rows.items()}), folder / "reconstruction.png")
    if not encoder.corrupts:
        return
    _, corrupted, cleaned = next(encoder.denoised(shown, seed))
    if not np.array_equal(corrupted, shown / np.float32(255)):
        rows = {"original": shown, "corrupted": corrupted, "cleaned": cleaned}
        save(images.comparison({title: eye.see(row) for title, row in rows.items()}), folder / "denoising.png")


def _samples(run: Making, encoder: Encoder, seed: int, eye: Eye, folder: Path) -> None:
    normal = normal_codes(42, encoder.code_size, seed)
    fitted = run.code_distribution().sample(42, seed)
    save(images.gallery(eye.see(encoder.decode(normal)), columns=7), folder / "samples-normal.png")
    save(images.gallery(eye.see(encoder.decode(fitted)), columns=7), folder / "samples-fitted.png")


def _finds(data: Dataset, found: dict[str, Any], eye: Eye, folder: Path) -> None:
    outliers = found["outliers"]
    captions = [entry["id"] for entry in outliers]
    save(
        images.gallery(eye.see(data.values[[entry["row"] for entry in outliers]]), columns=12, captions=captions),
        folder / "outliers.png",
    )
    groups = listed_copies(found)[:SHOWN]
    if groups:
        shown = [eye.see(data.values[[entry["row"] for entry in group["rows"]]]) for group in groups]
        captions = [[f"{entry['id']}\n{entry['kind']}" for entry in group["rows"]] for group in groups]
        save(images.groups(shown, captions, [group["size"] for group in groups]), folder / "duplicates.png")


def _clusters(run: Making, data: Dataset, clusters: Array, eye: Eye | None, folder: Path) -> None:
    """Draw a contact sheet of each cluster, and list the clusters."""
    typicality, examples = run.clusterer().typicality(run.array("codes")), run.examples()
    names = run.tables["data"]["label_names"]
    matched = run.tables.get("contingency", {}).get("matched")
    listed = []
    for cluster in range(int(clusters.max()) + 1):
        rows = np.flatnonzero(clusters == cluster)
        shown, shares = examples.of(cluster)
        figure = None
        if eye and cluster < SHEETS and len(rows):
            figure = f"cluster-{cluster:02}.png"
            others = np.setdiff1d(rows, shown)  # none stands for a part and is shown as least typical
            others = others[np.argsort(typicality[others], kind="stable")][:LEAST]
            picture = sheets.contact_sheet(eye.see(data.values[shown]), shares.tolist(), eye.see(data.values[others]))
            save(picture, folder / figure)
        entry: dict[str, Any] = {
            "cluster": cluster,
            "size": len(rows),
            "share": len(rows) / len(clusters),
            "label": None,
            "purity": None,
            "examples": [
                {"id": data.ids[row], "row": int(row), "share": float(share)}
                for row, share in zip(shown, shares, strict=True)
            ],
        }
        if data.labels is not None and matched is not None and len(rows):
            known = data.labels[rows][data.labels[rows] >= 0]
            entry |= {"labelled": len(known), "matched": names[matched[cluster]] if matched[cluster] >= 0 else None}
            if len(known):  # its own commonest label, which the matching may have given to another cluster
                counts = np.bincount(known)
                entry |= {"label": names[counts.argmax()], "purity": float(counts.max() / len(known))}
        listed.append(entry | {"figure": figure})
    run.add_tables({"clusters": listed})
