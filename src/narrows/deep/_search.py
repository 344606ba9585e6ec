"""Clusters in graphs of neighbours: layouts, over-clusterings of them, and their merging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from narrows.work.threads import each_quietly

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
        if len(self) < FEWEST:
            return []

        def curve(laid_out: tuple[Array, int]) -> Array:
            points, seed = laid_out
            cells = KMeans(min(CURVE_CELLS, len(points)), seed, n_init=1).fit(points).labels_
            return join(mean_joint(cells, asked(self.graphs), int(cells.max()) + 1), 1)[1]

        return numbers(each_quietly(curve, self._lay_out([(name, 0) for name in self.spaces])))

    def find(self, layouts: Sequence[tuple[str, int]], n_clusters: int) -> list[Found]:
        """Return the clusterings found in each of some layouts, from coarser and finer over-clusterings.

        Parameters
        ----------
        layouts : of each, the space and the number
        """

        def clusterings(one: tuple[tuple[str, int], tuple[Array, int]]) -> list[Found]:
            (space, number), (points, seed) = one
            if self.grouping == "mixture":
                clusters = Mixture(n_clusters, seed).fit(points).labels_
                return [Found.as_is(space, number, clusters, asked(self.graphs))]
            counts = sorted({min(MOST_CELLS, share * max(10, n_clusters), len(points)) for share in CELLS})
            cells = (KMeans(max(count, n_clusters), seed, n_init=1).fit(points).labels_ for count in counts)
            return [Found.of(space, number, small, asked(self.graphs), n_clusters) for small in cells]

        each = zip(layouts, self._lay_out(layouts), strict=True)
        return [found for some in each_quietly(clusterings, each) for found in some]

    def _lay_out(self, layouts: Sequence[tuple[str, int]]) -> list[tuple[Array, int]]:
        """Return layouts (N, 5), each with its seed; they are made side by side."""
        seeds = [int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]) for _, number in layouts]

        def points(space: str, seed: int) -> Array:
            rows, graph = self.spaces[space], self.graphs[space]
            made = layout(
                rows,
                start="spectral",
                n_components=min(DIMENSIONS, len(rows) - 2),
                n_neighbors=graph[0].shape[1],
                min_dist=0.0,
                seed=seed,
                neighbours=graph,
                epochs=EPOCHS,
            )
            return made.astype(np.float32)

        def lay_out() -> tuple[Arrays, Notes]:
            given = [(space, seed) for (space, _), seed in zip(layouts, seeds, strict=True)]
            made = each_quietly(lambda one: points(*one), given)
            return {f"{space}/{number}": one for (space, number), one in zip(layouts, made, strict=True)}, ()

        if not layouts:
            return []
        (first, number), (last, most) = layouts[0], layouts[-1]
        name = f"layouts-{first}-{number}-to-{last}-{most}-{len(self)}"
        kept = self.stages.arrays(name, lay_out)[0]
        return [(kept[f"{space}/{number}"], seed) for (space, number), seed in zip(layouts, seeds, strict=True)]
