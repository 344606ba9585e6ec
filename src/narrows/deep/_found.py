"""One clustering among several: how good it is, and which one to choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from narrows.deep._merging import join, link, mean_joint, settle, unknown
from narrows.disk.files import Array
from narrows.evaluation.agreement import neighbour_information
from narrows.evaluation.clustering import ari

BEST = 9  # clusterings, of which the one that agrees most with the others is chosen
APART = 1 / 3  # linkage is used where it leaves less than this share of the uncertainty about a neighbour's cluster


@dataclass(frozen=True, eq=False)
class Found:
    """One clustering of the rows.

    Parameters
    ----------
    space : the space of the layout it was found in
    layout : the number of that layout
    cells : the number of small clusters of the over-clustering
    information : mutual information between the clusters of neighbours, in nats, on average over the single spaces
    clusters : (N,)
    uneven : whether they are separated groups of any size, merged by linkage
    """

    space: str
    layout: int
    cells: int
    information: float
    clusters: Array = field(repr=False)
    uneven: bool = False

    @classmethod
    def of(cls, space: str, number: int, cells: Array, graphs: Sequence[Array], n_clusters: int) -> Found:
        """Merge the over-clustering ``cells`` (N,) of rows, and move single cells where that raises the information.

        Merging by linkage is used instead where it leaves less than a third of the uncertainty about a neighbour's
        cluster that is left otherwise.
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
    """Return those of ``found`` that are separated groups of any size; all if there are none."""
    return [one for one in found if one.uneven] or found


def most_agreed(found: Sequence[Found]) -> Found:
    """Return the one of the best clusterings that agrees most with the other best ones (adjusted Rand index)."""
    best = sorted(found, key=lambda one: -one.information)[:BEST]
    table = np.array([[ari(one.clusters, other.clusters) for other in best] for one in best])
    return best[int(table.sum(1).argmax())]
