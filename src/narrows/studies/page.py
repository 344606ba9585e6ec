"""The page of a study in the docs: a template that is filled in with measured figures.

A template is Markdown with Jinja expressions between double braces. No measured figure is typed by hand:

    {{ ours("literal", "test/accuracy", "share") }}        mean ± sd over the seeds, or the one value
    {{ mean("a", "seconds") | number }}                    a number to compute with: mean, sd, least, most, median, n
    {{ (mean("a", "m") - mean("b", "m")) | points }}       ... and what it is written with: share, points, dB, number
    {{ elsewhere("literal", "test/accuracy") }}            what somebody else found, as the study's file has it
    {{ spread(beside["held-out"].sets.usps.agreement) }}   mean ± sd of a file kept beside the study's own
    {{ quoted("84.2 %") }}                                 a figure of a source that the text names, or a rule
    {{ figures }}  {{ choices }}                           the table of figures; how labels were used in choosing
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from narrows.errors import InputError
from narrows.report import resource
from narrows.studies.report import as_markdown
from narrows.studies.uncertainty import Kind, compared, exact, measured

#: A figure with a unit: per cent, percentage points, dB, or a length of time.
UNIT = re.compile(
    r"(?<![\w.,])(?:\d[\d.,]*\s?(?:%|per cent\b|percent\b|dB\b)|\d[\d.,]*\s(?:m?s|seconds?|minutes?|hours?)\b"
    r"|\d{1,2}(?:\.\d+)?\s(?:percentage )?points?\b)"
)
#: Parts that are not prose: code, mathematics, comments, expressions, links and pictures.
NO_PROSE = re.compile(
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|<!--.*?-->|\{\{.*?\}\}|\{%.*?%\}|\]\([^)\s]*\)", re.DOTALL
)


def render(template: str, content: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> str:
    """Return the page of a study.

    Parameters
    ----------
    template : Markdown with expressions as in this module's docstring
    content : content of the study's results.json
    beside : name -> content of other JSON files kept with the study, for ``beside``

    Raises
    ------
    InputError : an expression that is invalid or names an unknown run or number
    """
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, comment_start_string="{##"
    )
    environment.filters |= {
        "share": lambda value, digits=1: f"{100 * value:.{digits}f} %",
        "points": lambda value, digits=1: f"{100 * value:.{digits}f} points",
        "dB": lambda value, digits=2: f"{value:.{digits}f} dB",
        "number": lambda value, digits=None: exact(value) if digits is None else f"{value:,.{digits}f}",
    }
    try:
        page: str = environment.from_string(template).render(**_names(content), beside=beside or {})
    except Exception as error:  # whatever mistake a template contains
        raise InputError(
            "the page's template", "must contain only valid expressions on the kept results", value=str(error)
        ) from error
    return page


def bare_figures(template: str) -> list[str]:
    """Return the figures with a unit that are typed in a template's prose and tables."""
    return UNIT.findall(NO_PROSE.sub(" ", template))


def _names(content: Mapping[str, Any]) -> dict[str, Any]:
    runs = {entry["run"]: entry for entry in content["runs"]}

    def found(run: str, metric: str) -> Mapping[str, Any]:
        if run not in runs:
            raise InputError("run", "must be one that was kept", value=run)
        if metric == "seconds":
            return dict(runs[run]["seconds"])
        if metric not in runs[run]["metrics"]:
            raise InputError("metric", f"must be a number of {run}", value=metric)
        return dict(runs[run]["metrics"][metric])

    def known(run: str, metric: str) -> list[float]:
        return [value for value in found(run, metric)["values"] if value is not None]

    def ours(run: str, metric: str, kind: Kind = "number") -> str:
        numbers = found(run, metric)
        return measured(numbers["mean"], numbers["sd"], kind)

    def elsewhere(run: str, metric: str, label: str | None = None) -> str:
        for line in content["figures"]:
            is_meant = line["run"] == run and line["metric"] == metric and label in (None, line["label"])
            if is_meant and line["reported"] is not None:
                return compared(line["reported"], line["kind"])
        raise InputError("elsewhere", "must name a figure that has another to compare with", value=(run, metric))

    reduced: dict[str, Callable[[str, str], Any]] = {
        "mean": lambda run, metric: found(run, metric)["mean"],
        "sd": lambda run, metric: found(run, metric)["sd"],
        "least": lambda run, metric: min(known(run, metric)),
        "most": lambda run, metric: max(known(run, metric)),
        "median": lambda run, metric: float(np.median(known(run, metric))),
        "values": known,
    }

    def at_seed(run: str, metric: str, seed: int) -> float:
        numbers, seeds = found(run, metric)["values"], runs[run]["seed_numbers"]
        if len(numbers) == 1 and seed == seeds[0]:  # for a number that only the first seed has
            return float(numbers[0])
        if len(numbers) != len(seeds) or seed not in seeds:
            raise InputError("seed", f"must be a seed for which {metric} of {run} is known", value=seed)
        return float(numbers[seeds.index(seed)])

    def spread(numbers: Mapping[str, Any], kind: Kind = "share") -> str:
        return measured(numbers["mean"], numbers["sd"], kind)

    return reduced | {
        "ours": ours,
        "at_seed": at_seed,
        "spread": spread,
        "elsewhere": elsewhere,
        "quoted": lambda text: text,
        "n": lambda run: runs[run]["seeds"],
        "figures": as_markdown(content) + "\n" + made(content),
        "choices": resource("choices.md", "narrows.studies").strip(),
    }


def made(content: Mapping[str, Any]) -> str:
    """Write when and on which machine the runs were made, grouped by day and machine."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for entry in content["runs"]:
        for one in entry["made"]:
            key = (one["date"], one["version"], "; ".join(one["hardware"]))
            name = entry["run"].partition("[")[0]
            if name not in groups.setdefault(key, []):
                groups[key].append(name)
    most = max(groups, key=lambda key: len(groups[key]))

    def when(key: tuple[str, str, str]) -> str:
        return f"on {key[0]} with version {key[1]} on {key[2]}"

    others = [f"{', '.join(f'`{name}`' for name in names)} {when(key)}" for key, names in groups.items() if key != most]
    return f"Measured {when(most)}" + (f"; but {'; '.join(others)}." if others else ".") + "\n"
