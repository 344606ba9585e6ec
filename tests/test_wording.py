"""Numbers in sentences: each format against values worked out by hand and over its whole domain."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.errors import InputError
from narrows.wording import (
    MOST_TIMES,
    NBSP,
    change,
    distinct,
    fall,
    figure,
    fixed,
    out_of,
    plural,
    points,
    share,
    times,
    verb,
)

finite = st.floats(-1e300, 1e300)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (plural(1, "pair"), "1 pair"),
        (plural(0, "pair"), "0 pairs"),
        (plural(1797, "image"), "1,797 images"),
        (plural(1, "class", "classes"), "1 class"),
        (plural(2, "class", "classes"), "2 classes"),
        (verb(1, "is", "are"), "is"),
        (verb(0, "is", "are"), "are"),
        (verb(2, "is", "are"), "are"),
        (out_of(0, 5, "image"), "no images"),
        (out_of(1, 1, "image"), "1 image"),
        (out_of(1, 5, "image"), "1 of 5 images"),
        (out_of(5, 5, "image"), "all 5 images"),
        (out_of(0, 9, "class", "classes"), "no classes"),
        (distinct(1, "code"), "there is only 1 different code"),
        (distinct(3, "row"), "there are only 3 different rows"),
        (share(0), "0.0 %"),
        (share(1), "100.0 %"),
        (share(0.8531), "85.3 %"),
        (share(0.0004), "less than 0.1 %"),
        (share(0.99951), "more than 99.9 %"),
        (share(0.9994), "99.9 %"),
        (points(0.0434), "4.3 points"),
        (points(0.01), "1.0 point"),
        (points(0.0096), "1.0 point"),
        (fixed(-0.04, 1), "0.0"),
        (fixed(-0.06, 1), "\u22120.1"),
        (fixed(1234.5, 0), "1,234"),
        (figure(0.0123456), "0.01235"),
        (figure(1797), "1,797"),
        (figure(1e-40), "1 × 10⁻⁴⁰"),
        (figure(-2.5e60), "\u22122.5 × 10⁶⁰"),
        (figure(-0.0), "0"),
        (figure(0.099999), "0.1"),
        (figure(9999.96), "10,000"),
        (change(0.12, 0.1), "from 0.12 to 0.1"),
        (change(0.17720, 0.17719), "from 0.1772 to 0.17719"),
        (fall(0.5, 0.44), "by 12.0 %, from 0.5 to 0.44"),
        (fall(2, 0), "by 100.0 %, from 2 to 0"),
        (fall(0.5, -1), "from 0.5 to \u22121"),
        (fall(-1, -2), "from \u22121 to \u22122"),
        (times(4.53), "4.5 times"),
        (times(9.96), "10 times"),
        (times(60193), "more than 1,000 times"),
        (times(math.inf), "more than 1,000 times"),
        (times(0.25), "0.25 times"),
        (times(1.264, 2), "1.26 times"),
        (times(0.984, 2), "0.984 times"),
    ],
)
def test_numbers_are_said_as_people_say_them(said, text):
    assert said.replace(NBSP, " ") == text


@pytest.mark.parametrize(
    "said",
    [
        lambda: share(1.01),
        lambda: share(-0.1),
        lambda: share(math.nan),
        lambda: out_of(781, 780, "pair"),
        lambda: fall(1, 1),
        lambda: fall(1, 2),
        lambda: fall(1, math.nan),
        lambda: times(0),
        lambda: times(math.nan),
        lambda: figure(math.inf),
        lambda: figure(math.nan),
    ],
)
def test_what_lies_outside_of_the_domain_is_never_said(said):
    with pytest.raises(InputError):
        said()


def percent(text):
    return float(text.split(NBSP)[0].removeprefix("by ").removeprefix("less than ").removeprefix("more than "))


@given(st.floats(0, 1))
def test_a_share_is_never_rounded_to_all_or_nothing(value):
    text = share(value)
    assert 0 <= percent(text) <= 100
    assert text.startswith("100.0") == (value == 1)
    assert text.startswith("0.0") == (value == 0)


@given(finite, finite)
def test_a_fall_is_at_most_all_of_where_it_started(a, b):
    before, after = max(a, b), min(a, b)
    if before == after:
        return
    text = fall(before, after)
    assert ("%" in text) == (after >= 0)
    if "%" in text:
        assert percent(text) <= 100
    assert "inf" not in text
    assert "nan" not in text


@given(finite)
def test_a_figure_is_the_number_to_four_digits(value):
    text = figure(value).replace("\N{MINUS SIGN}", "-").replace(",", "")
    mantissa, _, power = text.partition(" × 10")
    plain = "".join("-0123456789"["⁻⁰¹²³⁴⁵⁶⁷⁸⁹".index(letter)] for letter in power)
    assert float(f"{mantissa}e{plain or 0}") == pytest.approx(value, rel=5.1e-4)
    assert not text.startswith("-0") or float(mantissa) != 0


@given(st.floats(0, allow_infinity=False, exclude_min=True))
def test_a_ratio_beyond_a_thousand_is_no_number(ratio):
    said = times(ratio)
    assert ("more than" in said) == (ratio > MOST_TIMES)
    assert len(said) < 30
