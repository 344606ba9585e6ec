"""Train the classifier written by hand in NumPy (``narrows.studies.reference``), and measure it like any other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.splits import split
from narrows.disk.files import Array
from narrows.errors import RecipeError
from narrows.evaluation.signals import of_run
from narrows.studies.evaluation import classification
from narrows.studies.figures.learning import confusion, curves_by_rate, weights_grid
from narrows.studies.jobs import QUICK_STEPS, Results, Work
from narrows.studies.jobs.classifier import known, labelled
from narrows.studies.reference.layers import one_hot
from narrows.studies.reference.network import Network, shifts

__all__ = ["from_scratch"]

PARTS = ("train", "valid", "test")


def from_scratch(
    work: Work,
    *,
    source: str,
    hidden: int = 64,
    activation: Literal["sigmoid", "tanh", "relu"] = "sigmoid",
    epochs: int = 30,
    batch_size: int | Literal["all"] = 32,
    lr: float = 1e-3,
    momentum: float = 0.0,
    lr_factor: float = 1.0,
    lr_every: int = 1,
    inverted: bool = False,
    shift: int = 0,
    dtype: Literal["float64", "float32"] = "float64",
    valid: float = 0.1,
    pictures: bool = True,
) -> Results:
    """Train one hidden layer and a softmax by gradient descent; the weights of the last epoch are measured.

    Parameters
    ----------
    source : images or vectors with labels
    hidden, activation : the number of hidden units, and their activation
    epochs, momentum, lr_factor, lr_every : as in ``reference.network.Network.fit``
    batch_size : rows per step, or "all" for full batches
    lr : learning rate; the loss is summed over a batch, so a rate has more effect in a larger batch
    inverted : learn from 1 - x, in which paper is 0 and ink is 1
    shift : the most pixels by which images are shifted at random in each direction
    dtype : the precision of all computations
    valid : share of the training rows held out if the source has no validation rows
    pictures : draw curves, first weights before and after, and confusions

    Returns
    -------
    results : accuracy and loss on each part, the accuracy of the majority class, parameters, seconds
    """
    data = labelled(work.open(source))
    rows = split(data, valid=valid, seed=work.seed)
    sets = {part: flat(data, getattr(rows, part), inverted=inverted) for part in PARTS}
    network = Network(
        [sets["train"].x.shape[1], hidden, len(data.class_names)],
        [activation, "softmax"],
        "cross_entropy",
        seed=work.seed,
        dtype=dtype,
    )
    before = network.parameters["W1"].copy()  # (D, K)
    with work.interrupt.deferred():
        history = network.fit(
            *sets["train"],
            sets["valid"] if len(rows.valid) else None,
            epochs=few_epochs(work, epochs),
            batch_size=few_rows(work, batch_size, len(rows.train)),
            lr=lr,
            momentum=momentum,
            lr_factor=lr_factor,
            lr_every=lr_every,
            seed=work.seed,
            augment=_moved(data, shift, inverted=inverted) if shift else None,
            progress=work.progress,
            stop=work.interrupt,
        )
    results: Results = {
        "train/parameters": network.n_parameters,
        "train/epochs": len(history),
        "train/seconds": sum(row["seconds"] for row in history),
    }
    for part, rows_of_it in sets.items():
        if len(rows_of_it.x):
            results |= {f"{part}/{score}": value for score, value in network.scores(*rows_of_it).items()}
    labels, predicted = known(data.labels)[rows.test], network.predict(sets["test"].x)
    results |= against_chance(labels, predicted, known(data.labels)[rows.train])
    found = of_run(results, history, labels=labels, predicted=predicted, class_names=data.class_names, keep="last")
    work.note(*(signal.sentence for signal in found))
    counts = classification.confusion(labels, predicted, len(data.class_names))
    work.table(
        "Most confused on the test rows",
        [
            {"true": true, "answered": answered, "rows": count}
            for true, answered, count in classification.most_confused(counts, data.class_names)
        ],
    )
    if pictures:
        after = network.parameters["W1"]
        work.figure("curves", curves_by_rate({"": history}), "Loss per row and accuracy after each epoch.")
        if (size := sides(data)) is not None:
            figure = weights_grid({"before training": before, "after": after}, size)
            work.figure("weights", figure, "The weights into each hidden unit, as an image.")
        for name, diagonal in (("confusion", True), ("mistakes", False)):
            caption = "Test rows: true class by answer" + ("." if diagonal else ", mistakes alone.")
            work.figure(name, confusion(counts, data.class_names, diagonal=diagonal), caption)
    return results


class Rows(NamedTuple):
    """Rows ``x`` float64 (N, D), those of images in [0, 1], and their classes ``t``, one-hot (N, C)."""

    x: Array
    t: Array


def flat(data: Dataset, rows: Array, *, inverted: bool = False) -> Rows:
    """Return ``rows`` of labelled data in the form that the network written by hand takes.

    Raises
    ------
    RecipeError : vectors, which cannot be inverted
    """
    if inverted and not data.is_images:
        raise RecipeError("inverted", "is for images", value="vectors")
    x = data.values[rows].reshape(len(rows), -1) / (255.0 if data.is_images else 1.0)  # (N, D)
    return Rows(1 - x if inverted else x, one_hot(known(data.labels)[rows], len(data.class_names)))


def few_epochs(work: Work, epochs: int) -> int:
    """Return how many epochs to train: at most two for a quick look."""
    return min(2, epochs) if work.quick else epochs


def few_rows(work: Work, batch_size: int | Literal["all"], rows: int) -> int | None:
    """Return the batch size for ``Network.fit``; a quick look takes few steps, whatever was requested.

    Raises
    ------
    RecipeError : a batch of no rows
    """
    if batch_size == "all":
        return None
    if batch_size < 1:
        raise RecipeError("batch_size", 'must be >= 1, or "all"', value=batch_size)
    return max(batch_size, rows // QUICK_STEPS) if work.quick else batch_size


def against_chance(labels: Array, predicted: Array, learned: Array) -> Results:
    """Return numbers to compare an accuracy on ``labels`` (N,) with; ``learned`` (M,) are the training rows' classes.

    Returns
    -------
    "test/majority_accuracy", that of always answering the commonest class; "test/standard_error" of a share on N rows,
    by which two accuracies may differ by chance; "test/classes_answered" and "data/test"
    """
    share = classification.accuracy(predicted, labels)
    return {
        "test/majority_accuracy": float((labels == np.bincount(learned).argmax()).mean()),
        "test/standard_error": math.sqrt(share * (1 - share) / len(labels)),
        "test/classes_answered": len(np.unique(predicted)),
        "data/test": len(labels),
    }


def sides(data: Dataset) -> tuple[int, int] | None:
    """Return height and width of grey images, whose rows can be drawn as images; None for other data."""
    if not data.is_images or data.shape[0] != 1:
        return None
    return data.shape[1], data.shape[2]


def _moved(data: Dataset, most: int, *, inverted: bool) -> Callable[[Array, np.random.Generator], Array]:
    """Return the ``augment`` that shifts images; new pixels get the commonest value of the upper and lower edges.

    Raises
    ------
    RecipeError : not grey images
    """
    size = sides(data)
    if size is None:
        raise RecipeError("shift", "is for grey images", value=f"rows of shape {data.shape}")
    paper = np.bincount(data.values[:, 0, [0, -1]].ravel()).argmax() / 255.0
    return shifts(size, most, 1 - paper if inverted else paper)
