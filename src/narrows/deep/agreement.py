"""What neighbours agree on, taught to a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import torch

from narrows import codes as coding
from narrows import wording
from narrows.clustering.kmeans import KMeans
from narrows.clustering.mixture import Mixture
from narrows.deep import Arrays, DeepClusterer, Stages
from narrows.deep._autoencoder import with_objective
from narrows.deep._merging import join, link, mean_joint, numbers, settle, unknown
from narrows.deep._spaces import GRIDS, SMALLEST, patch_space, pixel_space, side_by_side, to_directions
from narrows.deep._views import suited_views
from narrows.errors import RecipeError
from narrows.errors import nearest as nearest_name
from narrows.evaluation.agreement import neighbour_agreement, neighbour_information
from narrows.evaluation.clustering import ari
from narrows.files import Array
from narrows.manifold import layout
from narrows.model import Model
from narrows.neighbours import nearest
from narrows.projection._placing import FEWEST, first_rows
from narrows.training.loop import Settings
from narrows.views import Views
from narrows.wording import fixed, plural, verb

__all__ = ["Agreement"]

WIDTH = 24  # channels of the network's first stage, for images
SEEN = 40  # pixels a side that it sees at most; of larger images, means of squares
HIDDEN = [256, 256]  # units of its layers, for vectors
VIEWED = 200_000  # images seen in all while views are learned, and
PASSES = 12, 150  # each of them so many times, at least and at most
SPACES = ("pixels", *(f"patches-{grid}" for grid in GRIDS), "views")
FEW = 256  # with fewer images there is little to learn from views
NEIGHBOURS, DIMENSIONS, EPOCHS = 15, 5, 200  # of a layout
FEWEST_NEIGHBOURS = 3  # of a row, where clusters are so small that half of one has fewer than 15
COMPARED = 10_000  # rows on which spaces are compared
CELLS = 3, 6, 12  # small cells per cluster that are made of a layout
MOST_CELLS = 400
CURVE_CELLS = 300  # from which the number of clusters is estimated
ASKED = 10  # neighbours whose clusters are looked at
BEST = 9  # clusterings of which the one is taken that the others agree with most
APART = 1 / 3  # of what is unknown about a neighbour's cluster: where less is left, groups lie apart
TOLERANCE = 0.01  # share of the information that teaching may cost: rows on borders were put there by these very graphs
IMITATED = 3  # times that a network which is taught clusters as they are is trained, at most
STEPS = 1500  # in which the network learns clusters, at least

Graphs = dict[str, tuple[Array, Array]]  # of each space: neighbours (N, k) and their distances (N, k)


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


class Agreement(DeepClusterer):
    """Clusters that tell the most about the clusters of neighbours, taught to a network.

    1. Spaces: principal components of pixels; codes of patches, on a coarse and on a fine grid (``narrows.patches``);
       codes of a network that learned to know images again in other views (Chen et al. 2020); and all of them side by
       side, each in units of its own neighbours' distance.
    2. In each space 15 neighbours (half as many as a cluster has rows, where those are few), UMAP in 5 dimensions, and
       k-means for many small cells, which are joined so that the information I(c; c') of neighbours' clusters falls
       least (``narrows.deep._merging``). I is the mean over the graphs of all single spaces: a clustering made in one
       is judged by the others too. The space with the greatest I is laid out more often, and of the nine clusterings
       with the greatest I the one is kept that agrees most with the others.
       Clusters of like size tell the most. Where groups of very different sizes lie so far apart that joining what is
       linked most closely leaves less than a third of what else is unknown about a neighbour's cluster, those are kept.
    3. A network learns the clusters of the rows whose neighbours agree, from random views. Then it learns, twice more,
       its own answers for the rows whose neighbours in the space of its codes agree.
    4. Answers for all rows are kept unless their I, in the graph of the space of views, is more than 1 % less than
       before step 3. Where none are, the network learns the clusters of all rows as they are.

    Vectors have one space, the components of their standardised columns, and no views.

    Parameters
    ----------
    n_clusters : the number of clusters; "auto" takes the one that stands out most while cells are joined
    seed : of everything random
    views : random changes that do not change what an image shows; None finds out which suit the images
    code_size : values of the network's code
    layouts : of the space that is chosen
    spaces : the single spaces to look for neighbours in, of ``SPACES``; those that the rows do not have are left out
    passes : over all images while the network learns views; "auto" is 12, and of few images more
    epochs : over the rows from which it learns clusters; "auto" is 16, and of few rows as many as make 1,500 steps.
        Rounds after the first have half as many, at half the rate
    agree : share of a row's neighbours in its own cluster from which on it is taught
    rounds : how often a network is taught from views; 0 leaves step 3 out
    grouping : how a layout is grouped: "cells" that are joined, or one "mixture" of Gaussians, for comparison

    Attributes
    ----------
    rows_ : (N,) those of the fitted rows that no row before them equals
    found_ : the clusterings of ``rows_``, the greatest information first
    chosen_ : the one of them that was kept; None of fewer than eight rows
    compared_ : the clusterings by which the space was chosen
    compared_rows_ : (M,) the rows that those sort: ``rows_``, or a choice of them where they are many
    numbers_ : how much each number of clusters stands out, (number, factor), the greatest first; see ``_merging``
    views_ : the views that were used
    agreeing_ : share of rows whose neighbours agree
    taught_ : how many rounds of teaching are kept
    information_ : what the clusters told about those of neighbours before and after that, in nats
    """

    rows_: Array
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
        for name, count in (("code_size", code_size), ("layouts", layouts)):
            if count < 1:
                raise RecipeError(f"clustering.{name}", "must be a whole number >= 1", value=count)
        for name, times in (("passes", passes), ("epochs", epochs)):
            if times != "auto" and times < 1:
                raise RecipeError(f"clustering.{name}", 'must be "auto" or a whole number >= 1', value=times)
        if rounds < 0:
            raise RecipeError("clustering.rounds", "must be a whole number >= 0", value=rounds)
        if not 0 <= agree <= 1:
            raise RecipeError("clustering.agree", "must be a share from 0 to 1", value=agree)
        for space in spaces:
            if space not in SPACES:
                remedy = nearest_name(space, SPACES)
                raise RecipeError("clustering.spaces", "must be known", value=space, remedy=remedy)
        if views is not None:
            views = [views] if isinstance(views, str) else list(views)
            if views:
                Views(views, images=True)  # refuses what it does not know
        self.views, self.code_size, self.layouts, self.spaces = views, code_size, layouts, tuple(spaces)
        if grouping not in ("cells", "mixture"):
            raise RecipeError("clustering.grouping", 'must be "cells" or "mixture"', value=grouping)
        self.passes, self.epochs, self.agree, self.rounds, self.grouping = passes, epochs, agree, rounds, grouping

    def fit(
        self, values: Array, stages: Stages | None = None, *, preprocessing: Mapping[str, Any] | None = None
    ) -> Self:
        """See ``DeepClusterer.fit``."""
        # Of a single cluster there is nothing to find out, and what a former fit found out holds no more.
        self.rows_ = self.compared_rows_ = np.arange(len(values))
        self.found_, self.compared_, self.chosen_, self.numbers_, self.views_ = (), (), None, (), []
        self.agreeing_, self.taught_, self.information_ = 1.0, 0, (0.0, 0.0)
        return super().fit(values, stages, preprocessing=preprocessing)

    def _fit(self, values: Array, n_clusters: int, stages: Stages) -> None:
        if values.ndim == 2:
            self._check_for_vectors()
        self.rows_ = first_rows(values.reshape(len(values), -1))  # copies would only be each other's neighbours
        if len(self.rows_) < len(values):
            values = values[self.rows_]
        self.views_ = self._choose_views(values, stages)
        network = self._learn_views(values, stages)
        spaces = self._spaces(values, network, stages)
        known = None if self.n_clusters == "auto" else n_clusters
        graphs = _graphs("graphs", spaces, known, stages)
        chosen = np.arange(len(values))
        if len(chosen) > COMPARED:
            chosen = np.sort(np.random.default_rng(self.seed).choice(len(values), COMPARED, replace=False))
        self.compared_rows_ = self.rows_[chosen]
        some, among = _some(chosen, spaces, graphs, known, stages)
        if self.n_clusters == "auto":
            n_clusters = self._choose_number(some, among, n_clusters, stages)
        clusters = self._cluster(spaces, graphs, some, among, n_clusters, stages)
        self._teach(values, clusters, network, graphs, n_clusters, stages)

    def _check_for_vectors(self) -> None:
        """Refuse what is asked of images alone."""
        asked = {"views": bool(self.views), "passes": self.passes != "auto", "spaces": "pixels" not in self.spaces}
        for name, wrong in asked.items():
            if wrong:
                raise RecipeError(
                    f"clustering.{name}", "is of images, and the rows are vectors", value=getattr(self, name),
                    remedy="Leave it out.",
                )  # fmt: skip

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
                {"space": one.space, "layout": one.layout, "cells": one.cells, "rows": len(one.clusters),
                 "information": one.information, "chosen": one is self.chosen_}
                for one in found
            ],
            "numbers": [{"n_clusters": number, "stands_out": factor} for number, factor in sorted(self.numbers_)],
        }  # fmt: skip

    # 1: spaces

    def _choose_views(self, values: Array, stages: Stages) -> list[str]:
        if values.ndim == 2:
            return []
        if self.views is not None:
            return list(self.views)

        def choose() -> tuple[Arrays, list[str]]:
            views, why = suited_views(values, self.seed)
            return {}, [*views, *why]

        chosen = stages.arrays("views", choose)[1]
        self.notes += tuple(text for text in chosen if " " in text)
        return [text for text in chosen if " " not in text]

    def _learn_views(self, values: Array, stages: Stages) -> Model | None:
        """Return a network that knows images again in other views; None where there is little to learn."""
        if "views" not in self.spaces or not _has_patches(values) or len(values) < FEW or not self.views_:
            return None
        passes = int(np.clip(VIEWED // len(values), *PASSES)) if self.passes == "auto" else self.passes
        settings = Settings(epochs=passes, batch_size=min(512, _power_of_two(len(values) / 4)), lr=2e-3, keep="last")
        model = self._network(values, {"name": "contrastive", "views": self.views_})
        return stages.train("views-network", model, values, settings, seed=self.seed)

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
        """Return name -> rows (N, K) float32, of images at length 1."""
        makers: dict[str, Callable[[], Array]] = {"pixels": partial(pixel_space, values, self.seed)}
        if _has_patches(values) and len(values) >= FEWEST:
            makers |= {f"patches-{grid}": partial(patch_space, values, grid, self.seed) for grid in GRIDS}
        if network is not None:
            makers["views"] = partial(coding.encode, network, values)
        makers = {name: make for name, make in makers.items() if name in self.spaces} or {"pixels": makers["pixels"]}
        missing = [name for name in self.spaces if name not in makers]
        if missing and self.spaces != SPACES:  # some were chosen
            self.notes += (f"The rows do not have the spaces {', '.join(missing)}: {', '.join(makers)} used.",)
        spaces = {
            name: stages.arrays(f"space-{name}", partial(_as_rows, make, images=values.ndim == 4))[0]["rows"]
            for name, make in makers.items()
        }
        return spaces if len(spaces) == 1 else spaces | {"all": side_by_side(spaces)}

    # 2: clusters in graphs of neighbours

    def _choose_number(self, spaces: Mapping[str, Array], graphs: Graphs, most: int, stages: Stages) -> int:
        """Return the number of clusters that stands out most while cells of all spaces' layouts are joined."""
        curves = []
        if len(next(iter(spaces.values()))) >= FEWEST:
            for name in spaces:
                points, seed = self._lay_out(name, 0, spaces, graphs, stages)
                cells = KMeans(min(CURVE_CELLS, len(points)), seed, n_init=1).fit(points).labels_
                curves.append(join(mean_joint(cells, _asked(graphs), int(cells.max()) + 1), 1)[1])
        self.numbers_ = numbers(curves) if curves else []
        if not self.numbers_:
            self.notes += ("There are too few rows to estimate a number of clusters from: one cluster made.",)
            return 1
        (chosen, factor), *others = self.numbers_[:4]
        instead = ", ".join(f"{number} ({fixed(other, 2)})" for number, other in others)
        after = f"; next to it {verb(len(others), 'comes', 'come')} {instead}" if others else ""
        self.notes += (
            f"{plural(chosen, 'cluster')} {verb(chosen, 'stands', 'stand')} out most, by a factor of "
            f"{fixed(factor, 2)}{after}. "
            "A factor near 1 means that no number stands out.",
        )
        return min(chosen, most)

    def _cluster(
        self, spaces: Mapping[str, Array], graphs: Graphs, some: Mapping[str, Array], among: Graphs, n_clusters: int,
        stages: Stages,
    ) -> Array:  # fmt: skip
        """Return the clusters (N,) that tell the most about those of neighbours.

        Spaces are compared on ``some`` of the rows, which are all where these are few.
        """
        first = next(iter(spaces.values()))
        count = len(first)
        if count < FEWEST:
            fit = KMeans(n_clusters, self.seed).fit(first)
            self.found_, self.compared_, self.chosen_ = [], [], None
            return fit.labels_
        self.compared_ = [one for name in spaces for one in self._find(name, 0, some, among, n_clusters, stages)]
        space = max(_if_uneven(self.compared_), key=lambda one: one.information).space
        found = list(self.compared_) if some is spaces else []
        for number in range(len({one.layout for one in found}), self.layouts):
            found += self._find(space, number, spaces, graphs, n_clusters, stages)
        self.found_ = sorted(found, key=lambda one: -one.information)
        self.chosen_ = _most_agreed(_if_uneven(found))
        if self.chosen_.uneven:
            self.notes += (
                "The clusters lie apart: joined by how closely they are linked, whatever their sizes, they leave less "
                "than a third of what is unknown about a neighbour's cluster where cells are joined to tell the most.",
            )
        return self.chosen_.clusters

    def _find(
        self, space: str, number: int, spaces: Mapping[str, Array], graphs: Graphs, n_clusters: int, stages: Stages
    ) -> list[Found]:
        """Return the clusterings found in one layout of a space, of fewer and of more cells."""
        points, seed = self._lay_out(space, number, spaces, graphs, stages)
        if self.grouping == "mixture":
            return [Found.as_is(space, number, Mixture(n_clusters, seed).fit(points).labels_, _asked(graphs))]
        found = []
        for cells in sorted({min(MOST_CELLS, share * max(10, n_clusters), len(points)) for share in CELLS}):
            small = KMeans(max(cells, n_clusters), seed, n_init=1).fit(points).labels_
            found.append(Found.of(space, number, small, _asked(graphs), n_clusters))
        return found

    def _lay_out(
        self, space: str, number: int, spaces: Mapping[str, Array], graphs: Graphs, stages: Stages
    ) -> tuple[Array, int]:
        """Return a layout (N, 5) of a space, and the seed of that layout."""
        rows = spaces[space]
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])

        def lay_out() -> tuple[Arrays, tuple[str, ...]]:
            points = layout(
                rows, start="spectral", n_components=min(DIMENSIONS, len(rows) - 2),
                n_neighbors=graphs[space][0].shape[1], min_dist=0.0, seed=seed, neighbours=graphs[space], epochs=EPOCHS,
            )  # fmt: skip
            return {"points": points.astype(np.float32)}, ()

        return stages.arrays(f"layout-{space}-{number}-{len(rows)}", lay_out)[0]["points"], seed

    # 3 and 4: the network

    def _teach(
        self, values: Array, clusters: Array, network: Model | None, graphs: Graphs, n_clusters: int, stages: Stages
    ) -> None:
        space = self.chosen_.space if self.chosen_ else list(graphs)[-1]
        # Pixels that look alike are not always of one kind, which is what views teach: only their own graph can judge.
        judges = [graphs["views"][0][:, :ASKED]] if "views" in graphs else _asked(graphs)
        before = neighbour_information(clusters, judges, n_clusters)
        self.taught_, self.information_ = 0, (before, before)
        present = np.bincount(clusters, minlength=n_clusters) > 0
        answers, student = clusters, network
        agreeing = neighbour_agreement(answers, graphs[space][0]) >= self.agree
        self.agreeing_ = float(agreeing.mean())
        for number in range(1, self.rounds + 1 if self.views_ else 1):
            taught = np.flatnonzero(agreeing)
            if not (np.bincount(answers[taught], minlength=n_clusters)[present] > 0).all():
                break  # a cluster that nobody agrees on cannot be taught
            name = f"taught-{number}"
            student = self._learn(
                name, values, answers, taught, self.views_, student, n_clusters, stages, again=number > 1
            )
            answers = _shares(student, values).argmax(1)
            after = neighbour_information(answers, judges, n_clusters)
            if after < (1 - TOLERANCE) * before:
                self.notes += (
                    f"Taught from random views, the network's answers told less about neighbours ({after:.3f} nats) "
                    f"than the clusters had ({before:.3f}): they were not kept.",
                )
                break
            self.model_, self.training_ = student, name
            self.taught_, self.information_ = number, (before, after)
            if number < self.rounds:
                codes = {"codes": to_directions(coding.encode(student, values))}
                graph = _graphs(f"graph-of-codes-{number}", codes, n_clusters, stages)["codes"][0]
                agreeing = neighbour_agreement(answers, graph) >= self.agree
        if not self.taught_:
            self._imitate(values, clusters, network, judges, n_clusters, stages)

    def _imitate(
        self, values: Array, clusters: Array, network: Model | None, judges: Sequence[Array], n_clusters: int,
        stages: Stages,
    ) -> None:  # fmt: skip
        """Teach a network the clusters of all rows as they are, as long as it has not learned them, thrice at most."""
        before, every = neighbour_information(clusters, judges, n_clusters), np.arange(len(values))
        for number in range(1, IMITATED + 1):
            self.training_ = "imitating" if number == 1 else f"imitating-{number}"
            student = self._learn(self.training_, values, clusters, every, [], network, n_clusters, stages)
            network, answers = student, _shares(student, values).argmax(1)
            after = neighbour_information(answers, judges, n_clusters)
            if after >= (1 - TOLERANCE) * before:
                break
        else:
            self.notes += (
                f"The network says of {wording.share(float((answers != clusters).mean()))} of the rows that they lie "
                "in another cluster than was found for them: clusters so small or so like each other are hard to "
                "learn.",
            )
        self.model_, self.information_ = student, (before, after)

    def _learn(
        self, name: str, values: Array, clusters: Array, rows: Array, views: Sequence[str], network: Model | None,
        n_clusters: int, stages: Stages, again: bool = False,
    ) -> Model:  # fmt: skip
        objective = {"name": "taught", "n_clusters": n_clusters, "views": list(views)}
        model = self._network(values, objective) if network is None else with_objective(network, objective, self.seed)
        batch = min(256, _power_of_two(len(rows) / 20))
        epochs = max(16, -(-STEPS // -(-len(rows) // batch))) if self.epochs == "auto" else self.epochs
        if again:
            epochs = -(-epochs // 2)
        settings = Settings(epochs=epochs, batch_size=batch, lr=5e-4 if again else 1e-3, keep="last")
        return stages.train(name, model, values, settings, seed=self.seed, labels=clusters, rows=rows)

    def _shares(self, values: Array) -> Array:
        return _shares(self.model_, values)


def _shares(model: Model, values: Array) -> Array:
    """Return the shares (N, M) of rows in the clusters that a network was taught."""
    objective: Any = model.objective
    with torch.inference_mode():
        shares: Array = objective.assign(torch.from_numpy(coding.encode(model, values))).numpy()
    return shares


def _as_rows(make: Callable[[], Array], *, images: bool) -> tuple[Arrays, tuple[str, ...]]:
    # How bright an image is, or how much contrast it has, is left out; how long a vector is may be all there is to it.
    return {"rows": to_directions(make()) if images else make().astype(np.float32)}, ()


def _graphs(name: str, spaces: Mapping[str, Array], n_clusters: int | None, stages: Stages) -> Graphs:
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


def _some(
    chosen: Array, spaces: Mapping[str, Array], graphs: Graphs, n_clusters: int | None, stages: Stages
) -> tuple[Mapping[str, Array], Graphs]:
    """Return the rows on which spaces are compared, and their own graphs; what there is where they are all."""
    if len(chosen) == len(next(iter(spaces.values()))):
        return spaces, graphs
    some = {name: rows[chosen] for name, rows in spaces.items()}
    return some, _graphs("graphs-of-some", some, n_clusters, stages)


def _asked(graphs: Graphs) -> list[Array]:
    """Return the neighbours (N, <= 10) that are looked at, in each single space."""
    return [indices[:, :ASKED] for name, (indices, _) in graphs.items() if name != "all"]


def _if_uneven(found: Sequence[Found]) -> Sequence[Found]:
    """Return those of ``found`` that lie apart and differ in size; all where there are none."""
    return [one for one in found if one.uneven] or found


def _most_agreed(found: Sequence[Found]) -> Found:
    """Return that one of the best clusterings which agrees most with the others of them (adjusted Rand index)."""
    best = sorted(found, key=lambda one: -one.information)[:BEST]
    table = np.array([[ari(one.clusters, other.clusters) for other in best] for one in best])
    return best[int(table.sum(1).argmax())]


def _has_patches(values: Array) -> bool:
    return values.ndim == 4 and min(values.shape[2:]) >= SMALLEST


def _power_of_two(size: float) -> int:
    """Return the power of two next below ``size``, at least 16."""
    return 1 << int(math.log2(max(16.0, size)))
