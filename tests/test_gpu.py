"""On a GPU, narrows does what it does on a processor. ``bench/gpu.sh`` runs these tests where there is one."""

import numpy as np
import pytest
import torch

import narrows
from narrows.encoding.model import Model
from narrows.training.loop import train
from narrows.training.settings import Settings

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]


def trained(images, device, **settings):
    model = Model((1, 8, 8), {"name": "conv", "code_size": 8}, {"name": "reconstruction"}, seed=0)
    settings = Settings(epochs=3, batch_size=64, device=device, **settings)
    return model, train(model, images, np.arange(1600), np.arange(1600, 1797), settings)


def test_training_learns_what_the_processor_learns(digits):
    (here, there), (_, on_processor) = (
        trained(digits[0], "cuda", precision="float32"),
        trained(digits[0], "cpu", precision="float32"),
    )
    assert next(here.parameters()).device.type == "cuda"
    for name in ("train/loss", "valid/loss"):
        assert there[-1][name] == pytest.approx(on_processor[-1][name], rel=0.02)
    assert there[-1]["valid/loss"] < 0.7 * there[0]["valid/loss"]


def test_training_in_bfloat16_and_compiled_learns_as_well(digits):
    _, plain = trained(digits[0], "cuda", precision="float32")
    _, compiled = trained(digits[0], "cuda", precision="bfloat16", compile=True)
    assert compiled[-1]["valid/loss"] == pytest.approx(plain[-1]["valid/loss"], rel=0.1)


def test_codes_and_reconstructions_are_those_of_the_processor(digits):
    model, _ = trained(digits[0], "cuda")
    codes = model.encode(digits[0])
    drawn = model.decode(codes)
    model.to("cpu")
    scale = np.abs(codes).max()
    assert np.abs(model.encode(digits[0]) - codes).max() < 1e-5 * scale
    assert np.abs(model.decode(codes) - drawn).max() < 1e-5


def test_training_goes_on_from_a_checkpoint(digits, tmp_path):
    model = Model((1, 8, 8), {"name": "conv", "code_size": 8}, {"name": "reconstruction"}, seed=0)
    rows, steps = np.arange(1600), iter(range(30))
    settings = Settings(epochs=3, batch_size=64, device="cuda")
    with pytest.raises(narrows.Interrupted):
        train(model, digits[0], rows, rows[:0], settings, folder=tmp_path, stop=lambda: 15 * (next(steps) == 29))
    again = Model((1, 8, 8), {"name": "conv", "code_size": 8}, {"name": "reconstruction"}, seed=0)
    history = train(again, digits[0], rows, rows[:0], settings, folder=tmp_path)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["train/loss"] < history[0]["train/loss"]


def test_clusters_are_found_there_and_read_on_a_processor(digits, tmp_path, monkeypatch):
    made = narrows.ImageClusterer(10, options={"layouts": 1, "epochs": 2, "spaces": ["pixels"]}, random_state=0)
    made.fit(digits[0])
    assert (made.predict(digits[0]) == made.labels_).all()
    made.save(tmp_path / "clusters.zip")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    read = narrows.ImageClusterer.load(tmp_path / "clusters.zip")
    assert (read.predict(digits[0]) == made.labels_).mean() > 0.999
