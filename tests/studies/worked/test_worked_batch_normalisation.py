import numpy as np
import pytest
import torch

from narrows.studies.worked.batch_normalisation import (
    EPS,
    EXAMPLE,
    batch_norm,
    gradients,
    moments,
    normalise,
    running,
    share_of_batches,
)

RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, (6, 4, 5, 3))
GAMMA, BETA = RNG.normal(1, 0.5, 4), RNG.normal(0, 1, 4)


def layer_of(kind, channels=4):
    layer = kind(channels, dtype=torch.float64)
    layer.load_state_dict({"weight": torch.from_numpy(GAMMA), "bias": torch.from_numpy(BETA)}, strict=False)
    return layer


def test_the_example_of_the_page_by_hand():
    x = np.array(EXAMPLE)[:, None]
    mean, var = moments(x)
    assert (mean[0], var[0]) == (3, 3.5)  # (4 + 1 + 0 + 9) / 4
    np.testing.assert_allclose(batch_norm(x, np.ones(1), np.zeros(1)), (x - 3) / np.sqrt(3.5 + 1e-5), rtol=1e-14)


@pytest.mark.parametrize(("kind", "x"), [(torch.nn.BatchNorm2d, X), (torch.nn.BatchNorm1d, X[:, :, 0, 0])])
def test_training_is_what_torch_does(kind, x):
    theirs = layer_of(kind)(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(batch_norm(x, GAMMA, BETA), theirs, atol=1e-12)


def test_a_layer_of_torch_starts_with_the_page_s_scale_and_shift():
    theirs = torch.nn.BatchNorm2d(4, dtype=torch.float64)(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(batch_norm(X, np.ones(4), np.zeros(4)), theirs, atol=1e-12)


def test_the_gradients_are_those_of_autograd_and_of_central_differences():
    dy = RNG.normal(size=X.shape)
    x = torch.from_numpy(X).requires_grad_()
    layer = layer_of(torch.nn.BatchNorm2d)
    theirs = torch.autograd.grad(layer(x), (x, layer.weight, layer.bias), torch.from_numpy(dy))
    ours = gradients(dy, X, GAMMA)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)
    step = np.zeros_like(X)
    step[2, 1, 3, 0] = 1e-5
    moved = ((batch_norm(X + step, GAMMA, BETA) - batch_norm(X - step, GAMMA, BETA)) * dy).sum() / 2e-5
    assert ours[0][2, 1, 3, 0] == pytest.approx(moved, abs=1e-8)


def test_running_averages_and_evaluation_are_torch_s():
    layer = layer_of(torch.nn.BatchNorm2d)
    mean, var = np.zeros(4), np.ones(4)
    for scale in (1.0, 2.0, 0.5):
        layer(torch.from_numpy(scale * X))
        mean, var = running(mean, var, scale * X)
    np.testing.assert_allclose(mean, layer.running_mean, atol=1e-12)
    np.testing.assert_allclose(var, layer.running_var, atol=1e-12)
    theirs = layer.eval()(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(normalise(X, mean, var, GAMMA, BETA), theirs, atol=1e-12)


def test_a_running_mean_of_a_constant_holds_the_share_of_it():
    mean, var = np.zeros(1), np.ones(1)
    for _ in range(7):
        mean, var = running(mean, var, np.full((5, 1), 4.0))
    assert mean[0] == pytest.approx(4 * share_of_batches(7))
    assert var[0] == pytest.approx(1 - share_of_batches(7))


def test_scale_and_shift_of_the_input_are_forgotten_and_a_constant_becomes_beta():
    np.testing.assert_allclose(
        batch_norm(50 * X - 9, GAMMA, BETA, eps=0), batch_norm(X, GAMMA, BETA, eps=0), atol=1e-12
    )
    np.testing.assert_array_equal(batch_norm(np.full((3, 4), 2.0), GAMMA, BETA), np.tile(BETA, (3, 1)))


def test_the_unbiased_variance_would_shrink_the_output_by_the_factor_of_the_page():
    x = np.array(EXAMPLE)[:, None]
    biased = batch_norm(x, np.ones(1), np.zeros(1))
    unbiased = normalise(x, x.mean(axis=0), x.var(axis=0, ddof=1), np.ones(1), np.zeros(1))
    np.testing.assert_allclose(unbiased, biased * np.sqrt(3 / 4), rtol=EPS)


def test_a_batch_of_one_vector_says_nothing_and_torch_refuses_it():
    one = X[:1, :, 0, 0]
    np.testing.assert_array_equal(batch_norm(one, GAMMA, BETA), BETA[None])
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer_of(torch.nn.BatchNorm1d)(torch.from_numpy(one))
