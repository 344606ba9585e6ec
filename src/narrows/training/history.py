"""The history of a training: one row per epoch, and which of them is that of the weights that were kept."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

Keep = Literal["best", "last"]


def means(prefix: str, sums: Mapping[str, float], count: int, watched: Collection[str]) -> dict[str, float]:
    """Return the loss, the means of its terms and of what is watched, under their names in a row of the history.

    Parameters
    ----------
    prefix : "train" or "valid"
    sums : of each term, and of what is ``watched`` beside the loss, over ``count`` rows
    """
    terms = {name: total / count for name, total in sums.items()}
    beside = {name: terms.pop(name) for name in watched}
    # With a single term the term is the loss.
    named = {"loss": sum(terms.values())} | (terms if len(terms) > 1 else {}) | beside
    return {f"{prefix}/{name}": value for name, value in named.items()}


def kept(history: Sequence[Mapping[str, Any]], keep: Keep) -> Mapping[str, Any]:
    """Return the row of the epoch whose weights were kept, of a ``history`` of one epoch at least.

    "best" is the first with the lowest validation loss, and where no epoch was validated the last one.
    """
    validated = [row for row in history if _is_finite(row.get("valid/loss"))] if keep == "best" else []
    return min(validated, key=lambda row: float(row["valid/loss"]), default=history[-1])


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
