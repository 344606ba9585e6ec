import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from narrows.errors import InputError, Interrupted, TrainingError
from narrows.studies.reference.layers import one_hot
from narrows.studies.reference.network import Network, shifts

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 6))
T = one_hot(RNG.integers(0, 3, 12), 3)


def classifier(**more):
    return Network([6, 5, 3], ["sigmoid", "softmax"], "cross_entropy", **more)


def autoencoder(**more):
    return Network([6, 4, 2, 4, 6], ["relu", "relu", "relu", "sigmoid"], "squared_error", **more)


def in_torch(network):
    """The same network as a torch module, ending before the softmax, with the same numbers."""
    kinds = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "softmax": nn.Identity}
    modules = []
    for number, activation in enumerate(network.activations, start=1):
        linear = nn.Linear(*network.sizes[number - 1 : number + 1]).double()
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(network.parameters[f"W{number}"].T))
            linear.bias.copy_(torch.tensor(network.parameters[f"b{number}"]))
        modules += [linear, kinds[activation]()]
    return nn.Sequential(*modules)


def torch_loss(module, x, t, loss):
    if loss == "cross_entropy":
        return functional.cross_entropy(module(torch.tensor(x)), torch.tensor(t), reduction="sum")
    return functional.mse_loss(module(torch.tensor(x)), torch.tensor(t), reduction="sum")


@pytest.mark.parametrize(
    ("sizes", "activations", "loss", "count"),
    [
        ([1024, 64, 36], ["sigmoid", "softmax"], "cross_entropy", 67940),
        ([1024, 32, 32, 32, 1024], ["relu", "relu", "relu", "sigmoid"], "squared_error", 68704),
    ],
)
def test_the_letters_networks_have_their_numbers_of_parameters(sizes, activations, loss, count):
    assert Network(sizes, activations, loss).n_parameters == count


@pytest.mark.parametrize(("make", "t"), [(classifier, T), (autoencoder, X)])
def test_loss_and_gradients_are_torchs(make, t):
    network = make(seed=1)
    module = in_torch(network)
    expected = torch_loss(module, X, t, network.loss_name)
    loss, gradients = network.loss_and_gradients(X, t)
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert loss == pytest.approx(network.loss(X, t))
    theirs = torch.autograd.grad(expected, list(module.parameters()))
    for number in range(len(network.activations)):
        assert gradients[f"W{number + 1}"] == pytest.approx(theirs[2 * number].numpy().T, rel=1e-9, abs=1e-12)
        assert gradients[f"b{number + 1}"] == pytest.approx(theirs[2 * number + 1].numpy(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.1)])
def test_ten_steps_are_those_of_torchs_sgd(momentum, weight_decay):
    network = classifier(seed=2)
    module = in_torch(network)
    groups = [
        {"params": [p for n, p in module.named_parameters() if n.endswith("weight")], "weight_decay": weight_decay},
        {"params": [p for n, p in module.named_parameters() if n.endswith("bias")]},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=momentum)
    seen = []
    for _ in range(10):
        optimizer.zero_grad()
        parameters = list(module.parameters())
        loss = torch_loss(module, X, T, "cross_entropy")
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
        seen.append(float(torch_loss(module, X, T, "cross_entropy").detach()) / len(X))
    history = network.fit(X, T, epochs=10, batch_size=None, lr=0.05, momentum=momentum, weight_decay=weight_decay)
    assert [row["train/loss"] for row in history] == pytest.approx(seen, rel=1e-10)
    assert network.parameters["W1"] == pytest.approx(module[0].weight.detach().numpy().T, rel=1e-8)


def test_momentum_by_hand_on_a_parabola_with_a_falling_rate():
    # J = (w - 1)^2 for x = 1, t = 1, so that dJ/dw = 2 (w - 1); the bias sees the same gradient.
    network = Network([1, 1], ["identity"], "squared_error", init="zeros")
    one = np.ones((1, 1))
    history = network.fit(one, one, epochs=3, batch_size=1, lr=0.1, momentum=0.9, lr_factor=0.5, lr_every=2)
    w, moved = 0.0, 0.0
    for rate in (0.1, 0.1, 0.05):
        moved = 0.9 * moved - rate * 2 * (2 * w - 1)  # w and b are equal
        w += moved
    assert [row["lr"] for row in history] == pytest.approx([0.1, 0.1, 0.05])
    assert network.parameters["W1"][0, 0] == pytest.approx(w)
    assert network.parameters["b1"][0] == pytest.approx(w)


def test_a_full_batch_is_one_step_along_the_gradient():
    network, before = classifier(), classifier()
    _, gradients = before.loss_and_gradients(X, T)
    network.fit(X, T, epochs=1, batch_size=None, lr=0.01)
    for name, array in before.parameters.items():
        assert network.parameters[name] == pytest.approx(array - 0.01 * gradients[name], rel=1e-10)


@pytest.mark.parametrize(("batch_size", "steps"), [(None, 1), (12, 1), (100, 1), (5, 3), (1, 12)])
def test_batch_size_sets_the_steps_of_an_epoch(batch_size, steps):
    asked = []
    classifier().fit(X, T, epochs=2, batch_size=batch_size, lr=0.01, stop=lambda: asked.append(1) or 0)
    assert len(asked) == 2 * steps


