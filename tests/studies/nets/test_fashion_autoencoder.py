import pytest
import torch
from torch import nn

from narrows.errors import RecipeError
from narrows.studies.nets.fashion_autoencoder import FashionAutoencoder


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_original_has_its_parameters_and_shapes():
    net = FashionAutoencoder((1, 28, 28)).eval()
    assert (count(net.encoder) + count(net.to_code), count(net.decoder)) == (1320, 4409)
    x = torch.rand(2, 1, 28, 28)
    sides = []
    for layer in net.encoder:
        x = layer(x)
        sides.append(x.shape[-1])
    assert sides == [10, 10, 5, 3, 3, 2, 32]
    assert net.decode(net.encode(torch.rand(2, 1, 28, 28))).shape == (2, 1, 28, 28)


def test_as_printed_the_improved_one_would_decode_to_forty_pixels():
    net = FashionAutoencoder((1, 28, 28), improved=True)
    assert net(torch.rand(2, 1, 28, 28)).shape == (2, 1, 28, 28)
    layers = list(net.encoder)
    layers[-2] = nn.MaxPool2d(2, stride=1)
    printed = nn.Sequential(*layers[:-1])(torch.rand(2, 1, 28, 28))
    assert printed.shape == (2, 8, 3, 3)
    assert nn.Sequential(*list(net.decoder)[1:])(printed).shape == (2, 1, 40, 40)


def test_inside_values_live_in_minus_one_to_one_and_outside_in_zero_to_one():
    net = FashionAutoencoder((1, 28, 28)).eval()
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(net.features(x), net.encoder(2 * x - 1))
    z = 100 * torch.randn(3, 32)
    assert torch.allclose(2 * net.decode(z) - 1, net.decoder(z).tanh(), atol=1e-6)


def test_a_code_that_cannot_be_is_refused():
    with pytest.raises(RecipeError, match="multiple of 4"):
        FashionAutoencoder((1, 28, 28), code_size=30)
