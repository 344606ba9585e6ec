"""The pictures of the report."""

from __future__ import annotations

from narrows.report import pictures
from narrows.steps import Job, Results, Step

__all__ = ["Draw"]


class Draw(Step):
    """Draw all figures, and list the clusters."""

    after = ("measure",)
    files = ("figures/*.png",)
    seconds = (1.0, 7e-5)

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        with job.progress.task("draw"):
            pictures.draw(job.run, job.data, job.test, job.recipe.seed)
        return {}
