"""Numbers, tables and placeholders of a page.

A page must be the same on every machine, but last digits differ between machines. So numbers are rounded well before
those digits, and a comparison prints a bound rather than the actual rounding error.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class _Gaps(string.Template):
    delimiter = "@"  # "$" starts mathematics


def fill(text: str, **values: str) -> str:
    """Return ``text`` with every ``@name`` or ``@{name}`` replaced by the value of that name."""
    return _Gaps(text.lstrip("\n")).substitute(values)


def fixed(value: float, places: int) -> str:
    """Return ``value`` with ``places`` digits after the point, never as -0."""
    return f"{round(float(value), places) + 0.0:.{places}f}"


def number(value: float, digits: int) -> str:
    """Return ``value`` with ``digits`` significant digits: 0.0127467, 1.65e-5."""
    mantissa, e, exponent = f"{float(value):#.{digits}g}".partition("e")
    return f"{mantissa.removesuffix('.')}{e}{int(exponent) if e else ''}"


def vector(values: ArrayLike, places: int) -> str:
    """Return numbers in brackets: (0.09, 0.24, 0.67)."""
    return f"({', '.join(fixed(value, places) for value in np.ravel(values))})"


def difference(ours: Iterable[Any], theirs: Iterable[Any], within: float) -> str:
    """Return "< within" if no number of ``ours`` is further from ``theirs``, otherwise the largest difference.

    Both contain the same number of arrays (rows, numbers), which are compared one by one.
    """
    pairs = zip(ours, theirs, strict=True)
    greatest = float(np.max([np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max() for a, b in pairs]))
    return f"< {within:.0e}".replace("e-0", "e-") if greatest < within else number(greatest, 3)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """Return a Markdown table; the first ``left`` columns are aligned left, the others right."""
    rule = ["---" if column < left else "---:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
