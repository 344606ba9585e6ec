"""Keeping: the results of a study in the docs: its tables, the pictures on its page, and the page itself.

They are in a folder with the study's name, beside which the page is written; the folder also contains the template of
the page, ``page.md``. A run with unchanged questions keeps its figures, with the version and the machine that made
them, whatever else changes in the study. Runs that two studies share are kept once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from narrows.disk.files import read_json, write_bytes, write_text
from narrows.disk.regular import read
from narrows.disk.sealed import Parts
from narrows.errors import RunFolderError
from narrows.studies.plan import Row, Study, question
from narrows.studies.summing import Entry, content_of, described, entry_of, outcome_of, run_folder, write

TEMPLATE = "page.md"


def keep(study: Study, out: str | Path | None, target: str | Path) -> dict[str, Any]:
    """Update the kept results of a study in ``target`` from the runs in ``out``, and its page; return results.json.

    If a run is both in ``out`` and kept, the one with more seeds is used, or the newer one if the numbers are equal.
    Models and data are not kept, and only pictures that the page shows (all pictures if there is no page): those of a
    run's first seed as RUN-NAME.png, those of other seeds as RUN-NAME-seed-N.png.

    Parameters
    ----------
    out : folder of the study; None to rebuild only the page and the tables from what is kept
    target : folder to keep it in

    Raises
    ------
    RunFolderError : nothing to keep; a quick look, or runs on other data; a folder with something else; or, after
        everything else was kept, a page that shows pictures that are not kept
    """
    from narrows.studies.page import render
    from narrows.studies.report import sweep_pictures

    target = Path(target)
    old = _kept_beside(target)
    if out is not None:
        if not (Path(out) / "study.json").is_file():
            raise RunFolderError("study folder", "must have study.json", value=str(out))
        marker = Parts(Path(out), None).json("study.json")
        if marker.get("quick") or "data" in marker:
            what = "of a quick look" if marker.get("quick") else f"on other data ({marker['data']})"
            raise RunFolderError("--keep", f"must be given the study's own figures; these are {what}", value=str(out))
    entries: list[Entry] = []
    pictures: dict[str, bytes] = {}
    for row in study.run:
        fresh = None if out is None else entry_of(study, Path(out), row, quick=False)
        found = _better(fresh, _same(old, study, row))
        if found is not None:
            entries.append(found | described(study, row))
        if fresh is not None and out is not None:
            pictures |= _pictures(Path(out), row, fresh)
    if not entries:
        raise RunFolderError("--keep", "needs finished runs", value=str(out or target))
    content = content_of(study, entries, quick=False)
    (target / "figures").mkdir(parents=True, exist_ok=True)
    template = target / TEMPLATE
    beside = {path.stem: read_json(path) for path in target.glob("*.json") if path.name != "results.json"}
    page = render(read(template).decode(), content, beside) if template.is_file() else None
    pictures |= sweep_pictures(content)
    write(target, content)
    for name, picture in pictures.items():
        if page is None or f"({target.name}/figures/{name})" in page:
            write_bytes(target / "figures" / name, picture)
    if page is not None:
        write_text(target.with_name(f"{target.name}.md"), page)
        shown = set(re.findall(rf"\({re.escape(target.name)}/figures/([^)\s]+)\)", page))
        for path in (target / "figures").glob("*.png"):
            if path.name not in shown:
                path.unlink()
        missing = sorted(name for name in shown if not (target / "figures" / name).is_file())
        if missing:
            raise RunFolderError(
                "the page",
                "must show pictures that are kept",
                value=missing,
                remedy="Do those runs again and keep them (--out).",
            )
    return content


def _kept_beside(target: Path) -> list[Entry]:
    """Return the kept runs, those of this study first, then those of other studies in the same folder.

    Raises
    ------
    RunFolderError : the folder contains something else, or results kept by an older version
    """
    own = target / "results.json"
    entries = _kept(own) if own.is_file() else []
    if entries is None:
        raise RunFolderError(
            "--keep", "must be a new folder, or one in which this version of narrows kept a study", value=str(target)
        )
    others = sorted(path for path in target.parent.glob("*/results.json") if path.parent != target)
    return [*entries, *(entry for path in others for entry in _kept(path) or [])]


def _kept(path: Path) -> list[Entry] | None:
    """Return the runs in a results.json; None if it is not that of a study, or does not say what its runs ask."""
    runs = Parts(path.parent, None).json(path.name).get("runs")
    is_kept = isinstance(runs, list) and all(isinstance(entry, dict) and "asks" in entry for entry in runs)
    return runs if is_kept else None


def _same(entries: Sequence[Entry], study: Study, row: Row) -> Entry | None:
    """Return the run that asked the same question."""
    asked = question(study, row)
    return next((entry for entry in entries if entry["asks"] == asked), None)


def _better(fresh: Entry | None, kept: Entry | None) -> Entry | None:
    if fresh is None or kept is None:
        return fresh or kept
    return fresh if fresh["seeds"] >= kept["seeds"] else kept


def _pictures(out: Path, row: Row, entry: Entry) -> dict[str, bytes]:
    """Return the pictures of all seeds of a run, by the names under which they are kept.

    Pictures are returned even if older figures with more seeds are kept for the run: with the same question, the same
    seed gives the same pictures.
    """
    found = {}
    for seed in entry["seed_numbers"]:
        folder = run_folder(out, row.name, seed)
        for name in outcome_of(folder)["figures"]:
            path = folder / "figures" / f"{name}.png"
            if path.is_file():
                found[f"{folder.parent.name}-{name}{f'-seed-{seed}' if seed else ''}.png"] = read(path)
    return found
