"""A pretrained encoder and a linear layer learn classes together: a probe without freezing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from narrows.data.splits import split
from narrows.encoding import codes as coding
from narrows.encoding.model import Model, load_state, state_arrays
from narrows.errors import RecipeError
from narrows.studies.evaluation.classification import accuracy
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs.classifier import known, labelled

__all__ = ["finetune"]


def finetune(work: Work, *, source: str, train: Mapping[str, Any] | None = None) -> Results:
    """Continue from a run of the job "encoder": train all weights of its encoder and a new linear layer on labels.

    Parameters
    ----------
    source : data with labels
    train : settings of training; the weights of the last epoch are kept by default

    Returns
    -------
    results : accuracy on training and test rows, that of the majority class, the training loss of the last epoch,
        parameters, seconds; "encoder/moved", the distance between the encoder's weights before and after, relative to
        their size

    Raises
    ------
    RecipeError : the earlier run left no encoder for such data
    """
    data = labelled(work.open(source))
    labels = known(data.labels)
    rows = split(data, valid=0.0, seed=work.seed)
    pretrained = Model.load(work.earlier())
    if pretrained.input_shape != tuple(data.shape):
        raise RecipeError(
            "run.after", f"must have learned rows of shape {tuple(data.shape)}", value=pretrained.input_shape
        )
    model = Model(
        data.shape,
        {"name": "encoder", "n_classes": len(data.class_names), "net": pretrained.config["net"]},
        {"name": "classification"},
        seed=work.seed,
        preprocessing=pretrained.preprocessing,
    )
    before = {name: array for name, array in state_arrays(pretrained.net).items() if not name.startswith("decoder.")}
    load_state(model.net.encoder, before, str(work.earlier()))
    model.shift.copy_(pretrained.shift)
    model.scale.copy_(pretrained.scale)
    settings = work.settings({"keep": "last"} | dict(train or {}), len(rows.train))
    history = work.train(model, data.values, rows.train, rows.valid, settings, labels)
    model.save(work.folder)
    after = state_arrays(model.net.encoder)
    weights = [name for name, _ in model.net.encoder.named_parameters()]  # without running means and counts of steps
    moved, size = (
        float(np.sqrt(sum(np.square(array, dtype=np.float64).sum() for array in arrays)))
        for arrays in ([after[name] - before[name] for name in weights], [before[name] for name in weights])
    )
    return {
        "train/accuracy": accuracy(coding.logits(model, data.values[rows.train]).argmax(1), labels[rows.train]),
        "test/accuracy": accuracy(coding.logits(model, data.values[rows.test]).argmax(1), labels[rows.test]),
        "test/majority_accuracy": float((labels[rows.test] == np.bincount(labels[rows.train]).argmax()).mean()),
        "train/loss": history[-1]["train/loss"],
        "train/parameters": model.n_parameters(),
        "train/seconds": sum(row["seconds"] for row in history),
        "encoder/moved": moved / size,
    }
