"""What each number of a run is called, how it is written, and what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from narrows.evaluation import signals
from narrows.evaluation.reconstruction import MOST_PSNR
from narrows.evaluation.signals import Outcome
from narrows.wording import MOST_TIMES, NBSP, figure, fixed, points, share

Kind = Literal["count", "share", "variance", "score", "dB", "error", "seconds", "speed"]

#: Between what the numbers of a kind lie; what lies outside is a mistake of somebody's, and never shown.
DOMAINS: dict[Kind, tuple[float, float]] = {
    "count": (0, 1e15),
    "share": (0, 1),
    "variance": (-math.inf, 1),
    "score": (-1, 1),
    "dB": (-math.inf, math.inf),
    "error": (-math.inf, math.inf),
    "seconds": (0, math.inf),
    "speed": (0, math.inf),
}
ROUNDING = 1e-6  # outside of a domain by no more than this is rounding
#: What stands before the name of a metric in the name of its baseline.
BASELINES = ("pca_", "pixels_", "majority_", "corrupted_")
LEAST_GAIN = 0.3  # dB of squared error, below which two reconstructions are about the same


@dataclass(frozen=True)
class Metric:
    """How to show a number, and what it tells, in a sentence or two of plain words."""

    label: str
    kind: Kind
    meaning: str = ""
    one_space: bool = True  # whether values of two methods are measured in one space, so that they compare


METRICS = {
    "reconstruction/psnr": Metric(
        "PSNR, mean over images",
        "dB",
        "Peak signal-to-noise ratio, computed for each image and then averaged: every image counts the same. "
        "3 dB more is half the squared error; near 20 dB shapes are right and detail is soft, "
        "above 30 dB differences are hard to see.",
    ),
    "reconstruction/psnr_pooled": Metric(
        "PSNR, pooled",
        "dB",
        "From the squared error averaged over all pixels of all images first: images that came out badly weigh more.",
    ),
    "reconstruction/ssim": Metric(
        "SSIM",
        "score",
        "Structural similarity: 1 when local contrast and structure are the same, 0 when they have nothing in common.",
    ),
    "reconstruction/mse": Metric(
        "Mean squared error", "error", "The average squared difference between input and output."
    ),
    "reconstruction/explained": Metric(
        "Variance explained",
        "variance",
        "How much of the variation in the data comes back out of the codes: 100 % is everything, 0 % is no better "
        "than answering with the average row.",
    ),
    "denoising/psnr": Metric(
        "PSNR after denoising",
        "dB",
        "How close the cleaned images come to the originals, beside how close the corrupted ones were.",
    ),
    "denoising/explained": Metric(
        "Variance explained after denoising",
        "variance",
        "How much of the variation of the clean rows is in the cleaned ones, beside how much was in the corrupted "
        "ones; below 0 % the average row would be nearer.",
    ),
    "clustering/accuracy": Metric(
        "Accuracy",
        "share",
        "Each cluster is given the label that makes the whole match best, one label to one cluster; this is the share "
        "of the labelled rows that is then right.",
    ),
    "clustering/nmi": Metric(
        "NMI",
        "score",
        "Normalised mutual information: how much knowing the cluster tells about the label, from 0 (nothing) to 1.",
    ),
    "clustering/ari": Metric(
        "ARI",
        "score",
        "Adjusted Rand index: whether pairs that belong together are together; 0 is chance, 1 is perfect.",
    ),
    "clustering/silhouette": Metric(
        "Silhouette",
        "score",
        "How much nearer a row is to its own cluster than to the next one, from \N{MINUS SIGN}1 to 1. Needs no labels. "
        "Each column is measured in a space of its own, so neither value is better than the other.",
        one_space=False,
    ),
    "probe/linear_accuracy": Metric(
        "Linear probe",
        "share",
        "A straight-line classifier trained on the codes and tested on rows it has not seen: "
        "how easily the labels can be read off.",
    ),
    "probe/knn_accuracy": Metric(
        "Nearest-neighbour probe",
        "share",
        "Each test row takes the label most common among its nearest neighbours: whether alike rows have alike codes.",
    ),
    "projection/trustworthiness": Metric(
        "Trustworthiness",
        "score",
        "Whether neighbours on the map are neighbours among the codes too: 1 is always, about 0.5 is what a random map "
        "reaches.",
    ),
    "train/loss": Metric("Loss at the end", "error", "What training made smaller, on the rows it trained on."),
    "train/valid_loss": Metric(
        "Validation loss",
        "error",
        "The same on rows kept aside. Far above the training loss means the network learned its examples by heart.",
    ),
    "train/epochs": Metric("Epochs", "count", "How often training went through the data."),
    "train/steps": Metric("Steps", "count", "How often the weights were changed."),
    "train/parameters": Metric("Parameters", "count", "How many numbers the network learned."),
    "train/images_per_s": Metric("Speed", "speed", "Training rows handled per second."),
    "train/seconds": Metric("Time", "seconds", "Training alone, by the clock."),
    "codes/size": Metric("Code size", "count", "Numbers in each code: what has to pass through the narrows."),
    "codes/dead": Metric("Dead code dimensions", "count", "Code numbers that hardly vary and so carry nothing."),
    "data/images": Metric("Rows", "count"),
    "data/train": Metric("To train on", "count"),
    "data/valid": Metric("To validate on", "count"),
    "data/test": Metric("Held out to test on", "count"),
    "data/classes": Metric("Classes", "count"),
    "data/skipped": Metric("Files left out", "count"),
}


def number(results: Mapping[str, Any], name: str) -> float | None:
    """Return the result called ``name``, or None when it is missing, null, not finite, or outside of its domain."""
    value: Any = results.get(name)
    return within(value, _kind(name)) if _is_number(value) else None


def within(value: float, kind: Kind) -> float | None:
    """Return a finite ``value`` where its kind allows it, else None; rounding is rounded away."""
    low, high = DOMAINS[kind]
    if kind == "count" and value != round(value):
        return None
    return min(max(value, low), high) + 0.0 if low - ROUNDING <= value <= high + ROUNDING else None  # 0 has no sign


def written(value: Any, kind: Kind) -> str:
    """Return ``value`` with the digits that matter and its unit; a dash for what is not a finite number of its kind."""
    known = within(value, kind) if _is_number(value) else None
    if known is None:
        return "\N{EN DASH}"
    if kind == "seconds":
        return _duration(known)
    if kind in ("share", "variance"):  # what is worse than no part of the variance is no part of it
        return share(known) if known >= 0 else f"below 0{NBSP}%"
    if kind == "dB":
        return f"{fixed(known, 2)}{NBSP}dB"
    if kind == "speed":
        return f"{fixed(known, 0 if known >= 10 else 1)}{NBSP}per second"
    if kind == "error":
        padded = f"{known:#.4g}"
        return figure(known) if "e" in padded else fixed(known, len(padded.partition(".")[2]))
    return fixed(known, 0 if kind == "count" else 3)


def outcome(ours: float, baseline: float, kind: Kind, rows: float | None = None) -> Outcome:
    """Say whether ``ours`` is better than ``baseline`` by more than chance or taste explains; greater is better.

    The margin is 0.3 dB of squared error, a score of 0.01, or for a share of ``rows`` rows the larger of one point and
    what chance explains at 95 %.
    """
    if kind in ("dB", "variance"):
        return signals.outcome(gain_dB(ours, baseline, kind), LEAST_GAIN)
    if kind == "share" and rows:
        return signals.compared(ours, baseline, rows)[0]
    return signals.outcome(ours - baseline, signals.POINT)


def gain_dB(ours: float, baseline: float, kind: Kind) -> float:  # noqa: N802 (the unit's own spelling)
    """Return by how many decibels ``ours`` leaves less squared error than ``baseline``.

    PSNR differs by just that. Parts of variance explained, r and r0, leave 1 - r and 1 - r0, so 10 log10((1 - r0) /
    (1 - r)); a perfect one is held at a millionth left.
    """
    if kind == "dB":
        return ours - baseline
    return 10 * math.log10(max(1 - baseline, 1e-6) / max(1 - ours, 1e-6))


def is_lossless(value: float, kind: Kind) -> bool:
    """Whether a PSNR or a part of the variance is the highest that is measured: all came back, up to rounding."""
    return value >= MOST_PSNR - 0.005 if kind == "dB" else value >= 1 - 1e-6


def difference(metric: Metric, ours: float, baseline: float, rows: float | None = None) -> tuple[str, Outcome]:
    """Return how ``ours`` differs from ``baseline``, written out, and whether that is better or worse.

    What two methods measure in spaces of their own is neither.
    """
    if not metric.one_space:
        return "not comparable", "same"
    if metric.kind == "error":
        if ours <= 0 or baseline <= 0:
            return "", "same"
        return _ratio(ours / baseline, "")
    if metric.kind == "variance" and min(ours, baseline) < 0:  # points of what is no part of anything say nothing
        return _ratio((1 - ours) / max(1 - baseline, 1e-6), " error")
    judged = outcome(ours, baseline, metric.kind, rows)
    if judged == "same":
        return "about the same", judged
    gap = abs(ours - baseline)
    size = {"share": points(gap), "variance": points(gap), "dB": f"{fixed(gap, 2)}{NBSP}dB"}.get(metric.kind)
    at_least = "at least " if metric.kind == "dB" and is_lossless(max(ours, baseline), "dB") else ""
    return f"{at_least}{size or fixed(gap, 3)} {judged}", judged


def _ratio(ratio: float, what: str) -> tuple[str, Outcome]:
    """Say how an error above 0 stands to another by their ratio."""
    ratio = max(ratio, 1e-300)
    judged = outcome(-10 * math.log10(ratio), 0.0, "dB")
    if judged == "same":
        return "about the same", judged
    size = max(ratio, 1 / ratio)
    text = f"over {MOST_TIMES:,}" if size > MOST_TIMES else fixed(size, 1)
    return f"{text}{NBSP}× {'less' if judged == 'better' else 'more'}{what}", judged


def _kind(name: str) -> Kind:
    """Return the kind of the result called ``name``, which may be a baseline; of unknown ones one without bounds."""
    stage, _, short = name.rpartition("/")
    for prefix in ("", *BASELINES):
        metric = METRICS.get(f"{stage}/{short.removeprefix(prefix)}")
        if metric is not None:
            return metric.kind
    counted = stage in ("data", "duplicates") or short in ("n_clusters", "asked", "rows")
    return "share" if short.endswith("accuracy") else "count" if counted else "error"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return f"{1000 * seconds:.0f}{NBSP}ms"
    if seconds < 60:
        return f"{seconds:.1f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest}{NBSP}s"
    return f"{minutes // 60}{NBSP}h {minutes % 60}{NBSP}min"
