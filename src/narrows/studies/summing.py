"""Summaries: the results of each run over its seeds, and the figures that a study reports."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from narrows.disk.claims import now
from narrows.disk.files import unreserved, write_csv, write_json
from narrows.disk.sealed import Parts
from narrows.errors import RunFolderError
from narrows.studies.plan import Figure, Row, Study, named, opponent, question
from narrows.work import environment
from narrows.work.progress import Progress
from narrows.work.stages import Record, Stages

POINTS = 0.03  # how far a share may be from a reported one before the difference needs an explanation
TINY = 1e-13  # the spread of a number that varies only by rounding
RELATIVE = 0.10  # the same for other numbers, relative to the reported one
DO_AGAIN = "Delete this folder: the run is done again with --resume."

Entry = dict[str, Any]  # the content of results.json for a run: its arguments, and each number over its seeds


def summarise(study: Study, out: Path, *, quick: bool) -> dict[str, Any]:
    """Write results.json and results.csv from the finished runs, and return the content of results.json."""
    entries = [entry for row in study.run if (entry := entry_of(study, out, row, quick=quick))]
    content = content_of(study, entries, quick=quick)
    write(out, content)
    write_json(out / "environment.json", {"written": now()} | environment.describe())
    return content


def content_of(study: Study, entries: Sequence[Entry], *, quick: bool) -> dict[str, Any]:
    """Return the content of results.json for the finished runs."""
    figures = [line for figure in study.figure for line in _figure_lines(study, figure, entries)]
    hardware = list(dict.fromkeys(name for entry in entries for made in entry["made"] for name in made["hardware"]))
    return {
        "study": study.name,
        "title": study.title,
        "description": study.description,
        "quick": quick,
        "written": now(),
        "hardware": hardware,
        "figures": figures,
        "runs": list(entries),
    }


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Write results.json and results.csv."""
    write_json(folder / "results.json", content)
    write_csv(folder / "results.csv", _table(content["figures"], content["runs"], quick=content["quick"]))


def entry_of(study: Study, out: Path, row: Row, *, quick: bool) -> Entry | None:
    """Return the results of a run over its finished seeds; None if there are none."""
    records = _done_of(study, out, row, quick=quick)
    if not records:
        return None
    outcomes = [record.found for record in records.values()]
    names = sorted({name for outcome in outcomes for name in outcome["results"]})
    made: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        hardware = made.setdefault((outcome["finished"][:10], outcome.get("version", "0.1.0")), [])
        hardware += [name for name in [outcome["hardware"]] if name not in hardware]
    return described(study, row) | {
        "folder": run_folder(out, row.name, 0).parent.name,
        "seeds": len(outcomes),
        "seed_numbers": list(records),
        "seconds": _spread_of([record.seconds for record in records.values()]),
        "parameters": outcomes[0]["results"].get("train/parameters"),
        "metrics": {name: _spread_of([outcome["results"].get(name) for outcome in outcomes]) for name in names},
        "made": [{"date": day, "version": version, "hardware": on} for (day, version), on in made.items()],
    }


