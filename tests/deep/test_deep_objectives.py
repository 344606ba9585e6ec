"""The objectives of deep clusterings, against closed forms, sampling and properties stated in the papers."""

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from narrows.classifiers.mlp import MLP
from narrows.errors import RecipeError
from narrows.nets.dense import Dense
from narrows.objectives import Batch
from narrows.objectives.imsat import IMSAT
from narrows.objectives.mixture_prior import MixturePrior
from narrows.objectives.student_t import StudentT, target
from narrows.recipes.recipe import load

NET = Dense((6,), code_size=2, hidden=(8,))


def generator():
    return torch.Generator().manual_seed(0)


def test_shares_are_students_t_densities_of_the_distances():
    objective = StudentT(NET, n_clusters=3)
    codes = torch.randn(5, 2, generator=generator())
    distances = torch.cdist(codes, objective.centers).detach().numpy()
    density = student(df=1).pdf(distances)
    np.testing.assert_allclose(objective.assign(codes).detach(), density / density.sum(1, keepdims=True), rtol=1e-5)


def test_targets_of_two_rows_by_hand():
    shares = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    # f = (1.2, 0.8): 0.64/1.2 and 0.04/0.8; 0.16/1.2 and 0.36/0.8
    first, second = np.array([0.64 / 1.2, 0.04 / 0.8]), np.array([0.16 / 1.2, 0.36 / 0.8])
    np.testing.assert_allclose(target(shares), [first / first.sum(), second / second.sum()], rtol=1e-6)


def test_the_divergence_is_zero_where_targets_are_the_shares_and_pulls_towards_them_elsewhere():
    objective = StudentT(NET, n_clusters=3)
    x = torch.randn(4, 6, generator=generator())
    own = objective.assign(NET.encode(x)).detach()
    assert objective.terms(NET, Batch(x, own), generator())["divergence"].abs().max() < 1e-6
    other = own.roll(1, dims=1)
    found = objective.terms(NET, Batch(x, other), generator())["divergence"]
    np.testing.assert_allclose(found.detach(), (other * (other / own).log()).sum(1), rtol=1e-4)
    assert (found > 0).all()


def test_the_reconstruction_comes_beside_the_divergence_only_with_a_weight():
    x = torch.randn(4, 6, generator=generator())
    shares = torch.full((4, 3), 1 / 3)
    assert set(StudentT(NET, 3).terms(NET, Batch(x, shares), generator())) == {"divergence"}
    both = StudentT(NET, 3, reconstruction=2.0).terms(NET, Batch(x, shares), generator())
    expected = 2 * (NET(x) - x).square().mean(1)
    np.testing.assert_allclose(both["reconstruction"].detach(), expected.detach(), rtol=1e-5)


@pytest.mark.parametrize("objective", [StudentT(NET, 3), IMSAT(MLP((6,), 3))], ids=["student-t", "imsat"])
def test_without_targets_there_is_a_clear_error(objective):
    with pytest.raises(RecipeError, match="none were given"):
        objective.terms(NET, Batch(torch.zeros(2, 6)), generator())


def test_they_are_no_objectives_of_a_recipe():
    with pytest.raises(RecipeError, match="part of a clustering"):
        load("digits", ["objective.name=student-t", "objective.n_clusters=3"])


def test_vades_divergence_is_the_mean_of_its_sampled_value():
    objective = MixturePrior(NET, n_clusters=3)
    with torch.no_grad():
        objective.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
        objective.log_variances.normal_(generator=generator())
    mean, log_variance = torch.tensor([[0.3, -0.5]]), torch.tensor([[-1.0, 0.2]])
    # With the shares q(c) of one fixed code, sum_c q(c) E_q(z) [log q(z) + log q(c) - log p(c) - log p(z | c)].
    code = torch.tensor([[0.1, -0.2]])
    shares = objective.assign(code)
    draws = mean + (log_variance / 2).exp() * torch.randn(200_000, 2, generator=generator())
    log_q = torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(draws).sum(1)
    components = torch.distributions.Normal(objective.means, (objective.log_variances / 2).exp())
    log_p = components.log_prob(draws[:, None]).sum(2) + objective.logits.log_softmax(0)  # (S, M)
    sampled = (shares * (log_q[:, None] + shares.log() - log_p)).sum(1).mean()
    assert objective.divergence(mean, log_variance, code).item() == pytest.approx(sampled.item(), abs=0.02)


