"""``narrows study``: a table of runs over seeds, beside reported figures and bars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def study(
    name: Annotated[str, typer.Argument(help="A study's name, a study file, or `list`.")],
    seeds: Annotated[int | None, typer.Option(min=1, help="Use at most this many seeds for each run.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="RUN", help="Do only this run (may be repeated).")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Check that everything works: a few steps on a few images.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The study's folder. Default: runs/study-NAME.")] = None,
    data: Annotated[str | None, typer.Option(help="Do the runs on your own data: a file, folder or data set.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Also keep tables, pictures and the page in this folder.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Do no runs; rebuild what is in --keep.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a study that was stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing study.")] = False,
) -> None:
    """Do a study's runs, and write results.csv, results.json and report.html.

    Examples: narrows study list | narrows study polygons --quick | narrows study polygons --data points.npy
    """
    from narrows.disk.files import safe_name
    from narrows.errors import InputError
    from narrows.studies import study as studies
    from narrows.studies.keeping import keep as keep_study

    if name == "list":
        from narrows.cli._output import in_columns

        listed = [studies.load(known) for known in studies.builtin()]
        for line in in_columns([(study.name, f"{study.minutes:>5.0f} min", study.title) for study in listed]):
            typer.echo(line)
        return

    from narrows.work.interrupt import Interrupt
    from narrows.work.progress import for_this_terminal

    chosen = studies.load(name)
    if data is not None and keep is not None:
        raise InputError(
            "--keep", "must be given the study's own data", value=data, remedy="Leave out --data or --keep."
        )
    if rebuild:
        if keep is None:
            raise InputError("--rebuild", "needs --keep, the folder to rebuild")
        runs = {"--quick": quick, "--seeds": seeds, "--only": only, "--resume": resume, "--overwrite": overwrite}
        if said := [option for option, value in runs.items() if value]:
            raise InputError("--rebuild", "does no runs, so it takes no settings for them", value=", ".join(said))
        keep_study(chosen, out, keep)
        typer.echo(f"Built: {keep}")
        return
    kind = f"{'-own' if data is not None else ''}{'-quick' if quick else ''}"
    folder = out or Path("runs") / safe_name(f"study-{chosen.name}{kind}")
    with Interrupt() as interrupt:
        found = studies.run(
            chosen,
            folder,
            seeds=seeds,
            only=only or (),
            quick=quick,
            resume=resume,
            overwrite=overwrite,
            data=data,
            progress=for_this_terminal(),
            interrupt=interrupt,
        )
    from narrows.studies.report import as_text

    typer.echo(as_text(found))
    if keep is not None:
        keep_study(chosen, folder, keep)
        typer.echo(f"Kept: {keep}")
    typer.echo(f"Report: {folder / 'report.html'}")
