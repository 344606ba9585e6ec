import numpy as np
import pytest

from narrows.studies.reference.layers import softmax, softmax_naive
from narrows.studies.worked.softmax import jacobian, largest_exponent, log_softmax, log_sum_exp, lost_range

A = np.array([[1.0, 2.0, 3.0]])
BELOW = np.array([np.exp(-2), np.exp(-1), 1.0])  # e^a / e^3


def test_the_softmax_of_the_page_in_closed_form():
    np.testing.assert_allclose(softmax(A)[0], BELOW / BELOW.sum(), rtol=1e-14)


@pytest.mark.parametrize("shift", [0.0, 1000.0, -1e6])
def test_log_sum_exp_and_the_logarithm_move_with_a_shift_as_they_should(shift):
    np.testing.assert_allclose(log_sum_exp(A + shift), [3 + shift + np.log(BELOW.sum())], rtol=1e-14)
    np.testing.assert_allclose(log_softmax(A + shift)[0], np.log(BELOW / BELOW.sum()), atol=1e-9)


def test_the_logarithm_is_finite_where_the_softmax_is_zero():
    far = np.array([[0.0, -800.0]])
    assert softmax(far)[0, 1] == 0
    assert log_softmax(far)[0, 1] == -800


def test_the_jacobian_of_two_classes_is_that_of_a_sigmoid_and_of_three_that_of_differences():
    y = softmax(np.array([[0.3, -0.4]]))[0]
    np.testing.assert_allclose(jacobian(y), y[0] * y[1] * np.array([[1, -1], [-1, 1]]), rtol=1e-12)
    step = 1e-6 * np.eye(3)
    differences = (softmax(A + step) - softmax(A - step)) / 2e-6  # row j: by a_j
    np.testing.assert_allclose(jacobian(softmax(A)[0]), differences.T, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_exponent_fits_and_a_little_more_does_not(dtype):
    limit = largest_exponent(dtype)
    with np.errstate(over="ignore"):
        assert np.isfinite(np.exp(np.array(limit - 1e-3, dtype)))
        assert np.isposinf(np.exp(np.array(limit + 1e-3, dtype)))


def test_the_naive_softmax_is_silently_zero_in_the_lost_range_and_only_there():
    start, end = lost_range(A[0], "float32")
    with np.errstate(all="ignore"):
        before, inside, after = (
            softmax_naive((A + c).astype("float32"))[0] for c in (start - 0.01, start + 0.01, end + 0.01)
        )
        also_inside = softmax_naive((A + end - 0.01).astype("float32"))[0]
    np.testing.assert_allclose(before, BELOW / BELOW.sum(), rtol=1e-4)
    assert (inside == 0).all()
    assert (also_inside == 0).all()
    assert np.isnan(after[2])