def test_vades_shares_are_those_of_a_mixture():
    objective = MixturePrior(NET, n_clusters=3)
    codes = torch.randn(5, 2, generator=generator())
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=objective.logits),
        torch.distributions.Independent(torch.distributions.Normal(objective.means, 1.0), 1),
    )
    log = torch.distributions.Normal(objective.means, 1.0).log_prob(codes[:, None]).sum(2)
    expected = (log + objective.logits.log_softmax(0) - mixture.log_prob(codes)[:, None]).exp()
    np.testing.assert_allclose(objective.assign(codes).detach(), expected.detach(), rtol=1e-5)


def test_one_component_makes_vade_a_variational_autoencoder():
    objective = MixturePrior(NET, n_clusters=1)
    with torch.no_grad():
        objective.means.zero_()
    mean, log_variance = torch.randn(4, 2, generator=generator()), torch.full((4, 2), -0.7)
    expected = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
    np.testing.assert_allclose(objective.divergence(mean, log_variance, mean).detach(), expected, rtol=1e-5)


def test_imsats_information_of_known_outputs():
    net = MLP((2,), 2, hidden=())
    with torch.no_grad():
        net.head.weight.copy_(torch.eye(2) * 50)
        net.head.bias.zero_()
    objective = IMSAT(net, weight=1.0, mu=4.0)
    even = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    reach = torch.full((2, 1), 0.01)
    terms = objective.terms(net, Batch(even, reach), generator())
    assert terms["certainty"].abs().max() < 1e-6
    np.testing.assert_allclose(terms["balance"].detach(), -4 * np.log(2), rtol=1e-5)
    one = objective.terms(net, Batch(even[:1].repeat(2, 1), reach), generator())
    np.testing.assert_allclose(one["balance"].detach(), 0, atol=1e-6)


def test_imsats_worst_change_is_as_long_as_asked_and_worse_than_a_random_one():
    torch.manual_seed(0)
    net, seen = MLP((6,), 3, hidden=(16,)), []
    objective = IMSAT(net, reach=0.5)
    x = torch.randn(64, 6, generator=generator())
    length = torch.linspace(0.1, 1, 64)
    net.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    robustness = objective.terms(net, Batch(x, 2 * length[:, None]), generator())["robustness"]
    worst = seen[-1] - x
    np.testing.assert_allclose(worst.norm(dim=1), length, rtol=1e-5)
    log = net(x).log_softmax(1)
    random = torch.randn(64, 6, generator=generator())
    random = random / random.norm(dim=1, keepdim=True) * length[:, None]

    def away(change):
        moved = net(x + change).log_softmax(1)
        return (log.exp() * (log - moved)).sum(1).detach()

    np.testing.assert_allclose(robustness.detach(), away(worst), rtol=1e-4, atol=1e-7)
    assert robustness.mean() > 1.5 * away(random).mean()


def test_imsats_changed_rows_are_not_learned_by_batch_normalisation():
    torch.manual_seed(0)
    net = MLP((6,), 3, hidden=(16,), norm=True).train()
    x = torch.randn(64, 6, generator=generator())
    net(x)
    alone = [buffer.clone() for name, buffer in net.named_buffers() if "running" in name]
    torch.manual_seed(0)
    net = MLP((6,), 3, hidden=(16,), norm=True).train()
    IMSAT(net).terms(net, Batch(x, torch.ones(64, 1)), generator())
    for buffer, expected in zip((b for n, b in net.named_buffers() if "running" in n), alone, strict=True):
        assert torch.equal(buffer, expected)


def test_a_share_does_not_depend_on_what_else_is_in_the_batch():
    objective = StudentT(NET, n_clusters=40)
    codes = 200 + torch.randn(60, 2, generator=generator())
    np.testing.assert_array_equal(objective.assign(codes)[:1].detach(), objective.assign(codes[:1]).detach())
