"""One network from the same initial weights, with its learning rate and multiples of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from narrows.data.splits import split
from narrows.studies.figures.learning import curves_by_rate
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs.classifier import labelled
from narrows.studies.jobs.from_scratch import PARTS, few_epochs, few_rows, flat
from narrows.studies.reference.network import Network

__all__ = ["letters_rates"]


def letters_rates(
    work: Work,
    *,
    source: str,
    hidden: int = 64,
    epochs: int = 30,
    batch_size: int | Literal["all"] = 32,
    lr: float = 1e-3,
    factors: Sequence[float] = (10.0, 1.0, 0.1),
    dtype: Literal["float64", "float32"] = "float64",
    valid: float = 0.1,
) -> Results:
    """Train the sigmoid and softmax network once for each rate, and draw the curves in one picture with shared axes.

    Parameters
    ----------
    source, hidden, epochs, batch_size, lr, dtype, valid : as for the job ``from-scratch``
    factors : factors of the learning rate

    Returns
    -------
    results : "x10/train/accuracy" and so on: the accuracy and loss on each part for each factor
    """
    data = labelled(work.open(source))
    rows = split(data, valid=valid, seed=work.seed)
    sets = {part: flat(data, getattr(rows, part)) for part in PARTS}
    histories, results = {}, Results()
    table = []
    for factor in factors:
        network = Network(
            [sets["train"].x.shape[1], hidden, len(data.class_names)],
            ["sigmoid", "softmax"],
            "cross_entropy",
            seed=work.seed,
            dtype=dtype,
        )
        with work.interrupt.deferred():
            histories[f"learning rate {factor * lr:g} (x {factor:g})"] = network.fit(
                *sets["train"],
                sets["valid"] if len(rows.valid) else None,
                epochs=few_epochs(work, epochs),
                batch_size=few_rows(work, batch_size, len(rows.train)),
                lr=factor * lr,
                seed=work.seed,
                progress=work.progress,
                stop=work.interrupt,
            )
        scores = {part: network.scores(*sets[part]) for part in PARTS if len(sets[part].x)}
        for part, found in scores.items():
            results |= {f"x{factor:g}/{part}/{score}": value for score, value in found.items()}
        table.append({"learning rate": factor * lr} | {f"{part} accuracy": s["accuracy"] for part, s in scores.items()})
    work.table("Accuracy after the last epoch", table)
    work.figure("rates", curves_by_rate(histories), "Loss per row and accuracy after each epoch, for each rate.")
    return results
