"""The graph of nearest neighbours in each space."""

from __future__ import annotations

from collections.abc import Mapping

from narrows.disk.files import Array
from narrows.geometry.neighbours import nearest
from narrows.training.stages import Stages
from narrows.work.stages import Arrays

NEIGHBOURS = 15  # of a row
FEWEST_NEIGHBOURS = 3  # of a row, where clusters are so small that half of one has fewer than 15
ASKED = 10  # neighbours whose clusters are compared

Graphs = dict[str, tuple[Array, Array]]  # of each space: neighbours (N, k) and their distances (N, k)


def graphs_of(name: str, spaces: Mapping[str, Array], n_clusters: int | None, stages: Stages) -> Graphs:
    """Return the nearest other rows in each space, and their distances: 15, or as many as half a cluster has rows.

    Of more neighbours than a cluster has rows some lie in others, however good the clusters are.
    """

    def find() -> tuple[Arrays, tuple[str, ...]]:
        found: Arrays = {}
        for space, rows in spaces.items():
            half = NEIGHBOURS if n_clusters is None else len(rows) // (2 * n_clusters)
            count = min(NEIGHBOURS, max(FEWEST_NEIGHBOURS, half))
            found[f"{space}/indices"], found[f"{space}/distances"] = nearest(rows, count)
        return found, ()

    kept, _ = stages.arrays(name, find)
    return {space: (kept[f"{space}/indices"], kept[f"{space}/distances"]) for space in spaces}


def asked(graphs: Graphs) -> list[Array]:
    """Return the neighbours (N, <= 10) that are compared, in each single space."""
    return [indices[:, :ASKED] for name, (indices, _) in graphs.items() if name != "all"]
