"""The plan of a study: a table of runs over seeds and sweeps, and the figures to report.

A study file lists its runs (a job and its arguments, perhaps a sweep over some of them) and its figures: which number
of which run, a published value with its source, and the bar that we set ourselves.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from narrows.arguments import arguments_of, checked, parsed
from narrows.disk import regular
from narrows.errors import RecipeError, nearest
from narrows.studies.jobs import jobs


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Kind = Literal["share", "number", "count", "flag"]
Attribution = Literal["as reported", "computed from what was reported", "published elsewhere"]


class Plot(_Section):
    """A number to draw over a sweep: its name in the results, its label, and its format."""

    metric: str
    label: str
    kind: Kind = "number"


class Row(_Section):
    """One run of a study.

    Parameters
    ----------
    name : the run's name
    job : the job's name in ``narrows.studies.jobs``
    title : the run's name for readers; the name by default
    arguments : arguments of the job (``with`` in the file)
    sweep : argument -> values; the run is done for each combination, under the name "NAME[argument=value]"
    seeds : number of seeds, if it differs from the study's
    after : the run that this one continues from, or a list of several
    plot : the numbers to draw over the sweep, each with a label
    own_data : whether the run uses data that it draws itself, so that it is left out when the study runs on other data
    at : its values in the sweep; filled in
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    job: str
    title: str = ""
    arguments: dict[str, Any] = Field(default={}, alias="with")
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    seeds: int | None = Field(default=None, ge=1)
    after: str | list[str] = []
    plot: list[Plot] = []
    own_data: bool = False
    at: dict[str, Any] = {}

    @property
    def follows(self) -> list[str]:
        """The runs that this one continues from."""
        return [self.after] if isinstance(self.after, str) else self.after


class Figure(_Section):
    """A number that the study reports.

    Parameters
    ----------
    run, metric : the run, and the name of its number; a run with a sweep stands for all its combinations, and in a file
        a list of runs stands for one figure for each
    label : its name for readers
    against, against_metric, how : compare it, seed by seed, with a number of another run: their "difference" or
        "ratio". A sweep is compared run by run with another sweep over the same values
    statistic : "mean" over the seeds, or their "median" if a few of them are exceptional
    reported : a published figure to compare with; two numbers are the ends of a range
    attribution, source : whether that figure is "as reported" by the original authors, was "computed from what was
        reported", or was "published elsewhere"; and its source
    better : whether "higher" or "lower" values are better, or values "near" the bar
    bar : the value it must reach
    tolerance : how far it may be from the reported value (or from the bar that it should be "near")
    why : the explanation if it is further from the reported value
    kind : its format: a "share" as per cent, a "number", a whole "count", or a "flag", which is 1 or 0 for each seed
        and written as the number of seeds with 1
    """

    run: str
    metric: str
    label: str
    against: str | None = None
    against_metric: str | None = None
    how: Literal["difference", "ratio"] = "difference"
    statistic: Literal["mean", "median"] = "mean"
    reported: float | list[float] | None = None
    attribution: Attribution | None = None
    source: str = ""
    better: Literal["higher", "lower", "near"] = "higher"
    bar: float | None = None
    tolerance: float | None = None
    why: str = ""
    kind: Kind = "number"


class Study(_Section):
    """A study, as described by its file."""

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
    """Read a study: one that ships with narrows (by its name), or a TOML file.

    Raises
    ------
    RecipeError : unknown study, key, job, argument or run
    """
    if str(name).endswith(".toml"):
        try:
            content = regular.read(name, most=regular.MOST_SETTINGS, refused=RecipeError)
        except OSError as error:
            raise RecipeError("study", "must be a TOML file that can be read", value=str(name)) from error
    else:
        if name not in builtin():
            raise RecipeError(
                "study",
                "must be one that ships with narrows, or a .toml file",
                value=str(name),
                remedy=nearest(str(name), builtin()),
            )
        content = resources.files("narrows.studies").joinpath(f"{name}.toml").read_bytes()
    try:
        plain = regular.parse_toml(content)
    except ValueError as error:
        raise RecipeError("study", "must be valid TOML", value=str(name), remedy=f"{error}.") from error
    study = parsed(Study, _one_run_each(plain), f"study {name}: ")
    return study.model_copy(update={"run": _check(study)})


def question(study: Study, row: Row) -> str:
    """Return a hash of a run's question: its job and arguments, and the questions of the runs it continues from.

    Two runs with the same question have the same results, whatever their names and studies.
    """
    rows = {other.name: other for other in study.run}
    asked = [row.job, row.arguments, [question(study, rows[name]) for name in row.follows]]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def resolved(source: str) -> str:
    """Return a path made absolute, so that it is valid from any folder; anything else is returned unchanged."""
    return str(Path(source).resolve()) if Path(source).exists() else source


