"""Corruptions are as strong as they say."""

import pytest
import torch

from narrows.errors import RecipeError
from narrows.views.noise import Noise


def corrupted(text, x):
    return Noise(text, bounded=True)(x, torch.Generator().manual_seed(0))


def test_noise_has_the_strength_it_says():
    x = torch.full((200, 1, 20, 20), 0.5)
    assert corrupted("gaussian:0.1", x).std().item() == pytest.approx(0.1, rel=0.02)
    assert (corrupted("masking:0.3", x) == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    x[0, 0, 0, 0], x[0, 0, 0, 1] = 0, 1
    salted = corrupted("salt-and-pepper:0.2", x)
    assert (salted == 0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert (salted == 1).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert corrupted("gaussian:5", x).max() <= 1


@pytest.mark.parametrize("text", ["gausian:0.3", "gaussian", "gaussian:-1", "masking:1.5", "masking:nan"])
def test_noise_that_makes_no_sense_is_refused(text):
    with pytest.raises(RecipeError, match="noise"):
        Noise(text, bounded=True)
