"""Why weights start random, and at what size: a network with zero weights, and signals layer by layer."""

from __future__ import annotations

import numpy as np

from narrows.data.splits import split
from narrows.disk.files import Array
from narrows.studies.figures.learning import compare_losses, variance_by_layer, weights_grid
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs.classifier import labelled
from narrows.studies.jobs.from_scratch import few_epochs, few_rows, flat, sides
from narrows.studies.reference import symmetry
from narrows.studies.reference.layers import xavier
from narrows.wording import plural

__all__ = ["letters_init"]

SHOWN = 8  # gradients drawn for each start


def letters_init(
    work: Work,
    *,
    source: str,
    hidden: int = 64,
    epochs: int = 10,
    batch_size: int = 32,
    lr: float = 1e-2,
    layers: int = 5,
    width: int = 256,
    rows: int = 500,
) -> Results:
    """Train from zero and from Xavier's weights and record the hidden units; then follow variances through layers.

    Parameters
    ----------
    source : images or vectors with labels
    hidden, epochs, batch_size, lr : settings of the sigmoid and softmax network that is trained
    layers, width : size of the deep tanh network whose signals are measured before any training
    rows : number of training rows used in both

    Returns
    -------
    results : for "zeros" and "xavier", all at the end: the accuracy, the loss per row, the rank of the hidden outputs,
        how far the units' weights are from equal, and how far their gradients are, relative to the largest gradient;
        the variance of Xavier's weights relative to 2 / (n_in + n_out), which it should equal, and to the misprint 2 /
        (n_in n_out + n_out); for each size of weights, the variance of activations in the last hidden layer relative to
        the first, and of gradients in the first relative to the last
    """
    data = labelled(work.open(source))
    chosen = split(data, seed=work.seed).train
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, min(rows, len(chosen))).round().astype(np.int64))]
    x, t = flat(data, chosen)
    epochs, step_rows = few_epochs(work, epochs), few_rows(work, batch_size, len(chosen))
    watched = {
        name: symmetry.watch(x, t, name, hidden=hidden, epochs=epochs, batch_size=step_rows, lr=lr, seed=work.seed)
        for name in ("zeros", "xavier")
    }
    results: Results = {}
    for name, seen in watched.items():
        results |= {
            f"{name}/accuracy": float(seen.accuracy[-1]),
            f"{name}/loss": float(seen.loss[-1]),
            f"{name}/rank": int(seen.rank[-1]),
            f"{name}/unit_spread": float(seen.unit_spread[-1]),
            f"{name}/gradient_spread": float(seen.gradient_spread[-1] / (seen.gradient_size[-1] or 1.0)),
        }
    results["majority_accuracy"] = float(t.sum(axis=0).max() / len(t))
    n_in, n_out = x.shape[1], hidden
    variance = float(xavier(n_in, n_out, np.random.default_rng(work.seed)).var())
    results["weights/of_the_rule"] = variance * (n_in + n_out) / 2
    results["weights/of_the_misprint"] = variance * (n_in * n_out + n_out) / 2
    work.table(
        "From all-zero and from Xavier's weights, after each epoch",
        [
            {
                "start": name,
                "epoch": epoch,
                "accuracy": float(seen.accuracy[epoch]),
                "loss": float(seen.loss[epoch]),
                "units that differ (rank)": int(seen.rank[epoch]),
                "largest difference of weights": float(seen.unit_spread[epoch]),
                "of gradients": float(seen.gradient_spread[epoch]),
                "largest gradient": float(seen.gradient_size[epoch]),
            }
            for name, seen in watched.items()
            for epoch in range(epochs + 1)
        ],
    )
    losses = {
        {"zeros": "all zero", "xavier": "Xavier"}[name]: [
            {"epoch": epoch, "train/loss": float(loss)} for epoch, loss in enumerate(seen.loss)
        ]
        for name, seen in watched.items()
    }
    work.figure("symmetry-loss", compare_losses(losses), "Loss per row from either start; epoch 0 is before training.")
    if (size := sides(data)) is not None:
        gradients = {
            "from all-zero weights": watched["zeros"].gradient[:, :SHOWN],
            "from Xavier's": watched["xavier"].gradient[:, :SHOWN],
        }
        work.figure(
            "symmetry-gradients",
            weights_grid(gradients, size, columns=SHOWN),
            f"The gradients of the weights into the first {SHOWN} hidden units, as images, after "
            f"{plural(epochs, 'epoch')}.",
        )
    return results | _variances(work, x, t, layers=layers, width=width)


def _variances(work: Work, x: Array, t: Array, *, layers: int, width: int) -> Results:
    """Follow the variance of activations and gradients through a deep tanh network, for five sizes of weights."""
    bound = float(np.sqrt(6 / (width + width)))
    inits: dict[str, symmetry.Init] = {
        "Xavier": "xavier",
        "too small": bound / 5,
        "too large": bound * 5,
        "zeros": "zeros",
        # U(-r, r) has the variance r^2 / 3, here that of the misprint.
        "misprint": float(np.sqrt(6 / (width * width + width))),
    }
    standardised = (x - x.mean()) / x.std()
    spread = symmetry.variance_by_layer(standardised, t, [width] * layers, inits=inits, seed=work.seed)
    activations = {name: found.activations for name, found in spread.items()}
    gradients = {name: found.gradients for name, found in spread.items()}
    work.figure(
        "variances",
        variance_by_layer(activations, gradients),
        f"Variance per layer before training, in {layers} tanh layers of {width} units.",
    )
    results: Results = {}
    for name in spread:
        key = name.lower().replace(" ", "_")
        results[f"variance/{key}_forwards"] = _part(activations[name][-1], activations[name][1])
        results[f"variance/{key}_backwards"] = _part(gradients[name][1], gradients[name][-1])
    return results


def _part(last: float, first: float) -> float | None:
    return float(last / first) if first else None
