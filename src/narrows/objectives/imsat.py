"""Clusters of even size that do not change when an input is changed a little in the worst direction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.classifiers import ClassifierNet, classifiers
from narrows.errors import RecipeError
from narrows.objectives import Batch, Objective
from narrows.registry import Registry

__all__ = ["IMSAT"]


class IMSAT(Objective):
    """Information maximising self-augmented training (Hu et al. 2017, equations 4, 8 and 10).

    R + weight (H(Y | X) - mu H(Y)): outputs are to stay under virtual adversarial changes (R; Miyato et al. 2016), to
    be certain of each row, and to use all clusters of the batch evenly. A change is as long as a share ``reach`` of the
    distance from a row to its tenth neighbour, which the target of the row says.

    Parameters
    ----------
    net : a classifier
    weight : of the information, 0.1 in the paper
    mu : of the entropy of the clusters' shares, 4 in the paper
    reach : 0.25 in the paper
    """

    networks: ClassVar[Registry] = classifiers
    trains_decoder = False
    only_in_methods = True
    parts_clusters = True

    def __init__(self, net: ClassifierNet, weight: float = 0.1, mu: float = 4.0, reach: float = 0.25) -> None:
        super().__init__()
        if weight <= 0 or mu < 0 or reach <= 0:
            raise RecipeError(
                "objective.weight, objective.mu and objective.reach",
                "must be > 0, >= 0 and > 0",
                value=(weight, mu, reach),
            )
        self.weight, self.mu, self.reach = weight, mu, reach

    def terms(self, net: ClassifierNet, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return {"robustness": (N,), "certainty": (N,), "balance": (N,)}; the last is one number of the batch."""
        if batch.y is None:
            raise RecipeError("objective.name", "'imsat' needs distances to neighbours, and there are none")
        logits = net(batch.x)  # (N, M)
        log = logits.log_softmax(1)
        shares = log.exp().mean(0)  # (M,)
        evenness = -(shares * shares.clamp(min=1e-12).log()).sum()
        with _without_statistics(net):  # what new rows are normalised by is learned from rows as they are
            changed = batch.x + self._worst(net, batch.x, self.reach * batch.y[:, 0], generator)
            moved = net(changed).log_softmax(1)
        return {
            "robustness": functional.kl_div(moved, log.detach(), reduction="none", log_target=True).sum(1),
            "certainty": -self.weight * (log.exp() * log).sum(1),
            "balance": (-self.weight * self.mu * evenness).expand(len(log)),
        }

    def _worst(self, net: ClassifierNet, x: Tensor, length: Tensor, generator: torch.Generator) -> Tensor:
        """Return the change (N, ...) of each row, of its ``length`` (N,), that moves the output most: one power step.

        The divergence is 0 and flat where nothing is changed, so its slope is taken at a random change as long.
        """
        length = length.view(-1, *[1] * (x.ndim - 1))
        step = (_unit(torch.randn(x.shape, generator=generator, device=x.device)) * length).requires_grad_()
        with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
            log = net(x).log_softmax(1).detach()
            away = functional.kl_div(net(x + step).log_softmax(1), log, reduction="sum", log_target=True)
            (gradient,) = torch.autograd.grad(away, step)
        return _unit(gradient) * length


@contextmanager
def _without_statistics(net: ClassifierNet) -> Iterator[None]:
    """Let batch normalisation use a batch's own statistics without adding them to its running ones."""
    layers = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum


def _unit(x: Tensor) -> Tensor:
    """Bring each row to length 1; a row of zeros stays one."""
    return functional.normalize(x.flatten(1), dim=1).view(x.shape)
