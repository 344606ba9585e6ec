"""The clusters of the codes."""

from __future__ import annotations

from narrows.disk.files import write_npy
from narrows.registry import name_of
from narrows.steps import Job, Results, Step

__all__ = ["Cluster"]


class Cluster(Step):
    """Sort the codes into clusters, or keep the rule by which the clustering that trained the network does."""

    after = ("encode",)
    files = ("clusters.npy", "clusterer.safetensors")
    seconds = (0.1, 1e-5)

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        chosen, codes = job.recipe.clustering, job.run.array("codes")
        with job.progress.task("cluster"):
            if job.clusterer.trains_network:
                clusterer = job.fitted_to_rows.reader(codes)
                made_by = {"name": name_of(type(clusterer)), "n_clusters": clusterer.n_clusters_}
            else:
                clusterer, made_by = job.clusterer.fit(codes), chosen.model_dump()
        asked = chosen.arguments().get("n_clusters")  # of which there may be fewer
        asked = None if isinstance(asked, str) else asked
        write_npy(job.run.folder / "clusters.npy", clusterer.labels_)
        job.run.save_part("clusterer", clusterer.state(), made_by)
        job.run.add_notes(clusterer.notes)
        return {"clustering/n_clusters": int(clusterer.labels_.max()) + 1, "clustering/asked": asked}
