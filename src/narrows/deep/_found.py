"""One clustering of many: how good it is, and which of them to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from narrows.deep._merging import join, link, mean_joint, settle, unknown
from narrows.disk.files import Array
from narrows.evaluation.agreement import neighbour_information
from narrows.evaluation.clustering import ari

BEST = 9  # clusterings of which the one is taken that the others agree with most
APART = 1 / 3  # of what is unknown about a neighbour's cluster: where less is left, groups lie apart


@dataclass(frozen=True, eq=False)
class Found:
    """One clustering of the rows.

    Parameters
    ----------
    space : whose layout it was found in
    layout : the number of that layout
    cells : how many small cells were joined
    information : what the clusters tell about those of neighbours, in nats, on average over the single spaces
    clusters : (N,)
    uneven : whether they are groups that lie apart, joined by how closely cells are linked, whatever their sizes
    """

    space: str
    layout: int
    cells: int
    information: float
    clusters: Array = field(repr=False)
    uneven: bool = False

    @classmethod
    def of(cls, space: str, number: int, cells: Array, graphs: Sequence[Array], n_clusters: int) -> Found:
        """Join the small ``cells`` (N,) of rows, and move single ones to where the information rises.

        Where cells joined by how closely they are linked leave less than a third of what those leave unknown about a
        neighbour's cluster, they are taken.
        """
        count = int(cells.max()) + 1
        together = mean_joint(cells, graphs, count)
        groups = settle(together, join(together, min(n_clusters, count))[0])
        apart = link(together, min(n_clusters, count))
        uneven = unknown(together, apart) < APART * unknown(together, groups)
        clusters = (apart if uneven else groups)[cells]
        return cls(space, number, count, neighbour_information(clusters, graphs, n_clusters), clusters, uneven)

    @classmethod
    def as_is(cls, space: str, number: int, clusters: Array, graphs: Sequence[Array]) -> Found:
        """Take clusters (N,) as they were found."""
        return cls(space, number, int(clusters.max()) + 1, neighbour_information(clusters, graphs), clusters)


def if_uneven(found: Sequence[Found]) -> Sequence[Found]:
    """Return those of ``found`` that lie apart and differ in size; all where there are none."""
    return [one for one in found if one.uneven] or found


def most_agreed(found: Sequence[Found]) -> Found:
    """Return that one of the best clusterings which agrees most with the others of them (adjusted Rand index)."""
    best = sorted(found, key=lambda one: -one.information)[:BEST]
    table = np.array([[ari(one.clusters, other.clusters) for other in best] for one in best])
    return best[int(table.sum(1).argmax())]
