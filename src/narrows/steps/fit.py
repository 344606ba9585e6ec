"""An encoder that is not a network: what it learns by looking at rows once."""

from __future__ import annotations

from collections.abc import Sequence

from narrows.steps import FITTED_BYTES, Job, Results, Step, some

__all__ = ["Fit"]


class Fit(Step):
    """Let the encoder learn from the training rows, or from as many of them as can be looked at together."""

    after = ("open",)
    seconds = (0.1, 6e-4)

    def wanted(self, job: Job) -> bool:
        """See ``Step``."""
        return not job.trains

    def owns(self, job: Job) -> Sequence[str]:
        """See ``Step``."""
        files: Sequence[str] = job.encoder.files
        return files

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        values, encoder = job.data.values, job.encoder
        rows = some(job.split.train, max(1, FITTED_BYTES // values[:1].nbytes), job.recipe.seed)
        with job.progress.task("fit"):
            encoder.fit(values[rows], preprocessing=job.data.preprocessing)
        encoder.write(job.run.folder)
        job.run.add_tables(
            {
                "learned": {
                    "network": "train",
                    "decoder": "train" if encoder.decodes else "none",
                    "parts_clusters": False,
                },
                "encoder": {"title": encoder.title, "is_baseline": encoder.is_baseline},
            }
        )
        return {}
