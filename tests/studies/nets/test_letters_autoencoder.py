"""The autoencoder of the letters study is the original one, and trains like the one written by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.studies.nets.letters_autoencoder import LettersAutoencoder
from narrows.studies.reference.network import Network
from narrows.training.loop import train
from narrows.training.settings import Settings


def linears(net):
    return [module for module in net.modules() if isinstance(module, nn.Linear)]


def test_it_is_the_network_that_was_written_down():
    net = LettersAutoencoder((1, 32, 32))
    assert sum(parameter.numel() for parameter in net.parameters()) == 68_704
    layers = linears(net)
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(1024, 32), (32, 32), (32, 32), (32, 1024)]
    written = nn.Sequential(
        nn.Flatten(), layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2], nn.ReLU(), layers[3], nn.Sigmoid()
    )
    x = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(net(x).flatten(1), written(x))
    assert net.encode(x).shape == (3, 32)


def test_weights_start_as_xavier_says():
    torch.manual_seed(0)
    for layer in linears(LettersAutoencoder((1, 32, 32))):
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert layer.weight.abs().max() <= bound * (1 + 1e-6)  # float32
        assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.1)
        assert not layer.bias.any()


def test_by_the_one_loop_it_has_the_history_of_the_network_written_by_hand(digits):
    values, n = digits[0][:60], 40
    x = values.reshape(60, -1) / 255
    network = Network([64, 6, 6, 6, 64], ["relu"] * 3 + ["sigmoid"], "squared_error", seed=2)
    model = Model(
        (1, 8, 8), {"name": "letters-autoencoder", "code_size": 6}, {"name": "reconstruction", "weight": "sum"}
    )
    with torch.no_grad():
        for number, layer in enumerate(linears(model.net), start=1):
            layer.weight.copy_(torch.from_numpy(network.parameters[f"W{number}"].T))
    # Full batches, so that the order of the rows is no matter; the loop takes the mean where we take the sum.
    lr = 2e-4
    ours = network.fit(x[:n], x[:n], (x[n:], x[n:]), epochs=12, batch_size=None, lr=lr, momentum=0.9)
    theirs = train(
        model,
        values,
        np.arange(n),
        np.arange(n, 60),
        Settings(
            epochs=12,
            batch_size=n,
            optimizer="sgd",
            lr=n * lr,
            momentum=0.9,
            schedule="constant",
            warmup=0.0,
            clip=0.0,
            keep="last",
            precision="float32",
        ),
    )
    assert [row["valid/loss"] for row in theirs] == pytest.approx([row["valid/loss"] for row in ours], rel=1e-4)
    assert ours[-1]["valid/loss"] < 0.95 * ours[0]["valid/loss"]  # there was something to agree on
    for number, layer in enumerate(linears(model.net), start=1):
        np.testing.assert_allclose(layer.weight.detach().numpy().T, network.parameters[f"W{number}"], atol=1e-4)


def test_both_let_the_learning_rate_fall_alike(digits):
    values = digits[0][:20]
    x = values.reshape(20, -1) / 255
    network = Network([64, 4, 64], ["relu", "sigmoid"], "squared_error")
    ours = network.fit(x, x, epochs=7, batch_size=10, lr=1e-4, lr_factor=0.9, lr_every=3)
    model = Model((1, 8, 8), {"name": "letters-autoencoder", "code_size": 4}, {"name": "reconstruction"})
    settings = Settings(
        epochs=7, batch_size=10, optimizer="sgd", lr=1e-4, schedule="step", step_epochs=3, step_factor=0.9, warmup=0.0
    )
    theirs = train(model, values, np.arange(20), np.arange(0), settings)
    # What follows differs a little: W <- W - lr M, M <- m M + dJ takes the new rate for the old steps in M as well.
    assert [row["lr"] for row in theirs] == pytest.approx([row["lr"] for row in ours])
    assert ours[-1]["lr"] == pytest.approx(1e-4 * 0.9**2)


def test_vectors_and_codes_larger_than_the_input_are_refused():
    with pytest.raises(RecipeError, match=r"net\.name"):
        LettersAutoencoder((20,), code_size=4)
    with pytest.raises(RecipeError, match="code_size"):
        LettersAutoencoder((1, 4, 4), code_size=17)
