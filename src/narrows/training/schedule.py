"""The learning rate as a share of its peak: a linear warm-up, then constant, cosine or step decay."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "cosine", "step"]


def rate(step: int, steps: int, *, schedule: Schedule, warmup: int, step_at: float = 0.5, factor: float = 0.1) -> float:
    """Return the share of the peak learning rate for ``step`` (from 0) of ``steps``.

    Parameters
    ----------
    step, steps : this step, and how many there are in all
    schedule : after the warm-up: "constant"; "cosine", to 0 (Loshchilov & Hutter 2017, without restarts); or "step",
        times ``factor`` after each share ``step_at`` of all steps
    warmup : steps of the linear warm-up
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    if schedule == "step":
        return factor ** math.floor(step / max(1, round(step_at * steps)))
    return 1.0
