"""How estimators train: their own arguments, and further settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from narrows.errors import RecipeError

OWN = ("epochs", "batch_size", "lr")


def with_options(own: Mapping[str, Any], options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings of training: an estimator's own arguments, and its ``train_options``.

    Raises
    ------
    RecipeError : options that are no mapping, name one of the estimator's own arguments, which would say it twice, or
        ask for checkpoints, which an estimator has no folder for
    """
    if options is not None and not isinstance(options, Mapping):
        raise RecipeError("train_options", "must be a mapping of settings to values", value=options)
    if (options or {}).get("checkpoint_steps"):
        raise RecipeError(
            "train_options['checkpoint_steps']", "needs a run folder to save in, which estimators have none of",
            value=(options or {})["checkpoint_steps"], remedy="`narrows run` keeps checkpoints.",
        )  # fmt: skip
    for name in OWN:
        if name in (options or {}):
            raise RecipeError(
                f"train_options[{name!r}]", "must be left out: it is an argument of the estimator itself",
                value=(options or {})[name], remedy=f"Pass {name}= instead.",
            )  # fmt: skip
    return {**own, **(options or {})}
