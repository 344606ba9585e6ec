"""The report, and the model card."""

from __future__ import annotations

from narrows import report
from narrows.report import card
from narrows.steps import Job, Results, Step

__all__ = ["Report"]


class Report(Step):
    """Write README.md and report.html from all that the steps before left."""

    after = ("draw", "judge")
    files = ("README.md", "report.html")
    timed = False

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        card.write(job.run)
        report.build(job.run.folder)
        return {}
