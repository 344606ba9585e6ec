"""The distance that mini-batches leave between the centres of k-means and the means of their cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from narrows.data.dataset import Dataset
from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.errors import TrainingError
from narrows.studies.figures.centres import Balance, balances, errors_grid
from narrows.studies.jobs import QUICK_STEPS, Results, Work
from narrows.studies.jobs._kmeans import cell_means, nearest, parts, start
from narrows.studies.worked import bias_variance as theory
from narrows.training.loop import train
from narrows.training.settings import Settings

__all__ = ["kmeans_noise"]

LOOKS = 5  # times at which the means of all rows are computed, evenly spaced over the last half of a training


def kmeans_noise(
    work: Work,
    *,
    source: str,
    etas: Sequence[float],
    batch_sizes: Sequence[int],
    steps: int = 800,
    n_clusters: int = 10,
    init: str = "k-means++",
) -> Results:
    """Train by the cell rule with each constant step a = eta / 5 and batch size; measure over the last half.

    Per value, averaged over centres:

    - variance: the variance of a centre about its own straight line over those steps;
    - bias squared: the squared distance of centres from the means of all training rows in their cells, at five times,
      minus the variance (no number if that is negative);
    - predicted variance: sigma^2 / n * a / (2 - a), where sigma^2 is the variance of a row in the cell and 1 / n is
      averaged over the number n of rows that a cell of its size gets from a batch;
    - predicted bias squared: ((1 - a) / a)^2 times the squared movement per step of the means of all rows.

    Parameters
    ----------
    source : images or vectors with labels
    etas, batch_sizes : learning rates and batch sizes; each combination is trained
    steps : number of steps of each training
    n_clusters, init : as for the job ``neural-kmeans``

    Returns
    -------
    results : "eta=4.5,b=64/variance" and so on: variance, bias2, error, their predictions ("predicted_variance", ...),
        mse, r (the means' movement per step, relative to the standard deviation of a row) and diverged
    """
    found = parts(work, source)
    begun = start(work, found.train, n_clusters, init, None)  # (K, D)
    length = QUICK_STEPS if work.quick else steps
    measured: dict[tuple[float, int], dict[str, float]] = {}
    for size in batch_sizes:
        for eta in etas:
            work.progress.say(f"eta {eta:g}, batches of {size}")
            measured[eta, size] = _measured(work, found.train, begun, theory.step(eta), size, length)
    _draw(work, list(etas), list(batch_sizes), measured)
    return {
        f"eta={eta:g},b={size}/{name}": value if math.isfinite(value) else None
        for (eta, size), numbers in measured.items()
        for name, value in numbers.items()
    }


@dataclass(eq=False)
class _Track:
    """Records the centres before every step: running sums of C, t C and C^2 over the last half of a training."""

    centers: Callable[[], Array]
    stop: Callable[[], int]
    steps: int

    def __post_init__(self) -> None:
        first = self.steps // 2
        self.first = first
        looks = np.linspace(first, self.steps - 1, LOOKS).round().astype(int)
        self.at = {int(t): np.empty(0) for t in looks}  # step -> the centres (K, D)
        self.t, self.n = 0, 0
        self.sums: list[Array] = []

    def __call__(self) -> int:
        if self.t >= self.first:
            c, t = self.centers().astype(np.float64), float(self.t)
            new = [c, t * c, c**2]
            self.sums = new if not self.sums else [a + b for a, b in zip(self.sums, new, strict=True)]
            self.n += 1
            if self.t in self.at:
                self.at[self.t] = c
        self.t += 1
        return self.stop()

    def variance(self) -> float:
        """Return the mean squared distance of each value from its own straight line."""
        t = np.arange(self.first, self.first + self.n, dtype=np.float64)
        mean, mean_t, mean_square = (s / self.n for s in self.sums)
        covariance = mean_t - mean * t.mean()
        explained = covariance**2 / max(float(t.var()), 1e-12)
        # The line takes two of the n degrees of freedom.
        return float(np.maximum(mean_square - mean**2 - explained, 0).mean() * self.n / max(self.n - 2, 1))


def _measured(work: Work, data: Dataset, begun: Array, a: float, size: int, steps: int) -> dict[str, float]:
    model = Model(data.shape, {"name": "neural-kmeans", "code_size": len(begun)}, {"name": "kmeans"}, seed=work.seed)
    with torch.no_grad():
        model.net.centers.copy_(torch.from_numpy(begun))
    # The number of rows for which the steps fill whole epochs.
    size = min(size, len(data))
    rows = np.random.default_rng(work.seed).permutation(len(data))[: size * steps]
    epochs = max(1, round(steps * size / len(rows)))
    settings = Settings(
        epochs=epochs,
        batch_size=size,
        optimizer="sgd",
        lr=a,
        momentum=0.0,
        schedule="constant",
        warmup=0.0,
        clip=0.0,
        keep="last",
        precision="float32",
        device="cpu",
    )
    track = _Track(lambda: model.net.centers.detach().numpy(), work.interrupt, epochs * -(-len(rows) // size))
    try:
        with work.interrupt.deferred():
            train(model, data.values, np.sort(rows), rows[:0], settings, seed=work.seed, stop=track)
    except TrainingError:
        names = ("variance", "bias2", "error", "predicted_variance", "predicted_bias2", "mse", "r")
        return dict.fromkeys(names, math.nan) | {"diverged": 1.0, "batches": float(track.t - 1)}
    looks = {t: (c, *cell_means(data, c)) for t, c in track.at.items()}  # t -> centres, means, variances, rows
    error = float(np.mean([_alive(((c - m) ** 2).mean(1), n) for c, m, _, n in looks.values()]))
    first, last = min(looks), max(looks)
    drift2 = ((looks[last][1] - looks[first][1]) ** 2).mean(1) / (last - first) ** 2  # (K,) per value and step
    _, _, spread, counts = looks[last]
    variance = track.variance()
    return {
        "variance": variance,
        "bias2": error - variance if error > variance else math.nan,
        "error": error,
        "predicted_variance": _alive(
            np.array([_variance(a, size, n / counts.sum(), s) for s, n in zip(spread, counts, strict=True)]), counts
        ),
        "predicted_bias2": theory.bias(a, 1.0) ** 2 * _alive(drift2, counts) if a < 2 else math.nan,
        "mse": float(nearest(data, looks[last][0])[1].mean() / begun.shape[1]),
        "r": math.sqrt(_alive(drift2 / np.maximum(spread, 1e-12), counts)),
        "diverged": 0.0,
        "batches": float(track.t),
    }


def _alive(values: Array, counts: Array) -> float:
    """Return the mean over the centres that have rows."""
    return float(values[counts > 0].mean())


def _variance(a: float, size: int, share: float, spread: float) -> float:
    """Return the variance, about a constant mean, of a centre whose cell has ``share`` of all rows.

    A batch without rows of the cell makes no step, so n is drawn from batches with at least one.
    """
    from scipy.stats import binom

    if not 0 < a < 2 or share <= 0:
        return math.nan
    n = np.arange(1, size + 1)
    chance = binom(size, share).pmf(n)
    return theory.variance(a, 1.0, math.sqrt(spread)) * float((chance / n).sum() / chance.sum())


def _draw(work: Work, etas: list[float], sizes: list[int], measured: dict[tuple[float, int], dict[str, float]]) -> None:
    def column(name: str, size: int) -> Array:
        return np.array([measured[eta, size][name] for eta in etas])

    work.figure(
        "balance",
        balances(
            [
                Balance(
                    f"batches of {size}",
                    etas,
                    column("bias2", size),
                    column("variance", size),
                    column("predicted_bias2", size),
                    column("predicted_variance", size),
                )
                for size in sizes
            ]
        ),
        "Squared error of the centres per pixel: measured (dots) and predicted (lines). Dashed: the rule's limit.",
    )
    total = np.stack([column("error", size) for size in sizes], axis=1)  # (E, S)
    predicted = np.stack([column("predicted_bias2", s) + column("predicted_variance", s) for s in sizes], axis=1)
    work.figure(
        "errors",
        errors_grid(etas, sizes, total, predicted, names=("measured", "predicted: bias² + variance")),
        "Squared distance of the centres from the means of their cells, per pixel.",
    )
    for name, title in (
        ("mse", "Mean squared error per pixel"),
        ("r", "r: how far the means of the cells move per step, by the standard deviation of an image"),
    ):
        work.table(
            title,
            [{"eta": eta, **{f"b = {size}": _number(measured[eta, size][name]) for size in sizes}} for eta in etas],
        )


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else "diverged"
