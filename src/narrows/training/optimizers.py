"""The optimisers, all of them torch's."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from narrows.training.settings import Settings


def make_optimizer(module: nn.Module, settings: Settings) -> Optimizer:
    """Return the optimiser for a module's parameters, in its fused form if the device has one."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    fused = parameters[0].device.type in ("cpu", "cuda")
    common: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": fused}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=settings.momentum, nesterov=settings.nesterov, **common)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, **common)
    return torch.optim.AdamW(parameters, **common)
