import numpy as np
import pytest

from narrows.errors import InputError
from narrows.studies.worked.bias_variance import best_eta, bias, crossing_eta, simulate, step, variance

TABLE = [
    # b, eta where bias^2 = variance, either of them there, eta where their sum is least
    (64, 4.492761, 0.0127467, 4.927357),
    (1, 3.016959, 0.432041, 3.709721),
    (256, 4.720971, 0.00349331, 4.980840),
    (60000, 4.979752, 1.65e-5, 4.999917),
]


@pytest.mark.parametrize(("b", "crossing", "value", "best"), TABLE)
def test_the_table(b, crossing, value, best):
    a = step(crossing_eta(b))
    assert crossing_eta(b) == pytest.approx(crossing, abs=5e-7)
    assert bias(a, 1) ** 2 == pytest.approx(value, rel=3e-3 if b == 60000 else 5e-6)  # the digits that are given
    assert variance(a, b, 1) == pytest.approx(bias(a, 1) ** 2, rel=1e-9)
    assert best_eta(b) == pytest.approx(best, abs=5e-7)


@pytest.mark.parametrize("a", [0.2, 0.9, 1.0, 1.6])
def test_the_closed_forms_are_the_sums_over_batches(a):
    k = np.arange(400)
    weights = a * (1.0 - a) ** k
    assert bias(a, 3) == pytest.approx(3 * (weights * k).sum(), abs=1e-12)
    assert variance(a, 64, 3) == pytest.approx(9 / 64 * (weights**2).sum())


@pytest.mark.parametrize("b", [0.5, 6.4, 64, 1000])
def test_the_crossing_solves_its_equation_and_the_best_has_no_slope(b):
    a = step(crossing_eta(b))
    assert b * (1 - a) ** 2 * (2 - a) == pytest.approx(a**3)

    def error(a):
        return bias(a, 1) ** 2 + variance(a, b, 1)

    a = step(best_eta(b))
    assert (error(a + 1e-5) - error(a - 1e-5)) / 2e-5 == pytest.approx(0, abs=1e-6)
    assert error(a) < min(error(a - 0.01), error(a + 0.01))


def test_the_extremes():
    assert bias(step(5), 1) == 0
    assert variance(step(5), 64, 2) == 4 / 64  # the last batch's mean
    assert bias(step(1e-6), 1) > 1e6  # frozen
    assert bias(step(8), 1) < 0  # overshoots
    assert variance(step(9.999), 64, 1) > 10  # stable up to 10


@pytest.mark.parametrize("eta", [2, 4.5, 7])
def test_a_simulation_agrees_within_four_standard_errors(eta):
    found = simulate(step(eta), 16, 0.5, steps=60, centres=4000, seed=1)
    assert abs(found.bias - bias(step(eta), 0.5)) < 4 * found.bias_error
    assert abs(found.variance - variance(step(eta), 16, 0.5)) < 4 * found.variance_error


def test_the_errors_of_a_simulation_are_small_enough_to_tell():
    found = simulate(step(4.5), 64, 1, centres=4000)
    assert found.bias_error < 0.02 * bias(step(4.5), 1)
    assert found.variance_error < 0.03 * variance(step(4.5), 64, 1)


def test_a_slower_target_acts_like_a_smaller_batch():
    a, r, b = step(crossing_eta(64 * 0.1**2)), 0.1, 64
    assert bias(a, r * 2) ** 2 == pytest.approx(variance(a, b, 2))


@pytest.mark.parametrize("a", [0, 2, -0.1, float("nan")])
def test_a_step_without_a_steady_state_is_refused(a):
    for function in (lambda: bias(a, 1), lambda: variance(a, 64, 1), lambda: simulate(a, 64, 1)):
        with pytest.raises(InputError, match="a must lie between 0 and 2"):
            function()


@pytest.mark.parametrize("function", [crossing_eta, best_eta, lambda b: variance(0.5, b, 1)])
def test_an_empty_batch_is_refused(function):
    with pytest.raises(InputError, match="b must be greater than 0"):
        function(0)
