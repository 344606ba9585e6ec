"""A study's runs: each is done once with each seed, and what it found is kept in its own folder as soon as it is done.

A study that was stopped goes on where it was::

    OUT/RUN/seed-N/outcome.json   results, captions, tables, notes, seconds
    OUT/RUN/seed-N/figures/*.png  and whatever else the job leaves
    OUT/results.csv  results.json  environment.json  report.html
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import narrows
from narrows import environment
from narrows.errors import Interrupted, RecipeError, RunFolderError, nearest
from narrows.files import read_json, write_json
from narrows.interrupt import Interrupt
from narrows.jobs import Results, Work, jobs
from narrows.progress import Progress
from narrows.runs import now
from narrows.studies.plan import Row, Study, builtin, load, on, resolved
from narrows.studies.summing import before, outcome_of, run_folder, stamps, summarise

__all__ = ["builtin", "do", "load", "on", "run"]

LOCK, MARKER = ".lock", "study.json"  # in a study's folder: held while it runs; which study it is


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
    """Do the runs that are not done yet, sum them up, and write the report; return what is in results.json.

    Parameters
    ----------
    study : the table of runs
    out : folder of the study; must not exist, unless ``resume`` (go on with it) or ``overwrite`` (replace it)
    seeds : do at most so many seeds of each run; a quick look does one by default
    only : do these runs (and those they go on from) and no others
    quick : a few steps on a few rows
    data : what the runs are done on (see ``plan.on``), where it is not the study's own

    Raises
    ------
    RecipeError, RunFolderError : the user's mistakes
    Interrupted : stopped by a signal; ``resume`` goes on
    """
    from filelock import FileLock, Timeout

    from narrows.report import study as report

    progress, interrupt = progress or Progress(), interrupt or Interrupt()
    data = None if data is None else resolved(data)
    study = study if data is None else on(study, data)
    rows = _chosen(study, only)
    out = Path(out)
    if resume and overwrite:
        raise RunFolderError("--resume and --overwrite", "exclude each other", value=str(out))
    _make_folder(out)
    lock = FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunFolderError("--out", "must not be in use by another process", value=str(out)) from error
    try:
        # Only now: what another process is writing must be neither judged nor deleted.
        _open_folder(out, study, data, quick=quick, resume=resume, overwrite=overwrite)
        most = seeds or (1 if quick else None)
        counts = {row.name: min(count, most or count) for row in rows for count in (row.seeds or study.seeds,)}
        total = sum(counts.values())
        done = 0
        # Seed by seed, so that a study that is stopped early has something of every run.
        for seed in range(max(counts.values())):
            for row in rows:
                if seed < counts[row.name]:
                    done += 1
                    progress.say(f"[{done}/{total}] {row.name}, seed {seed}")
                    do(row, seed, out, quick=quick, progress=progress, interrupt=interrupt)
        found = summarise(study, out, quick=quick)
        report.build(out)
    finally:
        lock.release()
    return found


def _chosen(study: Study, only: Sequence[str]) -> list[Row]:
    """Return the runs to do: all of them, or those named and the ones they go on from."""
    if not only:
        return study.run
    known = {row.name: row for row in study.run}
    wanted: set[str] = set()
    for name in only:
        named = [row for row in study.run if row.name == name or row.name.startswith(f"{name}[")]
        if not named:
            raise RecipeError("--only", "must name a run of the study", value=name, remedy=nearest(name, known))
        ahead = list(named)
        while ahead:
            row = ahead.pop()
            wanted.add(row.name)
            ahead += [known[before] for before in row.follows]
    return [row for row in study.run if row.name in wanted]


def _make_folder(out: Path) -> None:
    """Make the folder of a study, unless it is there; nothing is written to one that holds something else."""
    if out.is_dir() and _contents(out) and not (out / MARKER).is_file():
        raise RunFolderError(
            "--out", "must be a new folder or that of a study", value=str(out),
            remedy="Nothing in it was touched. Choose another folder.",
        )  # fmt: skip
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"{error.strerror}."
        raise RunFolderError("--out", "must be a folder that can be written", value=str(out), remedy=remedy) from error


def _open_folder(out: Path, study: Study, data: str | None, *, quick: bool, resume: bool, overwrite: bool) -> None:
    """Begin a study in its folder, go on with it, or clear it, while its lock is held."""
    marker, present = out / MARKER, _contents(out)
    if present and not (resume or overwrite):
        raise RunFolderError(
            "--out", "must not exist yet, so that no run is lost", value=str(out),
            remedy="Go on with it (--resume), replace it (--overwrite), or choose another folder (--out).",
        )  # fmt: skip
    wanted = {"study": study.name, "quick": quick} | ({} if data is None else {"data": data})
    if present and overwrite:
        # The marker goes last, so that a clearing that was broken off can be repeated.
        for path in sorted(present, key=lambda path: path.name == MARKER):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    elif present and (before := read_json(marker)) != wanted:
        raise RunFolderError(
            "--resume", "must find the study it was started with", value=f"{before} before, {wanted} now",
            remedy="Choose another folder (--out), or start again (--overwrite).",
        )  # fmt: skip
    write_json(marker, wanted)


def _contents(out: Path) -> list[Path]:
    return [path for path in out.iterdir() if path.name != LOCK]


def do(row: Row, seed: int, out: Path, *, quick: bool, progress: Progress, interrupt: Interrupt) -> None:
    """Do one run with one seed, unless it is done already with these very arguments."""
    folder = run_folder(out, row.name, seed)
    after = before(out, row, seed)
    asked = {"job": row.job, "arguments": row.arguments, "seed": seed, "quick": quick}
    if after:
        asked["after"] = stamps(out, row, seed)
    path = folder / "outcome.json"
    if path.is_file() and outcome_of(folder)["asked"] == json.loads(json.dumps(asked)):
        return
    same = (folder / "asked.json").is_file() and read_json(folder / "asked.json") == json.loads(json.dumps(asked))
    if folder.exists() and not same:  # what lies there answers another question
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "asked.json", asked)
    work = Work(folder, seed=seed, quick=quick, progress=progress, interrupt=interrupt, after=after)
    spent = folder / "spent.json"  # seconds of former attempts that were stopped
    start = time.perf_counter() - (read_json(spent)["seconds"] if spent.is_file() else 0.0)
    try:
        results: Results = jobs.get(row.job)(work, **row.arguments)
    except Interrupted:
        write_json(spent, {"seconds": time.perf_counter() - start})
        raise
    seconds = time.perf_counter() - start
    write_json(path, {
        "asked": asked, "results": dict(sorted(results.items())), "seconds": seconds, "figures": work.figures,
        "tables": work.tables, "notes": work.notes, "finished": now(), "hardware": _hardware(),
        "version": narrows.__version__,
    })  # fmt: skip


@cache
def _hardware() -> str:
    found = environment.describe()
    gpu = f", {found['gpu']}" if found["gpu"] else ""
    return f"{found['processor']}, {found['threads']} of {found['cores']} cores{gpu}"
