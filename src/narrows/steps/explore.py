"""The page a person works in."""

from __future__ import annotations

from narrows.explorer import page
from narrows.steps import Job, Results, Step

__all__ = ["Explore"]


class Explore(Step):
    """Write the explorer's page."""

    after = ("draw", "judge")
    files = (page.NAME,)
    seconds = (0.3, 4e-4)

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        with job.progress.task("explorer"):
            page.write(job.run, job.data)
        return {}
