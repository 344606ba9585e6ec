from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from narrows.encoding.model import Model
from narrows.errors import Interrupted, RecipeError, RunFolderError
from narrows.objectives import Batch, Joint, Objective
from narrows.objectives.contrastive import nt_xent
from narrows.training import checkpoint, lanes
from narrows.training.engine import Engine
from narrows.training.lanes import Lanes
from narrows.training.loop import train
from narrows.training.settings import Settings
from narrows.work.threads import Workers


class Alike(Joint):
    """Codes of a row and of its negative should be alike: a comparison of all rows that draws no random numbers."""

    def __init__(self, net):
        super().__init__()

    def outputs(self, net, batch, generator):
        return {"first": net.encode(batch.x).float(), "second": net.encode(-batch.x).float(), "kept": batch.x[:, 0]}

    def joined(self, outputs, labels):
        return {"alike": nt_xent(outputs["first"], outputs["second"], 0.5), "label": 0 * labels.float()}


class Seeing(Objective):
    """The mean square of codes; notes how many rows it sees at a time."""

    seen: ClassVar = []

    def __init__(self, net):
        super().__init__()

    def terms(self, net, batch, generator):
        self.seen.append(len(batch.x))
        return {"square": net.encode(batch.x).float().square().mean(1)}


def of_vectors(objective, **net):
    return Model((6,), {"name": "dense", "code_size": 3, "hidden": [8]} | net, objective, seed=1).train()


def gradients(model, rows, count=2, size=50, seed=0, **batch):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal((size, *model.input_shape)).astype(np.float32))
    with Workers(count) as workers:
        cut = Lanes(model, Engine("cpu", "float32"), rows, workers)
        loss, sums = cut.gradients((x, torch.arange(size) % 3), 0, 1, 2)
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    return float(loss), {name: float(total) for name, total in sums.items()}, found


@pytest.mark.parametrize("rows", [1, 7, 16, 49])
@pytest.mark.parametrize("objective", ["reconstruction", f"{__name__}:Alike"], ids=["of rows", "joint"])
def test_without_batch_statistics_lanes_add_up_to_the_batch(rows, objective):
    loss, sums, whole = gradients(of_vectors({"name": objective}), 50)
    lane_loss, lane_sums, found = gradients(of_vectors({"name": objective}), rows)
    assert lane_loss == pytest.approx(loss, rel=1e-5)
    assert lane_sums == pytest.approx(sums, rel=1e-5)
    assert {name for name, gradient in whole.items() if gradient is None} == {
        name for name, gradient in found.items() if gradient is None
    }
    for name, gradient in whole.items():
        assert gradient is None or torch.allclose(gradient, found[name], atol=1e-6), name


def test_lanes_are_cut_evenly_by_the_batch_alone():
    Seeing.seen = []
    model = of_vectors({"name": f"{__name__}:Seeing"})
    for count in (1, 2):
        gradients(model, 16, count=count, size=50)
        gradients(model, 16, count=count, size=16)
    assert sorted(Seeing.seen) == sorted(2 * [12, 13, 12, 13, 16])


def test_statistics_are_the_means_over_lanes():
    model = Model((1, 8, 8), {"name": "conv", "code_size": 2, "width": 4}, {"name": "reconstruction"}, seed=0).train()
    first = next(layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8)).astype(np.uint8))
    convolution = model.net.encoder[0]
    with torch.no_grad():
        made = convolution(model.prepare(x))  # (40, 4, 4, 4)
    parts = [made[:13], made[13:26], made[26:]]
    mean = sum(len(part) / 40 * part.mean((0, 2, 3)) for part in parts)
    variance = sum(len(part) / 40 * part.transpose(0, 1).flatten(1).var(1) for part in parts)
    with Workers(2) as workers:
        Lanes(model, Engine("cpu", "float32"), 16, workers).gradients((x, None), 0)
    assert torch.allclose(first.running_mean, 0.1 * mean, atol=1e-6)
    assert torch.allclose(first.running_var, 0.9 + 0.1 * variance, atol=1e-6)
    assert first.num_batches_tracked == 1
    for name in ("shift", "scale"):  # what no lane changes keeps its bits
        assert torch.equal(before[name], dict(model.named_buffers())[name])


