"""The literal network: its parameters and shapes are the original ones, and its last padding is a correction."""

import pytest
import torch
from torch import nn

from narrows.errors import RecipeError
from narrows.nets.gaussian_autoencoder import GaussianAutoencoder


def shapes(layers, x, kinds):
    found = []
    with torch.no_grad():
        for layer in layers:
            x = layer(x)
            if isinstance(layer, kinds):
                found.append(tuple(x.shape[1:]))
    return found


def test_parameters_of_both_halves():
    net = GaussianAutoencoder((1, 28, 28))
    encoder = sum(p.numel() for part in (net.encoder, net.to_code) for p in part.parameters())
    assert encoder == 135_100
    assert sum(p.numel() for p in net.decoder.parameters()) == 271_421


def test_shapes_on_the_way_down_and_up():
    net = GaussianAutoencoder((1, 28, 28)).eval()
    down = shapes(net.encoder, torch.zeros(1, 1, 28, 28), (nn.Conv2d, nn.MaxPool2d, nn.Linear))
    assert down == [(20, 25, 25), (20, 11, 11), (20, 5, 5), (250,)]
    up = shapes(net.decoder, torch.zeros(1, 10), (nn.Linear, nn.Unflatten, nn.Upsample, nn.ConvTranspose2d))
    assert up == [(360,), (720,), (20, 6, 6), (20, 12, 12), (20, 27, 27), (1, 28, 28)]


def test_as_printed_it_ends_at_30x30():
    net = GaussianAutoencoder((1, 28, 28)).eval()
    net.decoder[-1] = nn.ConvTranspose2d(20, 1, 4)
    with torch.no_grad():
        assert net(torch.zeros(1, 1, 28, 28)).shape == (1, 1, 30, 30)


def test_what_it_cannot_be_built_for_is_refused():
    with pytest.raises(RecipeError, match="28"):
        GaussianAutoencoder((1, 32, 32))
    with pytest.raises(RecipeError, match="dropout"):
        GaussianAutoencoder((1, 28, 28), dropout=1.0)
