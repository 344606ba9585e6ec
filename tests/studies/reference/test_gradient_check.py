import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from narrows.errors import InputError
from narrows.studies.reference.gradient_check import TOLERANCE, check_module, check_network
from narrows.studies.reference.layers import one_hot
from narrows.studies.reference.network import Network

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(6, 8))
T = one_hot(RNG.integers(0, 3, 6), 3)


def networks(dtype):
    return [
        (Network([8, 7, 3], ["sigmoid", "softmax"], "cross_entropy", dtype=dtype), T),
        (Network([8, 7, 6, 3], ["tanh", "relu", "softmax"], "cross_entropy", dtype=dtype), T),
        (Network([8, 4, 3, 4, 8], ["relu", "relu", "relu", "sigmoid"], "squared_error", seed=1, dtype=dtype), X),
        (Network([8, 4, 8], ["identity", "identity"], "squared_error", dtype=dtype), X),
    ]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("which", range(4))
def test_our_gradients_are_right_in_every_scalar(which, dtype):
    network, t = networks(dtype)[which]
    errors = check_network(network, X, t)
    assert list(errors) == list(network.parameters)
    for name, error in errors.items():
        assert error.derived.shape == network.parameters[name].shape
        assert error.relative < TOLERANCE[dtype]
        assert np.linalg.norm(error.differences) > 1e-3  # there was something to be right about


def test_checking_leaves_the_network_as_it_was():
    network, t = networks("float32")[0]
    before = copy.deepcopy(network.parameters)
    check_network(network, X, t)
    for name, array in before.items():
        assert np.array_equal(network.parameters[name], array)
        assert network.parameters[name].dtype == np.float32


def test_one_wrong_scalar_is_found(monkeypatch):
    network, t = networks("float64")[0]
    right = network.loss_and_gradients

    def wrong(x, t):
        loss, gradients = right(x, t)
        gradients["W1"][2, 3] += 1e-4
        return loss, gradients

    monkeypatch.setattr(network, "loss_and_gradients", wrong)
    errors = check_network(network, X, t)
    assert errors["W1"].absolute == pytest.approx(1e-4, rel=1e-3)
    assert errors["W1"].relative > TOLERANCE["float64"]
    assert errors["W2"].relative < TOLERANCE["float64"]


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 3))


IMAGES, CLASSES = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])


def classification(module, images, classes):
    return functional.cross_entropy(module(images), classes, reduction="sum")


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_torch_modules_are_checked_in_either_precision(dtype):
    module = convolutional().to(getattr(torch, dtype))
    errors = check_module(module, classification, IMAGES.to(getattr(torch, dtype)), CLASSES)
    assert list(errors) == ["0.weight", "0.bias", "4.weight", "4.bias", "5.weight", "5.bias"]
    assert max(error.relative for error in errors.values()) < TOLERANCE[dtype]
    assert all(parameter.dtype == getattr(torch, dtype) for parameter in module.parameters())


class WrongSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0]  # the 2 is missing


def test_a_wrong_backward_in_torch_is_found():
    module = nn.Linear(3, 2).double()
    errors = check_module(module, lambda m, x: WrongSquare.apply(m(x)).sum(), torch.ones(1, 3, dtype=torch.float64))
    assert errors["weight"].relative == pytest.approx(1 / 3)  # |1 - 2| / (1 + 2)


def test_frozen_and_unused_parameters():
    module = nn.ModuleDict({"used": nn.Linear(2, 1), "unused": nn.Linear(2, 1)}).double()
    module["used"].bias.requires_grad_(False)
    errors = check_module(module, lambda m, x: m["used"](x).sum(), torch.ones(1, 2, dtype=torch.float64))
    assert list(errors) == ["used.weight", "unused.weight", "unused.bias"]
    assert errors["unused.weight"].relative == 0


def test_a_loss_with_fresh_noise_is_refused():
    module = nn.Sequential(nn.Linear(20, 20), nn.Dropout(0.5))
    with pytest.raises(InputError, match="eval"):
        check_module(module, lambda m, x: m(x).sum(), torch.ones(1, 20))
    assert check_module(module.eval(), lambda m, x: m(x).sum(), torch.ones(1, 20))["0.bias"].relative < 1e-4


def test_a_module_without_parameters_is_refused():
    with pytest.raises(InputError, match="parameters"):
        check_module(nn.ReLU(), lambda m, x: m(x).sum(), torch.ones(1, 2))
