"""Keeping: a study's tables, the pictures that its page shows, and the page itself, from what was measured and when.

What is kept of a study lies in a folder of its name, with a template of its page, ``page.md``; the page is written
beside the folder. A run that asks what it asked before keeps its figures, whatever else in the study changed, with
the version and the machine that made them; and runs that two studies share are kept once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from narrows.errors import RunFolderError
from narrows.files import read_json, write_bytes, write_text
from narrows.studies.plan import Row, Study, question
from narrows.studies.summing import Entry, content_of, described, entry_of, outcome_of, run_folder, write

TEMPLATE = "page.md"


def keep(study: Study, out: str | Path | None, target: str | Path) -> dict[str, Any]:
    """Renew what is kept of a study in ``target`` from the runs in ``out``, and its page; return what results.json has.

    Of runs that are both in ``out`` and kept, those with more seeds count, and the newer ones if they have as many.
    No models and no data are kept, of pictures only those that the page shows (all, where there is no page): a run's
    of its first seed as RUN-NAME.png, of another as RUN-NAME-seed-N.png.

    Parameters
    ----------
    out : folder of the study; None for the page and the tables alone, from what is kept
    target : folder to keep it in

    Raises
    ------
    RunFolderError : nothing to keep, or a quick look
    """
    from narrows.report.study import sweep_pictures
    from narrows.report.study_page import render

    target = Path(target)
    old = _kept_beside(target)
    if out is not None and not (Path(out) / "results.json").is_file() and not (Path(out) / "study.json").is_file():
        raise RunFolderError("study folder", "must have results.json", value=str(out))
    if out is not None and read_json(Path(out) / "study.json")["quick"]:
        raise RunFolderError("--keep", "must be given figures that mean something; these are of a quick look")
    entries = []
    for row in study.run:
        fresh = None if out is None else entry_of(study, Path(out), row, quick=False)
        found = _better(fresh, _same(old, study, row))
        if found is not None:
            entries.append(found | described(study, row))
    if not entries:
        raise RunFolderError("--keep", "must find runs that are done", value=str(out or target))
    content = content_of(study, entries, quick=False)
    (target / "figures").mkdir(parents=True, exist_ok=True)
    template = target / TEMPLATE
    beside = {path.stem: read_json(path) for path in target.glob("*.json") if path.name != "results.json"}
    page = render(template.read_text(encoding="utf-8"), content, beside) if template.is_file() else None
    pictures = {name: path.read_bytes() for name, path in _pictures(study, out).items()}
    pictures |= sweep_pictures(content)
    write(target, content)
    for name, picture in pictures.items():
        if page is None or f"({target.name}/figures/{name})" in page:
            write_bytes(target / "figures" / name, picture)
    if page is not None:
        write_text(target.with_name(f"{target.name}.md"), page)
        for path in (target / "figures").glob("*.png"):
            if f"({target.name}/figures/{path.name})" not in page:
                path.unlink()
    return content


def _kept_beside(target: Path) -> list[Entry]:
    """Return the runs that are kept, those of this study first, then those of others in the same place."""
    others = sorted(path for path in target.parent.glob("*/results.json") if path.parent != target)
    entries = []
    for path in [target / "results.json", *others]:
        if path.is_file():
            content = read_json(path)
            made = [{"date": content["written"][:10], "version": "0.1.0", "hardware": content["hardware"]}]
            entries += [{"made": made} | entry for entry in content["runs"] if not content["quick"]]
    return entries


def _same(entries: Sequence[Entry], study: Study, row: Row) -> Entry | None:
    """Return the run that asked the same; an older entry does not say what it went on from, and needs the same name."""
    asked = question(study, row)
    plain = {"run": row.name, "job": row.job, "arguments": json.loads(json.dumps(row.arguments))}
    for entry in entries:
        if entry["asks"] == asked if "asks" in entry else plain.items() <= entry.items():
            return entry
    return None


def _better(fresh: Entry | None, kept: Entry | None) -> Entry | None:
    if fresh is None or kept is None:
        return fresh or kept
    return fresh if fresh["seeds"] >= kept["seeds"] else kept


def _pictures(study: Study, out: str | Path | None) -> dict[str, Path]:
    """Return the pictures that the runs in ``out`` left: by their name when kept."""
    found = {}
    for row in study.run if out is not None else ():
        for folder in sorted(run_folder(Path(str(out)), row.name, 0).parent.glob("seed-*")):
            if not (folder / "outcome.json").is_file():
                continue
            ending = "" if folder.name == "seed-0" else f"-{folder.name}"
            for name in outcome_of(folder)["figures"]:
                path = folder / "figures" / f"{name}.png"
                if path.is_file():
                    found[f"{folder.parent.name}-{name}{ending}.png"] = path
    return found
