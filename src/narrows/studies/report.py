"""The report of a study: its folder becomes one offline HTML file, and tables for a terminal and for a docs page."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jinja2 import Environment
from markupsafe import Markup

from narrows.disk.files import write_text
from narrows.disk.sealed import Parts
from narrows.errors import RunFolderError
from narrows.figures import as_bytes, save
from narrows.report import Picture, pictures_in, resource
from narrows.studies.uncertainty import compared, measured, ranged
from narrows.wording import out_of, verb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ATTRIBUTIONS = {
    "as reported": "reported",
    "computed from what was reported": "computed",
    "published elsewhere": "published",
}
SETTINGS = {"lr": "learning rate", "train.epochs": "epochs", "name": "method"}  # names of swept arguments for readers
SHARED = 6  # a figure that this many runs have, with nothing to compare it with, is a column of a grid
QUICK = "A quick look: a few steps on a few rows, to see that everything works. No figure here means anything."


def build(folder: str | Path) -> Path:
    """Write ``report.html`` into a study's folder from the folder's other content, and return its path.

    Raises
    ------
    RunFolderError : no results.json
    """
    folder = Path(folder)
    if not (folder / "results.json").is_file():
        raise RunFolderError("study folder", "must have results.json", value=str(folder))
    content = Parts(folder, None).json("results.json")
    css = resource("report.css")
    figures, grid = _parted(content["figures"])
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = page.from_string(resource("study.html.j2", "narrows.studies")).render(
        css=Markup(css),  # noqa: S704 (our own file)
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        study=content,
        quick=QUICK if content["quick"] else "",
        lines=[_line(figure, quick=content["quick"]) for figure in figures],
        grid=grid,
        sweeps=_sweeps(folder, content),
        runs=[_run(folder, entry) for entry in content["runs"]],
        costs=[(e["title"], e["seeds"], _seconds(e["seconds"]), _count(e["parameters"])) for e in content["runs"]],
        summary=summary(content),
    )
    path = folder / "report.html"
    write_text(path, text.lstrip())
    return path


def summary(content: Mapping[str, Any]) -> str:
    """Return a sentence that says how many bars are met and how many reported figures were reproduced."""
    bars = [figure for figure in content["figures"] if figure["bar"] is not None]
    reported = [figure for figure in content["figures"] if figure["reported"] is not None]
    parts = []
    if bars:
        met = sum(bool(figure["met"]) for figure in bars)
        ties = sum(figure["verdict"] == "a tie" for figure in bars)
        met_of = f"{out_of(met, len(bars), 'bar')} {verb(met, 'is', 'are')} met"
        parts.append(met_of + (f", {ties} {verb(ties, 'ends', 'end')} in a tie" if ties else ""))
    if reported:
        near = sum(
            figure["mean"] is not None and not figure["unexplained"] and not figure["why"] for figure in reported
        )
        near_of = f"{out_of(near, len(reported), 'reported figure')} {verb(near, 'was', 'were')} reproduced"
        parts.append(f"{near_of} without needing an explanation")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if parts else ""


def as_text(content: Mapping[str, Any]) -> str:
    """Return the figures as a table for a terminal."""
    head = ["run", "figure", "ours", "n", "compared with", "bar", ""]
    rows = [
        [line["title"], line["label"], line["ours"], line["n"], line["reported"], line["bar"], line["verdict"]]
        for line in (_line(figure, quick=content["quick"]) for figure in content["figures"])
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    if content["quick"]:
        return "\n".join([QUICK, *(line.rstrip() for line in lines)])
    return "\n".join([*(line.rstrip() for line in lines), *filter(None, [summary(content)])])


def as_markdown(content: Mapping[str, Any]) -> str:
    """Return the figures as Markdown tables: figures with something to compare with, then a line for each run."""
    figures, grid = _parted(content["figures"])
    tables = []
    if figures:
        lines = (_line(figure, quick=content["quick"]) for figure in figures)
        cells = ("title", "label", "ours", "n", "reported", "bar", "verdict")
        tables.append(
            _markdown(
                ["run", "figure", "ours", "n", "compared with", "bar", ""],
                ([line[cell] for cell in cells] for line in lines),
            )
        )
    if grid.rows:
        tables.append(_markdown(["run", "n", *grid.columns], grid.rows))
    return "\n".join(tables)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |".replace("|  |", "| |"), "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


class Grid(NamedTuple):
    """Figures that many runs share: each row is a run, its number of seeds, and a cell for each column."""

    columns: list[str]
    rows: list[list[str]]


def _parted(figures: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], Grid]:
    """Return the figures that need a separate line, and a grid of the others.

    A figure goes into the grid if nothing was reported and no bar was set, at least ``SHARED`` runs have it, and its
    run has at least half of the grid's columns. Other numbers of such a run with the same names are shown in its row
    too.
    """
    free = [figure for figure in figures if figure["reported"] is None and figure["bar"] is None]
    columns = [label for label, runs in Counter(figure["label"] for figure in free).items() if runs >= SHARED]
    shared = [figure for figure in free if figure["label"] in columns]
    runs = [run for run, labels in Counter(figure["run"] for figure in shared).items() if 2 * labels >= len(columns)]
    if len(columns) < 2 or len(runs) < SHARED:
        return list(figures), Grid([], [])
    in_grid = {(figure["run"], figure["label"]) for figure in shared if figure["run"] in runs}
    alone = [figure for figure in figures if (figure["run"], figure["label"]) not in in_grid]
    rows = []
    for run in runs:
        found = {figure["label"]: figure for figure in figures if figure["run"] == run}
        n = max(found[label]["n"] for label in columns if label in found)
        rows.append([next(iter(found.values()))["title"], str(n), *(_in_row(found.get(label), n) for label in columns)])
    return alone, Grid(columns, rows)


def _in_row(figure: Mapping[str, Any] | None, n: int) -> str:
    if figure is None:
        return ""
    return _ours(figure) + ("" if figure["n"] == n else f" (n = {figure['n']})")


def _line(figure: Mapping[str, Any], *, quick: bool) -> dict[str, str]:
    """Return a figure's line of the table, every cell as text; a quick look is not judged."""
    sign = {"higher": "≥ ", "lower": "≤ ", "near": "≈ "}[figure["better"]]
    verdict, outcome = "", "same"
    if quick:
        verdict = "quick look"
    elif figure["bar"] is not None:
        verdict, outcome = figure["verdict"], "better" if figure["met"] else "worse"
        outcome = "same" if verdict == "a tie" else outcome
    elif figure["unexplained"]:
        verdict, outcome = "differs, unexplained", "worse"
    elif figure["reported"] is not None and figure["why"]:
        verdict = "explained"
    mark = ATTRIBUTIONS.get(figure["attribution"] or "", "")
    return {
        "title": figure["title"],
        "label": figure["label"],
        "n": str(figure["n"]),
        "ours": _ours(figure),
        "reported": _compared(figure, mark),
        "bar": _bar(figure, sign),
        "attribution": figure["attribution"] or "",
        "source": figure["source"],
        "why": figure["why"],
        "verdict": verdict,
        "outcome": outcome,
    }


