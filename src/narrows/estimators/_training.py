"""How estimators train: their own arguments, and further settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from narrows.errors import RecipeError
from narrows.registry import name_of
from narrows.training.settings import Settings


def with_options(own: Mapping[str, Any], options: Mapping[str, Any] | None) -> Settings:
    """Return the settings of training: an estimator's own arguments, and its ``train_options``.

    Raises
    ------
    RecipeError : options that are unknown, of the wrong type, also arguments of the estimator, or that ask for
        checkpoints, for which an estimator has no folder
    """
    options = options or {}
    for name in own.keys() & options.keys():
        raise RecipeError(
            f"train_options[{name!r}]",
            "must be left out: it is an argument of the estimator itself",
            value=options[name],
            remedy=f"Pass {name}= instead.",
        )
    if options.get("checkpoint_steps"):
        raise RecipeError(
            "train_options['checkpoint_steps']",
            "needs a run folder, which estimators do not have",
            value=options["checkpoint_steps"],
            remedy="Use `narrows run` to keep checkpoints.",
        )
    return replace(Settings.of(options, "train_options"), **own)


def named(name: str, entry: str | type | Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a registry that a parameter ``name`` asks for: its "name", and its arguments.

    Raises
    ------
    RecipeError : neither a name nor a class, nor a mapping with one
    """
    found = dict(entry) if isinstance(entry, Mapping) else {"name": entry}
    if isinstance(asked := found.get("name"), type):
        found["name"] = name_of(asked)
    if not isinstance(found.get("name"), str):
        raise RecipeError(
            name, 'must be a name, a class, or a mapping that has one of these as its "name"', value=entry
        )
    return found
