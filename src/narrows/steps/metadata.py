"""What else is known of the rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from narrows.data.metadata import written
from narrows.report import tables
from narrows.steps import Job, Results, Step

__all__ = ["Metadata"]


class Metadata(Step):
    """Keep what is known of each row besides; a table that was changed is kept anew, and nothing is learned again."""

    after = ("open",)
    files = (tables.METADATA,)
    timed = False

    def wanted(self, job: Job) -> bool:
        """See ``Step``."""
        return bool(job.data.metadata)

    def asked(self, job: Job) -> Mapping[str, str]:
        """See ``Step``."""
        content = {name: written(column) for name, column in job.data.metadata.items()}
        return {"metadata": hashlib.sha256(json.dumps(content).encode()).hexdigest()}

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        tables.write_metadata(job.run, job.data)
        return {}
