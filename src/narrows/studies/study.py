"""A study: a table of runs over seeds, beside the figures somebody reported and the bars we set ourselves.

A study file names its runs (a job and its arguments, perhaps a sweep over some of them) and the figures to report:
which number of which run, what was reported for it and where, and the bar. What a run found is kept in its own folder
as soon as it is done, so a study that was stopped goes on where it was::

    OUT/RUN/seed-N/outcome.json   results, captions, tables, notes, seconds
    OUT/RUN/seed-N/figures/*.png  and whatever else the job leaves
    OUT/results.csv  results.json  environment.json  report.html
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
import shutil
import time
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from narrows import environment
from narrows.errors import Interrupted, RecipeError, RunFolderError, nearest
from narrows.files import read_json, write_bytes, write_json, write_text
from narrows.interrupt import Interrupt
from narrows.jobs import Results, Work, jobs
from narrows.progress import Progress
from narrows.registry import arguments_of
from narrows.runs import now

POINTS = 0.03  # how far a share may lie from a reported one before the difference needs an explanation
RELATIVE = 0.10  # and any other number, as a part of the reported one


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Row(_Section):
    """One run of a study.

    Parameters
    ----------
    name : of the run
    job : its name in ``narrows.jobs``
    title : what a reader calls it; the name by default
    arguments : of the job (``with`` in the file)
    sweep : argument -> values; the run is done for each combination, under the name "NAME[argument=value]"
    seeds : how many seeds, where it is another number than the study's
    after : the run that this one goes on from
    plot : the numbers whose course over the sweep is drawn
    at : where in a sweep it stands; filled in
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    job: str
    title: str = ""
    arguments: dict[str, Any] = Field(default={}, alias="with")
    sweep: dict[str, list[Any]] = {}
    seeds: int | None = Field(default=None, ge=1)
    after: str | None = None
    plot: list[str] = []
    at: dict[str, Any] = {}


class Figure(_Section):
    """A number that the study reports.

    Parameters
    ----------
    run, metric : which number of which run; a run with a sweep stands for all its combinations, and in a file a list
        of runs stands for a figure of each
    label : what it is called
    against, against_metric, how : compare it, seed by seed, with a number of another run: their "difference" or "ratio"
    reported, source : what somebody reported, and where
    better : whether "higher" or "lower" is better, or what is "near" the bar
    bar : what it must reach
    tolerance : how far from the reported one (or from the bar that it should be "near") it may lie
    why : the explanation where it lies further from what was reported
    kind : how it is written: a "share" as percent, a "number", or a whole "count"
    """

    run: str
    metric: str
    label: str
    against: str | None = None
    against_metric: str | None = None
    how: Literal["difference", "ratio"] = "difference"
    reported: float | None = None
    source: str = ""
    better: Literal["higher", "lower", "near"] = "higher"
    bar: float | None = None
    tolerance: float | None = None
    why: str = ""
    kind: Literal["share", "number", "count"] = "number"


class Study(_Section):
    """A study as its file says it."""

    name: str
    title: str
    description: str
    minutes: float = Field(gt=0)
    seeds: int = Field(default=5, ge=1)
    run: list[Row]
    figure: list[Figure] = []


# Reading


def builtin() -> list[str]:
    """Return the names of the studies that ship with narrows."""
    folder = resources.files("narrows.studies")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def load(name: str | Path) -> Study:
    """Read a study that ships with narrows (by its name) or a TOML file.

    Raises
    ------
    RecipeError : unknown study, key, job, argument or run
    """
    if str(name).endswith(".toml"):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError("study", "must be a TOML file that can be read", value=str(name)) from error
    else:
        if name not in builtin():
            raise RecipeError("study", "must be known", value=str(name), remedy=nearest(str(name), builtin()))
        text = resources.files("narrows.studies").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    try:
        study = Study.model_validate_json(json.dumps(_one_run_each(tomllib.loads(text))))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError("study", "must be valid TOML", value=str(name), remedy=f"{error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"study {name}: {key}", first["msg"].lower(), value=first["input"]) from None
    return study.model_copy(update={"run": _check(study)})


def _one_run_each(content: dict[str, Any]) -> dict[str, Any]:
    """Return a study's content with a figure of several runs written out as one figure for each."""
    if not isinstance(content.get("figure"), list):
        return content
    figures: list[Any] = []
    for figure in content["figure"]:
        runs = figure.get("run") if isinstance(figure, dict) else None
        figures += [{**figure, "run": run} for run in runs] if isinstance(runs, list) and runs else [figure]
    return content | {"figure": figures}


def _check(study: Study) -> list[Row]:
    """Return the runs with their sweeps spread out; every name and argument is known."""
    spread = [row for written in study.run for row in _spread(written)]
    names = [row.name for row in spread]
    for row in spread:
        if names.count(row.name) > 1:
            raise RecipeError(f"study {study.name}: run", "must have a name of its own", value=row.name)
        if row.after is not None and row.after not in names[: names.index(row.name)]:
            raise RecipeError(
                f"study {study.name}: {row.name}.after", "must name a run that stands before it", value=row.after
            )
        _check_arguments(study.name, row)
    known = {*names, *(row.name for row in study.run)}
    for figure in study.figure:
        for run in (figure.run, figure.against):
            if run is not None and run not in known:
                raise RecipeError(
                    f"study {study.name}: figure.run", "must name a run", value=run, remedy=nearest(run, known)
                )
    return spread


def _spread(row: Row) -> list[Row]:
    if not row.sweep:
        return [row]
    rows = []
    for values in itertools.product(*row.sweep.values()):
        chosen = dict(zip(row.sweep, values, strict=True))
        text = ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in chosen.items())
        arguments = json.loads(json.dumps(row.arguments))  # a copy all the way down
        for key, value in chosen.items():
            _set(arguments, key, value)
        rows.append(
            row.model_copy(
                update={"name": f"{row.name}[{text}]", "title": f"{row.title or row.name}, {text.replace(',', ', ')}",
                        "arguments": arguments, "sweep": {}, "at": chosen},
            )
        )  # fmt: skip
    return rows


