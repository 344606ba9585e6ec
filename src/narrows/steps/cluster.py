"""The clusters of the codes."""

from __future__ import annotations

from narrows.clustering import Clusterer
from narrows.clustering.linear import Linear
from narrows.files import Array, write_npy
from narrows.model import Model
from narrows.recipes.recipe import TRAINING, clusterings
from narrows.steps import Job, Results, Step

__all__ = ["Cluster"]


class Cluster(Step):
    """Sort the codes into clusters, or keep the rule by which the clustering that trained the network does."""

    after = ("train", "encode")
    files = ("clusters.npy", "clusterer.safetensors")

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        chosen, codes = job.recipe.clustering, job.run.array("codes")
        with job.progress.task("cluster"):
            if chosen.name in TRAINING:
                clusterer: Clusterer = Linear.of_head(*_head(job.run.model()), codes)
                made_by = {"name": "linear", "n_clusters": clusterer.n_clusters}
            else:
                clusterer = clusterings(chosen.name).get(chosen.name)(seed=job.recipe.seed, **chosen.arguments())
                clusterer.fit(codes)
                made_by = chosen.model_dump()
        asked = chosen.arguments().get("n_clusters")  # of which there may be fewer
        asked = None if isinstance(asked, str) else asked
        write_npy(job.run.folder / "clusters.npy", clusterer.labels_)
        job.run.save_part("clusterer", clusterer.state(), made_by)
        job.run.add_notes(clusterer.notes)
        return {"clustering/n_clusters": int(clusterer.labels_.max()) + 1, "clustering/asked": asked}


def _head(model: Model) -> tuple[Array, Array]:
    """Return the linear layer (M, K) and (M,) by which a network tells clusters apart; of a single one, zeros."""
    import numpy as np

    head = getattr(model.objective, "head", None)
    if head is None:
        return np.zeros((1, model.code_size)), np.zeros(1)
    return head.weight.detach().numpy(), head.bias.detach().numpy()
