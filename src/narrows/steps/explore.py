"""The page a person works in."""

from __future__ import annotations

from narrows import explorer
from narrows.steps import Job, Results, Step

__all__ = ["Explore"]


class Explore(Step):
    """Write the explorer's page."""

    after = ("draw", "judge")
    files = (explorer.NAME,)
    seconds = (0.3, 4e-4)

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        with job.progress.task("explorer"):
            explorer.write(job.run, job.data)
        return {}