def on(study: Study, source: str) -> Study:
    """Return a study with ``source`` for the data of each of its runs.

    Runs on data that they draw themselves are left out, and so are reported figures and bars, which apply to other
    data.

    Parameters
    ----------
    source : anything that ``narrows.open`` takes; a path is made absolute, so that the study can be resumed elsewhere

    Raises
    ------
    RecipeError : a run that neither takes data nor continues from one that does
    """
    given = resolved(source)
    rows: list[Row] = []
    for row in study.run:
        if row.own_data or any(before not in [kept.name for kept in rows] for before in row.follows):
            continue
        if "source" in arguments_of(jobs.get(row.job), given_by_us=("work",)):
            row = row.model_copy(update={"arguments": row.arguments | {"source": given}})  # noqa: PLW2901
        elif not row.follows:
            raise RecipeError(
                "--data", "must be usable in every run", value=source, remedy=f"{row.name} takes no data."
            )
        rows.append(row)
    names = {row.name for row in rows} | {row.name.partition("[")[0] for row in rows}
    bare = {"reported": None, "attribution": None, "source": "", "bar": None, "why": ""}
    figures = [
        figure.model_copy(update=bare)
        for figure in study.figure
        if figure.run in names and (figure.against is None or figure.against in names)
    ]
    told = f"Done on {given}, and not on the study's own data, which is what the following is about.\n\n"
    return study.model_copy(update={"run": rows, "figure": figures, "description": told + study.description.strip()})


def _one_run_each(content: dict[str, Any]) -> dict[str, Any]:
    """Return a study's content with each figure of several runs replaced by one figure for each run."""
    if not isinstance(content.get("figure"), list):
        return content
    figures: list[Any] = []
    for figure in content["figure"]:
        runs = figure.get("run") if isinstance(figure, dict) else None
        figures += [{**figure, "run": run} for run in runs] if isinstance(runs, list) and runs else [figure]
    return content | {"figure": figures}


def _check(study: Study) -> list[Row]:
    """Return the runs with their sweeps expanded, after checking every name and argument."""
    spread = [row for written in study.run for row in _spread(written)]
    names = [row.name for row in spread]
    folders = [name.casefold() for name in names]  # names that differ only in case are the same on some file systems
    for row in spread:
        if folders.count(row.name.casefold()) > 1:
            raise RecipeError(f"study {study.name}: run", "must have a unique name", value=row.name)
        for before in row.follows:
            if before not in names[: names.index(row.name)]:
                raise RecipeError(f"study {study.name}: {row.name}.after", "must name an earlier run", value=before)
        checked(jobs.get(row.job), row.arguments, f"study {study.name}: {row.name}.with.", given_by_us=("work",))
    for figure in study.figure:
        _check_source(study.name, figure)
        _check_runs(study.name, figure, spread)
    return spread


def named(runs: Sequence[Row], name: str) -> list[Row]:
    """Return the runs that a name stands for: one run, or all runs of a sweep."""
    return [row for row in runs if row.name == name or row.name.startswith(f"{name}[")]


def opponent(runs: Sequence[Row], figure: Figure, row: Row) -> Row | None:
    """Return the run that a figure compares ``row`` with: the one it names, or that of a sweep at the same values."""
    found = [] if figure.against is None else named(runs, figure.against)
    return next((other for other in found if other.name == figure.against or other.at == row.at), None)


def _check_runs(study: str, figure: Figure, runs: Sequence[Row]) -> None:
    """Check that the runs of a figure exist, and that each has a run to be compared with if required."""
    for key, name in (("run", figure.run), ("against", figure.against)):
        if name is not None and not named(runs, name):
            every = {one for row in runs for one in (row.name, row.name.partition("[")[0])}
            remedy = nearest(name, every)
            raise RecipeError(f"study {study}: figure.{key}", "must name a run", value=name, remedy=remedy)
    where = f"study {study}: figure of {figure.run}"
    if figure.against is None:
        for idle in ("against_metric", "how"):
            if idle in figure.model_fields_set:
                raise RecipeError(
                    f"{where}.{idle}",
                    "needs a run to compare with",
                    value=getattr(figure, idle),
                    remedy="Name the run (against), or leave this out.",
                )
        return
    alone = [row.name for row in named(runs, figure.run) if opponent(runs, figure, row) is None]
    if alone:
        raise RecipeError(
            f"{where}.against",
            "must name one run, or a sweep over the same values",
            value=figure.against,
            remedy=f"It has no run to compare with {alone[0]}; choose one of: "
            f"{', '.join(row.name for row in named(runs, figure.against))}.",
        )


def _check_source(study: str, figure: Figure) -> None:
    """Check that a reported figure has an attribution and a source."""
    where = f"study {study}: figure of {figure.run}"
    if isinstance(figure.reported, list) and not (
        len(figure.reported) == 2 and figure.reported[0] < figure.reported[1]
    ):
        raise RecipeError(f"{where}.reported", "must be a number, or the two ends of a range", value=figure.reported)
    if figure.reported is not None and not (figure.attribution and figure.source):
        raise RecipeError(
            f"{where}.attribution",
            "must accompany a reported figure, with its source",
            value=figure.attribution,
            remedy=f"One of: {', '.join(get_args(Attribution))}.",
        )


def _spread(row: Row) -> list[Row]:
    if not row.sweep:
        return [row]
    rows = []
    for values in itertools.product(*row.sweep.values()):
        chosen = dict(zip(row.sweep, values, strict=True))
        text = ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in chosen.items())
        arguments = json.loads(json.dumps(row.arguments))  # a deep copy
        for key, value in chosen.items():
            _set(arguments, key, value)
        rows.append(
            row.model_copy(
                update={
                    "name": f"{row.name}[{text}]",
                    "title": f"{row.title or row.name}, {text.replace(',', ', ')}",
                    "arguments": arguments,
                    "sweep": {},
                    "at": chosen,
                }
            )
        )
    return rows


def _set(target: dict[str, Any], key: str, value: Any) -> None:
    """Set "train.lr" in nested dictionaries."""
    *sections, last = key.split(".")
    for section in sections:
        target = target.setdefault(section, {})
    target[last] = value
