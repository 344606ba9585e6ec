"""Where in a state NaN or infinity stands."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def first_not_finite(state: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the first tensor that holds NaN or infinity; None where all are finite."""
    floating = {name: tensor for name, tensor in state.items() if tensor.is_floating_point() and tensor.numel()}
    if not floating:
        return None
    # The greatest magnitude is NaN or infinite where any value is. One answer per device: a GPU is waited for once.
    largest = {name: tensor.detach().abs().max() for name, tensor in floating.items()}
    by_device: dict[torch.device, list[str]] = {}
    for name, value in largest.items():
        by_device.setdefault(value.device, []).append(name)
    for names in by_device.values():
        finite = torch.stack([largest[name].isfinite() for name in names]).tolist()
        if not all(finite):
            return names[finite.index(False)]
    return None
