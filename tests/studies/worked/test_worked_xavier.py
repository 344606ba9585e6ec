import numpy as np
import pytest
import torch

from narrows.studies.reference import layers
from narrows.studies.worked.xavier import (
    bound,
    doubled_variance,
    hidden_gradient,
    measured,
    misprinted_variance,
    plain_variance,
    predicted,
    small_network,
    variance,
)


def test_variance_and_bound_of_the_letters_network():
    assert variance(1024, 64) == 2 / 1088
    assert bound(1024, 64) == pytest.approx(np.sqrt(6 / 1088))
    assert bound(64, 36) ** 2 / 3 == pytest.approx(variance(64, 36))


def test_the_bound_is_that_of_torch_and_of_our_own_network():
    drawn = torch.nn.init.xavier_uniform_(torch.empty(300, 500), generator=torch.Generator().manual_seed(0))
    ours = layers.xavier(500, 300, np.random.default_rng(0))
    for weights in (drawn.numpy(), ours):
        assert 0.999 * bound(500, 300) < np.abs(weights).max() <= bound(500, 300) * (1 + 1e-6)
        assert weights.var() == pytest.approx(variance(500, 300), rel=0.01)


def test_the_misprint_is_too_small_by_about_half_the_width():
    assert misprinted_variance(1024, 64) == pytest.approx(2 / (64 * 1025))
    assert variance(256, 256) / misprinted_variance(256, 256) == pytest.approx(257 / 2)


def test_the_prediction_with_equal_widths():
    spread = predicted(plain_variance, (100,) * 4)
    np.testing.assert_allclose(spread.activations, [1, 1 / 3, 1 / 9, 1 / 27])
    np.testing.assert_allclose(spread.gradients, [1 / 27, 1 / 9, 1 / 3, 1])
    np.testing.assert_allclose(predicted(variance, (100,) * 4).activations, 1)


def test_the_prediction_with_different_widths():
    spread = predicted(variance, (1024, 64, 36))
    np.testing.assert_allclose(spread.activations, [1, 2048 / 1088, 2048 / 1088 * 128 / 100])
    np.testing.assert_allclose(spread.gradients, [72 / 100 * 128 / 1088, 72 / 100, 1])


@pytest.mark.parametrize("rule", [variance, misprinted_variance, plain_variance, doubled_variance])
def test_a_network_without_activations_does_what_was_predicted(rule):
    widths = (200, 150, 100)
    runs = [measured(rule, widths, "identity", rows=100, seed=seed) for seed in range(5)]
    expected = predicted(rule, widths)
    np.testing.assert_allclose(np.mean([run.activations for run in runs], axis=0), expected.activations, rtol=0.05)
    np.testing.assert_allclose(np.mean([run.gradients for run in runs], axis=0), expected.gradients, rtol=0.05)


def test_relu_halves_the_mean_square_and_twice_the_variance_makes_up_for_it():
    # The mean square of relu's output is half that of its sums; for the variance, subtract its squared mean 1 / (2 pi).
    run = measured(doubled_variance, (400, 400), "relu", rows=400)
    assert run.activations[1] == pytest.approx(2 * (1 / 2 - 1 / (2 * np.pi)), rel=0.05)


def test_zeros_do_not_learn_equal_units_learn_the_same_and_random_ones_part():
    starts, x, t = small_network()
    gradients = {name: hidden_gradient(w1, w2, x, t) for name, (w1, w2) in starts.items()}
    assert not gradients["zeros"].any()
    equal = gradients["equal hidden units"]
    np.testing.assert_allclose(equal, equal[:, :1] * np.ones((1, 3)), atol=1e-12)
    assert np.abs(equal).max() > 0.1
    assert np.linalg.matrix_rank(gradients["Xavier"]) == 3


def test_the_gradient_of_the_first_weights_is_autograd_s():
    starts, x, t = small_network()
    w1, w2 = starts["Xavier"]
    w = torch.from_numpy(w1).requires_grad_()
    a = torch.sigmoid(torch.from_numpy(x) @ w) @ torch.from_numpy(w2)
    (theirs,) = torch.autograd.grad(-(torch.log_softmax(a, 1) * torch.from_numpy(t)).sum(), w)
    np.testing.assert_allclose(hidden_gradient(w1, w2, x, t), theirs, atol=1e-12)
