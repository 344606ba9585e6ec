"""A module's parameters dealt out to workers, for what is done to each value on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import nn

from narrows.work.threads import Workers

Result = TypeVar("Result")

SHARED_FROM = 1 << 20  # values; with fewer, handing them over takes longer than doing it


class Shares:
    """Parameters by their numbers, in parts of about as many values as each other.

    Parameters
    ----------
    parameters : of a module
    workers : each takes one part
    """

    def __init__(self, parameters: Sequence[nn.Parameter], workers: Workers) -> None:
        self.workers = workers
        sizes = [parameter.numel() for parameter in parameters]
        parts: list[list[int]] = [[] for _ in range(workers.count if sum(sizes) >= SHARED_FROM else 1)]
        held = [0] * len(parts)
        for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):  # the largest first
            least = held.index(min(held))
            parts[least].append(number)
            held[least] += sizes[number]
        self.parts = [sorted(part) for part in parts if part]

    def map(self, work: Callable[[list[int]], Result]) -> list[Result]:
        """Return what ``work`` makes of each part of the numbers, without gradients."""

        def without_gradients(numbers: list[int]) -> Result:
            with torch.no_grad():
                return work(numbers)

        if len(self.parts) == 1:
            return [without_gradients(self.parts[0])]
        return list(self.workers.map(without_gradients, self.parts))
