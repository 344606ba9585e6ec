"""What is known before training."""

from __future__ import annotations

from narrows.report import tables
from narrows.steps import Job, Results, Step

__all__ = ["Open"]


class Open(Step):
    """Describe the rows that were opened, how they were divided, and what was left out; the time is that of opening."""

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        return tables.describe_data(job.run, job.recipe.name, job.data, job.split)
