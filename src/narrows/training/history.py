"""The history of a training: one row per epoch, and the row of the epoch whose weights were kept."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

Keep = Literal["best", "last"]


def means(prefix: str, sums: Mapping[str, float], count: int, watched: Collection[str]) -> dict[str, float]:
    """Return the loss and the means of its terms and of watched values, under their names in a row of the history.

    Parameters
    ----------
    prefix : "train" or "valid"
    sums : the sum of each term, and of each value ``watched`` beside the loss, over ``count`` rows
    """
    terms = {name: total / count for name, total in sums.items()}
    beside = {name: terms.pop(name) for name in watched}
    # A single term is the loss itself.
    named = {"loss": sum(terms.values())} | (terms if len(terms) > 1 else {}) | beside
    return {f"{prefix}/{name}": value for name, value in named.items()}


def kept(history: Sequence[Mapping[str, Any]], keep: Keep) -> Mapping[str, Any]:
    """Return the row of the epoch whose weights were kept, from a ``history`` of at least one epoch.

    "best" is the first epoch with the lowest validation loss, or the last epoch if none was validated.
    """
    validated = [row for row in history if _is_finite(row.get("valid/loss"))] if keep == "best" else []
    return min(validated, key=lambda row: float(row["valid/loss"]), default=history[-1])


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
