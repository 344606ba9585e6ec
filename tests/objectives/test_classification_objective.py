import math

import pytest
import torch
from torch.nn import functional

from narrows.classifiers.linear import Linear
from narrows.errors import RecipeError
from narrows.objectives import Batch
from narrows.objectives.classification import Classification


def linear(rows):
    net = Linear((2,), 3)
    with torch.no_grad():
        net.head.weight.copy_(torch.tensor(rows))
        net.head.bias.zero_()
    return net


def terms(objective, net, x, y):
    return objective.terms(net, Batch(torch.tensor(x), torch.tensor(y)), torch.Generator())


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    net = linear([[0.0, 0.0]] * 3)
    found = terms(Classification(net), net, [[1.0, 2.0]], [2])
    assert found["cross_entropy"].item() == pytest.approx(math.log(3))


def test_cross_entropy_smoothing_and_accuracy_in_closed_form():
    net = linear([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    x, y = [[1.0, 0.0], [0.0, 3.0]], [0, 0]
    log_p = functional.log_softmax(torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]]), 1)
    objective = Classification(net, smoothing=0.3)
    smooth = objective.train()
    expected = -(0.7 * log_p[:, 0] + 0.3 * log_p.mean(1))
    found = terms(smooth, net, x, y)
    assert torch.allclose(found["cross_entropy"], expected)
    assert found["accuracy"].tolist() == [1.0, 0.0]
    # What is watched is no part of the loss, and held-out rows are judged by the plain cross-entropy.
    assert smooth.loss(found).item() == pytest.approx(expected.mean().item())
    assert torch.allclose(terms(objective.eval(), net, x, y)["cross_entropy"], -log_p[:, 0])


def test_squared_error_of_the_sigmoids_in_closed_form():
    net = linear([[0.0, 0.0]] * 3)
    found = terms(Classification(net, loss="mse"), net, [[1.0, 2.0]], [1])
    assert found["squared_error"].item() == pytest.approx(0.25)


def test_views_are_drawn_in_training_only():
    net = torch.nn.Identity()
    net.is_images = True
    objective, x = Classification(net, views="flip:1"), torch.rand(64, 1, 4, 4)
    assert not torch.equal(objective.train().corrupt(x, torch.Generator()), x)
    assert torch.equal(objective.eval().corrupt(x, torch.Generator()), x)


def test_it_says_what_it_needs():
    net = linear([[0.0, 0.0]] * 3)
    with pytest.raises(RecipeError, match="none were given"):
        Classification(net).terms(net, Batch(torch.zeros(1, 2)), torch.Generator())
    with pytest.raises(RecipeError, match="smoothing"):
        Classification(net, smoothing=1.0)


def test_a_target_may_be_shares_in_the_classes():
    net = linear([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    shares = [[0.2, 0.7, 0.1]]
    log_p = functional.log_softmax(torch.tensor([[2.0, 0.0, 0.0]]), 1)
    found = terms(Classification(net), net, [[1.0, 0.0]], shares)
    assert torch.allclose(found["cross_entropy"], -(torch.tensor(shares) * log_p).sum(1))
    assert found["accuracy"].tolist() == [0.0]
    squared = terms(Classification(net, loss="mse"), net, [[1.0, 0.0]], shares)["squared_error"]
    outputs = torch.tensor([[2.0, 0.0, 0.0]]).sigmoid()
    assert torch.allclose(squared, (outputs - torch.tensor(shares)).square().mean(1))
