"""The networks of the colour-embedding study are the original ones."""

import pytest
import torch
from torch import nn

from narrows.errors import RecipeError
from narrows.objectives import Batch
from narrows.objectives.reconstruction import Reconstruction
from narrows.studies.nets.colour_conv import ColourConv
from narrows.studies.nets.colour_dense import ColourDense


def parameters(*parts):
    return sum(p.numel() for part in parts for p in part.parameters())


def literal_conv():
    encoder = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Tanh(),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Tanh(),
        nn.Conv2d(128, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Tanh(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.Tanh(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )
    decoder = nn.Sequential(
        nn.ConvTranspose2d(256, 128, 5),
        nn.ReLU(),
        nn.Tanh(),
        nn.ConvTranspose2d(128, 64, 9),
        nn.ReLU(),
        nn.Tanh(),
        nn.ConvTranspose2d(64, 3, 17),
        nn.Tanh(),
    )
    return encoder, decoder


def literal_dense():
    between = lambda: (nn.LeakyReLU(0.5), nn.Tanh())  # noqa: E731
    encoder = nn.Sequential(
        nn.Flatten(),
        nn.Linear(3072, 1024),
        *between(),
        nn.Linear(1024, 1024),
        *between(),
        nn.Linear(1024, 1024),
        nn.LeakyReLU(0.5),
    )
    decoder = nn.Sequential(
        nn.Linear(1024, 1024),
        *between(),
        nn.Linear(1024, 1024),
        *between(),
        nn.Linear(1024, 3072),
        *between(),
        nn.Unflatten(1, (3, 32, 32)),
    )
    return encoder, decoder


@pytest.mark.parametrize(
    ("network", "literal", "counts", "code_size"),
    [
        (ColourConv, literal_conv, (1_550_976, 1_538_435), 4096),
        (ColourDense, literal_dense, (5_245_952, 5_248_000), 1024),
    ],
)
def test_it_computes_what_the_written_layers_compute_on_the_scale_of_minus_one_to_one(
    network, literal, counts, code_size
):
    net, (encoder, decoder) = network((3, 32, 32)), literal()
    assert (parameters(net.encoder, net.to_code), parameters(net.decoder)) == counts
    for ours, theirs in ((nn.ModuleList([net.encoder, net.to_code]), encoder), (net.decoder, decoder)):
        for mine, written in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.data.copy_(written.data)
    images = torch.rand(2, 3, 32, 32)
    code = encoder(2 * images - 1)
    torch.testing.assert_close(net.encode(images), code.flatten(1))
    assert net.encode(images).shape == (2, code_size)
    torch.testing.assert_close(2 * net(images) - 1, decoder(code))
    # And so the objective's weight of 4 makes its loss the squared error on that scale.
    terms = Reconstruction(net, weight=4.0).terms(net, Batch(images), torch.Generator())
    written = (decoder(code) - (2 * images - 1)).square().flatten(1).mean(1)
    torch.testing.assert_close(terms["reconstruction"], written)


def test_the_kernels_lead_back_through_the_sides_of_pooling():
    net = ColourConv((3, 32, 32))
    assert [m.kernel_size for m in net.decoder if isinstance(m, nn.ConvTranspose2d)] == [(5, 5), (9, 9), (17, 17)]
    odd = ColourConv((1, 29, 11), code_size=3 * 12)
    assert odd(torch.rand(2, 1, 29, 11)).shape == (2, 1, 29, 11)
    assert odd.encode(torch.rand(2, 1, 29, 11)).shape == (2, 36)


def test_what_they_cannot_be_built_for_is_named():
    with pytest.raises(RecipeError, match="multiple of 16"):
        ColourConv((3, 32, 32), code_size=100)
    for network, shape in ((ColourConv, (3, 7, 32)), (ColourConv, (20,)), (ColourDense, (3, 65, 32))):
        with pytest.raises(RecipeError, match=r"net\.name"):
            network(shape, code_size=4)
    with pytest.raises(RecipeError, match="code_size"):
        ColourDense((3, 4, 4), code_size=49)
