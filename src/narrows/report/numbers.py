"""What each number of a run is called, how it is written, and what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from narrows.evaluation.signals import chance_margin

NBSP = "\N{NO-BREAK SPACE}"

Kind = Literal["count", "share", "variance", "score", "dB", "error", "seconds", "speed"]
Outcome = Literal["better", "same", "worse"]


@dataclass(frozen=True)
class Metric:
    """How to show a number, and what it tells, in a sentence or two of plain words."""

    label: str
    kind: Kind
    meaning: str = ""
    one_space: bool = True  # whether values of two methods are measured in one space, so that they compare


METRICS = {
    "reconstruction/psnr": Metric(
        "PSNR, mean over images", "dB",
        "Peak signal-to-noise ratio, computed for each image and then averaged: every image counts the same. "
        "3 dB more is half the squared error; near 20 dB shapes are right and detail is soft, "
        "above 30 dB differences are hard to see.",
    ),
    "reconstruction/psnr_pooled": Metric(
        "PSNR, pooled", "dB",
        "From the squared error averaged over all pixels of all images first: images that came out badly weigh more.",
    ),
    "reconstruction/ssim": Metric(
        "SSIM", "score",
        "Structural similarity: 1 when local contrast and structure are the same, 0 when they have nothing in common.",
    ),
    "reconstruction/mse": Metric(
        "Mean squared error", "error", "The average squared difference between input and output."
    ),
    "reconstruction/explained": Metric(
        "Variance explained", "variance",
        "How much of the variation in the data comes back out of the codes: 100 % is everything, 0 % is no better "
        "than answering with the average row.",
    ),
    "denoising/psnr": Metric(
        "PSNR after denoising", "dB",
        "How close the cleaned images come to the originals, beside how close the corrupted ones were.",
    ),
    "denoising/explained": Metric(
        "Variance explained after denoising", "variance",
        "How much of the variation of the clean rows is in the cleaned ones, beside how much was in the corrupted "
        "ones; below 0 % the average row would be nearer.",
    ),
    "clustering/accuracy": Metric(
        "Accuracy", "share",
        "Each cluster is given the label that makes the whole match best, one label to one cluster; this is the share "
        "that is then right.",
    ),
    "clustering/nmi": Metric(
        "NMI", "score",
        "Normalised mutual information: how much knowing the cluster tells about the label, from 0 (nothing) to 1.",
    ),
    "clustering/ari": Metric(
        "ARI", "score",
        "Adjusted Rand index: whether pairs that belong together are together; 0 is chance, 1 is perfect.",
    ),
    "clustering/silhouette": Metric(
        "Silhouette", "score",
        "How much nearer a row is to its own cluster than to the next one, from \N{MINUS SIGN}1 to 1. Needs no labels. "
        "Each column is measured in a space of its own, so neither value is better than the other.",
        one_space=False,
    ),
    "probe/linear_accuracy": Metric(
        "Linear probe", "share",
        "A straight-line classifier trained on the codes and tested on rows it has not seen: "
        "how easily the labels can be read off.",
    ),
    "probe/knn_accuracy": Metric(
        "Nearest-neighbour probe", "share",
        "Each test row takes the label most common among its nearest neighbours: whether alike rows have alike codes.",
    ),
    "projection/trustworthiness": Metric(
        "Trustworthiness", "score",
        "Whether neighbours on the map are neighbours among the codes too: 1 is always, about 0.5 is what a random map "
        "reaches.",
    ),
    "train/loss": Metric("Loss at the end", "error", "What training made smaller, on the rows it trained on."),
    "train/valid_loss": Metric(
        "Validation loss", "error",
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
}  # fmt: skip


def number(results: Mapping[str, Any], name: str) -> float | None:
    """Return the result called ``name``, or None when it is missing, null or not finite."""
    value = results.get(name)
    return value if _is_number(value) else None


def written(value: Any, kind: Kind) -> str:
    """Return ``value`` with the digits that matter and its unit; a dash for what is no finite number."""
    if not _is_number(value):
        return "\N{EN DASH}"
    if kind == "seconds":
        return _duration(value)
    text = {
        "count": f"{value:,.0f}",
        "share": f"{100 * value:.1f}{NBSP}%",
        "variance": f"{100 * value:.1f}{NBSP}%",
        "score": f"{value:.3f}",
        "dB": f"{value:.2f}{NBSP}dB",
        "error": f"{value:#.4g}",
        "speed": f"{value:,.0f}{NBSP}per second" if value >= 10 else f"{value:.1f}{NBSP}per second",
    }[kind]
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text


def outcome(ours: float, baseline: float, kind: Kind, rows: float | None = None) -> Outcome:
    """Say whether ``ours`` is better than ``baseline`` by more than chance or taste explains; greater is better.

    The margin is 0.3 dB of squared error, a score of 0.01, or for a share of ``rows`` rows the larger of one point and
    what chance explains at 95 %.
    """
    margin = 0.01
    difference = ours - baseline
    if kind in ("dB", "variance"):
        margin, difference = 0.3, gain_dB(ours, baseline, kind)
    elif kind == "share" and rows:
        margin = max(margin, chance_margin(ours, baseline, rows))
    if abs(difference) < margin - 1e-12:
        return "same"
    return "better" if difference > 0 else "worse"


def gain_dB(ours: float, baseline: float, kind: Kind) -> float:  # noqa: N802 (the unit's own spelling)
    """Return by how many decibels ``ours`` leaves less squared error than ``baseline``.

    PSNR differs by just that. Parts of variance explained, r and r0, leave 1 - r and 1 - r0, so 10 log10((1 - r0) /
    (1 - r)); a perfect one is held at a millionth left.
    """
    if kind == "dB":
        return ours - baseline
    return 10 * math.log10(max(1 - baseline, 1e-6) / max(1 - ours, 1e-6))


def difference(metric: Metric, ours: float, baseline: float, rows: float | None = None) -> tuple[str, Outcome]:
    """Return how ``ours`` differs from ``baseline``, written out, and whether that is better or worse.

    What two methods measure in spaces of their own is neither.
    """
    if not metric.one_space:
        return "not comparable", "same"
    if metric.kind == "error":
        if ours <= 0 or baseline <= 0:
            return "", "same"
        judged = outcome(10 * math.log10(baseline / ours), 0.0, "dB")
        size = f"{max(ours, baseline) / min(ours, baseline):.1f}{NBSP}×"
        return {"better": f"{size} less", "same": "about the same", "worse": f"{size} more"}[judged], judged
    judged = outcome(ours, baseline, metric.kind, rows)
    if judged == "same":
        return "about the same", judged
    gap = abs(ours - baseline)
    points = f"{100 * gap:.1f}{NBSP}points"
    size = {"share": points, "variance": points, "dB": f"{gap:.2f}{NBSP}dB"}.get(metric.kind, f"{gap:.3f}")
    return f"{size} {judged}", judged


def plural(count: float, noun: str, nouns: str | None = None) -> str:
    """Return "1 file", "10 files"."""
    return f"{count:,.0f} {noun if count == 1 else nouns or noun + 's'}"


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
