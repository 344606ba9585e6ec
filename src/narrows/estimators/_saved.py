"""What estimators check of what they saved, when they read it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from narrows.model import Model
from narrows.sealed import Parts

AXES = {"NHW", "NHWC", "NCHW"}  # of images


def axes_and_history(
    parts: Parts, name: str, kept: Mapping[str, Any], model: Model
) -> tuple[str, list[dict[str, float]]]:
    """Return the order of the axes of what was given to ``fit``, and the history, as the file ``name`` has them.

    Raises
    ------
    RunFolderError : they are not there, or cannot be those of the model
    """
    axes, history = kept.get("axes"), kept.get("history", [])
    if not isinstance(axes, str) or axes not in (AXES if model.is_images else AXES | {"ND"}):
        raise parts.damaged(name, f"axes {axes!r}")
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise parts.damaged(name, "a history that is no list of epochs")
    return axes, history
