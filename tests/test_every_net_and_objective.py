"""Every network with every objective: whatever is added to either folder is tested here automatically."""

import numpy as np
import pytest
import torch

from narrows.encoding.model import Model
from narrows.errors import InputError, RecipeError
from narrows.nets import nets
from narrows.objectives import objectives
from narrows.training.loop import train
from narrows.training.settings import Settings

SHAPES = [(1, 28, 28), (3, 17, 12), (20,)]


def build(net, objective, shape):
    """A model with a code of 6 values, or of 8 if the network needs a multiple of four."""
    try:
        return Model(shape, {"name": net, "code_size": 6}, {"name": objective}, seed=1)
    except RecipeError:
        return Model(shape, {"name": net, "code_size": 8}, {"name": objective}, seed=1)


def accepted():
    """Every network with each kind of shape it takes: images and vectors."""
    pairs = []
    for name in nets.names():
        taken = []
        for shape in SHAPES:
            try:
                build(name, "reconstruction", shape)
            except RecipeError:
                continue
            taken.append(shape)
        assert taken, f"{name} takes none of {SHAPES}"
        pairs += [(name, shape) for i, shape in enumerate(taken) if i == 0 or len(shape) == 1]
    return pairs


def data_for(model, n=8):
    """Blobs: images, or vectors, that a small network can learn by heart."""
    rng = np.random.default_rng(0)
    if not model.is_images:
        return rng.normal(size=(n, *model.input_shape)).astype(np.float32)
    channels, height, width = model.input_shape
    rows, columns = np.mgrid[:height, :width]
    images = np.zeros((n, channels, height, width), dtype=np.uint8)
    for image in images:
        y, x = rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width
        image[:] = 255 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 12)
    return images


FOUND = {name: objectives.get(name) for name in objectives.names()}
OBJECTIVES = [
    name
    for name, found in FOUND.items()
    if getattr(found, "networks", nets) is nets and not getattr(found, "only_in_methods", False)
]
#: What trains long enough to be seen runs for every network and for every objective; for all pairs in the full suite.
USUAL = [
    pytest.param(
        net,
        objective,
        id=f"{net[0]} {'x'.join(map(str, net[1]))} {objective}",
        marks=[] if objective == "reconstruction" or net[0] == "dense" else pytest.mark.slow,
    )
    for net in accepted()
    for objective in OBJECTIVES
]


@pytest.mark.parametrize("net", accepted(), ids=lambda pair: f"{pair[0]} {'x'.join(map(str, pair[1]))}")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_step_is_finite_and_gives_a_gradient(net, objective):
    model = build(net[0], objective, net[1])
    history = train(model, data_for(model), np.arange(8), np.arange(0), Settings(epochs=1, batch_size=8))
    assert np.isfinite(history[0]["train/loss"])
    moved = [
        not torch.equal(a, b)
        for a, b in zip(build(net[0], objective, net[1]).parameters(), model.parameters(), strict=True)
    ]
    assert any(moved)


@pytest.mark.parametrize(("net", "objective"), USUAL)
def test_eight_samples_are_learned_by_heart(net, objective):
    values = data_for(build(net[0], objective, net[1]))
    # Most pairs need few steps; a term that noise or the prior keeps from zero bounds the fall; a loss that does not
    # learn stays at 1. Where a code says how six centres are mixed, eight samples are more than they can hold.
    for epochs in (60, 250):
        model = build(net[0], objective, net[1])
        model.fit_scaling(values)
        settings = Settings(epochs=epochs, batch_size=8, lr=3e-3, precision="float32")
        history = train(model, values, np.arange(8), np.arange(0), settings)
        share = np.mean([row["train/loss"] for row in history[-10:]]) / history[0]["train/loss"]
        if share < (0.75 if model.net.compresses else 0.85):
            return
    raise AssertionError(f"the loss fell to {share:.2f} of what it was")


@pytest.mark.parametrize(("net", "objective"), USUAL)
def test_saved_and_loaded_it_gives_the_same_output(net, objective, tmp_path):
    model = build(net[0], objective, net[1])
    values = data_for(model)
    model.fit_scaling(values)
    train(model, values, np.arange(8), np.arange(0), Settings(epochs=2, batch_size=8))
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    assert np.array_equal(model.encode(values), loaded.encode(values))
    if not model.objective.trains_decoder:
        with pytest.raises(InputError, match="trains only the encoder"):
            loaded.reconstruct(values)
        return
    assert np.array_equal(model.reconstruct(values), loaded.reconstruct(values))
    assert loaded.reconstruct(values).shape == values.shape


@pytest.mark.parametrize(("net", "objective"), USUAL)
def test_the_seed_decides_every_bit(net, objective):
    values = data_for(build(net[0], objective, net[1]), 40)

    def run():
        model = build(net[0], objective, net[1])
        train(model, values, np.arange(32), np.arange(32, 40), Settings(epochs=2, batch_size=16), seed=3)
        return model.encode(values)

    assert np.array_equal(run(), run())