def _set(target: dict[str, Any], key: str, value: Any) -> None:
    """Set "train.lr" in nested dictionaries."""
    *sections, last = key.split(".")
    for section in sections:
        target = target.setdefault(section, {})
    target[last] = value


def _check_arguments(study: str, row: Row) -> None:
    accepted = arguments_of(jobs.get(row.job), given_by_us=("work",))
    fields: dict[str, Any] = {
        key: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for key, parameter in accepted.items()
    }
    schema = create_model("Arguments", __config__=ConfigDict(extra="forbid", strict=True), **fields)
    try:
        schema.model_validate_json(json.dumps(row.arguments))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        remedy = nearest(key, accepted) if first["type"] == "extra_forbidden" else None
        raise RecipeError(
            f"study {study}: {row.name}.with.{key}", first["msg"].lower(), value=first["input"], remedy=remedy
        ) from None


# Running


def run(
    study: Study,
    out: str | Path,
    *,
    seeds: int | None = None,
    only: Sequence[str] = (),
    quick: bool = False,
    resume: bool = False,
    overwrite: bool = False,
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

    Raises
    ------
    RecipeError, RunFolderError : the user's mistakes
    Interrupted : stopped by a signal; ``resume`` goes on
    """
    from filelock import FileLock, Timeout

    from narrows.report import study as report

    progress, interrupt = progress or Progress(), interrupt or Interrupt()
    rows = _chosen(study, only)
    out = Path(out)
    _open_folder(out, study, quick=quick, resume=resume, overwrite=overwrite)
    lock = FileLock(out / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunFolderError("--out", "must not be in use by another process", value=str(out)) from error
    try:
        most = seeds or (1 if quick else study.seeds)
        counts = {row.name: min(row.seeds or study.seeds, most) for row in rows}
        total = sum(counts.values())
        done = 0
        # Seed by seed, so that a study that is stopped early has something of every run.
        for seed in range(max(counts.values())):
            for row in rows:
                if seed < counts[row.name]:
                    done += 1
                    progress.say(f"[{done}/{total}] {row.name}, seed {seed}")
                    _do(row, seed, out, quick, progress, interrupt)
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
        for row in named:
            step: Row | None = row
            while step is not None:
                wanted.add(step.name)
                step = known[step.after] if step.after else None
    return [row for row in study.run if row.name in wanted]


def _open_folder(out: Path, study: Study, *, quick: bool, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise RunFolderError("--resume and --overwrite", "exclude each other", value=str(out))
    marker = out / "study.json"
    present = out.exists() and any(path.name != ".lock" for path in out.iterdir())
    if present and not marker.is_file():
        raise RunFolderError(
            "--out", "must be a new folder or that of a study", value=str(out),
            remedy="Nothing in it was touched. Choose another folder.",
        )  # fmt: skip
    if present and not (resume or overwrite):
        raise RunFolderError(
            "--out", "must not exist yet, so that no run is lost", value=str(out),
            remedy="Go on with it (--resume), replace it (--overwrite), or choose another folder (--out).",
        )  # fmt: skip
    wanted = {"study": study.name, "quick": quick}
    if present and overwrite:
        shutil.rmtree(out)
    elif present and (before := read_json(marker)) != wanted:
        raise RunFolderError(
            "--resume", "must find the study it was started with", value=f"{before} before, {wanted} now",
            remedy="Choose another folder (--out), or start again (--overwrite).",
        )  # fmt: skip
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"{error.strerror}."
        raise RunFolderError("--out", "must be a folder that can be written", value=str(out), remedy=remedy) from error
    write_json(marker, wanted)


def _do(row: Row, seed: int, out: Path, quick: bool, progress: Progress, interrupt: Interrupt) -> None:
    """Do one run with one seed, unless it is done already with these very arguments."""
    folder = run_folder(out, row.name, seed)
    after = None if row.after is None else run_folder(out, row.after, seed)
    if after is not None and not (after / "outcome.json").is_file():
        after = run_folder(out, str(row.after), 0)  # it was done with fewer seeds
    asked = {"job": row.job, "arguments": row.arguments, "seed": seed, "quick": quick}
    if after is not None:
        asked["after"] = outcome_of(after)["finished"]
    path = folder / "outcome.json"
    if path.is_file() and read_json(path)["asked"] == json.loads(json.dumps(asked)):
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
    })  # fmt: skip


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Return the folder of a run of a study with a seed; long names of sweeps are cut and told apart by a hash."""
    safe = "".join(c if c.isalnum() or c in "-._=" else "_" for c in name).strip("_")
    if len(safe) > 80:
        safe = f"{safe[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return out / safe / f"seed-{seed}"


def outcome_of(folder: Path) -> dict[str, Any]:
    """Return what a run left in ``folder``."""
    found: dict[str, Any] = read_json(folder / "outcome.json")
    return found


@cache
def _hardware() -> str:
    found = environment.describe()
    gpu = f", {found['gpu']}" if found["gpu"] else ""
    return f"{found['processor']}, {found['threads']} of {found['cores']} cores{gpu}"


# Summing up


def summarise(study: Study, out: Path, *, quick: bool) -> dict[str, Any]:
    """Write results.json and results.csv from the runs that are done, and return the former's content."""
    outcomes = {row.name: found for row in study.run if (found := _outcomes(out, row, quick=quick))}
    figures = [line for figure in study.figure for line in _figure_lines(study, figure, outcomes)]
    runs = [
        {
            "run": row.name, "title": row.title or row.name, "folder": run_folder(out, row.name, 0).parent.name,
            "job": row.job, "arguments": row.arguments, "plot": row.plot, "sweep": row.at,
            "seeds": len(outcomes[row.name]),
            "seconds": _spread_of([outcome["seconds"] for outcome in outcomes[row.name]]),
            "parameters": outcomes[row.name][0]["results"].get("train/parameters"),
            "metrics": _metrics(outcomes[row.name]),
        }
        for row in study.run
        if row.name in outcomes
    ]  # fmt: skip
    hardware = list(dict.fromkeys(outcome["hardware"] for found in outcomes.values() for outcome in found))
    content = {
        "study": study.name, "title": study.title, "description": study.description, "quick": quick,
        "written": now(), "hardware": hardware, "figures": figures, "runs": runs,
    }  # fmt: skip
    write_json(out / "results.json", content)
    write_text(out / "results.csv", _as_csv(figures, runs, quick=quick))
    write_json(out / "environment.json", {"written": now()} | environment.describe())
    return content


def _outcomes(out: Path, row: Row, *, quick: bool) -> list[dict[str, Any]]:
    """Return what the seeds of a run left that are done, in their order; what was asked otherwise is left out."""
    asked = json.loads(json.dumps({"job": row.job, "arguments": row.arguments, "quick": quick}))
    found = [outcome_of(path.parent) for path in run_folder(out, row.name, 0).parent.glob("seed-*/outcome.json")]
    same = [outcome for outcome in found if asked.items() <= outcome["asked"].items()]
    return sorted(same, key=lambda outcome: int(outcome["asked"]["seed"]))


def _metrics(outcomes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    names = sorted({name for outcome in outcomes for name in outcome["results"]})
    return {name: _spread_of([outcome["results"].get(name) for outcome in outcomes]) for name in names}


def _spread_of(values: Sequence[float | None]) -> dict[str, Any]:
    """Return mean, sample standard deviation (none of one value) and number of the values that are known."""
    known = [float(value) for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "n": len(known), "values": known,
    }  # fmt: skip


def _figure_lines(study: Study, figure: Figure, outcomes: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return a line of results for each run that a figure speaks of and that is done."""
    named = [row for row in study.run if row.name == figure.run or row.name.startswith(f"{figure.run}[")]
    lines = []
    for row in named:
        if row.name not in outcomes:
            continue
        values = [outcome["results"].get(figure.metric) for outcome in outcomes[row.name]]
        if figure.against is not None:
            others = {o["asked"]["seed"]: o["results"] for o in outcomes.get(figure.against, [])}
            values = [
                _compare(figure, value, (others.get(outcome["asked"]["seed"]) or others.get(0) or {}))
                for value, outcome in zip(values, outcomes[row.name], strict=True)
            ]
        found = _spread_of(values)
        lines.append(
            {
                "run": row.name, "title": row.title or row.name, "metric": figure.metric, "label": figure.label,
                "against": figure.against, "how": figure.how if figure.against else None, "kind": figure.kind, **found,
                "reported": figure.reported, "source": figure.source, "better": figure.better, "bar": figure.bar,
                "met": _met(figure, found["mean"]), "why": figure.why,
                "unexplained": _is_far(figure, found["mean"]) and not figure.why,
            }
        )  # fmt: skip
    return lines


def _compare(figure: Figure, value: float | None, other: Mapping[str, float | None]) -> float | None:
    base = other.get(figure.against_metric or figure.metric)
    if value is None or base is None or (figure.how == "ratio" and base == 0):
        return None
    return value - base if figure.how == "difference" else value / base


def _met(figure: Figure, mean: float | None) -> bool | None:
    if figure.bar is None:
        return None
    if mean is None:
        return False
    if figure.better == "near":
        return abs(mean - figure.bar) <= (figure.tolerance or 0.0)
    return mean >= figure.bar if figure.better == "higher" else mean <= figure.bar


def _is_far(figure: Figure, mean: float | None) -> bool:
    """Whether a figure lies further from the reported one than a reproduction may without an explanation."""
    if figure.reported is None or mean is None:
        return False
    allowed = figure.tolerance
    if allowed is None:
        allowed = POINTS if figure.kind == "share" else RELATIVE * abs(figure.reported)
    return not math.isclose(mean, figure.reported, rel_tol=0, abs_tol=allowed * (1 + 1e-9))


def _as_csv(figures: list[dict[str, Any]], runs: list[dict[str, Any]], *, quick: bool) -> str:
    """One line per reported figure; then one per run for its time and its number of parameters."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("run", "metric", "label", "mean", "sd", "n", "reported", "source", "bar", "better", "met", "why")
    writer.writerow([*columns, *(["quick"] if quick else [])])
    extra = ["a quick look: no figure means anything"] if quick else []
    for line in figures:
        writer.writerow([*(_plain(line[column]) for column in columns), *extra])
    for entry in runs:
        for metric, label, found in (
            ("seconds", "seconds per seed", entry["seconds"]),
            ("train/parameters", "parameters", {"mean": entry["parameters"], "sd": None, "n": entry["seeds"]}),
        ):
            if found["mean"] is not None:
                values = [entry["run"], metric, label, found["mean"], found["sd"], found["n"]]
                writer.writerow([*(_plain(value) for value in values), *[""] * 6, *extra])
    return text.getvalue()


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else value


# Keeping


def keep(out: str | Path, target: str | Path) -> None:
    """Copy a study's results.csv, results.json and the pictures of its first seeds, and no models or data.

    A page beside the folder, ``target`` with .md, has its table of figures renewed: what stands between the lines
    ``<!-- figures -->`` and ``<!-- end of figures -->``. Then only the pictures that it shows are kept.

    Raises
    ------
    RunFolderError : there is nothing to keep, or it was a quick look
    """
    out, target = Path(out), Path(target)
    if not (out / "results.json").is_file():
        raise RunFolderError("study folder", "must have results.json", value=str(out))
    content = read_json(out / "results.json")
    if content["quick"]:
        raise RunFolderError("--keep", "must be given figures that mean something; these are of a quick look")
    page = target.with_name(f"{target.name}.md")
    shown = page.read_text(encoding="utf-8") if page.is_file() else None
    if shown is not None:
        write_text(page, with_figures(shown, content))
    (target / "figures").mkdir(parents=True, exist_ok=True)
    for name in ("results.csv", "results.json"):
        write_bytes(target / name, (out / name).read_bytes())
    pictures = {path.name: path for path in sorted((out / "figures").glob("sweep-*.png"))}
    for entry in content["runs"]:
        folder = run_folder(out, entry["run"], 0)
        for path in sorted((folder / "figures").glob("*.png")):
            if path.stem in outcome_of(folder)["figures"]:
                pictures[f"{folder.parent.name}-{path.name}"] = path
    for name, path in pictures.items():
        if shown is None or f"({target.name}/figures/{name})" in shown:
            write_bytes(target / "figures" / name, path.read_bytes())


def with_figures(page: str, content: Mapping[str, Any]) -> str:
    """Return a docs page with its table of figures renewed from what is in results.json."""
    from narrows.report.study import as_markdown

    start, end = "<!-- figures -->\n", "<!-- end of figures -->"
    before, found, rest = page.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        return page
    made = f"Measured {content['written'][:10]} on {'; '.join(content['hardware'])}."
    return f"{before}{start}\n{as_markdown(content)}\n{made}\n\n{end}{after}"
