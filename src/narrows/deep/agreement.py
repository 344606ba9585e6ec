"""Clusters from agreement between neighbours, then a network trained on them as pseudo-labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, Self

import numpy as np

from narrows.arguments import whole_number
from narrows.clustering import CodeClusterer
from narrows.clustering.kmeans import KMeans
from narrows.data.splits import some_rows
from narrows.deep import DeepClusterer
from narrows.deep._found import Found, if_uneven, most_agreed
from narrows.deep._graphs import ASKED, asked, graphs_of
from narrows.deep._planes import by_planes
from narrows.deep._search import Search
from narrows.deep._spaces import GRIDS, SMALLEST, patch_space, pixel_space, side_by_side, to_directions
from narrows.deep._teaching import Teaching, power_of_two
from narrows.deep._views import suited_views
from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.errors import nearest as nearest_name
from narrows.geometry.distinct import first_rows
from narrows.geometry.placing import FEWEST
from narrows.training.settings import Settings
from narrows.training.stages import Stages
from narrows.views import Views
from narrows.wording import fixed, verb
from narrows.work.stages import Arrays, Notes

__all__ = ["Agreement"]

WIDTH = 24  # channels of the network's first stage, for images
SEEN = 40  # pixels a side that it sees at most; of larger images, means of squares
HIDDEN = [256, 256]  # units of its layers, for vectors
VIEWED = 200_000  # images seen in all while views are learned
PASSES = 12, 150  # over each image, at least and at most
SPACES = ("pixels", *(f"patches-{grid}" for grid in GRIDS), "views")
FEW = 256  # with fewer images there is little to learn from views
COMPARED = 10_000  # rows on which spaces are compared


class Agreement(DeepClusterer):
    """Clusters with the greatest mutual information between neighbours, then pseudo-labels for a network.

    1. Spaces: principal components of pixels; codes of patches, on a coarse and on a fine grid (``encoders.patches``);
       codes of a network trained by contrasting views (Chen et al. 2020); and all of these concatenated, each in units
       of its own nearest-neighbour distance.
    2. Clusters: in each space, a graph of 15 neighbours (half the rows of a cluster, where that is less), UMAP in 5
       dimensions, and an over-clustering by k-means, whose small clusters are merged so as to lose the least mutual
       information I(c; c') between the clusters of neighbours (``narrows.deep._merging``). I is the mean over the
       graphs of all single spaces, so the other spaces judge a clustering too. The space with the greatest I gets more
       layouts. The one of the nine best clusterings that agrees most with the others is kept.
       I is greatest for clusters of equal size. Merging by linkage is used instead where groups of very different sizes
       are so well separated that it reduces H(c' | c) / H(c), the share of a neighbour's cluster that stays uncertain,
       to less than a third.
    3. Pseudo-labels: a network is trained, from random views, on the clusters of the rows whose neighbours agree. Two
       more rounds train it on its own predictions, for the rows whose neighbours among its codes agree.
    4. The network's predictions for all rows are kept unless their I, in the graph of the space of views, fell by more
       than 1 % in step 3. If no round is kept, the network is trained on the clusters of all rows unchanged.

    Vectors have one space, the components of their standardised columns, and no views.

    Parameters
    ----------
    n_clusters : the number of clusters; "auto" takes the one that stands out most while clusters are merged
    seed : of all random numbers
    views : random changes that do not change what an image shows; None chooses those that suit the images
    code_size : values of the network's code
    layouts : the number of layouts of the chosen space
    spaces : the single spaces to find neighbours in, from ``SPACES``; those that do not exist for the rows are left out
    passes : over all images in training the space of views; "auto" is 12, or more for few images
    epochs : over the pseudo-labelled rows; "auto" is 16, or as many as make 1,500 steps where rows are few. Rounds
        after the first have half as many, at half the learning rate
    agree : a row gets a pseudo-label if at least this share of its neighbours is in its own cluster
    rounds : rounds of training on pseudo-labels; 0 leaves step 3 out
    grouping : how a layout is clustered: "cells" merges an over-clustering, "mixture" fits a mixture

    Attributes
    ----------
    rows_ : (N,) the distinct fitted rows, by their first occurrence
    found_ : the clusterings of ``rows_``, the greatest information first
    chosen_ : the one of them that was kept; None for fewer than eight rows
    compared_ : the clusterings by which the space was chosen
    compared_rows_ : (M,) the rows that those cluster: ``rows_``, or a sample where they are many
    numbers_ : how much each number of clusters stands out, (number, factor), the greatest first; see ``_merging``
    views_ : the views that were used
    agreeing_ : share of rows whose neighbours agree
    taught_ : how many rounds of training on pseudo-labels are kept
    information_ : mutual information between the clusters of neighbours before and after those rounds, in nats
    """

    quick: ClassVar = {"layouts": 1, "epochs": 1, "spaces": ["pixels"]}

    rows_: Array
    seconds = (60.0, 0.019)
    found_: Sequence[Found] = ()
    chosen_: Found | None = None
    compared_: Sequence[Found] = ()
    compared_rows_: Array
    numbers_: Sequence[tuple[int, float]] = ()
    views_: list[str]
    agreeing_: float
    taught_: int
    information_: tuple[float, float]

    def __init__(
        self,
        n_clusters: int | Literal["auto"] = 10,
        seed: int = 0,
        views: str | Sequence[str] | None = None,
        code_size: int = 64,
        layouts: int = 3,
        spaces: Sequence[str] = SPACES,
        passes: int | Literal["auto"] = "auto",
        epochs: int | Literal["auto"] = "auto",
        agree: float = 0.8,
        rounds: int = 3,
        grouping: Literal["cells", "mixture"] = "cells",
    ) -> None:
        if isinstance(n_clusters, str) and n_clusters != "auto":
            raise RecipeError("clustering.n_clusters", 'must be "auto" or a whole number >= 1', value=n_clusters)
        super().__init__(1 if n_clusters == "auto" else n_clusters, seed)
        if n_clusters == "auto":
            self.n_clusters = n_clusters
        self.code_size = whole_number("clustering.code_size", code_size)
        self.layouts = whole_number("clustering.layouts", layouts)
        self.rounds = whole_number("clustering.rounds", rounds, 0)
        self.passes: int | Literal["auto"] = passes if passes == "auto" else whole_number("clustering.passes", passes)
        self.epochs: int | Literal["auto"] = epochs if epochs == "auto" else whole_number("clustering.epochs", epochs)
        if not 0 <= agree <= 1:
            raise RecipeError("clustering.agree", "must be a fraction from 0 to 1", value=agree)
        for space in spaces:
            if space not in SPACES:
                remedy = nearest_name(space, SPACES)
                raise RecipeError("clustering.spaces", "must be known", value=space, remedy=remedy)
        if views is not None:
            views = [views] if isinstance(views, str) else list(views)
            if views:
                Views(views, images=True)  # refuses what it does not know
        self.views, self.spaces = views, tuple(spaces)
        if grouping not in ("cells", "mixture"):
            raise RecipeError("clustering.grouping", 'must be "cells" or "mixture"', value=grouping)
        self.agree, self.grouping = agree, grouping

    def fit(self, rows: Array, stages: Stages | None = None, *, preprocessing: Mapping[str, Any] | None = None) -> Self:
        """See ``DeepClusterer.fit``."""
        # Of a single cluster there is nothing to find out, and what a former fit found out holds no more.
        self.rows_ = self.compared_rows_ = np.arange(len(rows))
        self.found_, self.compared_, self.chosen_, self.numbers_, self.views_ = (), (), None, (), []
        self.agreeing_, self.taught_, self.information_ = 1.0, 0, (0.0, 0.0)
        return super().fit(rows, stages, preprocessing=preprocessing)

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        if values.ndim == 2:
            self._check_for_vectors()
        # Copies would only be each other's neighbours. They are left out by number, so that the others are not copied.
        self.rows_ = first_rows(values)
        self.views_ = self._choose_views(values, stages)
        network = self._learn_views(values, stages)
        spaces = self._spaces(values, network, stages)
        known = None if self.n_clusters == "auto" else n_clusters
        search = Search(spaces, graphs_of("graphs", spaces, known, stages), self.seed, self.grouping, stages)
        chosen = some_rows(len(search), COMPARED, self.seed)
        self.compared_rows_ = self.rows_[chosen]
        among = search.among(chosen, known)
        if known is None:
            n_clusters = self._choose_number(among, n_clusters)
        self._teach(values, self._cluster(search, among, n_clusters), network, search, n_clusters)

    def _check_for_vectors(self) -> None:
        """Refuse what is asked of images alone."""
        asked = {"views": bool(self.views), "passes": self.passes != "auto", "spaces": "pixels" not in self.spaces}
        for name, wrong in asked.items():
            if wrong:
                raise RecipeError(
                    f"clustering.{name}",
                    "applies only to images, and the rows are vectors",
                    value=getattr(self, name),
                    remedy="Leave it out.",
                )

    def evidence(self) -> dict[str, list[dict[str, Any]]]:
        """Return what was found on the way, as tables.

        Returns
        -------
        tables : "clusterings", those of all rows first and then those by which a space was chosen, each the greatest
            information first; "numbers", how much each number of clusters stands out, where it was estimated
        """
        compared = sorted(self.compared_, key=lambda one: -one.information)
        found = {id(one): one for one in (*self.found_, *compared)}.values()
        return {
            "clusterings": [
                {
                    "space": one.space,
                    "layout": one.layout,
                    "cells": one.cells,
                    "rows": len(one.clusters),
                    "information": one.information,
                    "chosen": one is self.chosen_,
                }
                for one in found
            ],
            "numbers": [{"n_clusters": number, "stands_out": factor} for number, factor in sorted(self.numbers_)],
        }

    # 1: spaces

    def _choose_views(self, values: Array, stages: Stages) -> list[str]:
        if values.ndim == 2:
            return []
        if self.views is not None:
            return list(self.views)

        def choose() -> tuple[Arrays, list[str]]:
            views, why = suited_views(values, self.rows_, self.seed)
            return {}, [*views, *why]

        chosen = stages.arrays("views", choose)[1]
        self.notes += tuple(text for text in chosen if " " in text)
        return [text for text in chosen if " " not in text]

    def _learn_views(self, values: Array, stages: Stages) -> Model | None:
        """Return a network that knows images again in other views; None where there is little to learn."""
        rows = self.rows_
        if "views" not in self.spaces or not _has_patches(values) or len(rows) < FEW or not self.views_:
            return None
        passes = int(np.clip(VIEWED // len(rows), *PASSES)) if self.passes == "auto" else self.passes
        settings = Settings(epochs=passes, batch_size=min(512, power_of_two(len(rows) / 4)), lr=2e-3, keep="last")
        model = self._network(values, {"name": "contrastive", "views": self.views_})
        return stages.train("views-network", model, values, settings, seed=self.seed, rows=rows)

    def _network(self, values: Array, objective: Mapping[str, Any]) -> Model:
        shape = values.shape[1:]
        net: dict[str, Any] = {"code_size": min(self.code_size, math.prod(shape))}
        if _has_patches(values) and max(shape[1:]) <= 256:
            shrink = min(-(-max(shape[1:]) // SEEN), min(shape[1:]) // SMALLEST)
            net |= {"name": "conv", "width": WIDTH, "shrink": shrink}
        else:
            net |= {"name": "dense", "hidden": HIDDEN}
        model = Model(shape, net, objective, seed=self.seed, preprocessing=self._preprocessing)
        model.fit_scaling(values)
        return model

    def _spaces(self, values: Array, network: Model | None, stages: Stages) -> dict[str, Array]:
        """Return name -> ``rows_`` (N, K) float32, of images at length 1."""
        rows = self.rows_
        makers: dict[str, Callable[[], Array]] = {"pixels": partial(pixel_space, values, rows, self.seed)}
        if _has_patches(values) and len(rows) >= FEWEST:
            makers |= {f"patches-{grid}": partial(patch_space, values, rows, grid, self.seed) for grid in GRIDS}
        if network is not None:
            makers["views"] = lambda: network.encode(values)[rows]
        makers = {name: make for name, make in makers.items() if name in self.spaces} or {"pixels": makers["pixels"]}
        missing = [name for name in self.spaces if name not in makers]
        if missing and self.spaces != SPACES:  # some were chosen
            self.notes += (
                f"The spaces {', '.join(missing)} do not exist for these rows; {', '.join(makers)} used instead.",
            )
        spaces = {
            name: stages.arrays(f"space-{name}", partial(_as_rows, make, images=values.ndim == 4))[0]["rows"]
            for name, make in makers.items()
        }
        return spaces if len(spaces) == 1 else spaces | {"all": side_by_side(spaces)}

    # 2: clusters in graphs of neighbours

    def _choose_number(self, search: Search, most: int) -> int:
        """Return the number of clusters that stands out most."""
        self.numbers_ = search.numbers()
        if not self.numbers_:
            self.notes += ("There are too few rows to estimate the number of clusters, so there is one cluster.",)
            return 1
        (chosen, factor), *others = self.numbers_[:4]
        instead = ", ".join(f"{number} ({fixed(other, 2)})" for number, other in others)
        after = f"; next {verb(len(others), 'is', 'are')} {instead}" if others else ""
        self.notes += (
            f"The estimated number of clusters is {chosen:,}: it stands out by a factor of "
            f"{fixed(factor, 2)}{after}. "
            "A factor near 1 means that no number stands out.",
        )
        return min(chosen, most)

    def _cluster(self, search: Search, among: Search, n_clusters: int) -> Array:
        """Return the clusters (N,) that tell the most about those of neighbours.

        Spaces are compared ``among`` some of the rows, which are all where these are few.
        """
        if len(search) < FEWEST:
            return KMeans(n_clusters, self.seed).fit(next(iter(search.spaces.values()))).labels_
        self.compared_ = among.find([(name, 0) for name in search.spaces], n_clusters)
        space = max(if_uneven(self.compared_), key=lambda one: one.information).space
        found = list(self.compared_) if among is search else []
        more = range(len({one.layout for one in found}), self.layouts)
        found += search.find([(space, number) for number in more], n_clusters)
        self.found_ = sorted(found, key=lambda one: -one.information)
        self.chosen_ = most_agreed(if_uneven(found))
        if self.chosen_.uneven:
            self.notes += (
                "The clusters are well separated and differ in size: they were merged by linkage, which leaves a "
                "neighbour's cluster less than a third as uncertain as merging for the greatest information does.",
            )
        return self.chosen_.clusters

    # 3 and 4: the network

    def _teach(self, values: Array, clusters: Array, network: Model | None, search: Search, n_clusters: int) -> None:
        graphs = search.graphs
        space = self.chosen_.space if self.chosen_ else list(graphs)[-1]
        # Similar pixels do not always mean the same kind; views correct that, so only their own graph can judge.
        judges = [graphs["views"][0][:, :ASKED]] if "views" in graphs else asked(graphs)
        done = Teaching(
            values,
            self.rows_,
            clusters,
            n_clusters,
            judges,
            network,
            partial(self._network, values),
            search.stages,
            seed=self.seed,
            epochs=self.epochs,
        )
        done.in_rounds(self.views_, graphs[space][0], self.rounds if self.views_ else 0, self.agree)
        if not done.taught:
            done.as_they_are()
        self.model_, self.training_, self.agreeing_ = done.model, done.training, done.agreeing
        self.taught_, self.information_ = done.taught, done.information
        self.notes += done.notes

    def _reader(self, codes: Array) -> CodeClusterer:
        head: Any = self.model_.objective.head
        return by_planes(head.weight.detach().numpy(), head.bias.detach().numpy(), codes)


def _as_rows(make: Callable[[], Array], *, images: bool) -> tuple[Arrays, Notes]:
    # How bright an image is, or how much contrast it has, is left out; how long a vector is may be all there is to it.
    return {"rows": to_directions(make()) if images else make().astype(np.float32)}, ()


def _has_patches(values: Array) -> bool:
    return values.ndim == 4 and min(values.shape[2:]) >= SMALLEST
