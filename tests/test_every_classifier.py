"""Every classifier: whatever is added to the folder is tested here automatically."""

import numpy as np
import pytest
import torch

from narrows.classifiers import classifiers
from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.training.loop import train
from narrows.training.settings import Settings

SHAPES = [(1, 12, 12), (1, 28, 28), (3, 17, 12), (20,), (2,)]
OBJECTIVE = {"name": "classification"}


def build(name, shape):
    return Model(shape, {"name": name, "n_classes": 3}, OBJECTIVE, seed=1)


def accepted():
    """Every classifier with each kind of shape it takes: images and vectors."""
    pairs = []
    for name in classifiers.names():
        taken = []
        for shape in SHAPES:
            try:
                build(name, shape)
            except RecipeError:
                continue
            taken.append(shape)
        assert taken, f"{name} takes none of {SHAPES}"
        pairs += [(name, shape) for i, shape in enumerate(taken) if i == 0 or len(shape) == 1]
    return pairs


def three_classes(shape, n=48):
    """Rows around one corner for each class."""
    rng, labels = np.random.default_rng(0), np.arange(n) % 3
    corners = rng.normal(size=(3, *shape))
    values = corners[labels] + 0.1 * rng.normal(size=(n, *shape))
    if len(shape) == 3:
        values = (255 / (1 + np.exp(-values))).astype(np.uint8)
    return values.astype(np.uint8 if len(shape) == 3 else np.float32), labels


@pytest.fixture(params=accepted(), ids=lambda pair: f"{pair[0]} {'x'.join(map(str, pair[1]))}")
def case(request):
    return request.param


def test_it_learns_saves_loads_and_the_seed_decides_every_bit(case, tmp_path):
    values, labels = three_classes(case[1])

    def fit():
        model = build(*case)
        model.fit_scaling(values)
        settings = Settings(epochs=60, batch_size=16, lr=5e-3, precision="float32")
        return model, train(model, values, np.arange(40), np.arange(40, 48), settings, labels=labels)

    model, history = fit()
    assert history[-1]["train/accuracy"] > 0.9
    assert history[-1]["train/loss"] < history[0]["train/loss"]
    x = model.prepare(torch.from_numpy(values))
    assert model.net(x).shape == (48, 3)
    assert torch.equal(model.net(x), fit()[0].net(x))
    model.save(tmp_path)
    assert torch.equal(model.net(x), Model.load(tmp_path).net(x))


def test_fewer_than_two_classes_are_refused(case):
    with pytest.raises(RecipeError, match="n_classes"):
        Model(case[1], {"name": case[0], "n_classes": 1}, OBJECTIVE)
