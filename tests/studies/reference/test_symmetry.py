import numpy as np
import pytest

from narrows.errors import InputError
from narrows.studies.reference.layers import one_hot
from narrows.studies.reference.network import Network
from narrows.studies.reference.symmetry import variance_by_layer, watch

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), 30)
X = RNG.normal(size=(4, 16))[LABELS] + 0.5 * RNG.normal(size=(120, 16))  # four clouds
T = one_hot(LABELS, 4)


def test_from_zero_the_hidden_units_stay_one_unit():
    seen = watch(X, T, "zeros", hidden=8, lr=0.1, epochs=6)
    assert seen.gradient_size[0] == 0  # nothing comes back through W2 = 0
    assert seen.gradient_size[-1] > 0.1  # and then something does, the same for every unit
    assert (seen.gradient_spread < 1e-12 * seen.gradient_size.max()).all()
    assert (seen.unit_spread < 1e-12).all()
    assert (seen.rank == 1).all()
    assert np.allclose(seen.gradient, seen.gradient[:, :1], rtol=1e-10, atol=1e-14)


def test_from_xavier_they_differ_and_learn_what_one_unit_cannot():
    # Opposite corners of a square are one class. A single unit's boundary is one line, right on three corners at most.
    corner = np.tile([[0, 0], [1, 1], [0, 1], [1, 0]], (30, 1))
    x, t = 2 * corner - 1 + 0.1 * RNG.normal(size=(120, 2)), one_hot(corner.sum(axis=1) % 2, 2)
    zero, random = (watch(x, t, init, hidden=8, lr=0.1, epochs=40) for init in ("zeros", "xavier"))
    assert (random.gradient_spread > 0.1 * random.gradient_size).all()
    assert (random.unit_spread > 0.1).all()
    assert (random.rank > 1).all()
    assert random.accuracy[-1] == 1
    assert zero.accuracy.max() <= 0.75
    assert len(zero.loss) == len(zero.accuracy) == len(zero.rank) == 41


def test_equal_classes_in_full_batches_do_not_move_zero_weights_at_all():
    seen = watch(X, T, "zeros", hidden=8, lr=0.1, epochs=3, batch_size=None)
    assert seen.loss == pytest.approx(np.full(4, np.log(4)), abs=1e-12)


def test_relu_from_zero_is_dead():
    assert watch(X, T, "zeros", hidden=8, activation="relu", lr=0.1, epochs=3).gradient_size.max() == 0


def test_variances_are_held_by_xavier_and_lost_by_the_others():
    x = RNG.normal(size=(200, 256))
    t = one_hot(RNG.integers(0, 10, 200), 10)
    found = variance_by_layer(x, t, hidden=[256] * 5)
    assert list(found) == ["Xavier", "too small", "too large", "zeros"]
    fall = {name: v.activations[1] / v.activations[-1] for name, v in found.items() if name != "zeros"}
    back = {name: v.gradients[-1] / v.gradients[1] for name, v in found.items() if name != "zeros"}
    assert 1 < fall["Xavier"] < 5
    assert 1 < back["Xavier"] < 5
    # U(-r/5, r/5) has 1/25 of the variance that would keep the signal's: 1/25 for each of the four layers between.
    assert fall["too small"] == pytest.approx(25**4, rel=0.15)
    assert back["too small"] == pytest.approx(25**4, rel=0.15)
    assert found["too large"].activations[-1] > 0.7  # nearly all at -1 or 1
    assert back["too large"] < 0.1  # gradients grow on their way back
    assert not found["zeros"].activations[1:].any()
    assert not found["zeros"].gradients.any()


def test_one_linear_layer_has_the_variance_theory_gives():
    x = RNG.normal(size=(500, 400))
    t = one_hot(RNG.integers(0, 10, 500), 10)
    found = variance_by_layer(x, t, hidden=[200], activation="identity", inits={"a": "xavier"})["a"]
    assert found.activations == pytest.approx([1, 400 * 2 / 600], rel=0.05)  # n_in Var(W)
    network = Network([400, 200, 10], ["identity", "softmax"], "cross_entropy")
    dx = network.gradients(network.forward_layers(x), t)[1].dx
    assert found.gradients[1] == pytest.approx(dx.var())


def test_no_hidden_layers_are_refused():
    with pytest.raises(InputError, match="hidden"):
        variance_by_layer(X, T, hidden=[])
