"""The learning rate as a share of its peak: a linear warm-up, then constant, cosine, linear or step decay."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "cosine", "linear", "step"]


def rate(step: int, steps: int, *, schedule: Schedule, warmup: int, every: int = 0, factor: float = 0.1) -> float:
    """Return the share of the peak learning rate for ``step`` (from 0) of ``steps``.

    Parameters
    ----------
    step, steps : the current step, and the number of all steps
    schedule : after the warm-up: "constant"; "cosine", to 0 (Loshchilov & Hutter 2017, without restarts); "linear", to
        0; or "step", multiplied by ``factor`` after every ``every`` steps
    warmup : steps of the linear warm-up
    every : number of steps between reductions of "step"; 0 for half of all steps
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    if schedule == "linear":
        return 1 - (step - warmup) / max(1, steps - warmup)
    if schedule == "step":
        return factor ** (step // (every or max(1, round(0.5 * steps))))
    return 1.0
