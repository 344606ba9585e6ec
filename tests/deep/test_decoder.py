import numpy as np
import pytest
import torch

from narrows.deep import Stages
from narrows.deep._decoder import with_decoder
from narrows.encoding.model import Model
from narrows.training.settings import Settings


def taught(values):
    model = Model(values.shape[1:], {"name": "conv", "code_size": 4}, {"name": "taught", "n_clusters": 2}, seed=0)
    settings = Settings(epochs=2, batch_size=16, lr=1e-3, keep="last")
    return Stages().train("taught", model, values, settings, seed=0, labels=(values.mean((1, 2, 3)) > 127).astype(int))


@pytest.fixture(scope="module")
def squares():
    """Dark and bright images, 64 of each."""
    level = np.repeat([40, 200], 64)[:, None, None, None]
    return (level + np.random.default_rng(0).integers(-20, 20, (128, 1, 16, 16))).astype(np.uint8)


def test_a_decoder_is_learned_and_neither_code_nor_cluster_moves(squares):
    before = taught(squares)
    after = with_decoder(before, squares, np.arange(128), np.arange(0), Stages(), seed=0)
    assert np.array_equal(before.encode(squares), after.encode(squares))
    for name, tensor in before.objective.state_dict().items():  # what reads the clusters
        assert torch.equal(tensor, after.objective.state_dict()[name])
    assert after.objective.trains_decoder
    drawn = after.reconstruct(squares)
    error = ((drawn - squares / 255.0) ** 2).mean()
    assert error < 0.1 * (squares / 255.0).var()  # the two levels are nearly all there is to know


@pytest.mark.slow
def test_a_decoder_has_seen_its_own_rows_only_and_one_of_other_rows_is_another(squares, tmp_path):
    before, rows, valid = taught(squares), np.arange(0, 128, 2), np.arange(1, 128, 4)
    others = squares.copy()
    others[3::4] = 255 - others[3::4]  # neither trained nor validated on
    stages = Stages(tmp_path)
    after = with_decoder(before, squares, rows, valid, stages, seed=0)
    (history,) = stages.histories.values()
    assert all("valid/loss" in epoch for epoch in history)
    again = with_decoder(before, others, rows, valid, Stages(), seed=0)
    assert np.array_equal(after.reconstruct(squares), again.reconstruct(squares))
    every = with_decoder(before, squares, np.arange(128), np.arange(0), stages, seed=0)
    assert not np.array_equal(after.reconstruct(squares), every.reconstruct(squares))
    assert len(stages.histories) == 2
