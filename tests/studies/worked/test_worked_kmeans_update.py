import numpy as np
import pytest
import torch

from narrows.errors import InputError
from narrows.studies.worked.kmeans_update import (
    assignments,
    autograd_step,
    cell_means,
    gradient,
    made_batch,
    rule_error,
    update,
    update_by_counts,
)

EVEN = [6] * 10


def test_the_assignments_are_those_of_distances():
    x, c = made_batch(EVEN)
    distances = ((x[:, None] - c) ** 2).sum(axis=2)
    np.testing.assert_allclose(
        assignments(x, c, 0.7), torch.softmax(torch.from_numpy(-0.35 * distances), 1), atol=1e-12
    )
    np.testing.assert_array_equal(assignments(x, c).argmax(axis=1), distances.argmin(axis=1))


@pytest.mark.parametrize("mean", ["none", "batch", "all"])
@pytest.mark.parametrize("sharpness", [20.0, 1.0, 0.1])
def test_the_derived_gradient_is_autograd_s_at_any_sharpness(mean, sharpness):
    x, c = made_batch([3, 9, 4], pixels=20, spread=0.4)
    step = autograd_step(x, c, 1.0, sharpness, mean)
    np.testing.assert_allclose(gradient(x, c, sharpness, mean), c - step, atol=1e-10)


def test_averaging_over_everything_is_torch_s_mse_loss():
    x, c = made_batch(EVEN)
    images, centres = torch.from_numpy(x), torch.from_numpy(c).requires_grad_()
    p = torch.softmax(20 * (images @ centres.T - (centres**2).sum(1) / 2), 1)
    loss = torch.nn.MSELoss()(p @ centres - images, torch.zeros_like(images))
    (theirs,) = torch.autograd.grad(loss, centres)
    np.testing.assert_allclose(gradient(x, c, mean="all"), theirs, atol=1e-12)


@pytest.mark.parametrize("eta", [0.0, 1.0, 4.5, 5.0])
def test_the_rule_is_a_step_of_gradient_descent_when_its_assumptions_hold(eta):
    x, c = made_batch(EVEN)
    np.testing.assert_allclose(update(x, c, eta), autograd_step(x, c, eta), atol=1e-12)


def test_the_rule_at_the_extremes():
    x, c = made_batch(EVEN)
    np.testing.assert_array_equal(update(x, c, 0), c)
    np.testing.assert_allclose(update(x, c, 5)[2], x[12:18].mean(axis=0))


@pytest.mark.parametrize("first", [1, 3, 15, 33])
def test_an_uneven_cell_is_off_by_ten_times_its_share_and_the_counts_put_it_right(first):
    x, c = made_batch([first, *[3] * 9])
    n = first + 27
    assert rule_error(x, c, 4.5)[0] == pytest.approx(abs(10 * first / n - 1), abs=1e-9)
    np.testing.assert_allclose(update_by_counts(x, c, 4.5), autograd_step(x, c, 4.5), atol=1e-11)


def test_a_soft_assignment_breaks_the_rule():
    x, c = made_batch(EVEN)
    errors = [rule_error(x, c, 4.5, sharpness).mean() for sharpness in (20, 5, 2, 1)]
    assert errors[0] < 1e-12
    assert errors == sorted(errors)
    assert errors[-1] > 0.1


def test_an_empty_cell_keeps_its_centre():
    x, c = made_batch([5, 5])
    c = np.concatenate([c, np.full((1, c.shape[1]), 9.0)])
    means, counts = cell_means(x, c)
    np.testing.assert_array_equal(counts, [5, 5, 0])
    np.testing.assert_array_equal(means[2], c[2])
    np.testing.assert_array_equal(update_by_counts(x, c, 4.5)[2], c[2])
    np.testing.assert_allclose(autograd_step(x, c, 4.5)[2], c[2])


def test_an_unknown_mean_is_refused():
    x, c = made_batch([2, 2])
    with pytest.raises(InputError, match="mean must be one of none, batch, all"):
        gradient(x, c, mean="sum")
