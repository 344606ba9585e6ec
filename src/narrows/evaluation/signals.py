"""Honest signals: problems found in the numbers of a run, described in plain words.

A score can look fine and mean nothing: 82 % right is no achievement if always giving the same answer earns 82 %. Each
function here looks for one such problem in arrays or numbers and returns a ``Signal``, or None if it finds none.
``of_run`` collects those that apply to a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.evaluation.reconstruction import ROUNDING_ERROR
from narrows.training.history import Keep, kept
from narrows.wording import NBSP, change, fall, figure, out_of, plural, points, share, times, verb

if TYPE_CHECKING:
    from narrows.encoding.model import Model

Severity = Literal["serious", "warning", "note"]
Outcome = Literal["better", "same", "worse"]

#: A classifier is as good as constant if all classes but one together get less than this share of the answers due to
#: them: with ten equal classes, if it gives the same answer for more than 95.5 % of the rows.
ANSWERED = 0.05
#: A group with this share of all rows is a collapse; one with more than half (of three groups or more) is lopsided.
COLLAPSED, LOPSIDED = 0.9, 0.5
#: If labels show that the data themselves are lopsided, a group may be that large: it counts only if the rest gets less
#: than this share of its due.
DUE = 0.5
#: The fewest samples per group for which an empty group says anything: with n expected samples, a share exp(-n) of
#: equal groups stays empty by chance, under 1 % for n = 5.
SAMPLES_PER_GROUP = 5
#: A code dimension with less than this share of the mean variance carries no information.
DEAD_SHARE = 0.01
#: Codes whose variance is below this share of their mean square (a thousandth of their size) count as equal.
SAME_CODE = 1e-6
#: A dimension of a distributed code that tells less than this many nats (0.014 bits) about a row is ignored. Burda,
#: Grosse & Salakhutdinov (2016) call a dimension inactive when its mean varies by less than 0.01, which is 0.005 nats.
IGNORED_NATS = 0.01
#: A validation loss of this many times the training loss is overfitting: equal losses differ by far less, even with
#: only a few hundred validation rows, or a training loss averaged over an epoch in which it fell.
OVERFIT = 1.5
#: A validation loss that has risen by this share above its best, while the training loss fell, has turned.
RISE = 0.1
#: A training accuracy this far above the validation accuracy is overfitting, if chance does not explain it.
ACCURACY_GAP = 0.1
#: A loss within this share of its best has arrived; epochs that improve it by less did not help. A loss that fell by
#: more in the last tenth of the epochs, and was lowest in the last one, is still falling.
ARRIVED = 0.02
#: Arriving before the first share of the epochs is early; a best epoch before the second is long before the end.
EARLY, LONG_AGO = 1 / 3, 1 / 2
#: With fewer epochs, nothing can be said about the shape of a loss.
EPOCHS = 6
#: Two shares that differ by less count as about the same, however many rows there are.
POINT = 0.01
#: Two-sided 95 % of a normal distribution.
Z = 1.96


@dataclass(frozen=True)
class Signal:
    """A problem found in the numbers of a run.

    Parameters
    ----------
    name : the field's term, such as "dead centres"
    severity : "serious" (the result should not be used as it is), "warning" (look before you use it) or "note"
    sentence : what was found, with numbers, and what it means, for a reader who does not know the term
    numbers : the numbers in the sentence, by name
    """

    name: str
    severity: Severity
    sentence: str
    numbers: dict[str, float]


#: The signals that invalidate each conclusion of a report.
DOUBTS: dict[str, frozenset[str]] = {
    "codes": frozenset({"collapsed codes", "posterior collapse"}),
    "clusters": frozenset({"mode collapse", "dead centres", "collapsed codes"}),
    "samples": frozenset({"mode collapse of samples"}),
    "baselines": frozenset({"worse than the baseline", "no better than the baseline"}),
}


# Classes and groups


def constant_predictor(predicted: Array, labels: Array, names: Sequence[str] | None = None) -> Signal | None:
    """Find a classifier that gives the same answer for all rows, or nearly all.

    Parameters
    ----------
    predicted : int (N,), the answers
    labels : int (N,), the classes, -1 where unknown
    names : names of the classes; their numbers by default

    Raises
    ------
    InputError : lengths that differ
    """
    predicted, labels = _known(predicted, labels)
    if not len(labels) or len(np.unique(labels)) < 2:
        return None
    counts = np.bincount(predicted)
    answer = int(counts.argmax())
    answered, due = float(counts[answer] / len(labels)), float((labels == answer).mean())
    if 1 - answered >= ANSWERED * (1 - due):
        return None
    majority, accuracy = float(np.bincount(labels).max() / len(labels)), float((predicted == labels).mean())
    return Signal(
        "constant predictor",
        "serious",
        f"The classifier gives the same answer, “{_name(answer, names)}”, to "
        f"{out_of(int(counts[answer]), len(labels), 'row')}. It is right for {share(accuracy)}, and always answering "
        f"the commonest class is right for {share(majority)}: it has learned how common the classes are, and not to "
        "tell them apart.",
        {"answered": answered, "accuracy": accuracy, "majority": majority, "rows": len(labels)},
    )


def dead_centres(sizes: Array) -> Signal | None:
    """Find clusters without members; ``sizes`` (M,) counts the rows of each."""
    dead, of = int((np.asarray(sizes) == 0).sum()), len(sizes)
    if not dead:
        return None
    which = f"{out_of(dead, of, 'cluster')} {verb(dead, 'has', 'have')} no members"
    return Signal(
        "dead centres",
        "warning" if dead < of / 2 else "serious",
        f"{which[0].upper()}{which[1:]}: the grouping really has {plural(of - dead, 'cluster')}. A centre that is "
        "nearest to no row learns nothing and stays dead. Start from other centres, or move dead centres onto rows.",
        {"dead": dead, "clusters": of},
    )


def mode_collapse(sizes: Array, labels: Array | None = None) -> Signal | None:
    """Find a cluster that contains nearly all rows, or more than half of them.

    Parameters
    ----------
    sizes : (M,), rows in each cluster
    labels : int (N,), the classes, -1 where unknown: the data themselves may be lopsided
    """
    sizes = np.asarray(sizes)
    largest = _largest(sizes)
    collapsed = largest >= COLLAPSED and len(sizes) > 1
    if not collapsed and not (largest > LOPSIDED and len(sizes) > 2):
        return None
    numbers = {"largest": largest, "clusters": len(sizes)}
    among = ""
    if labels is not None and (labels >= 0).any():
        numbers["commonest"] = commonest = _largest(np.bincount(labels[labels >= 0]))
        if 1 - largest >= DUE * (1 - commonest):
            return None
        among = f", while the commonest label has only {share(commonest)}"
    means = "the clusters hardly tell anything apart" if collapsed else "the others share what is left"
    return Signal(
        "mode collapse",
        "serious" if collapsed else "warning",
        f"One of {len(sizes)} clusters holds {share(largest)} of all rows{among}: {means}.",
        numbers,
    )


def sample_collapse(samples: Array, sizes: Array, groups: str = "clusters") -> Signal | None:
    """Find generated samples that are nearly all of one kind, or leave out most kinds.

    Parameters
    ----------
    samples : (M,), the number of generated samples in each class or cluster
    sizes : (M,), the number of real rows in each
    groups : the plural noun for the M groups, such as "clusters"
    """
    samples, sizes = np.asarray(samples), np.asarray(sizes)
    if samples.sum() < SAMPLES_PER_GROUP or not sizes.sum() or len(sizes) < 2:
        return None
    drawn, largest = int(samples.sum()), int(samples.argmax())
    most, due = _largest(samples), float(sizes[largest] / sizes.sum())
    covered, there = int((samples[sizes > 0] > 0).sum()), int((sizes > 0).sum())
    numbers = {"largest": most, "due": due, "covered": covered, "groups": there, "samples": drawn}
    if most >= COLLAPSED and 1 - most < DUE * (1 - due):
        return Signal(
            "mode collapse of samples",
            "serious",
            f"{share(most)} of {plural(drawn, 'generated sample')} fall into one of {len(sizes)} {groups}, which holds "
            f"only {share(due)} of the real rows: the model generates nearly the same thing each time.",
            numbers,
        )
    if drawn >= SAMPLES_PER_GROUP * there and covered < there / 2:
        return Signal(
            "mode collapse of samples",
            "warning",
            f"{plural(drawn, 'generated sample')} fall into {covered} of {there} {groups} only: most kinds of real "
            "rows are never generated.",
            numbers,
        )
    return None


# Codes


def dead_dimensions(codes: Array) -> Signal | None:
    """Find dimensions of codes (N, K) that hardly vary, or codes that are all the same."""
    dead, size = count_dead(codes), codes.shape[1]
    if not dead:
        return None
    if dead == size:
        return Signal(
            "collapsed codes",
            "serious",
            f"{out_of(len(codes), len(codes), 'row').capitalize()} {verb(len(codes), 'has', 'have')} almost the same "
            "code, so the codes tell nothing about them.",
            {"dead": size, "size": size},
        )
    return Signal(
        "dead code dimensions",
        "warning" if dead > size / 2 else "note",
        f"{dead:,} of {plural(size, 'number')} in a code {verb(dead, 'is', 'are')} nearly the same for every row "
        f"(less than {100 * DEAD_SHARE:.0f}{NBSP}% of the average variance) and {verb(dead, 'carries', 'carry')} "
        f"nothing: a code of {size - dead:,} would do as well.",
        {"dead": dead, "size": size},
    )


def count_dead(codes: Array) -> int:
    """Return how many dimensions of codes (N, K) hardly vary: all K if all codes are almost the same."""
    mean, variance = codes.mean(axis=0, dtype=np.float64), codes.var(axis=0, dtype=np.float64)  # (K,) each
    if variance.sum() <= SAME_CODE * (variance + mean**2).sum():
        return len(variance)
    return int((variance < DEAD_SHARE * variance.mean()).sum())


def posterior_collapse(kl: Array) -> Signal | None:
    """Find dimensions of a distributed code that the encoder leaves at the prior.

    Parameters
    ----------
    kl : (K,), mean Kullback-Leibler divergence of each dimension from N(0, 1), in nats: its information about a row
    """
    ignored, size = int((np.asarray(kl) < IGNORED_NATS).sum()), len(kl)
    if not ignored:
        return None
    severity: Severity = "serious" if ignored == size else "warning" if ignored > size / 2 else "note"
    means = (
        "the codes are pure noise, and the decoder has learned to do without them"
        if ignored == size
        else f"only {size - ignored} of the code's numbers {verb(size - ignored, 'is', 'are')} in use"
    )
    return Signal(
        "posterior collapse",
        severity,
        f"{ignored} of {plural(size, 'number')} in a code {verb(ignored, 'tells', 'tell')} nothing about the row it "
        f"stands for (less than {IGNORED_NATS:g} nats, where 0.69 answer one yes-or-no question): {means}. With a "
        "smaller beta, the codes carry more information.",
        {"ignored": ignored, "size": size},
    )


def kl_per_dimension(model: Model, values: Array) -> Array | None:
    """Return the mean divergence (K,) of the codes of ``values`` from N(0, 1), in nats; None if codes are points.

    Kingma & Welling (2014), appendix B: KL_k = 1/2 (mu_k^2 + sigma_k^2 - log sigma_k^2 - 1).
    """
    from narrows.encoding.model import apply

    if not model.objective.distributes:
        return None

    def divergence(net: Any, x: Any) -> Any:
        features = net.features(x)
        log_variance = model.objective.log_variance(features).double()
        mean = net.to_code(features).double()  # (B, K)
        return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1)

    return np.asarray(apply(model, values, divergence).mean(axis=0, dtype=np.float64))


# Training


def overfitting(train: Sequence[float], valid: Sequence[float], keep: Keep = "best") -> Signal | None:
    """Find overfitting: a network that learned its examples by heart.

    Parameters
    ----------
    train, valid : loss of each epoch on the training rows and on the validation rows; nan where unknown
    keep : whether the weights of the "best" epoch were kept or those of the "last"

    Raises
    ------
    InputError : lengths that differ
    """
    seen, aside = _pair(train, valid)
    if not len(aside):
        return None
    best, last = int(aside.argmin()), len(aside) - 1
    chosen = best if keep == "best" else last
    if 0 < seen[chosen] < math.inf and aside[chosen] > OVERFIT * seen[chosen]:
        ratio = float(aside[chosen] / seen[chosen])
        return Signal(
            "overfitting",
            "warning",
            f"On rows kept aside the loss is {figure(aside[chosen])}, {times(ratio)} the {figure(seen[chosen])} on the "
            "rows trained on: in part, the network has learned its examples by heart. More data, a smaller network, "
            "noise or fewer epochs help.",
            {"train": float(seen[chosen]), "valid": float(aside[chosen]), "ratio": ratio},
        )
    rise = float((aside[last] - aside[best]) / _level(aside))
    if rise > RISE and seen[last] < seen[best]:
        what = f"the weights of epoch {best + 1} were kept" if keep == "best" else "the last weights were kept"
        return Signal(
            "overfitting",
            "note" if keep == "best" else "warning",
            f"After epoch {best + 1} of {last + 1} the loss on rows kept aside rose {change(aside[best], aside[last])} "
            "while that on the rows trained on still fell: from there on, the network learned its examples by heart; "
            f"{what}.",
            {"best_epoch": best + 1, "epochs": last + 1, "rise": rise},
        )
    return None


def accuracy_gap(train: float, valid: float, rows: float) -> Signal | None:
    """Find a classifier that is right more often on its training rows than on the ``rows`` kept aside."""
    if train - valid <= max(ACCURACY_GAP, Z * math.sqrt(_variance(valid, rows))):
        return None
    return Signal(
        "overfitting",
        "warning",
        f"The classifier is right for {share(train)} of the rows it was trained on and for {share(valid)} of those "
        "kept aside: in part, it has learned its examples by heart.",
        {"train": train, "valid": valid, "rows": rows},
    )


def stopped_improving(losses: Sequence[float]) -> Signal | None:
    """Find a loss (one value per epoch) that never fell, arrived early, or was lowest long before the end."""
    found = _finite(losses)
    epochs = len(found)
    if epochs < EPOCHS:
        return None
    best, level = int(found.argmin()), _level(found)
    if found[0] == 0 == found[best]:
        return None  # the loss is low from the start: there was nothing to learn
    if (found[0] - found[best]) / level < ARRIVED:
        first = figure(found[0])
        fell = f"fell only {change(found[0], found[best])}" if best else f"never fell below the {first} it began with"
        return Signal(
            "nothing learned",
            "warning",
            f"In {epochs} epochs the loss {fell}: training changed next to nothing. Try a learning rate ten times as "
            "large or as small.",
            {"first": float(found[0]), "best": float(found[best]), "epochs": epochs},
        )
    arrived = int(np.argmax(found <= found[best] + ARRIVED * level))
    numbers: dict[str, float] = {"best_epoch": best + 1, "arrived": arrived + 1, "epochs": epochs}
    if best + 1 <= LONG_AGO * epochs:
        return Signal(
            "stopped improving",
            "note",
            f"The loss was lowest at epoch {best + 1} of {epochs}: the {plural(epochs - best - 1, 'epoch')} after it "
            "brought nothing.",
            numbers,
        )
    if arrived + 1 <= EARLY * epochs:
        return Signal(
            "early plateau",
            "note",
            f"By epoch {arrived + 1} of {epochs} the loss was within {100 * ARRIVED:.0f}{NBSP}% of "
            f"{_what_level(found)}: the epochs after it brought next to nothing.",
            numbers,
        )
    return None


def still_improving(losses: Sequence[float]) -> Signal | None:
    """Find a loss (one value per epoch) that was still falling when training ended."""
    found = _finite(losses)
    epochs = len(found)
    if epochs < 2 or found.argmin() != epochs - 1:
        return None
    before = max(1, round(epochs / 10))
    start, end = float(found[-1 - before]), float(found[-1])
    fell = (start - end) / _level(found)
    lately = f"{before} epochs" if before > 1 else "one"
    if fell <= ARRIVED:
        return None
    numbers = {"epochs": epochs, "from": start, "to": end}
    if end >= 0:
        numbers["fall"] = (start - end) / start
    return Signal(
        "still improving",
        "note",
        f"The loss was lowest at the last of {epochs} epochs, and in the last {lately} it still fell "
        f"{fall(start, end)}: longer training would probably give a better result.",
        numbers,
    )


def nothing_to_see(results: Mapping[str, Any]) -> bool:
    """Return whether the reconstructed rows differ so little that there was nothing to learn and no figure has meaning.

    Parameters
    ----------
    results : flat name -> number; without the variance of the rows, the answer is False
    """
    variance = _number(results, "reconstruction/variance")
    least = ROUNDING_ERROR if _number(results, "reconstruction/psnr") is not None else 0.0
    return variance is not None and variance <= least


# Baselines


def chance_margin(accuracy: float, baseline: float, rows: float, *, fixed: bool = False) -> float:
    """Return how far two shares of the same ``rows`` rows may differ by chance: half of the 95 % interval.

    The interval is that of the difference of two independent shares, with one success and one failure added to each
    (Agresti & Caffo 2000); shares measured on the same rows differ by less, so it is on the safe side. A ``fixed``
    baseline is not measured but an exact rate of these rows, such as that of the commonest class.
    """
    return Z * math.sqrt(_variance(accuracy, rows) + (0 if fixed else _variance(baseline, rows)))


def outcome(difference: float, margin: float) -> Outcome:
    """Return how a difference compares with ``margin``; greater is better."""
    if abs(difference) < margin - 1e-12:
        return "same"
    return "better" if difference > 0 else "worse"


def compared(accuracy: float, baseline: float, rows: float, *, fixed: bool = False) -> tuple[Outcome, float]:
    """Return whether a share of ``rows`` rows beats a baseline by more than chance and a point, and that margin.

    Every comparison of two shares in a run uses this, so that its sentences never disagree.
    """
    margin = max(POINT, chance_margin(accuracy, baseline, rows, fixed=fixed))
    return outcome(accuracy - baseline, margin), margin


def rows_behind(results: Mapping[str, Any], name: str) -> float | None:
    """Return how many rows a share in results.json is taken of: all labelled rows, or the labelled held-out ones.

    Parameters
    ----------
    results : flat name -> number
    name : name of the share, such as "clustering/accuracy"
    """
    clusters = name.startswith("clustering/")
    for key in ("data/labelled", "data/images") if clusters else ("probe/rows", "data/test"):
        if (rows := _number(results, key)) is not None and rows >= 1:
            return rows
    return None


def against_baseline(
    accuracy: float, baseline: float, rows: float, what: str, than: str, *, fixed: bool = False
) -> Signal | None:
    """Find an accuracy on ``rows`` rows that is worse than a baseline, or not better by more than chance and a point.

    Parameters
    ----------
    accuracy, baseline : shares in [0, 1] of the same rows
    rows : the number of rows
    what, than : names of the two accuracies, such as "the linear probe" and "the same on PCA codes"
    fixed : whether the baseline is an exact rate of these rows, such as that of the commonest class, not a measurement
    """
    if not rows >= 1:
        raise InputError("rows", "must be at least 1", value=rows)
    judged, margin = compared(accuracy, baseline, rows, fixed=fixed)
    if judged == "better":
        return None
    numbers = {"accuracy": accuracy, "baseline": baseline, "margin": margin, "rows": rows}
    figures = f"{what[0].upper()}{what[1:]} reaches {share(accuracy)}, and {than} {share(baseline)}"
    if judged == "worse":
        return Signal(
            "worse than the baseline",
            "warning",
            f"{figures}: the simple method does better, and not by chance.",
            numbers,
        )
    chance = f"with {plural(rows, 'row')}, chance alone explains a difference of {points(margin)}"
    why = chance if margin > POINT else "they are less than a point apart"
    return Signal(
        "no better than the baseline",
        "warning",
        f"{figures}: {why}, so nothing shows that more is gained than by the simple method.",
        numbers,
    )


#: Comparisons within results.json: the two names, the two descriptions, and whether the baseline is an exact rate.
COMPARED = [
    (
        "clustering/accuracy",
        "clustering/pixels_accuracy",
        "matching clusters with labels",
        "k-means on the raw values",
        False,
    ),
    (
        "probe/linear_accuracy",
        "probe/majority_accuracy",
        "a linear classifier on the codes",
        "always answering the commonest label",
        True,
    ),
    (
        "probe/linear_accuracy",
        "probe/pca_linear_accuracy",
        "a linear classifier on the codes",
        "the same classifier on PCA codes",
        False,
    ),
]


def of_run(
    results: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    *,
    sizes: Array | None = None,
    samples: Array | None = None,
    codes: Array | None = None,
    kl: Array | None = None,
    labels: Array | None = None,
    predicted: Array | None = None,
    class_names: Sequence[str] | None = None,
    keep: Keep = "best",
) -> list[Signal]:
    """Return the signals of a run, the most serious first; only what is given is examined.

    Parameters
    ----------
    results : flat name -> number, as in results.json
    history : one row per epoch, with "train/loss" and, where known, "valid/loss" and accuracies; if training targets
        were replaced, their number as "targets", since losses for different targets are not compared
    sizes : (M,), rows in each cluster, including empty ones
    samples : (M,), the number of generated samples in each cluster
    codes : (N, K)
    kl : (K,), the divergences of a distributed code (see ``kl_per_dimension``)
    labels : int (N,), the classes, -1 where unknown
    predicted : int (N,), a classifier's answers for the same rows
    class_names : names of the classes
    keep : whether the weights of the "best" epoch were kept or those of the "last"
    """
    found: list[Signal | None] = []
    if predicted is not None and labels is not None:
        found.append(constant_predictor(predicted, labels, class_names) or _beside_majority(predicted, labels))
    if sizes is not None:
        found += [dead_centres(sizes), mode_collapse(sizes, labels)]
        if samples is not None:
            found.append(sample_collapse(samples, sizes))
    if kl is not None:
        found.append(posterior_collapse(kl))
    elif codes is not None:
        found.append(dead_dimensions(codes))
    if not nothing_to_see(results) and len({row.get("targets") for row in history}) <= 1:
        # If rows do not vary, the course of the loss means nothing; losses for different targets have no common course.
        found += _of_training(results, history, keep)
    for name, base, what, than, fixed in COMPARED:
        ours, theirs, rows = _share_of(results, name), _share_of(results, base), rows_behind(results, name)
        if ours is not None and theirs is not None and rows is not None:
            found.append(against_baseline(ours, theirs, rows, what, than, fixed=fixed))
    order = ("serious", "warning", "note")
    return sorted((signal for signal in found if signal is not None), key=lambda signal: order.index(signal.severity))


def _of_training(results: Mapping[str, Any], history: Sequence[Mapping[str, Any]], keep: Keep) -> list[Signal | None]:
    train, valid = ([_number(row, f"{part}/loss") for row in history] for part in ("train", "valid"))
    losses = [math.nan if value is None else value for value in train]
    aside = [math.nan if value is None else value for value in valid]
    gap = overfitting(losses, aside, keep)
    judged = aside if np.isfinite(aside).any() else losses
    # If the validation loss turned, it goes without saying that it stopped improving.
    shape = stopped_improving(judged) if gap is None else None
    found = [gap, shape, still_improving(judged)]
    rows = [row for row in history if _share_of(row, "valid/accuracy") is not None]
    if rows and gap is None:
        chosen = kept(rows, keep)
        right, count = _share_of(chosen, "train/accuracy"), _number(results, "data/valid")
        if right is not None and count:
            found.append(accuracy_gap(right, chosen["valid/accuracy"], count))
    return found


def _beside_majority(predicted: Array, labels: Array) -> Signal | None:
    predicted, labels = _known(predicted, labels)
    if not len(labels):
        return None
    accuracy, majority = float((predicted == labels).mean()), _largest(np.bincount(labels))
    return against_baseline(
        accuracy, majority, len(labels), "the classifier", "always answering the commonest class", fixed=True
    )


def _variance(share: float, rows: float) -> float:
    """Return the variance of a share of ``rows`` rows, one success and one failure added."""
    share = (share * rows + 1) / (rows + 2)
    return share * (1 - share) / (rows + 2)


def _known(predicted: Array, labels: Array) -> tuple[Array, Array]:
    if len(predicted) != len(labels):
        raise InputError("predicted", f"must have one entry for each of the {len(labels)} labels", value=len(predicted))
    known = np.asarray(labels) >= 0
    return np.asarray(predicted)[known], np.asarray(labels)[known]


def _pair(train: Sequence[float], valid: Sequence[float]) -> tuple[Array, Array]:
    """Return the losses of the epochs for which both are known."""
    seen, aside = np.asarray(train, np.float64), np.asarray(valid, np.float64)
    if len(seen) != len(aside):
        raise InputError("valid", f"must have one loss for each of the {len(seen)} epochs", value=len(aside))
    both = np.isfinite(seen) & np.isfinite(aside)
    return seen[both], aside[both]


def _finite(losses: Sequence[float]) -> Array:
    found = np.asarray(losses, np.float64)
    return found[np.isfinite(found)]


def _level(losses: Array) -> float:
    """Return the unit for changes of a loss: its lowest value, or its range if that is not above 0."""
    lowest, highest = float(losses.min()), float(losses.max())
    return lowest if lowest > 0 else (highest - lowest) or 1.0


def _what_level(losses: Array) -> str:
    lowest = "the lowest it ever reached"
    return lowest if losses.min() > 0 else f"its range from {lowest}"


def _largest(sizes: Array) -> float:
    total = sizes.sum()
    return float(sizes.max() / total) if total else 0.0


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _share_of(row: Mapping[str, Any], name: str) -> float | None:
    value = _number(row, name)
    return value if value is not None and 0 <= value <= 1 else None


def _name(label: int, names: Sequence[str] | None) -> str:
    text = names[label] if names is not None and label < len(names) else str(label)
    return "".join(letter if letter.isprintable() else " " for letter in text)
