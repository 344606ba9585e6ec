"""Each loss against a closed form or a reference written out by hand."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional

from narrows.errors import RecipeError
from narrows.nets.dense import Dense
from narrows.objectives import Batch, pixel_loss
from narrows.objectives.code_noise import CodeNoise
from narrows.objectives.contrastive import Contrastive, nt_xent
from narrows.objectives.denoising import Denoising
from narrows.objectives.reconstruction import Reconstruction
from narrows.objectives.variational import Variational, kl_to_standard_normal


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Dense((1, 8, 8), code_size=3, hidden=(16,))


@pytest.fixture
def batch():
    return Batch(torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1)))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_pixel_losses_are_means_over_each_samples_values():
    x, y = torch.tensor([[0.0, 1.0], [1.0, 1.0]]), torch.tensor([[0.5, 0.5], [0.9, 0.5]])
    assert torch.allclose(pixel_loss("mse", y, x), torch.tensor([0.25, (0.01 + 0.25) / 2]))
    assert torch.allclose(pixel_loss("l1", y, x), torch.tensor([0.5, 0.3]))
    expected = torch.tensor([math.log(2), -(math.log(0.9) + math.log(0.5)) / 2])
    assert torch.allclose(pixel_loss("bce", y, x), expected)


def test_reconstruction_compares_with_the_input(net, batch):
    term = Reconstruction(net).terms(net, batch, generator())["reconstruction"]
    assert torch.allclose(term, (net(batch.x) - batch.x).square().mean((1, 2, 3)))


def test_denoising_sees_noise_and_is_compared_with_the_clean_input(net, batch):
    objective = Denoising(net, noise="gaussian:0.5")
    term = objective.terms(net, batch, generator(3))["reconstruction"]
    corrupted = (batch.x + 0.5 * torch.randn(batch.x.shape, generator=generator(3))).clamp(0, 1)
    assert torch.allclose(term, (net(corrupted) - batch.x).square().mean((1, 2, 3)))


def test_code_noise_is_the_mean_square_of_code_and_error_put_together(net, batch):
    """With sd 0: the squared error of concat(z, f - x) against zero, divided by the D values of x."""
    objective = CodeNoise(net, sd=0.0)
    total = sum(objective.terms(net, batch, generator()).values())
    z = net.encode(batch.x)
    both = torch.cat([z, (net.decode(z) - batch.x).flatten(1)], dim=1)
    assert torch.allclose(total, both.square().sum(1) / 64, atol=1e-6)


def test_kl_is_that_of_torch_distributions():
    mean, log_variance = torch.randn(2, 7, 4, generator=generator())
    posterior = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    prior = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
    assert torch.allclose(kl_to_standard_normal(mean, log_variance), kl_divergence(posterior, prior), atol=1e-5)
    assert torch.allclose(kl_to_standard_normal(torch.zeros(1, 4), torch.zeros(1, 4)), torch.zeros(1))


def test_beta_weighs_the_kl_and_nothing_else(net, batch):
    one, four = Variational(net, beta=1.0), Variational(net, beta=4.0)
    four.load_state_dict(one.state_dict())
    a, b = one.terms(net, batch, generator()), four.terms(net, batch, generator())
    assert torch.equal(a["reconstruction"], b["reconstruction"])
    assert torch.allclose(4 * a["kl"], b["kl"])


def test_nt_xent_is_the_papers_formula_written_out():
    first, second = torch.randn(2, 4, 6, generator=generator())
    z = functional.normalize(torch.cat([first, second]), dim=1).numpy().astype(np.float64)
    losses = []
    for i in range(8):
        similarity = {k: math.exp(float(z[i] @ z[k]) / 0.3) for k in range(8) if k != i}
        losses.append(-math.log(similarity[(i + 4) % 8] / sum(similarity.values())))
    expected = (np.array(losses[:4]) + np.array(losses[4:])) / 2
    assert np.allclose(nt_xent(first, second, 0.3).numpy(), expected, atol=1e-5)


def test_contrastive_alone_leaves_the_decoder_untouched(net, batch):
    objective = Contrastive(net)
    terms = objective.terms(net, batch, generator())
    assert list(terms) == ["contrastive"]
    terms["contrastive"].mean().backward()
    assert all(p.grad is None for p in net.decoder.parameters())
    assert not objective.trains_decoder
    both = Contrastive(net, reconstruction=2.0)
    assert set(both.terms(net, batch, generator())) == {"contrastive", "reconstruction"}
    assert both.trains_decoder


def test_bce_wants_images():
    with pytest.raises(RecipeError, match="bce"):
        Reconstruction(Dense((5,), 2), loss="bce")
