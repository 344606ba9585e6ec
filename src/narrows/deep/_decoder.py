"""Other objectives for a trained network, and training its decoder afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.training.settings import Settings
from narrows.training.stages import Stages

DECODED = 200_000  # rows seen in all while a decoder is trained
PASSES = 3, 100  # over each row, at least and at most


@torch.no_grad()
def with_objective(model: Model, objective: Mapping[str, Any], seed: int) -> Model:
    """Return a model with the network and scaling of ``model`` and a fresh ``objective``."""
    changed = Model(model.input_shape, model.config["net"], objective, seed=seed, preprocessing=model.preprocessing)
    changed.net.load_state_dict(model.net.state_dict())
    changed.shift.copy_(model.shift)
    changed.scale.copy_(model.scale)
    return changed


def with_decoder(model: Model, values: Array, rows: Array, valid: Array, stages: Stages, seed: int) -> Model:
    """Return ``model`` with a decoder trained to reconstruct ``rows`` from their codes.

    Codes (N, K), and the layer that reads clusters from them if there is one, are the same, bit for bit.

    Parameters
    ----------
    values : images uint8 (N, C, H, W) or vectors float32 (N, D)
    rows, valid : int64 (M,) and (V,), those of them that the decoder learns from, and those on which the best epoch is
        chosen, of none the last; all others are new to it
    stages : where to keep what is done; the decoder is its stage "decoder-", of just these rows

    Raises
    ------
    TrainingError : training diverged
    Interrupted : ``stages.stop`` said so
    """
    settings = Settings(epochs=int(np.clip(DECODED // len(rows), *PASSES)))
    untaught = with_objective(model, model.objective.decoding(), seed)
    untaught.objective.load_state_dict(model.objective.state_dict(), strict=False)
    own = hashlib.sha256()
    for part in (rows, valid):
        own.update(part.astype("<i8").tobytes() + b";")
    name = f"decoder-{own.hexdigest()[:8]}"  # a decoder of other rows is another
    return stages.train(name, untaught, values, settings, seed=seed, rows=rows, valid=valid)