def described(study: Study, row: Row) -> Entry:
    """Return the description of a run in the study's file."""
    return {
        "run": row.name,
        "title": row.title or row.name,
        "job": row.job,
        "arguments": row.arguments,
        "after": row.follows,
        "asks": question(study, row),
        "plot": [plot.model_dump() for plot in row.plot],
        "sweep": row.at,
    }


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Return the folder of a run with a seed; long names of sweeps are shortened, with a hash to make them unique."""
    safe = "".join(c if c.isalnum() or c in "-._=" else "_" for c in name).strip("_")
    if len(safe) > 80:
        safe = f"{safe[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return out / unreserved(safe) / f"seed-{seed}"


def step_name(run: str, seed: int) -> str:
    """Return the name of the step that does a run with a seed: its folder, relative to that of the study."""
    return run_folder(Path(), run, seed).as_posix()


def steps_of(out: Path, progress: Progress | None = None) -> Stages:
    """Return the steps of a study: one for each run and seed, with its outcome as the record."""
    return Stages(out, progress, records="{}/outcome.json")


def asked_of(row: Row, seed: int, *, quick: bool) -> dict[str, Any]:
    """Return the settings of a run that its record must match."""
    return {"job": row.job, "arguments": row.arguments, "seed": seed, "quick": quick}


def outcome_of(folder: Path) -> dict[str, Any]:
    """Return the outcome that a run saved in ``folder``."""
    return Parts(folder, None, remedy=DO_AGAIN).json("outcome.json")


def _done_of(study: Study, out: Path, row: Row, *, quick: bool) -> dict[int, Record]:
    """Return the outcomes of the finished seeds of a run, in order, without those from other settings.

    Raises
    ------
    RunFolderError : one of them is damaged
    """
    steps, rows, found = steps_of(out), {other.name: other for other in study.run}, {}
    for path in run_folder(out, row.name, 0).parent.glob("seed-*/outcome.json"):
        number = path.parent.name.removeprefix("seed-")
        if steps.record(path.parent.relative_to(out).as_posix()) is None:
            raise RunFolderError(str(path), "must be complete and unchanged", remedy=DO_AGAIN)
        if number.isdigit() and (record := _answering(steps, rows, row, int(number), quick=quick)) is not None:
            found[int(number)] = record
    return dict(sorted(found.items()))


def _answering(steps: Stages, rows: Mapping[str, Row], row: Row, seed: int, *, quick: bool) -> Record | None:
    """Return the outcome of a run if it and all runs it continues from were made with the current settings."""
    ahead = before(steps, row, seed)
    for name, step in zip(row.follows, ahead, strict=True):
        other = seed if step == step_name(name, seed) else 0
        if _answering(steps, rows, rows[name], other, quick=quick) is None:
            return None
    return steps.current(step_name(row.name, seed), ahead, asked_of(row, seed, quick=quick))


def before(steps: Stages, row: Row, seed: int) -> list[str]:
    """Return the steps that a run continues from: of its own seed or, if that was not done, of the first."""
    return [own if steps.digest(own := step_name(name, seed)) else step_name(name, 0) for name in row.follows]


def _spread_of(values: Sequence[float | None]) -> dict[str, Any]:
    """Return mean, median, sample standard deviation (None for a single value) and number of the known values.

    The values are in the order of the seeds; unknown ones are None.
    """
    known = [float(value) for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "median": float(np.median(known)) if known else None,
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "n": len(known),
        "values": [None if value is None else float(value) for value in values],
    }


def _figure_lines(study: Study, figure: Figure, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return a line of results for each finished run of a figure, with the values it is compared with."""
    known = {entry["run"]: entry for entry in entries}
    lines = []
    for row in named(study.run, figure.run):
        if row.name not in known:
            continue
        values = _by_seed(known[row.name], figure.metric)
        other = opponent(study.run, figure, row)
        if figure.against is not None:
            if other is None or other.name not in known:
                continue
            others = _by_seed(known[other.name], figure.against_metric or figure.metric)
            if (other.seeds or study.seeds) == 1 and 0 in others:  # its only seed stands for all
                others = dict.fromkeys(values, others[0])
            both = [seed for seed in values if seed in others]
            if not both:
                continue
            values = {seed: _compare(figure, values[seed], others[seed]) for seed in both if others[seed] is not None}
        found = _spread_of(list(values.values()))
        ours = found[figure.statistic]
        lines.append(
            {
                "run": row.name,
                "title": row.title or row.name,
                "metric": figure.metric,
                "label": figure.label,
                "against": other.name if other else None,
                "how": figure.how if other else None,
                "kind": figure.kind,
                "statistic": figure.statistic,
                **found,
                "reported": figure.reported,
                "attribution": figure.attribution,
                "source": figure.source,
                "better": figure.better,
                "bar": figure.bar,
                "met": _met(figure, ours),
                "verdict": _verdict(figure, found),
                "why": figure.why,
                "unexplained": _is_far(figure, ours) and not figure.why,
            }
        )
    return lines


