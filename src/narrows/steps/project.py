"""The map."""

from __future__ import annotations

from narrows.disk.files import write_npy
from narrows.evaluation.projection import trustworthiness
from narrows.projection import methods as projections
from narrows.steps import Job, Results, Step

__all__ = ["Project"]


class Project(Step):
    """Lay the codes out on a plane, and measure how far neighbours can be trusted there."""

    after = ("encode",)
    files = ("map.npy", "projector.safetensors")
    seconds = (0.5, 1e-3)

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        codes = job.run.array("codes")
        chosen = job.recipe.map_of(codes.shape[1])
        projection = projections.get(chosen.name)(seed=job.recipe.seed, **chosen.arguments())
        with job.progress.task("map"):
            projection.fit(codes, neighbours=job.run.neighbours())
        write_npy(job.run.folder / "map.npy", projection.map_)
        job.run.save_part("projector", projection.state(), chosen.model_dump())
        job.run.add_notes(projection.notes)
        return {"projection/trustworthiness": trustworthiness(codes, projection.map_, seed=job.recipe.seed)}
