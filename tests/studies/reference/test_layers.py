import numpy as np
import pytest
import torch
from torch.nn import functional

from narrows.errors import InputError
from narrows.studies.reference import layers

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)
T = layers.one_hot(np.array([0, 2, 1, 1, 0]), 3)
TORCH = {
    "identity": lambda a: a,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softmax": lambda a: torch.softmax(a, dim=1),
}


def test_xavier_has_its_variance_and_its_bounds():
    w = layers.xavier(400, 200, np.random.default_rng(0))
    assert w.shape == (400, 200)
    assert w.var() == pytest.approx(2 / (400 + 200), rel=0.02)
    assert np.abs(w).max() == pytest.approx(np.sqrt(6 / 600), rel=1e-3)
    assert np.abs(w).max() <= np.sqrt(6 / 600)


def test_the_printed_variance_of_xavier_is_not_the_one_drawn():
    w = layers.xavier(1024, 64, np.random.default_rng(0))
    assert w.var() == pytest.approx(2 / (1024 + 64), rel=0.02)
    assert w.var() > 50 * 2 / (1024 * 64 + 64)


def test_sigmoid_at_known_places_and_far_out():
    with np.errstate(all="raise", under="ignore"):
        y = layers.sigmoid(np.array([0.0, np.log(3), -np.log(3), 1000.0, -1000.0]))
    assert y == pytest.approx([0.5, 0.75, 0.25, 1, 0], abs=1e-15)


def test_softmax_at_known_places():
    y = layers.softmax(np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 1.0]]))
    assert y == pytest.approx(np.array([[1, 2, 5], [8 / 3, 8 / 3, 8 / 3]]) / 8)


def test_softmax_does_not_change_with_a_shift():
    a = RNG.normal(size=(20, 36))
    y = layers.softmax(a)
    assert layers.softmax(a + 37.5) == pytest.approx(y, rel=1e-12)
    assert layers.softmax_naive(a) == pytest.approx(y, rel=1e-12)
    assert ((y > 0) & (y < 1)).all()
    assert y.sum(axis=1) == pytest.approx(np.ones(20))


def test_the_naive_softmax_is_nan_at_1000_and_the_stable_one_is_not():
    a = np.array([[1000.0, 1001.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isnan(layers.softmax_naive(a)).all()
    assert layers.softmax(a) == pytest.approx(np.array([[1 / (1 + np.e), np.e / (1 + np.e)]]))


def test_cross_entropy_and_accuracy_of_a_table_by_hand():
    y = np.array([[0.5, 0.5], [0.1, 0.9], [0.8, 0.2]])
    t = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert layers.cross_entropy(y, t) == pytest.approx(-np.log(0.5 * 0.9 * 0.2))
    assert layers.accuracy(y, t) == pytest.approx(2 / 3)
    assert np.isfinite(layers.cross_entropy(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])))


@pytest.mark.parametrize("activation", TORCH)
def test_a_layer_is_torchs_forwards_and_backwards(activation):
    x, w, b = (torch.tensor(array, requires_grad=True) for array in (X, W, B))
    expected = TORCH[activation](x @ w + b)
    dy = RNG.normal(size=(5, 3))
    cache = layers.forward(X, W, B, activation)
    assert cache.y == pytest.approx(expected.detach().numpy(), rel=1e-12)
    ours = layers.backward(dy, cache, W, activation)
    theirs = torch.autograd.grad(expected, (x, w, b), torch.tensor(dy))
    for mine, its in zip(ours, theirs, strict=True):
        assert mine.shape == its.shape
        assert mine == pytest.approx(its.numpy(), rel=1e-10, abs=1e-13)


def test_the_short_gradient_of_softmax_and_cross_entropy_is_the_long_one():
    cache = layers.forward(X, W, B, "softmax")
    long = layers.backward(-T / cache.y, cache, W, "softmax")
    short = layers.backward_of_sums(layers.cross_entropy_gradient(cache.y, T), X, W)
    for one, other in zip(long, short, strict=True):
        assert one == pytest.approx(other, rel=1e-10, abs=1e-13)


def test_losses_are_torchs():
    a = torch.tensor(X @ W + B)
    y = layers.softmax(X @ W + B)
    classes = torch.tensor(T.argmax(axis=1))
    assert layers.cross_entropy(y, T) == pytest.approx(float(functional.cross_entropy(a, classes, reduction="sum")))
    expected = float(functional.mse_loss(a, torch.tensor(T), reduction="sum"))
    assert layers.squared_error(a.numpy(), T) == pytest.approx(expected)


@pytest.mark.parametrize("activation", TORCH)
def test_float32_stays_float32(activation):
    x, w, b = (array.astype(np.float32) for array in (X, W, B))
    cache = layers.forward(x, w, b, activation)
    gradients = layers.backward(np.ones_like(cache.y), cache, w, activation)
    assert {array.dtype for array in (*cache, *gradients)} == {np.dtype("float32")}


def test_wrong_names_and_labels_are_refused():
    with pytest.raises(InputError, match="sigmoid"):
        layers.forward(X, W, B, "sigmoide")
    with pytest.raises(InputError, match="labels"):
        layers.one_hot(np.array([0, 3]), 3)
