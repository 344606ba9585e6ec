"""``narrows report``: build the report again from a run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]) -> None:
    """Build report.html again from what is in the run's folder."""
    from narrows.report import build
    from narrows.runs import Run

    done = Run(run)
    done.renew("report.html", lambda: build(done.folder))
    typer.echo(f"Report: {done.folder / 'report.html'}")
