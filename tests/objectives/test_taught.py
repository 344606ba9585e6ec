import math

import pytest
import torch

from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.objectives import Batch


def model(**arguments):
    return Model((1, 8, 8), {"name": "conv", "code_size": 4}, {"name": "taught", "n_clusters": 3, **arguments})


def batch(n=6):
    return Batch(torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(n) % 3)


def test_the_loss_is_minus_the_log_of_the_share_of_the_given_cluster():
    m, b = model(), batch()
    shares = m.objective.assign(m.net.encode(b.x))
    torch.testing.assert_close(shares.sum(1), torch.ones(6))
    terms = m.objective.terms(m.net, b, torch.Generator())
    torch.testing.assert_close(terms["cross_entropy"], -shares[torch.arange(6), b.y].log())
    torch.testing.assert_close(terms["accuracy"], (shares.argmax(1) == b.y).float())
    assert m.objective.loss(terms).item() == pytest.approx(
        terms["cross_entropy"].mean().item()
    )  # accuracy is only watched


def test_without_any_knowledge_it_is_log_m():
    m = model()
    with torch.no_grad():
        m.objective.head.weight.zero_()
        m.objective.head.bias.zero_()
    assert m.objective.terms(m.net, batch(), torch.Generator())["cross_entropy"][0].item() == pytest.approx(math.log(3))


def test_views_and_smoothing_are_for_training_only():
    m, plain, b = model(views=["affine:2"], smoothing=0.2), model(), batch()
    still = m.objective.terms(m.net, b, torch.Generator().manual_seed(1))["cross_entropy"]
    torch.testing.assert_close(still, plain.objective.terms(plain.net, b, torch.Generator())["cross_entropy"])
    m.objective.train()
    one, two = (m.objective.terms(m.net, b, torch.Generator().manual_seed(s))["cross_entropy"].detach() for s in (1, 2))
    assert not torch.allclose(one, two)


@pytest.mark.parametrize("wrong", [{"n_clusters": 0}, {"smoothing": 1.0}])
def test_arguments_out_of_range_are_named(wrong):
    with pytest.raises(RecipeError, match=r"objective\.n_clusters and objective\.smoothing"):
        model(**wrong)


def test_it_needs_clusters():
    m = model()
    with pytest.raises(RecipeError, match="none were given"):
        m.objective.terms(m.net, Batch(batch().x), torch.Generator())
