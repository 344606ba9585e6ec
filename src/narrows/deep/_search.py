"""Clusters in graphs of neighbours: layouts, over-clusterings of them, and their merging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from narrows.clustering.kmeans import KMeans
from narrows.clustering.mixture import Mixture
from narrows.deep._found import Found
from narrows.deep._graphs import Graphs, asked, graphs_of
from narrows.deep._merging import join, mean_joint, numbers
from narrows.disk.files import Array
from narrows.geometry.manifold import layout
from narrows.geometry.placing import FEWEST
from narrows.training.stages import Stages
from narrows.work.stages import Arrays, Notes

DIMENSIONS, EPOCHS = 5, 200  # of a layout
CELLS = 3, 6, 12  # small clusters per cluster, in the over-clusterings of a layout
MOST_CELLS = 400
CURVE_CELLS = 300  # from which the number of clusters is estimated


@dataclass(frozen=True, eq=False)
class Search:
    """The spaces and graphs in which clusters are searched.

    Parameters
    ----------
    spaces : name -> rows (N, K) float32
    graphs : the neighbours in each of them
    seed : of layouts
    grouping : how a layout is clustered; see ``Agreement``
    stages : where layouts are kept
    """

    spaces: Mapping[str, Array]
    graphs: Graphs
    seed: int
    grouping: str
    stages: Stages

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.spaces.values())))

    def among(self, chosen: Array, n_clusters: int | None) -> Search:
        """Return the search among the rows ``chosen`` (M,), with graphs of their own; itself if these are all rows."""
        if len(chosen) == len(self):
            return self
        some = {name: rows[chosen] for name, rows in self.spaces.items()}
        graphs = graphs_of("graphs-of-some", some, n_clusters, self.stages)
        return Search(some, graphs, self.seed, self.grouping, self.stages)

    def numbers(self) -> list[tuple[int, float]]:
        """Return how much each number of clusters stands out (see ``_merging``); nothing for too few rows."""
        curves = []
        for name in self.spaces if len(self) >= FEWEST else ():
            points, seed = self._lay_out(name, 0)
            cells = KMeans(min(CURVE_CELLS, len(points)), seed, n_init=1).fit(points).labels_
            curves.append(join(mean_joint(cells, asked(self.graphs), int(cells.max()) + 1), 1)[1])
        return numbers(curves) if curves else []

    def find(self, space: str, number: int, n_clusters: int) -> list[Found]:
        """Return the clusterings found in one layout of a space, from coarser and finer over-clusterings."""
        points, seed = self._lay_out(space, number)
        if self.grouping == "mixture":
            return [Found.as_is(space, number, Mixture(n_clusters, seed).fit(points).labels_, asked(self.graphs))]
        counts = sorted({min(MOST_CELLS, share * max(10, n_clusters), len(points)) for share in CELLS})
        cells = (KMeans(max(count, n_clusters), seed, n_init=1).fit(points).labels_ for count in counts)
        return [Found.of(space, number, small, asked(self.graphs), n_clusters) for small in cells]

    def _lay_out(self, space: str, number: int) -> tuple[Array, int]:
        """Return a layout (N, 5) of a space, and the seed of that layout."""
        rows, graph = self.spaces[space], self.graphs[space]
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])

        def lay_out() -> tuple[Arrays, Notes]:
            points = layout(
                rows,
                start="spectral",
                n_components=min(DIMENSIONS, len(rows) - 2),
                n_neighbors=graph[0].shape[1],
                min_dist=0.0,
                seed=seed,
                neighbours=graph,
                epochs=EPOCHS,
            )
            return {"points": points.astype(np.float32)}, ()

        return self.stages.arrays(f"layout-{space}-{number}-{len(rows)}", lay_out)[0]["points"], seed
