"""A random view is reconstructed from itself; outside training there are no views."""

import pytest
import torch

from narrows.errors import RecipeError
from narrows.nets.dense import Dense
from narrows.objectives import Batch
from narrows.objectives.augmented import Augmented
from narrows.objectives.reconstruction import Reconstruction
from narrows.views import Views

X = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
NET = Dense((1, 8, 8), code_size=5)


def generator():
    return torch.Generator().manual_seed(3)


def test_in_training_the_target_is_the_view():
    objective = Augmented(NET, views=["affine:1"], weight=2.0)
    view = Views(["affine:1"], images=True)(X, generator())
    expected = Reconstruction(NET, weight=2.0).terms(NET, Batch(view), generator())
    found = objective.terms(NET, Batch(X), generator())
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(
        found["reconstruction"], Reconstruction(NET).terms(NET, Batch(X), generator())["reconstruction"]
    )


def test_outside_training_it_is_plain_reconstruction():
    objective = Augmented(NET).eval()
    expected = Reconstruction(NET).terms(NET, Batch(X), generator())
    torch.testing.assert_close(objective.terms(NET, Batch(X), generator()), expected)
    assert not objective.corrupts


def test_views_are_checked():
    with pytest.raises(RecipeError, match="views"):
        Augmented(NET, views=["jitter:0.2"])
    with pytest.raises(RecipeError, match="views"):
        Augmented(NET, views=[])
