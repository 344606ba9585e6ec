"""What a measurement must reach, and one table of what all benchmarks reached.

    python bench/bars.py

A benchmark puts ``Line.record`` of each of its lines into the "table" of its file in bench/results/; this prints the
tables of all files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Bar:
    """What a figure must reach.

    Parameters
    ----------
    must, moonshot : the figures to reach; None if there is none
    more : whether more is better; otherwise less is
    """

    must: float | None
    moonshot: float | None = None
    more: bool = False

    def reached(self, value: float | None) -> str:
        """Return which of the two a figure reaches, in words."""
        if value is None:
            return "not measured"

        def met(wanted: float | None) -> bool:
            return wanted is not None and (value >= wanted if self.more else value <= wanted)

        if met(self.moonshot):
            return "moonshot met"
        if self.must is None:
            return "no bar"
        return "met" if met(self.must) else "NOT met"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Parameters
    ----------
    name : what was measured, with its unit
    before, now : the figure of the version before, and of this one; None where it was not measured
    bar : what ``now`` must reach
    quality : a condition besides, as it is written, such as "accuracy 0.988 (wanted: 0.987)"
    held : whether the condition holds
    """

    name: str
    before: float | None
    now: float | None
    bar: Bar
    quality: str = ""
    held: bool = True

    @property
    def record(self) -> dict[str, Any]:
        """The line as results keep it."""
        ratio = self.before / self.now if self.before is not None and self.now else None
        if ratio and self.bar.more:
            ratio = 1 / ratio
        verdict = self.bar.reached(self.now) if self.held else "NOT met"
        kept = {"name": self.name, "before": self.before, "now": self.now, "better": ratio}
        return kept | asdict(self.bar) | {"quality": self.quality, "verdict": verdict}


def show(records: Iterable[Mapping[str, Any]]) -> str:
    """Return lines as a table. "better" is how many times better this version is than the one before."""
    head = ["", "before", "now", "better", "must", "moonshot", "", ""]
    rows = [head]
    for line in records:
        figures = [_short(line[key]) for key in ("before", "now", "better", "must", "moonshot")]
        rows.append([line["name"], *figures, line["verdict"], line["quality"]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    aligned = ("<", *">>>>>", "<", "<")
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, aligned, widths, strict=True)).rstrip()
        for row in rows
    )


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> None:
    """Print one table of all results that have one."""
    records = []
    for path in sorted(RESULTS.glob("*.json")):
        records += json.loads(path.read_text(encoding="utf-8")).get("table", [])
    print(show(records))


if __name__ == "__main__":
    main()
