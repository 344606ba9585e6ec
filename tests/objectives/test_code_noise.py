"""The original loss of the Gaussian autoencoder: 794 values against zero."""

import pytest
import torch
from torch.nn import functional

from narrows.errors import RecipeError
from narrows.nets.gaussian_autoencoder import GaussianAutoencoder
from narrows.objectives import Batch
from narrows.objectives.code_noise import CodeNoise


def test_it_is_the_mean_square_of_code_and_error_put_together():
    torch.manual_seed(0)
    net = GaussianAutoencoder((1, 28, 28)).eval()
    x = torch.rand(5, 1, 28, 28)
    objective = CodeNoise(net, mean_over="all")
    loss = objective.loss(objective.terms(net, Batch(x), torch.Generator().manual_seed(3)))
    z = net.encode(x)
    f = net.decode(z + torch.randn(5, 10, generator=torch.Generator().manual_seed(3)))
    output = torch.cat([z, (f - x).flatten(1)], dim=1)
    assert output.shape == (5, 794)
    assert torch.allclose(loss, functional.mse_loss(output, torch.zeros(5, 794)))
    usual = CodeNoise(net)
    assert torch.allclose(
        usual.loss(usual.terms(net, Batch(x), torch.Generator().manual_seed(3))), loss * 794 / 784, atol=1e-6
    )


def test_another_mean_is_refused():
    with pytest.raises(RecipeError, match="mean_over"):
        CodeNoise(GaussianAutoencoder((1, 28, 28)), mean_over="code")
