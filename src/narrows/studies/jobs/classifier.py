"""Train a classifier, and measure it on new rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.splits import Split, split
from narrows.disk.files import Array
from narrows.encoding import codes as coding
from narrows.encoding.model import Model
from narrows.errors import DataError, RecipeError
from narrows.evaluation.signals import of_run
from narrows.studies.evaluation import classification
from narrows.studies.figures.learning import confusion, curves_by_rate
from narrows.studies.jobs import Results, Work, of_training
from narrows.training.history import Keep

__all__ = ["classifier"]


def classifier(
    work: Work,
    *,
    source: str,
    net: Mapping[str, Any],
    objective: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    valid: float = 0.1,
    judge: Literal["test", "valid"] = "test",
    data: Mapping[str, Any] | None = None,
) -> Results:
    """Train a network of ``narrows.classifiers`` on the labels of the training rows.

    Parameters
    ----------
    source : data with labels
    net : the network's name and arguments
    objective : arguments of the classification objective
    train : settings of training
    valid : share of the training rows held out if the source has no validation rows
    judge : "valid" measures accuracy on held-out training rows and leaves the test rows unseen, for choosing a setting
    data : further arguments of ``narrows.open``

    Returns
    -------
    results : accuracy on each part, that of the majority class on the rows that ``judge`` names, parameters, seconds,
        epochs

    Raises
    ------
    RecipeError : ``judge`` is "valid" but no rows are held out
    """
    found = labelled(work.open(source, **(data or {})))
    rows = split(found, valid=valid, seed=work.seed)
    if judge == "valid" and not len(rows.valid):
        raise RecipeError("valid", "must hold out validation rows if judge is 'valid'", value=valid)
    model, history = learn(work, found, rows, net=net, objective=objective or {}, train=train or {})
    return measure(work, model, found, rows, history, keep=(train or {}).get("keep", "best"), judge=judge)


def labelled(data: Dataset) -> Dataset:
    """Return the rows with known labels.

    Raises
    ------
    DataError : there are none
    """
    if data.labels is None or not (data.labels >= 0).any():
        raise DataError("data", "must have labels to learn from", value="none")
    return data if (data.labels >= 0).all() else data.take(data.labels >= 0)


def learn(
    work: Work,
    data: Dataset,
    rows: Split,
    *,
    net: Mapping[str, Any],
    objective: Mapping[str, Any],
    train: Mapping[str, Any],
    scale: bool = True,
) -> tuple[Model, list[dict[str, float]]]:
    """Train a classifier; return it and its history. A stopped training resumes where it was.

    ``scale`` standardises each value of vectors to mean 0 and standard deviation 1 over the training rows.
    """
    model = Model(
        data.shape,
        {"n_classes": len(data.class_names), **net},
        {"name": "classification", **objective},
        seed=work.seed,
        preprocessing=data.preprocessing,
    )
    if scale:
        model.fit_scaling(data.values, rows.train)
    return model, work.learn(model, data, rows, train, data.labels)


def measure(
    work: Work,
    model: Model,
    data: Dataset,
    rows: Split,
    history: list[dict[str, float]],
    *,
    keep: Keep = "best",
    judge: Literal["test", "valid"] = "test",
) -> Results:
    """Measure a classifier on each part of the data, report its signals, and draw curves and confusions."""
    labels = known(data.labels)
    results, predicted = of_training(model, history), {}
    for part in ("train", "valid", "test") if judge == "test" else ("train", "valid"):
        chosen = getattr(rows, part)
        if len(chosen):
            predicted[part] = coding.logits(model, data.values[chosen], work.progress).argmax(1)
            results[f"{part}/accuracy"] = classification.accuracy(predicted[part], labels[chosen])
    truth, answers = labels[getattr(rows, judge)], predicted[judge]
    results[f"{judge}/majority_accuracy"] = float((truth == np.bincount(labels[rows.train]).argmax()).mean())
    results[f"{judge}/classes_answered"] = len(np.unique(answers))
    # Of a proportion: two accuracies on these rows may differ by this much by chance.
    share = results[f"{judge}/accuracy"] or 0.0
    results[f"{judge}/standard_error"] = math.sqrt(share * (1 - share) / len(truth))
    results["data/valid"], results["data/test"] = len(rows.valid), len(rows.test)
    found = of_run(results, history, labels=truth, predicted=answers, class_names=data.class_names, keep=keep)
    work.note(*(signal.sentence for signal in found))
    name = {"test": "Test rows", "valid": "Held-out training rows"}[judge]
    counts = classification.confusion(truth, answers, len(data.class_names))
    work.figure(
        "curves", curves_by_rate({"": history}), "Loss and accuracy per epoch, on training and on held-out rows."
    )
    work.figure("confusion", confusion(counts, data.class_names, diagonal=True), f"{name}: true class by answer.")
    work.table(
        f"Most confused on the {name.lower()}",
        [
            {"true": true, "answered": answered, "rows": count}
            for true, answered, count in classification.most_confused(counts, data.class_names)
        ],
    )
    return results


def known(labels: Array | None) -> Array:
    """Return the labels, which ``labelled`` has checked."""
    if labels is None:
        raise DataError("data", "must have labels")
    return labels
