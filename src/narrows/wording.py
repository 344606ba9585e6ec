"""Numbers in sentences: counts with their nouns, shares, changes, and figures with the digits that matter.

Every sentence about data or a run writes its numbers with these functions, so none can say "1 rows", "-0.0", "fell by
202 %", or "100.0 %" when something is missing.
"""

from __future__ import annotations

import math

from narrows.errors import InputError

NBSP = "\N{NO-BREAK SPACE}"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALLEST, LARGEST = -4, 7  # powers of ten, outside of which a figure is written with one
MOST_TIMES = 1000  # a larger ratio says only that it is large
MOST_DIGITS = 9  # that distinguish two figures


def plural(count: float, noun: str, nouns: str | None = None) -> str:
    """Return "1 file", "10 files"."""
    return f"{count:,.0f} {noun if count == 1 else nouns or noun + 's'}"


def verb(count: float, one: str, many: str) -> str:
    """Return the form of a verb that agrees with ``count``: "is" of 1, "are" of 0 and of 2."""
    return one if count == 1 else many


def out_of(count: int, total: int, noun: str, nouns: str | None = None) -> str:
    """Return "all 5 images", "3 of 5 images", "1 image" where that is all there is, or "no images".

    Raises
    ------
    InputError : a part that is larger than the whole
    """
    if not 0 <= count <= total:
        raise InputError("count", f"must be from 0 to {total:,}", value=count)
    if not count:
        return f"no {nouns or noun + 's'}"
    if count == total:
        return plural(count, noun, nouns) if count == 1 else f"all {plural(count, noun, nouns)}"
    return f"{count:,} of {plural(total, noun, nouns)}"


def distinct(count: int, noun: str) -> str:
    """Return "there are only 3 different codes", "there is only 1 different code"."""
    return f"there {verb(count, 'is', 'are')} only {plural(count, f'different {noun}')}"


def share(value: float) -> str:
    """Return a share in [0, 1] as per cent; only nothing is 0 %, and only everything is 100 %.

    Raises
    ------
    InputError : what is not a share
    """
    if not 0 <= value <= 1:
        raise InputError("share", "must be from 0 to 1", value=value)
    if 0 < value < 0.0005:
        return f"less than 0.1{NBSP}%"
    if 0.9995 <= value < 1:
        return f"more than 99.9{NBSP}%"
    return f"{100 * value:.1f}{NBSP}%"


def points(difference: float) -> str:
    """Return a difference of two shares in percentage points: "1 point", "4.3 points"."""
    text = fixed(100 * difference, 1)
    return f"{text}{NBSP}{'point' if text == '1.0' else 'points'}"


def fixed(value: float, digits: int) -> str:
    """Return ``value`` with that many decimals, a real minus sign, and no sign before zeros."""
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", "\N{MINUS SIGN}")


def figure(value: float, digits: int = 4) -> str:
    """Return ``value`` with its first ``digits`` digits: 0.01235, 1,797, 1.2 × 10⁻⁴⁰.

    Raises
    ------
    InputError : no finite number
    """
    if not math.isfinite(value):
        raise InputError("figure", "must be a finite number", value=value)
    sign = "\N{MINUS SIGN}" if value < 0 else ""
    mantissa, _, power = f"{abs(value):.{digits - 1}e}".partition("e")
    if value == 0:
        return "0"
    if SMALLEST <= int(power) < LARGEST:
        return sign + _shortest(f"{float(f'{mantissa}e{power}'):,.{max(0, digits - 1 - int(power))}f}")
    return f"{sign}{_shortest(mantissa)} × 10{str(int(power)).translate(SUPERSCRIPT)}"


def change(before: float, after: float) -> str:
    """Return "from 0.12 to 0.1", with as many digits as tell the two apart."""
    for digits in range(4, MOST_DIGITS + 1):
        start, end = figure(before, digits), figure(after, digits)
        if start != end:
            break
    return f"from {start} to {end}"


def fall(before: float, after: float) -> str:
    """Return how a value fell: "by 12.0 %, from 0.5 to 0.44", or where it was not above 0 all along, "from -1 to -2".

    A fall in per cent is a share of where it started, so at most 100 %.

    Raises
    ------
    InputError : a value that did not fall
    """
    if not after < before:
        raise InputError("after", f"must be less than {before:g}", value=after)
    if after < 0:
        return change(before, after)
    part = (before - after) / before
    return f"by {share(min(part, math.nextafter(1, 0)) if after else part)}, {change(before, after)}"


def times(ratio: float, digits: int = 1) -> str:
    """Return a ratio above 0 as "1.4 times", "12 times" or "more than 1,000 times".

    Raises
    ------
    InputError : a ratio that is not above 0
    """
    if not ratio > 0:
        raise InputError("ratio", "must be above 0", value=ratio)
    if ratio > MOST_TIMES:
        return f"more than {MOST_TIMES:,} times"
    return f"{figure(ratio, digits + 1) if ratio < 1 else fixed(ratio, digits if ratio < 9.95 else 0)} times"


def _shortest(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
