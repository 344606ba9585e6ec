"""The report: a run folder becomes one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from narrows.disk.files import write_text
from narrows.disk.regular import read
from narrows.disk.sealed import Parts
from narrows.errors import RunFolderError
from narrows.evaluation.examples import SHOWN
from narrows.evaluation.signals import rows_behind
from narrows.report.findings import Findings, find
from narrows.report.numbers import METRICS, difference, number, written
from narrows.report.tables import listed_copies
from narrows.report.verdict import CIRCULAR, describe_limit, describe_pile, looked_for, verdict
from narrows.wording import out_of, plural, verb

__all__ = ["build"]


def build(folder: str | Path) -> Path:
    """Write ``report.html`` into a run folder from what else is in it, and return its path.

    The report leaves out whatever the folder lacks (pictures of vectors, scores without labels).

    Raises
    ------
    RunFolderError : no results, or a file that is changed or damaged
    """
    folder = Path(folder)
    parts = Parts.of(folder)
    if "results.json" not in parts:
        raise RunFolderError(
            "run folder", "must have results.json", value=str(folder), remedy="Make one with `narrows run`."
        )
    page = _render(
        results=parts.json("results.json"),
        tables=parts.json("tables.json") if "tables.json" in parts else {},
        environment=parts.json("environment.json") if "environment.json" in parts else {},
        recipe=parts.text("recipe.toml") if "recipe.toml" in parts else "",
        picture=pictures_in(folder / "figures", parts),
    )
    path = folder / "report.html"
    write_text(path, page.lstrip())
    return path


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, and its size in CSS pixels (half its own: figures have two dots to a CSS pixel)."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Line:
    """A line of a table of metrics: what is measured, the values as written, how the first differs from the next."""

    label: str
    meaning: str
    values: list[str]
    difference: str = ""
    outcome: str = "same"


def _render(
    results: dict[str, Any],
    tables: dict[str, Any],
    environment: dict[str, Any],
    recipe: str,
    picture: Callable[[str], Picture | None],
) -> str:
    css = resource("report.css")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page.filters["written"] = written
    found = find(results, tables)
    is_images = found.is_images
    sections = _sections(results, tables, picture)
    return page.from_string(resource("report.html.j2")).render(
        # The policy names this very style sheet, so that no style or script from a hostile name can take effect.
        css=Markup(css),  # noqa: S704 (our own file)
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        name=tables.get("name") or "run",
        pile=describe_pile(results, tables),
        verdict=verdict(results, tables),
        limit=describe_limit(results, tables),
        signals=tables.get("signals"),
        looked_for=looked_for(results),
        headline=_headline(results, found),
        sections=sections,
        present={key for key, _ in sections},
        picture=picture,
        found=found,
        pca="PCA at the same size" if number(results, "probe/pca_size") is None else "as much of PCA as there is",
        rows=found.rows,
        raw="pixels" if is_images else "raw values",
        is_images=is_images,
        trains_decoder=(tables.get("network") or {}).get("trains_decoder", True),
        has_decoder=(tables.get("network") or {}).get("has_decoder", True),
        normal_codes=(tables.get("network") or {}).get("normal_codes", False),
        data=tables.get("data") or {},
        notes=[*((tables.get("data") or {}).get("notes") or []), *(tables.get("notes") or [])],
        tables=tables,
        copies=listed_copies(tables),
        facts=lambda names: _facts(results, names),
        division=_division(results, found),
        measured_on=_measured_on(results, tables, found),
        compare=lambda names, *baselines: _compare(results, found, names, baselines),
        number=lambda name: number(results, name),
        plural=plural,
        verb=verb,
        out_of=out_of,
        times=_times(results),
        total=written(number(results, "time/total_s"), "seconds"),
        environment=_flat(environment),
        recipe=recipe,
        most_parts=SHOWN,
        results=_all(results),
    )


def _sections(
    results: Mapping[str, Any], tables: Mapping[str, Any], picture: Callable[[str], Picture | None]
) -> list[tuple[str, str]]:
    """Return the sections there is something to show in, as (id, title), in order."""

    def known(prefix: str, *pictures: str, table: str = "") -> bool:
        numbers = any(name.startswith(prefix) and number(results, name) is not None for name in results)
        return numbers or bool(tables.get(table)) or any(picture(f"{name}.png") for name in pictures)

    everything = [
        ("pile", "The pile", True),
        ("map", "The map", known("projection/", "map-clusters", "map-labels")),
        ("clusters", "Clusters", known("clustering/", table="clusters")),
        ("contingency", "Clusters and labels", bool(tables.get("contingency")) or picture("contingency.png")),
        ("reconstruction", "Reconstruction", known("reconstruction/", "reconstruction")),
        ("denoising", "Denoising", known("denoising/", "denoising")),
        ("samples", "New samples", picture("samples-normal.png") or picture("samples-fitted.png")),
        ("outliers", "Outliers", bool(tables.get("outliers")) or picture("outliers.png")),
        ("duplicates", "Duplicates", known("duplicates/", "duplicates", table="duplicates")),
        ("probe", "What the codes know", known("probe/")),
        ("network", "The network", any(picture(f"{name}.png") for name in ("architecture", "feature-maps", "filters"))),
        ("training", "Training", known("train/", "curves")),
        ("made", "How it was made", True),
    ]
    return [(key, title) for key, title, there in everything if there]


def _headline(results: Mapping[str, Any], found: Findings) -> list[tuple[str, str, Line]]:
    """Return the figures to show at the top: title, name of the baseline, and the line; those that say something."""
    raw = "k-means on pixels" if found.is_images else "k-means on raw values"
    empty = []
    if found.rebuilt.kept == "nothing to see":
        empty += ["reconstruction/", "denoising/"]
    if found.decoder_rows == "all":
        empty.append("reconstruction/")
    if found.clustered.grouped in ("one", "each"):
        empty.append("clustering/")
    if found.parts_clusters:
        empty.append("clustering/silhouette")
    wanted = [
        ("Rebuilt from codes", "reconstruction/psnr", "reconstruction/pca_psnr", "PCA, same size"),
        ("Variance explained", "reconstruction/explained", "reconstruction/pca_explained", "PCA, same size"),
        ("After denoising", "denoising/psnr", "denoising/corrupted_psnr", "before"),
        ("After denoising", "denoising/explained", "denoising/corrupted_explained", "before"),
        ("Clusters match labels", "clustering/accuracy", "clustering/pixels_accuracy", raw),
        ("Cluster silhouette", "clustering/silhouette", "", ""),  # that of another space says nothing beside it
        ("Linear probe", "probe/linear_accuracy", "probe/pca_linear_accuracy", "on PCA codes"),
        ("Linear probe", "probe/linear_accuracy", "probe/majority_accuracy", "always the commonest label"),
    ]
    shown: dict[str, tuple[str, str, Line]] = {}
    for title, name, baseline, what in wanted:
        if name.startswith(tuple(empty)) or (baseline and number(results, baseline) is None):
            continue
        for line in _compare(results, found, [name], (baseline,) if baseline else ()):
            shown.setdefault(title, (title, what, line))
    return list(shown.values())


def _compare(
    results: Mapping[str, Any], found: Findings, names: list[str], baselines: tuple[str | Mapping[str, str], ...]
) -> list[Line]:
    """Return a line for each known metric: its value, and those of its baselines.

    A baseline is a prefix put before the metric's own name ("pca_"), or the baseline's full name.
    """
    lines = []
    for name in names:
        ours = number(results, name)
        if ours is None:
            continue
        metric = METRICS[name]
        stage, _, short = name.rpartition("/")
        full = [b if isinstance(b, str) and "/" in b else f"{stage}/{b}{short}" for b in baselines]
        others = [number(results, baseline) for baseline in full]
        text, outcome = "", "same"
        if stage == "reconstruction" and found.rebuilt.kept == "nothing to see":
            text = "nothing to compare"
        elif stage == "reconstruction" and found.decoder_rows == "all":
            text = "not comparable"
        elif others and others[0] is not None:
            text, outcome = difference(metric, ours, others[0], rows_behind(results, name))
        values = [written(value, metric.kind) for value in (ours, *others)]
        meaning = metric.meaning
        if short == "silhouette" and found.parts_clusters:
            meaning += f" It shows little here: {CIRCULAR}."
        lines.append(Line(metric.label, meaning, values, text, outcome))
    return lines


def _division(results: Mapping[str, Any], found: Findings) -> list[tuple[str, str]]:
    """Return how many rows were for what, as (what, number)."""
    whom = "decoder and PCA" if found.decoder_rows == "train" else "PCA"
    names = {name: METRICS[name].label for name in ("data/train", "data/valid", "data/test")}
    if found.encoder:
        names |= {
            "data/train": "To learn codes from",
            "data/valid": "Kept apart",
        }
    if found.network_rows == "all":
        names = {
            "data/images": "To learn clusters and codes from",
            "data/train": f"Of them, to train {whom} on",
            "data/valid": "to validate the decoder on" if found.decoder_rows == "train" else "unused by PCA",
            "data/test": f"held out from {whom} to test on",
        }
    known = {line: number(results, line) for line in names}
    return [(names[line], written(count, "count")) for line, count in known.items() if count is not None]


def _measured_on(results: Mapping[str, Any], tables: Mapping[str, Any], found: Findings) -> str:
    """Say on which rows reconstruction was measured, and what had learned from them; "" if no rows were held out."""
    if not (tables.get("data") or {}).get("held_out"):
        return ""
    rebuilt, test = number(results, "reconstruction/rows"), number(results, "data/test")
    if rebuilt and test and rebuilt < test:
        those = f"Measured on {out_of(int(rebuilt), int(test), found.row, found.rows)}"
    else:
        those = f"All of it on {found.rows}"
    if found.network_rows == "train":
        return f"{those} held out from {'what the codes were learned from' if found.encoder else 'training'}."
    if found.decoder_rows == "all":
        return f"{those} that network and decoder learned from, and PCA did not: the two cannot be compared."
    return (
        f"{those} held out from decoder and PCA; the network that makes the codes saw all {found.rows}, without labels."
    )


def _facts(results: Mapping[str, Any], names: list[str]) -> list[Line]:
    """Return a line for each known number."""
    known = [(METRICS[name], number(results, name)) for name in names]
    return [Line(m.label, m.meaning, [written(value, m.kind)]) for m, value in known if value is not None]


def _times(results: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Return (stage, time as written, percent of the longest), longest first."""
    stages = {
        name.removeprefix("time/").removesuffix("_s"): number(results, name) or 0.0
        for name in results
        if name.startswith("time/") and name.endswith("_s") and name != "time/total_s"
    }
    longest = max(stages.values(), default=0.0) or 1.0
    ordered = sorted(stages.items(), key=lambda item: -item[1])
    return [(stage, written(seconds, "seconds"), round(100 * seconds / longest, 1)) for stage, seconds in ordered]


