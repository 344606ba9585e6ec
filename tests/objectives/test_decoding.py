import torch

from narrows.encoding.model import Model
from narrows.objectives import Batch


def test_the_loss_is_the_squared_error_of_what_is_drawn():
    model = Model((1, 16, 16), {"name": "conv", "code_size": 4}, {"name": "decoding", "n_clusters": 2})
    x = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    terms = model.objective.terms(model.net, Batch(x), torch.Generator())
    assert list(terms) == ["reconstruction"]
    torch.testing.assert_close(terms["reconstruction"], (model.net(x) - x).square().flatten(1).mean(1))
