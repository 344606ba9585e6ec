"""Corruptions: (x, generator) -> x, composed by a list such as ``["gaussian:0.3", "masking:0.2"]``.

Images have values in [0, 1] and keep that range; vectors are standardised and unbounded. The number after the colon is
the strength. All randomness comes from the generator, so a corruption can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from narrows.errors import RecipeError, nearest

Step = Callable[[Tensor, torch.Generator, float], Tensor]


def gaussian(x: Tensor, generator: torch.Generator, sd: float) -> Tensor:
    """Add normal noise of standard deviation ``sd`` to every value."""
    return x + sd * torch.randn(x.shape, generator=generator, device=x.device)


def salt_and_pepper(x: Tensor, generator: torch.Generator, amount: float) -> Tensor:
    """Set a share ``amount`` of the values to the batch's smallest or largest value, half of them to each."""
    u = torch.rand(x.shape, generator=generator, device=x.device)
    x = torch.where(u < amount / 2, x.amin(), x)
    return torch.where(u > 1 - amount / 2, x.amax(), x)


def masking(x: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """Set a ``share`` of the values to zero (Vincent et al. 2010)."""
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= share  # 0 is masked, 1 is kept
    return x * keep


CORRUPTIONS: dict[str, tuple[Step, float]] = {  # name: (function, largest sensible strength)
    "gaussian": (gaussian, 10.0),
    "salt-and-pepper": (salt_and_pepper, 1.0),
    "masking": (masking, 1.0),
}


def parse(
    parameter: str, texts: str | Sequence[str], table: Mapping[str, tuple[Step, float]]
) -> list[tuple[Step, float]]:
    """Parse ``["name:strength", ...]`` with a table of functions.

    Raises
    ------
    RecipeError : an unknown name, or a strength that is missing, not a number, or out of range
    """
    steps = []
    for text in [texts] if isinstance(texts, str) else texts:
        name, _, amount = text.partition(":")
        if name not in table:
            raise RecipeError(parameter, "must name known steps", value=text, remedy=nearest(name, table))
        step, largest = table[name]
        try:
            strength = float(amount)
        except ValueError:
            strength = math.nan
        if not 0 <= strength <= largest:
            raise RecipeError(
                parameter,
                f"must give {name!r} a strength from 0 to {largest:g} after a colon",
                value=text,
                remedy=f"For example {name}:0.3.",
            )
        steps.append((step, strength))
    return steps


class Noise:
    """A corruption made of steps that are applied in order.

    Parameters
    ----------
    steps : a step or a list of steps, each ``"name:strength"``: gaussian (standard deviation), salt-and-pepper (share
        of values), masking (share of values)
    bounded : whether values are in [0, 1] (images), so that corrupted values are clamped to that range
    """

    def __init__(self, steps: str | Sequence[str], *, bounded: bool) -> None:
        self.steps = parse("noise", steps, CORRUPTIONS)
        self.bounded = bounded

    def __bool__(self) -> bool:
        """Whether there are any steps."""
        return bool(self.steps)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return a corrupted copy of ``x`` (N, ...)."""
        for step, strength in self.steps:
            x = step(x, generator, strength)
        return x.clamp(0, 1) if self.bounded else x