@pytest.mark.parametrize(
    ("net", "objective", "labelled"),
    [
        ({"name": "conv", "code_size": 4, "width": 4}, {"name": "denoising"}, False),
        ({"name": "conv", "code_size": 4, "width": 4}, {"name": "contrastive"}, False),
        ({"name": "conv", "code_size": 4, "width": 4}, {"name": "variational"}, False),
        ({"name": "mlp", "n_classes": 10, "dropout": 0.3}, {"name": "classification"}, True),
        ({"name": "neural-kmeans", "code_size": 5}, {"name": "kmeans", "repair": 40}, False),
        ({"name": "mlp", "n_classes": 10}, {"name": "imsat"}, "distances"),
    ],
    ids=["denoising", "contrastive", "variational", "dropout", "whole batches", "partly without autocast"],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_any_number_of_threads_gives_the_same_bits(digits, monkeypatch, net, objective, labelled, precision):
    values, labels = digits
    if labelled == "distances":
        labels = np.ones((len(values), 1), np.float32)
    found = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        model = Model((1, 8, 8), net, objective, seed=0)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        settings = Settings(epochs=2, batch_size=100, lane_rows="auto" if "repair" in objective else 24)
        settings = Settings(**{**vars(settings), "precision": precision})
        history = train(
            model, values, np.arange(200), np.arange(200, 250), settings, labels=labels if labelled else None
        )
        assert any(not torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
        losses = [{key: row[key] for key in ("train/loss", "valid/loss")} for row in history]
        found.append((losses, [tensor.clone() for tensor in model.state_dict().values()]))
    for losses, state in found[1:]:
        assert losses == found[0][0]
        assert all(torch.equal(a, b) for a, b in zip(state, found[0][1], strict=True))


@pytest.mark.parametrize("objective", ["denoising", "contrastive"])
def test_weights_converted_once_in_a_step_give_the_bits_of_those_converted_in_every_lane(
    digits, monkeypatch, objective
):
    values, _ = digits
    found = []
    for converted in (lanes.CONVERTED, ()):
        monkeypatch.setattr(lanes, "CONVERTED", converted)
        model = Model((1, 8, 8), {"name": "conv", "code_size": 4, "width": 4}, {"name": objective}, seed=0)
        settings = Settings(epochs=2, batch_size=100, lane_rows=24, precision="bfloat16")
        train(model, values, np.arange(200), np.arange(0), settings)
        found.append(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(found[0].values(), found[1].values(), strict=True))


def test_dropout_differs_from_lane_to_lane():
    """Rows that are all alike are dropped differently in each lane, as they would be in one batch."""
    torch.manual_seed(0)
    model = Model((6,), {"name": "mlp", "n_classes": 3, "dropout": 0.5, "hidden": [64]}, {"name": "classification"})
    seen = []
    model.train().net.register_forward_hook(lambda module, given, made: seen.append(made.detach().clone()))
    with Workers(2) as workers:
        cut = Lanes(model, Engine("cpu", "float32"), 10, workers)
        cut.gradients((torch.ones(20, 6), torch.zeros(20, dtype=torch.int64)), 3)
    first, second = seen[-2:]
    assert not torch.equal(first, second)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_killed_training_resumes_on_another_number_of_threads_to_the_same_bits(
    digits, tmp_path, monkeypatch, threads
):
    values, _ = digits
    settings = Settings(epochs=3, batch_size=100, lane_rows=24, checkpoint_steps=1, average=0.9)

    def fit(folder=None, stop=None):
        model = Model((1, 8, 8), {"name": "conv", "code_size": 4, "width": 4}, {"name": "denoising"}, seed=0)
        train(model, values, np.arange(200), np.arange(200, 250), settings, folder=folder, stop=stop)
        return model.state_dict()

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    whole = fit()
    calls = iter(range(100))
    with pytest.raises(Interrupted):
        fit(tmp_path, lambda: 15 if next(calls) == 3 else 0)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    resumed = fit(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(whole.values(), resumed.values(), strict=True))


def test_a_checkpoint_of_a_version_that_trained_to_other_bits_is_refused(digits, tmp_path, monkeypatch):
    values, _ = digits
    model = Model((1, 8, 8), {"name": "dense", "code_size": 4}, {"name": "reconstruction"})
    settings = Settings(epochs=1, batch_size=100)
    monkeypatch.setattr(checkpoint, "VERSION", checkpoint.VERSION - 1)
    train(model, values, np.arange(200), np.arange(0), settings, folder=tmp_path)
    monkeypatch.undo()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RunFolderError, match=r"checkpoint of this version.*--overwrite"):
        train(model, values, np.arange(200), np.arange(0), settings, folder=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_number_of_rows_is_refused_where_whole_batches_are_needed(digits):
    values, _ = digits
    model = Model((1, 8, 8), {"name": "neural-kmeans", "code_size": 5}, {"name": "kmeans"})
    with pytest.raises(RecipeError, match=r"train\.lane_rows must be auto"):
        train(model, values, np.arange(200), np.arange(0), Settings(lane_rows=10))
    with pytest.raises(RecipeError, match=r"train\.lane_rows must be >= 1"):
        Settings(lane_rows=0)
    with pytest.raises(RecipeError, match=r"train\.lane_rows .* auto with train\.compile"):
        Settings(lane_rows=64, compile=True)


def test_the_terms_of_a_joint_objective_are_those_of_its_joined_outputs():
    model = of_vectors({"name": f"{__name__}:Alike"})
    x, y = torch.randn(9, 6), torch.arange(9)
    objective = model.objective
    terms = objective.terms(model.net, Batch(x, y), torch.Generator())
    assert torch.equal(
        terms["alike"], objective.joined(objective.outputs(model.net, Batch(x, y), torch.Generator()), y)["alike"]
    )
    assert terms["label"].tolist() == [0] * 9
