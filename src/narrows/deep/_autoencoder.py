"""What methods start from and end with: an autoencoder that reconstructs, and other losses for what it has become."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from narrows.files import Array
from narrows.model import Model
from narrows.training.settings import Settings
from narrows.training.stages import Stages

HIDDEN = (500, 500, 2000)  # of Xie, Girshick & Farhadi 2016, which later methods took over
DECODED = 200_000  # rows seen in all while a decoder learns, and
PASSES = 3, 100  # each of them so many times, at least and at most


def pretrain(
    values: Array,
    stages: Stages,
    *,
    code_size: int,
    epochs: int,
    seed: int,
    preprocessing: Mapping[str, Any],
) -> Model:
    """Return a dense autoencoder trained to reconstruct ``values`` (N, ...), with at most ``code_size`` code values."""
    shape = values.shape[1:]
    net = {"name": "dense", "code_size": min(code_size, math.prod(shape)), "hidden": list(HIDDEN)}
    model = Model(shape, net, {"name": "reconstruction"}, seed=seed, preprocessing=preprocessing)
    model.fit_scaling(values)
    settings = Settings(epochs=epochs, lr=1e-3, keep="last")
    return stages.train("autoencoder", model, values, settings, seed=seed)


@torch.no_grad()
def with_objective(model: Model, objective: Mapping[str, Any], seed: int) -> Model:
    """Return a model with the network and scaling of ``model`` and a fresh ``objective``."""
    changed = Model(model.input_shape, model.config["net"], objective, seed=seed, preprocessing=model.preprocessing)
    changed.net.load_state_dict(model.net.state_dict())
    changed.shift.copy_(model.shift)
    changed.scale.copy_(model.scale)
    return changed


def with_decoder(model: Model, values: Array, rows: Array, valid: Array, stages: Stages, seed: int) -> Model:
    """Return ``model``, which was ``Taught`` clusters, with a decoder that learned to draw ``rows`` from their codes.

    Codes (N, K) and clusters are the same, bit for bit.

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
    objective = {"name": "decoding", "n_clusters": model.config["objective"]["n_clusters"]}
    passes = int(np.clip(DECODED // len(rows), *PASSES))
    settings = Settings(epochs=passes)
    untaught = with_objective(model, objective, seed)
    untaught.objective.load_state_dict(model.objective.state_dict())
    own = hashlib.sha256()
    for part in (rows, valid):
        own.update(part.astype("<i8").tobytes() + b";")
    name = f"decoder-{own.hexdigest()[:8]}"  # a decoder of other rows is another
    return stages.train(name, untaught, values, settings, seed=seed, rows=rows, valid=valid)
