"""Find NaN or infinity in a training state."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def first_not_finite(state: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the first tensor that contains NaN or infinity; None if all are finite."""
    floating = {name: tensor for name, tensor in state.items() if tensor.is_floating_point() and tensor.numel()}
    if not floating:
        return None
    # The greatest magnitude is NaN or infinite if any value is. One result per device, so a GPU is waited for only
    # once.
    largest = {name: tensor.detach().abs().max() for name, tensor in floating.items()}
    by_device: dict[torch.device, list[str]] = {}
    for name, value in largest.items():
        by_device.setdefault(value.device, []).append(name)
    for names in by_device.values():
        finite = torch.stack([largest[name].isfinite() for name in names]).tolist()
        if not all(finite):
            return names[finite.index(False)]
    return None