def _compared(figure: Mapping[str, Any], mark: str) -> str:
    if figure["reported"] is None:
        return ""
    return f"{_unit(figure, compared(figure['reported'], figure['kind']))} ({mark})"


def _unit(figure: Mapping[str, Any], text: str) -> str:
    """Return a share as text; the difference of two shares is in percentage points."""
    is_difference = figure["kind"] == "share" and figure["against"] is not None and figure["how"] == "difference"
    return text.replace(" %", " points") if is_difference else text


def _bar(figure: Mapping[str, Any], sign: str) -> str:
    if figure["bar"] is None:
        return ""
    if figure["against"] is not None and figure["bar"] == 0 and figure["better"] != "near":
        return "> 0" if figure["better"] == "higher" else "< 0"
    return f"{sign}{_unit(figure, compared(figure['bar'], figure['kind']))}"


def _ours(figure: Mapping[str, Any]) -> str:
    if figure["statistic"] == "median":
        known = [value for value in figure["values"] if value is not None]
        text = f"median {ranged(figure['median'], min(known), max(known), figure['kind'])}" if known else "–"
        return _unit(figure, text)
    if figure["kind"] == "flag":
        return f"{sum(value or 0 for value in figure['values']):.0f} of {len(figure['values'])}"
    return _unit(figure, measured(figure["mean"], figure["sd"], figure["kind"]))


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _seconds(found: Mapping[str, Any]) -> str:
    seconds = found["mean"]
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _run(folder: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the report shows of a run: pictures, tables and notes of its first seed, and all its numbers."""
    places = sorted((folder / entry["folder"]).glob("seed-*/outcome.json"), key=_seed_of)
    outcome = Parts(places[0].parent, None).json(places[0].name)
    picture = pictures_in(places[0].parent / "figures")
    numbers = [(name, measured(found["mean"], found["sd"])) for name, found in entry["metrics"].items()]
    return {
        "title": entry["title"],
        "id": entry["folder"],
        "job": entry["job"],
        "seeds": entry["seeds"],
        "arguments": json.dumps(entry["arguments"], ensure_ascii=False, indent=1),
        "numbers": numbers,
        "notes": outcome["notes"],
        "tables": [_table(title, rows) for title, rows in outcome["tables"].items()],
        "pictures": [
            (image, caption) for name, caption in outcome["figures"].items() if (image := picture(f"{name}.png"))
        ],
    }


def _seed_of(path: Path) -> int:
    return int(path.parent.name.removeprefix("seed-"))


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    return {"title": title, "columns": columns, "rows": cells}


def _cell(value: Any) -> tuple[str, bool]:
    """Return a cell's text, and whether it is a number."""
    if isinstance(value, bool):
        return ("yes" if value else "no"), False
    if isinstance(value, int):
        return f"{value:,}", True
    if isinstance(value, float):
        return f"{value:.5g}", True
    return ("" if value is None else str(value)), False


def _sweeps(folder: Path, content: Mapping[str, Any]) -> list[tuple[str, Picture]]:
    """Write the requested pictures of each sweep into ``folder``/figures; return (title, picture)."""
    drawn = []
    for name, figure, title in _sweep_figures(content):
        (folder / "figures").mkdir(exist_ok=True)
        save(figure, folder / "figures" / name)
        picture = pictures_in(folder / "figures")(name)
        if picture is not None:
            drawn.append((title, picture))
    return drawn


def sweep_pictures(content: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the pictures of a study's sweeps as PNG files, by name."""
    return {name: as_bytes(figure) for name, figure, _ in _sweep_figures(content)}


def _sweep_figures(content: Mapping[str, Any]) -> Iterator[tuple[str, Figure, str]]:
    """Yield (file name, figure, title) for each number that is drawn over a sweep of one or two settings."""
    from narrows.figures.sweeps import sweep, sweep_grid

    groups: dict[str, list[Mapping[str, Any]]] = {}
    for entry in content["runs"]:
        if entry["sweep"] and entry["plot"]:
            groups.setdefault(entry["run"].partition("[")[0], []).append(entry)
    for name, entries in groups.items():
        keys = list(entries[0]["sweep"])
        names = [SETTINGS.get(key, key.rpartition(".")[2].replace("_", " ")) for key in keys]
        for plot in entries[0]["plot"]:
            metric, percent = plot["metric"], plot["kind"] == "share"
            found = [entry["metrics"].get(metric) or {"mean": None, "sd": None} for entry in entries]
            known = [(e, f) for e, f in zip(entries, found, strict=True) if f["mean"] is not None]
            if not known or len(keys) > 2:
                continue
            if len(keys) == 1:
                figure = sweep(
                    [e["sweep"][keys[0]] for e, _ in known],
                    [f["mean"] for _, f in known],
                    [f["sd"] for _, f in known],
                    setting=names[0],
                    metric=plot["label"],
                    percent=percent,
                )
            else:
                rows, columns = (_in_order(e["sweep"][key] for e in entries) for key in keys)
                means = np.full((len(rows), len(columns)), np.nan)
                for e, f in known:
                    means[rows.index(e["sweep"][keys[0]]), columns.index(e["sweep"][keys[1]])] = f["mean"]
                figure = sweep_grid(
                    rows,
                    columns,
                    means,
                    row_setting=names[0],
                    column_setting=names[1],
                    metric=plot["label"],
                    percent=percent,
                )
            yield f"sweep-{name}-{metric.replace('/', '-')}.png", figure, f"{plot['label']} over {' and '.join(names)}"


def _in_order(values: Iterable[Any]) -> list[Any]:
    return sorted(dict.fromkeys(values))