def _all(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    values = {name: number(results, name) for name in sorted(results)}
    return [(name, "\N{EN DASH}" if value is None else f"{value:.6g}") for name, value in values.items()]


def _flat(content: Any, name: str = "") -> list[tuple[str, str]]:
    """Return nested values as (dotted name, text), without those that are null."""
    if isinstance(content, Mapping):
        return [pair for key, value in content.items() for pair in _flat(value, f"{name}.{key}" if name else str(key))]
    if content is None:
        return []
    return [(name, " ".join(map(str, content)) if isinstance(content, list) else str(content))]


def pictures_in(folder: Path, parts: Parts | None = None) -> Callable[[str], Picture | None]:
    """Return a function from the name of a file in ``folder`` to the picture, or None where there is no such PNG.

    Only names the folder itself lists are opened, so a name in a table cannot point anywhere else. Those of a run must
    be as they were drawn: files among its ``parts``.
    """
    listed = {path.name: path for path in folder.glob("*.png") if path.is_file()} if folder.is_dir() else {}

    @cache
    def picture(name: str) -> Picture | None:
        if name not in listed:
            return None
        content = read(listed[name]) if parts is None else parts.read(f"figures/{name}")
        if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 24:
            return None
        width, height = struct.unpack(">II", content[16:24])
        return Picture(
            f"data:image/png;base64,{base64.b64encode(content).decode()}", (width + 1) // 2, (height + 1) // 2
        )

    return picture


def resource(name: str, package: str = "narrows.report") -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
