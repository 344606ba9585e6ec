"""A study's runs: each is done once with each seed, and its results are saved in its own folder as soon as it is done.

A study that was stopped resumes where it was::

    OUT/RUN/seed-N/outcome.json   results, captions, tables, notes, seconds
    OUT/RUN/seed-N/figures/*.png  and whatever else the job leaves
    OUT/results.csv  results.json  environment.json  report.html
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import narrows
from narrows.disk.claims import claimed, contents, now
from narrows.disk.files import write_json
from narrows.disk.sealed import Parts
from narrows.errors import RecipeError, RunFolderError, nearest
from narrows.studies.jobs import Results, Work, jobs
from narrows.studies.plan import Row, Study, builtin, load, named, on, resolved
from narrows.studies.summing import asked_of, before, step_name, steps_of, summarise
from narrows.work import environment
from narrows.work.forecast import about
from narrows.work.interrupt import Interrupt
from narrows.work.progress import Progress
from narrows.work.stages import Stages

__all__ = ["builtin", "do", "load", "on", "run"]

MARKER = "study.json"  # identifies the study in its folder
KEPT = ("figures/*.png", "**/*.safetensors", "**/*.npy", "**/*.npz")  # shown, or needed by later runs


def run(
    study: Study,
    out: str | Path,
    *,
    seeds: int | None = None,
    only: Sequence[str] = (),
    quick: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    data: str | None = None,
    progress: Progress | None = None,
    interrupt: Interrupt | None = None,
) -> dict[str, Any]:
    """Do the runs that are not done yet, summarise all runs, and write the report; return the content of results.json.

    Parameters
    ----------
    study : the table of runs
    out : folder of the study; must not exist, unless ``resume`` (continue it) or ``overwrite`` (replace it)
    seeds : the most seeds of each run; a quick look does one by default
    only : do only these runs and those they continue from
    quick : a few steps on a few rows
    data : data for the runs (see ``plan.on``), if not the study's own

    Raises
    ------
    RecipeError, RunFolderError : invalid arguments, or a folder that cannot be used
    Interrupted : stopped by a signal; ``resume`` continues
    """
    from narrows.studies import report

    progress, interrupt = progress or Progress(), interrupt or Interrupt()
    data = None if data is None else resolved(data)
    study = study if data is None else on(study, data)
    rows = _chosen(study, only)
    out = Path(out)
    wanted = {"study": study.name, "quick": quick} | ({} if data is None else {"data": data})
    with claimed(
        out, "a study", MARKER, resume=resume, overwrite=overwrite, came_about=lambda: any(out.glob("*/seed-*"))
    ) as present:
        if present:
            _go_on(out, wanted, clear=overwrite)
        write_json(out / MARKER, wanted)
        steps = steps_of(out, progress)
        most = seeds or (1 if quick else None)
        counts = {row.name: min(count, most or count) for row in rows for count in (row.seeds or study.seeds,)}
        # Seed by seed, so that a study that is stopped early has results of every run.
        asked = [(row, seed) for seed in range(max(counts.values())) for row in rows if seed < counts[row.name]]
        taken: dict[str, list[float]] = {}
        for number, (row, seed) in enumerate(asked):
            left = _left(taken, [row.name for row, _ in asked[number:]])
            progress.say(f"[{number + 1}/{len(asked)}] {row.name}, seed {seed}{left}")
            taken.setdefault(row.name, []).append(do(steps, row, seed, quick=quick, interrupt=interrupt))
        found = summarise(study, out, quick=quick)
        report.build(out)
    return found


def _left(taken: Mapping[str, Sequence[float]], ahead: Sequence[str]) -> str:
    """Return about how long the runs ``ahead`` will take, from the seconds ``taken`` so far; "" at first."""
    if not taken:
        return ""
    means = {name: sum(seconds) / len(seconds) for name, seconds in taken.items()}
    usual = sum(means.values()) / len(means)
    return f" ({about(sum(means.get(name, usual) for name in ahead))} left in all)"


def _chosen(study: Study, only: Sequence[str]) -> list[Row]:
    """Return the runs to do: all of them, or those in ``only`` and the ones they continue from."""
    if not only:
        return study.run
    known = {row.name: row for row in study.run}
    wanted: set[str] = set()
    for name in only:
        ahead = named(study.run, name)
        if not ahead:
            raise RecipeError("--only", "must name a run of the study", value=name, remedy=nearest(name, known))
        while ahead:
            row = ahead.pop()
            wanted.add(row.name)
            ahead += [known[before] for before in row.follows]
    return [row for row in study.run if row.name in wanted]


def _go_on(out: Path, wanted: Mapping[str, Any], *, clear: bool) -> None:
    """Remove the results of a study, or check that they are of the same study."""
    if clear:
        for name in contents(out) - {MARKER}:  # stays until the end, so that an interrupted removal is recognised
            path = out / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return
    before = Parts(out, None, remedy="Start again (--overwrite).").json(MARKER)
    if before != wanted:
        raise RunFolderError(
            "--resume",
            "must continue the study that was started in the folder",
            value=f"{before} before, {wanted} now",
            remedy="Choose another folder (--out), or start again (--overwrite).",
        )


def do(steps: Stages, row: Row, seed: int, *, quick: bool, interrupt: Interrupt) -> float:
    """Do one run with one seed, unless it is already done with the same arguments; return the seconds it took."""
    name = step_name(row.name, seed)
    folder = steps.path(name).parent
    after = before(steps, row, seed)

    def work() -> Mapping[str, Any]:
        given = Work(
            folder,
            seed=seed,
            quick=quick,
            progress=steps.progress,
            interrupt=interrupt,
            after=tuple(steps.path(other).parent for other in after),
        )
        results: Results = jobs.get(row.job)(given, **row.arguments)
        return {
            "results": dict(sorted(results.items())),
            "figures": given.figures,
            "tables": given.tables,
            "notes": given.notes,
            "finished": now(),
            "hardware": _hardware(),
            "version": narrows.__version__,
        }

    done = steps.do(
        name,
        work,
        asked=asked_of(row, seed, quick=quick),
        after=after,
        files=[f"{name}/{part}" for part in KEPT],
        clear=lambda: shutil.rmtree(folder, ignore_errors=True),
    )
    return done.seconds


@cache
def _hardware() -> str:
    found = environment.describe()
    gpu = f", {found['gpu']}" if found["gpu"] else ""
    return f"{found['processor']}, {found['threads']} of {found['cores']} cores{gpu}"
