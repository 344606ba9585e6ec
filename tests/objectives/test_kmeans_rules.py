import numpy as np
import pytest
import torch

from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.objectives import Batch
from narrows.studies.worked import kmeans_update as page
from narrows.training.loop import train
from narrows.training.settings import Settings

PLAIN = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "clip": 0.0,
    "keep": "last",
    "shuffle": False,
    "precision": "float32",
}


def model_of(centers, shape, **objective):
    net = {"name": "neural-kmeans", "code_size": len(centers), "beta": 20.0}
    model = Model(shape, net, {"name": "kmeans", **objective})
    with torch.no_grad():
        model.net.centers.copy_(torch.as_tensor(centers))
    return model


def one_step(model, x, lr):
    """The centres after one step of plain gradient descent on the whole of x."""
    train(model, x, np.arange(len(x)), np.arange(0), Settings(epochs=1, batch_size=len(x), lr=lr, **PLAIN))
    return model.net.centers.detach().numpy()


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 6)).astype(np.float32), rng.normal(size=(5, 6)).astype(np.float32)


@pytest.mark.parametrize("a", [0.01, 0.2, 0.9, 1.0, 1.7])
def test_a_step_of_the_cell_rule_goes_a_share_a_of_the_way_to_the_mean(points, a):
    x, c = points
    c[4] = 100  # an empty cell: it stays
    nearest = ((x[:, None] - c) ** 2).sum(2).argmin(1)
    expected = c.copy()
    for i in np.unique(nearest):
        expected[i] += a * (x[nearest == i].mean(axis=0) - c[i])
    assert np.allclose(one_step(model_of(c, (6,)), x, a), expected, atol=1e-5)


@pytest.mark.parametrize(("update", "mean"), [("gradient", "all"), ("sum", "batch")])
def test_the_other_rules_are_the_exact_gradient_of_the_page(points, update, mean):
    x, c = points
    step = 0.1 * page.gradient(x.astype(np.float64), c.astype(np.float64), mean=mean)
    assert np.allclose(one_step(model_of(c, (6,), update=update), x, 0.1), c - step, atol=1e-5)


@pytest.mark.parametrize(("update", "weight"), [("gradient", 1.0), ("sum", "sum")])
def test_the_gradient_rules_are_the_objective_reconstruction_bit_by_bit(digits, update, weight):
    def trained(objective):
        model = Model((1, 8, 8), {"name": "neural-kmeans", "code_size": 10}, objective, seed=3)
        train(model, digits[0], np.arange(500), np.arange(0), Settings(epochs=2, batch_size=64, lr=0.1, **PLAIN))
        return model.net.centers.detach().numpy()

    ours = trained({"name": "kmeans", "update": update})
    assert np.array_equal(ours, trained({"name": "reconstruction", "weight": weight}))


def test_the_loss_and_what_is_watched_in_closed_form(points):
    x, c = points
    model = model_of(c, (6,))
    terms = model.objective.terms(model.net, Batch(torch.from_numpy(x)), torch.Generator())
    squares = ((x[:, None] - c) ** 2).sum(2)
    nearest = squares.argmin(1)
    cells = sum(squares[nearest == i, i].mean() / 2 for i in np.unique(nearest))
    assert model.objective.loss(terms).item() == pytest.approx(cells, rel=1e-5)
    assert np.allclose(terms["mse"], squares.min(1) / 6, atol=1e-5)


def test_a_dead_centre_is_moved_to_a_row_that_has_none_near(points):
    x, _ = points
    c = np.stack([x[:30].mean(axis=0), np.full(6, 50, np.float32), np.full(6, -50, np.float32)])
    x[35] += 20
    model = model_of(c, (6,), repair=40)
    after = one_step(model, x, 1e-9)
    assert np.allclose(after[0], c[0])
    assert int(model.objective.repairs) == 2
    rows = [int(np.abs(x - centre).max(axis=1).argmin()) for centre in after[1:]]
    assert all(np.allclose(x[row], centre) for row, centre in zip(rows, after[1:], strict=True))
    assert len(set(rows)) == 2
    assert 35 in rows


def test_without_repair_and_outside_of_training_a_dead_centre_stays(points):
    x, _ = points
    c = np.stack([x.mean(axis=0), np.full(6, 50, np.float32)])
    assert np.array_equal(one_step(model_of(c, (6,)), x, 1e-9)[1], c[1])
    assert np.array_equal(one_step(model_of(c, (6,), repair=41), x, 1e-9)[1], c[1])
    model = model_of(c, (6,), repair=1).eval()
    model.objective.terms(model.net, Batch(torch.from_numpy(x)), torch.Generator())
    assert np.array_equal(model.net.centers.detach().numpy()[1], c[1])


def test_rows_that_all_have_a_centre_repair_nothing():
    x = np.ones((4, 3), np.float32)
    model = model_of(np.stack([x[0], x[0] + 9]), (3,), repair=1)
    one_step(model, x, 0.1)
    assert int(model.objective.repairs) == 0


def test_a_training_that_was_stopped_makes_the_same_repairs(digits, tmp_path):
    from narrows.errors import Interrupted

    def fresh():
        net = {"name": "neural-kmeans", "code_size": 10, "spread": 1.0}
        return Model((1, 8, 8), net, {"name": "kmeans", "repair": 150}, seed=0)

    def go(model, **options):
        settings = Settings(epochs=3, batch_size=50, lr=0.3, **{**PLAIN, "shuffle": True})
        train(model, digits[0], np.arange(400), np.arange(0), settings, **options)
        return model

    whole = go(fresh())
    steps = iter([0] * 10 + [15])
    with pytest.raises(Interrupted):
        go(fresh(), folder=tmp_path, stop=lambda: next(steps))
    resumed = go(fresh(), folder=tmp_path)
    assert int(whole.objective.repairs) > 0
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


@pytest.mark.parametrize(
    ("net", "arguments", "match"),
    [
        ("neural-kmeans", {"update": "cells"}, "objective.update"),
        ("neural-kmeans", {"repair": -1}, "objective.repair"),
        ("dense", {"repair": 10}, "network without centres"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(net, arguments, match):
    with pytest.raises(RecipeError, match=match):
        Model((6,), {"name": net, "code_size": 3}, {"name": "kmeans", **arguments})