def _by_seed(entry: Entry, metric: str) -> dict[int, float | None]:
    """Return the number of each seed; None if it has none.

    If the seeds of the numbers are unknown, they are listed under numbers that no seed has.
    """
    values = entry["metrics"].get(metric, {"values": []})["values"]
    if len(values) != len(entry["seed_numbers"]):
        return dict.fromkeys(entry["seed_numbers"]) if not values else {-1 - i: v for i, v in enumerate(values)}
    return dict(zip(entry["seed_numbers"], values, strict=True))


def _compare(figure: Figure, value: float | None, base: float | None) -> float | None:
    if value is None or base is None or (figure.how == "ratio" and base == 0):
        return None
    return value - base if figure.how == "difference" else value / base


def _reaches(figure: Figure, value: float | None) -> bool:
    if value is None or figure.bar is None:
        return False
    if is_contest(figure):
        return value > 0 if figure.better == "higher" else value < 0
    if figure.better == "near":
        return abs(value - figure.bar) <= (figure.tolerance or 0.0)
    return value >= figure.bar if figure.better == "higher" else value <= figure.bar


def _met(figure: Figure, ours: float | None) -> bool | None:
    return None if figure.bar is None else _reaches(figure, ours)


def is_contest(figure: Figure) -> bool:
    """Return whether a figure asks which of two is better, so that equality is a tie and not enough."""
    return figure.against is not None and figure.bar == 0 and figure.better != "near"


def _verdict(figure: Figure, found: Mapping[str, Any]) -> str:
    """Return how a bar was met: by each seed, only on the mean, or not; a difference of 0 for every seed is a tie."""
    if figure.bar is None:
        return ""
    values = found["values"]
    if is_contest(figure) and values and all(value == 0 for value in values):
        return "a tie"
    if not _reaches(figure, found[figure.statistic]):
        return "not met"
    count = sum(_reaches(figure, value) for value in values)
    if count == len(values):
        return "met" if count == 1 else "met by each seed"
    return f"met on the {figure.statistic}, by {count} of {len(values)} seeds"


def _is_far(figure: Figure, ours: float | None) -> bool:
    """Return whether a figure is further from the reported one than a reproduction may be without an explanation."""
    if figure.reported is None or ours is None:
        return False
    ends = figure.reported if isinstance(figure.reported, list) else [figure.reported]
    if ends[0] <= ours <= ends[-1]:
        return False
    near = min(ends, key=lambda end: abs(ours - end))
    allowed = figure.tolerance
    if allowed is None:
        allowed = POINTS if figure.kind == "share" else RELATIVE * abs(near)
    return not math.isclose(ours, near, rel_tol=0, abs_tol=allowed * (1 + 1e-9))


def _table(figures: Sequence[Mapping[str, Any]], runs: Sequence[Entry], *, quick: bool) -> Iterator[list[Any]]:
    """Yield a header, a line for each figure, then lines for each run's time and number of parameters."""
    columns = (
        "run",
        "metric",
        "label",
        "mean",
        "sd",
        "n",
        "median",
        "statistic",
        "reported",
        "attribution",
        "source",
        "bar",
        "better",
        "met",
        "verdict",
        "why",
    )
    yield [*columns, *(["quick"] if quick else [])]
    extra = ["a quick look: no figure means anything"] if quick else []
    for line in figures:
        yield [*(_plain(line[column]) for column in columns), *extra]
    for entry in runs:
        for metric, label, found in (
            ("seconds", "seconds per seed", entry["seconds"]),
            ("train/parameters", "parameters", {"mean": entry["parameters"], "sd": None, "n": entry["seeds"]}),
        ):
            if found["mean"] is not None:
                values = [entry["run"], metric, label, found["mean"], found["sd"], found["n"]]
                yield [*(_plain(value) for value in values), *[""] * (len(columns) - 6), *extra]


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " to ".join(f"{end:.6g}" for end in value)
    if isinstance(value, float):
        return f"{0.0 if abs(value) < TINY else value:.6g}"
    return value
