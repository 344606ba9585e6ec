"""The codes of all rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows.data.dataset import all_finite
from narrows.disk.files import atomic_file, write_npy
from narrows.encoding import codes as coding
from narrows.errors import TrainingError
from narrows.evaluation import summary
from narrows.geometry.neighbours import nearest
from narrows.steps import Job, Results, Step

__all__ = ["Encode"]

NEIGHBOURS = 15  # of each row, in code space: for outliers and UMAP


class Encode(Step):
    """Encode every row, find its neighbours among the codes, and fit what new codes are drawn from."""

    after = ("fit", "train")
    files = ("codes.npy", "neighbours.npz", "sampler.safetensors")
    seconds = (0.1, 3e-4)

    def owns(self, job: Job) -> Sequence[str]:
        """See ``Step``."""
        return self.files if job.trains or job.encoder.decodes else self.files[:2]

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        folder = job.run.folder
        codes = job.trained().encode(job.data.values, job.progress)  # (N, K)
        if not all_finite(codes):
            remedy = "Lower train.lr and start again." if job.trains else "Try another encoder."
            what = "Training diverged: codes are no longer finite" if job.trains else "Codes are not finite"
            raise TrainingError(f"{what}. {remedy}")
        write_npy(folder / "codes.npy", codes)
        with job.progress.task("neighbours"):
            indices, distances = nearest(codes, NEIGHBOURS)  # (N, 15) each
        with atomic_file(folder / "neighbours.npz") as file:
            np.savez(file, indices=indices, distances=distances)
        if self.files[2] in self.owns(job):
            distribution = coding.CodeDistribution.fit(codes[job.split.train], seed=job.recipe.seed)
            job.run.save_part("sampler", distribution.state(), {})
        return summary.of_codes(codes)
