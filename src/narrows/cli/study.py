"""``narrows study``: a table of runs over seeds, beside reported figures and bars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def study(
    name: Annotated[str, typer.Argument(help="A study's name, a study file, or `list`.")],
    seeds: Annotated[int | None, typer.Option(min=1, help="Do at most so many seeds of each run.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="RUN", help="Do this run alone (may be repeated).")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few steps on a few images: does everything work?")] = False,
    out: Annotated[Path | None, typer.Option(help="The study's folder. Default: runs/study-NAME.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Also copy tables and pictures, no models, to this folder.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a study that was stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a study that exists.")] = False,
) -> None:
    """Do a study's runs, and write results.csv, results.json and report.html.

    Examples: narrows study list | narrows study polygons --quick | narrows study neural-kmeans --seeds 5 --resume
    """
    from narrows.studies import study as studies

    if name == "list":
        for known in studies.builtin():
            listed = studies.load(known)
            typer.echo(f"{known:<24} {listed.minutes:>5.0f} min  {listed.title}")
        return

    from narrows.interrupt import Interrupt
    from narrows.progress import for_this_terminal

    chosen = studies.load(name)
    folder = out or Path("runs") / f"study-{chosen.name}{'-quick' if quick else ''}"
    with Interrupt() as interrupt:
        found = studies.run(
            chosen, folder, seeds=seeds, only=only or (), quick=quick, resume=resume, overwrite=overwrite,
            progress=for_this_terminal(), interrupt=interrupt,
        )  # fmt: skip
    from narrows.report.study import as_text

    typer.echo(as_text(found))
    if keep is not None:
        studies.keep(folder, keep)
        typer.echo(f"Kept: {keep}")
    typer.echo(f"Report: {folder / 'report.html'}")
