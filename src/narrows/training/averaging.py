"""The moving average of weights."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_average(averaged: nn.Module, module: nn.Module, decay: float, step: int) -> None:
    """Move ``averaged`` towards ``module``: a <- d a + (1 - d) w, with d = min(decay, (1 + step) / (10 + step)).

    The smaller decay of the first steps lets the initial weights fade from the average.
    """
    decay = min(decay, (1 + step) / (10 + step))
    for mean, value in zip(averaged.state_dict().values(), module.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
