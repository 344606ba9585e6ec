"""What a report shows beside numbers: tables.json, and predictions.csv with one line per row of data."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.metadata import Column, in_kind, written
from narrows.data.scale import Eye
from narrows.data.splits import Split
from narrows.disk.files import Array, parse_csv, unguarded, write_csv
from narrows.evaluation import summary
from narrows.evaluation.copies import Copies
from narrows.runs import Run
from narrows.runs.making import Making

METADATA = "metadata.csv"  # what is known of rows besides, as the source or a person's table has it
#: What columns of predictions.csv and of the explorer are called.
OURS = frozenset(
    {
        "id",
        "path",
        "row",
        "split",
        "cluster",
        "cluster_name",
        "confirmed",
        "confidence",
        "novelty",
        "x",
        "y",
        "distance",
        "error",
        "label",
        "review",
        "neighbors",
        "image",
    }
)
OUTLIERS = 24
GROUPS, IN_GROUP = 50, 12  # of copies, that the report lists; all are in duplicates.csv


def describe_data(run: Making, name: str, data: Dataset, rows: Split) -> dict[str, float | None]:
    """Write what is known before training: which rows there are, and which files were left out; return how many."""
    description: dict[str, Any] = {
        "source": str(data.provenance.get("source", "")),
        "kind": "images" if data.is_images else "vectors",
        "shape": list(data.shape),
        "label_names": data.class_names,
        "held_out": rows.held_out,
        "notes": list(data.notes),
        "limit": data.provenance.get("limit"),
        "available": data.provenance.get("available"),
    }
    if data.is_images and (note := Eye.of(data.values).note):
        description["notes"].append(note)
    skipped = [{"path": file.path, "reason": file.reason} for file in data.skipped]
    run.add_tables({"name": name, "data": description, "skipped": skipped})
    return {
        "data/images": len(data),
        "data/skipped": len(data.skipped),
        "data/classes": data.n_classes,
        "data/train": len(rows.train),
        "data/valid": len(rows.valid),
        "data/test": len(rows.test) if rows.held_out else 0,
        "data/labelled": 0 if data.labels is None else int((data.labels >= 0).sum()),
    }


def write_finds(
    run: Making,
    data: Dataset,
    clusters: Array,
    distances: Array,
    errors: Array | None,
    novelty: Array,
    copies: Copies,
) -> None:
    """Write the outliers, the largest groups of copies and, where there are labels, the cluster x class table.

    Parameters
    ----------
    clusters : (N,)
    distances : (N,), to the nearest neighbours in code space; the largest are the outliers
    errors : (N,), of reconstruction, where the model reconstructs
    novelty : (N,), the share of held-out rows that are odder
    copies : groups of rows that show the same
    """
    outliers = [
        {
            "id": data.ids[i],
            "row": int(i),
            "cluster": int(clusters[i]),
            "distance": float(distances[i]),
            "error": None if errors is None else float(errors[i]),
            "novelty": float(novelty[i]),
        }
        for i in np.argsort(-distances, kind="stable")[:OUTLIERS]
    ]
    groups = [
        {
            "size": len(group),
            "rows": [{"id": data.ids[copy.row], **asdict(copy)} for copy in group[:IN_GROUP]],
        }
        for group in copies.groups[:GROUPS]
    ]
    blank = [{"id": data.ids[row], "row": row} for row in copies.blank[:IN_GROUP]]
    run.add_tables({"outliers": outliers, "copies": {"groups": groups, "blank": blank}})
    if data.labels is not None:
        run.add_tables({"contingency": summary.contingency_table(clusters, data.labels, data.class_names)})


def listed_copies(tables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the groups of copies in tables.json, each with its size and its first rows.

    Runs made before there were groups list pairs, each of which is a group here.
    """
    if "copies" in tables:
        groups: list[dict[str, Any]] = tables["copies"]["groups"]
        return groups
    return [
        {
            "size": 2,
            "rows": [
                {"id": pair["a"], "row": pair.get("rows", (None, None))[0], "kind": "first", "difference": 0.0},
                {
                    "id": pair["b"],
                    "row": pair.get("rows", (None, None))[1],
                    "difference": pair["difference"],
                    "kind": "exact" if pair["exact"] else "nearly the same",
                },
            ],
        }
        for pair in tables.get("duplicates") or []
    ]


def described(data: Dataset) -> dict[str, Column]:
    """Return the metadata of rows by names that no other column of a table about them has."""
    columns: dict[str, Column] = {}
    for name, column in data.metadata.items():
        own = f"{name} (metadata)" if name.strip().lower() in OURS else name
        others = (f"{own} ({i})" for i in itertools.count(2))
        columns[own if own not in columns else next(other for other in others if other not in columns)] = column
    return columns


def write_metadata(run: Making, data: Dataset) -> None:
    """Write metadata.csv, a column for each that is known of the rows besides, and of which kind each is."""
    columns = described(data)
    write_csv(run.folder / METADATA, [columns, *zip(*map(written, columns.values()), strict=True)])
    kinds = [
        {"name": name, "kind": "words" if isinstance(column, tuple) else "numbers"} for name, column in columns.items()
    ]
    run.add_tables({"metadata": kinds})


def read_metadata(run: Run) -> dict[str, Column]:
    """Return what ``write_metadata`` wrote; nothing of a run without."""
    kinds = {column["name"]: column["kind"] for column in run.tables.get("metadata", [])}

    def parsed(content: bytes) -> dict[str, Column]:
        names, *rows = ([unguarded(cell) for cell in line] for line in parse_csv(content))
        if names != list(kinds):
            raise ValueError(f"columns {names}, and {list(kinds)} in tables.json")
        cells = zip(names, zip(*rows, strict=True), strict=True)
        return {name: in_kind(column, is_number=kinds[name] == "numbers") for name, column in cells}

    found: dict[str, Column] = run.parts.parsed(METADATA, parsed) if kinds else {}
    return found


def write_predictions(
    run: Making,
    data: Dataset,
    rows: Split,
    clusters: Array,
    confidence: Array,
    novelty: Array,
    distances: Array,
    errors: Array | None,
) -> None:
    """Write predictions.csv: id, path, split, cluster, confidence, novelty, place on the map, distance, what is known.

    Metadata come last, under the names that ``described`` gives them. Novelty is the share of held-out rows that are
    odder than a row. Ids are as they are; any other text that a spreadsheet would run is guarded.
    """
    points = run.array("map")  # (N, 2)
    part = np.full(len(data), "train", dtype="U5")
    part[rows.valid] = "valid"
    part[rows.test] = "test" if rows.held_out else "train"
    columns: dict[str, Any] = {
        "id": data.ids,
        "path": data.paths or [""] * len(data),
        "split": part,
        "cluster": clusters,
        "confidence": [f"{c:.4f}" for c in confidence],
        "novelty": [f"{n:.4g}" for n in novelty],
        "x": [f"{x:.4f}" for x in points[:, 0]],
        "y": [f"{y:.4f}" for y in points[:, 1]],
        "distance": [f"{d:.5g}" for d in distances],
    }
    if errors is not None:
        columns["error"] = [f"{error:.5g}" for error in errors]
    if data.labels is not None:
        names = data.class_names
        columns["label"] = [names[label] if label >= 0 else "" for label in data.labels]
    columns |= {name: written(column) for name, column in described(data).items()}
    write_csv(run.folder / "predictions.csv", [columns, *zip(*columns.values(), strict=True)], exact=("id",))