def test_every_row_is_used_once_an_epoch_in_an_order_the_seed_fixes():
    def orders(seed):
        seen = []
        keep = lambda x, rng: seen.append(x[:, 0].copy()) or x  # noqa: E731
        classifier().fit(X, T, epochs=2, batch_size=5, lr=0.01, seed=seed, augment=keep)
        return np.concatenate(seen)

    first = orders(0)
    assert np.array_equal(np.sort(first[:12]), np.sort(X[:, 0]))
    assert not np.array_equal(first[:12], first[12:])
    assert np.array_equal(first, orders(0))
    assert not np.array_equal(first, orders(1))


def test_history_scores_the_weights_the_epoch_ended_with():
    network = classifier()
    history = network.fit(X, T, (X[:4], T[:4]), epochs=3, batch_size=4, lr=0.05)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["train/loss"] == network.loss(X, T) / 12
    assert history[-1]["valid/loss"] == network.loss(X[:4], T[:4]) / 4
    assert history[-1]["valid/accuracy"] == (network.predict(X[:4]) == T[:4].argmax(axis=1)).mean()
    assert "train/accuracy" not in autoencoder().fit(X, X, epochs=1, batch_size=4, lr=1e-3)[0]


def test_it_learns_a_sum_of_parities_no_line_divides():
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    t = one_hot(np.array([0, 1, 1, 0]), 2)
    network = Network([2, 8, 2], ["tanh", "softmax"], "cross_entropy")
    history = network.fit(x, t, epochs=200, batch_size=None, lr=0.1, momentum=0.9)
    assert history[-1]["train/accuracy"] == 1
    assert history[-1]["train/loss"] < 0.01


def test_seed_and_precision():
    assert np.array_equal(classifier(seed=3).parameters["W2"], classifier(seed=3).parameters["W2"])
    assert not np.array_equal(classifier(seed=3).parameters["W2"], classifier(seed=4).parameters["W2"])
    single, double = classifier(dtype="float32"), classifier()
    single.fit(X, T, epochs=20, batch_size=4, lr=0.05, momentum=0.9, weight_decay=0.01)
    double.fit(X, T, epochs=20, batch_size=4, lr=0.05, momentum=0.9, weight_decay=0.01)
    assert {array.dtype for array in single.parameters.values()} == {np.dtype("float32")}
    assert single.parameters["W1"] == pytest.approx(double.parameters["W1"], abs=1e-4)


def test_init_is_a_name_or_a_bound():
    assert not classifier(init="zeros").parameters["W1"].any()
    w = Network([100, 100], ["identity"], "squared_error", init=0.01).parameters["W1"]
    assert 0.0099 < np.abs(w).max() <= 0.01


def test_shifts_move_each_image_whole_and_fill_with_the_background():
    images = np.zeros((200, 5, 6))
    images[:, 2, 3] = 1
    moved = shifts((5, 6), most=2, fill=0.25)(images.reshape(200, 30), np.random.default_rng(0)).reshape(200, 5, 6)
    rows, columns = np.nonzero(moved == 1)[1:]
    assert len(rows) == 200
    assert set(rows) == {0, 1, 2, 3, 4}
    assert set(columns) == {1, 2, 3, 4, 5}
    filled = (moved == 0.25).sum(axis=(1, 2))
    down, right = np.abs(rows - 2), np.abs(columns - 3)
    assert np.array_equal(filled, down * 6 + right * 5 - down * right)


def test_a_signal_interrupts():
    with pytest.raises(Interrupted) as stopped:
        classifier().fit(X, T, epochs=2, batch_size=4, lr=0.1, stop=lambda: 15)
    assert stopped.value.signal == 15


def test_divergence_is_an_error_that_names_the_rate(recwarn):
    network = Network([6, 6, 6], ["identity", "identity"], "squared_error")
    with pytest.raises(TrainingError, match="lower lr"):
        network.fit(X, X, epochs=500, batch_size=None, lr=10.0)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sizes": [6]}, "sizes"),
        ({"sizes": [6, 0, 3]}, "sizes"),
        ({"activations": ["softmax"]}, "activations"),
        ({"activations": ["softmax", "softmax"]}, r"activations\[0\]"),
        ({"activations": ["elu", "softmax"]}, "elu"),
        ({"loss": "squared_error"}, "loss"),
        ({"loss": "hinge"}, "hinge"),
        ({"init": "he"}, "init"),
        ({"init": -1.0}, "init"),
        ({"dtype": "float16"}, "dtype"),
    ],
)
def test_a_network_that_does_not_fit_together_is_refused(change, named):
    right = {"sizes": [6, 5, 3], "activations": ["sigmoid", "softmax"], "loss": "cross_entropy"}
    with pytest.raises(InputError, match=named):
        Network(**(right | change))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"lr": 0.0}, "lr"),
        ({"momentum": 1.0}, "momentum"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"lr_factor": 0.0}, "lr_factor"),
        ({"lr_every": 0}, "lr_every"),
        ({"x": X[:, :5]}, "x must have shape"),
        ({"t": T[:5]}, "t must have a row"),
        ({"valid": (X, X)}, "valid t"),
    ],
)
def test_settings_out_of_range_and_wrong_shapes_are_refused(change, named):
    right = {"x": X, "t": T, "epochs": 1, "batch_size": 4, "lr": 0.1}
    with pytest.raises(InputError, match=named):
        classifier().fit(**(right | change))
