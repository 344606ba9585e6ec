"""Numbers as people write them: a spread with two digits, and the mean to the same decimal place.

Kinds: a "share" is written as per cent, a "count" as a whole number with thousands separators, a "number" as it is. A
"flag" is 1 or 0 for each seed, and written as the number of seeds with 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from narrows.wording import SUPERSCRIPT

Kind = Literal["share", "number", "count", "flag"]

DIGITS = 4  # of a number with unknown spread
SMALL, LARGE = 1e-3, 1e6  # outside this range, numbers are written with a power of ten


def measured(mean: float | None, sd: float | None, kind: Kind = "number") -> str:
    """Return "mean ± sd" with two digits of the spread, "mean ± 0" if nothing varied, or the mean alone.

    A spread below a billionth of the mean is rounding, and counts as 0.
    """
    if mean is None:
        return "–"
    unit, mean, sd = (" %", 100 * mean, None if sd is None else 100 * sd) if kind == "share" else ("", mean, sd)
    if sd is None:
        return exact(mean, kind, given=True) + unit
    if sd <= 1e-9 * abs(mean):
        return f"{_shortest(round(mean, 3)) if kind == 'share' else exact(mean, kind)} ± 0{unit}"
    power = _power(max(abs(mean), sd)) if kind == "number" else 0
    if power:
        text = f"({_to(mean / 10**power, _place(sd / 10**power))} ± {_to(sd / 10**power, _place(sd / 10**power))})"
        return f"{text} × 10{str(power).translate(SUPERSCRIPT)}"
    place = _place(sd)
    return f"{_to(mean, place)} ± {_to(sd, place)}{unit}"


def ranged(middle: float | None, low: float, high: float, kind: Kind = "number") -> str:
    """Return "median (least to greatest)"."""
    if middle is None:
        return "–"
    scale, unit = (100.0, " %") if kind == "share" else (1.0, "")
    texts = [exact(scale * value, kind, given=True) for value in (middle, low, high)]
    return f"{texts[0]} ({texts[1]} to {texts[2]}){unit}"


def compared(value: float | Sequence[float] | None, kind: Kind = "number") -> str:
    """Return a published figure with its original digits; two numbers are the ends of a range."""
    if value is None:
        return ""
    values = [value] if isinstance(value, int | float) else list(value)
    if kind == "flag":
        return "yes" if values[0] else "no"
    if kind == "share":
        return f"{' to '.join(_shortest(round(100 * v, 6)) for v in values)} %"
    return " to ".join(_shortest(v) for v in values)


def exact(value: float, kind: Kind = "number", *, given: bool = False) -> str:
    """Return a number with four digits, whole numbers whole; ``given`` says that a share is already in per cent."""
    if kind == "share" and not given:
        return f"{exact(100 * value, kind, given=True)} %"
    if kind == "share" and value:
        return f"{value:.2f}"
    if float(value).is_integer():
        value += 0.0  # no sign before a zero
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"
    if kind == "count":
        return f"{value:,.1f}"
    power = _power(abs(value))
    if power:
        return f"{value / 10**power:.{DIGITS - 1}g} × 10{str(power).translate(SUPERSCRIPT)}"
    return _to(value, max(-9, math.floor(math.log10(abs(value))) + 1 - DIGITS))


def _power(size: float) -> int:
    """Return the power of ten with which a number is written; 0 for none."""
    return math.floor(math.log10(size)) if size and not SMALL <= size < LARGE else 0


def _place(sd: float) -> int:
    """Return the power of ten of the second digit of a rounded spread: -2 for 0.099, which rounds to 0.10."""
    return math.floor(math.log10(float(f"{sd:.1e}"))) - 1


def _to(value: float, place: int) -> str:
    """Return a value rounded to a power of ten, with thousands separators."""
    rounded = round(value, -place)
    text = f"{rounded:,.{max(0, -place)}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def _shortest(value: float) -> str:
    value += 0.0  # no sign before a zero
    power = _power(abs(value)) if abs(value) < SMALL else 0
    if power:
        digits = f"{value / 10**power:.6g}"
        return f"{'' if digits == '1' else f'{digits} × '}10{str(power).translate(SUPERSCRIPT)}"
    return f"{value:,.10f}".rstrip("0").rstrip(".")
