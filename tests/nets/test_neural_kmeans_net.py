import copy

import numpy as np
import pytest
import torch

from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.nets.neural_kmeans import NeuralKMeans
from narrows.studies.worked.kmeans_update import assignments


@pytest.fixture
def net():
    torch.manual_seed(0)
    return NeuralKMeans((1, 4, 5), 3, beta=2.0, spread=1.0)


def test_codes_and_outputs_are_the_formulas(net):
    x = torch.rand(7, 1, 4, 5)
    rows, centers = x.flatten(1).numpy().astype(np.float64), net.centers.detach().numpy().astype(np.float64)
    p = assignments(rows, centers, 2.0)
    assert np.allclose(net.encode(x).detach(), p, atol=1e-6)
    assert np.allclose(net(x).detach().flatten(1), p @ centers, atol=1e-6)
    distances = ((rows[:, None] - centers) ** 2).sum(2)
    weights = np.exp(-distances)
    assert np.allclose(p, weights / weights.sum(1, keepdims=True))


def test_it_has_no_other_parameters_and_computes_in_float32(net):
    assert [tuple(p.shape) for p in net.parameters()] == [(3, 20)]
    assert sum(t.numel() for t in net.state_dict().values()) == 60
    x = torch.rand(7, 1, 4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        code, output = net.encode(x), net(x)
    assert code.dtype == output.dtype == torch.float32
    assert torch.equal(output, net(x))


def test_a_copy_has_centres_of_its_own(net):
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.centers.zero_()
    assert not other.decode(torch.ones(1, 3)).any()
    assert net.decode(torch.ones(1, 3)).any()


def test_there_may_be_more_centres_than_values_and_where_they_start():
    torch.manual_seed(0)
    vectors = NeuralKMeans((2,), 500).centers.detach()
    assert -1 <= float(vectors.min()) < -0.9
    assert 0.9 < float(vectors.max()) <= 1
    images = NeuralKMeans((1, 28, 28), 10, spread=1.0).centers.detach()
    assert 0 <= float(images.min()) < 0.01
    assert 0.99 < float(images.max()) <= 1


def test_a_model_on_disk_gives_its_outputs_back(tmp_path):
    model = Model((1, 8, 8), {"name": "neural-kmeans", "code_size": 5}, {"name": "reconstruction"}, seed=1)
    model.save(tmp_path)
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(Model.load(tmp_path).net(x), model.net(x))


@pytest.mark.parametrize("arguments", [{"beta": 0.0}, {"spread": -1.0}, {"beta": "soft"}, {"code_size": 0}])
def test_arguments_that_make_no_sense_are_refused(arguments):
    with pytest.raises(RecipeError):
        NeuralKMeans((1, 4, 5), **arguments)
