"""The table of step sizes on the page about neural k-means, compared with its definition."""

import math
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "studies" / "neural-kmeans" / "page.md"
STEPS = 2350  # 10 epochs of 235 batches
T = np.arange(1, STEPS + 1)
SCHEDULES = {
    "constant, $a$ = 0.2": np.full(STEPS, 0.2),
    "constant, $a$ = 0.01": np.full(STEPS, 0.01),
    "constant, $a$ = 0.00115": np.full(STEPS, 0.00115),
    "$1 / t$, the mean of all batches so far": 1 / T,
    "from 0.2 to 0 by half a cosine": 0.1 * (1 + np.cos(math.pi * (T - 1) / STEPS)),
}
POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def typed():
    """The rows of the page: schedule -> the text of its three numbers."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()]
    return {cells[0]: cells[1:] for cells in lines if cells[0] in SCHEDULES}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_row_is_what_the_weights_of_its_steps_come_to(schedule):
    a = SCHEDULES[schedule]
    kept = np.concatenate([np.cumprod((1 - a)[::-1])[::-1][1:], [1.0]])  # of batch t after all later steps
    weights = a * kept  # (T,)
    start, noise, age = typed()[schedule]
    mantissa, _, power = start.replace(" × 10", "e").translate(POWERS).partition("e")
    assert float(f"{mantissa}e{power or 0}") == pytest.approx(np.prod(1 - a), rel=0.03)
    assert float(noise.replace(",", "")) == pytest.approx(1 / np.square(weights).sum(), rel=0.01, abs=0.5)
    assert float(age.replace(",", "")) == pytest.approx(np.average(STEPS - T, weights=weights), rel=0.01, abs=0.5)


def test_the_page_has_every_row():
    assert set(typed()) == set(SCHEDULES)
