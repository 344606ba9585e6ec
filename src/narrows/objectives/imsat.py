"""Clusters of even size that are robust to small changes of an input in the worst direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.classifiers import ClassifierNet, classifiers
from narrows.errors import RecipeError
from narrows.objectives import Batch, Joint
from narrows.registry import Registry

__all__ = ["IMSAT"]


class IMSAT(Joint):
    """Information maximising self-augmented training (Hu et al. 2017, equations 4, 8 and 10).

    R + weight (H(Y | X) - mu H(Y)): outputs should be robust to virtual adversarial changes (R; Miyato et al. 2016), be
    certain for each row, and use all clusters evenly within a batch. The length of a change is ``reach`` times the
    distance from a row to its tenth neighbour, which is given as the row's target.

    Parameters
    ----------
    net : a classifier
    weight : weight of the information term, 0.1 in the paper
    mu : weight of the entropy of the clusters' shares, 4 in the paper
    reach : length of a change relative to the distance to the tenth neighbour, 0.25 in the paper
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

    def outputs(self, net: ClassifierNet, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the logarithms "log" and "moved" (N, M) of a row's shares in the clusters, as it is and changed."""
        if batch.y is None:
            raise RecipeError("objective.name", "'imsat' needs distances to neighbours, but none were given")
        log = net(batch.x).log_softmax(1)
        with _without_statistics(net):  # running statistics are learned from unchanged rows only
            changed = batch.x + self._worst(net, batch.x, self.reach * batch.y[:, 0], generator)
            moved = net(changed).log_softmax(1)
        return {"log": log, "moved": moved}

    def joined(self, outputs: Mapping[str, Tensor], labels: Tensor | None) -> dict[str, Tensor]:
        """Return {"robustness": (N,), "certainty": (N,), "balance": (N,)}; the last is the same for the whole batch."""
        log, moved = outputs["log"], outputs["moved"]
        shares = log.exp().mean(0)  # (M,)
        evenness = -(shares * shares.clamp(min=1e-12).log()).sum()
        return {
            "robustness": functional.kl_div(moved, log.detach(), reduction="none", log_target=True).sum(1),
            "certainty": -self.weight * (log.exp() * log).sum(1),
            "balance": (-self.weight * self.mu * evenness).expand(len(log)),
        }

    def _worst(self, net: ClassifierNet, x: Tensor, length: Tensor, generator: torch.Generator) -> Tensor:
        """Return the changes (N, ...) of ``length`` (N,) that move the output most, by one step of power iteration.

        The divergence is 0 and flat at the row itself, so its gradient is taken at a random change of the same length.
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
    """Let batch normalisation use a batch's statistics without adding them to the running ones.

    Outside training none are added, and several threads may use the same layers.
    """
    layers = [layer for layer in net.modules() if layer.training and isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum


def _unit(x: Tensor) -> Tensor:
    """Scale each row to length 1; a row of zeros is unchanged."""
    return functional.normalize(x.flatten(1), dim=1).view(x.shape)
