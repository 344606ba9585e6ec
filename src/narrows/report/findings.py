"""What is known of a run and what is doubtful, worked out once from all of its figures and signals.

The sentences of the verdict, the figures at the top of the report and its tables follow from this, so that none of them
can claim what another takes back: groups are not distinct where one cluster holds nearly everything, and codes that are
all the same keep nothing, whatever a figure says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from narrows.evaluation.signals import DOUBTS, Outcome, nothing_to_see
from narrows.report.numbers import Kind, gain_dB, is_lossless, number, outcome

#: What the codes keep. "nothing to see": rows without any difference that could be kept; "same codes": codes that tell
#: nothing about their rows; "nothing": the rows' own average would be as near; "alone": no baseline to hold it against;
#: "seen": the decoder had learned from these very rows, and the baseline had not; "mixed": better than the baseline by
#: one figure and worse by another.
Kept = Literal[
    "unmeasured", "nothing to see", "same codes", "nothing", "seen", "alone", "better", "same", "worse", "mixed"
]
#: What the clusters are worth. "one": there is only one; "each": as many as there are rows; "doubtful": a signal says
#: that they tell nothing apart; "scored": by labels; "apart": by their separation alone.
Grouped = Literal["unmeasured", "one", "each", "doubtful", "scored", "apart"]
#: How clusters stand to the baseline's; "mixed": not alike by accuracy and by NMI.
Judged = Literal["better", "same", "worse", "mixed"]
#: From which rows a part of a run learned; "none" of what did not learn, such as a decoder that there is not.
Learned = Literal["all", "train", "none"]


@dataclass(frozen=True)
class Rebuilt:
    """What came back from the codes.

    Parameters
    ----------
    kept : the conclusion
    kind : "dB" of a PSNR, or "variance" of the part of it that is explained
    ours, baseline : in that kind, None where unknown
    ratio : PCA's squared error by ours, None where unknown or without meaning
    """

    kept: Kept
    kind: Kind
    ours: float | None = None
    baseline: float | None = None
    ratio: float | None = None

    @property
    def gain(self) -> float:
        """By how many decibels less squared error is left than by PCA; 0 where that is unknown."""
        if self.ours is None or self.baseline is None:
            return 0.0
        return gain_dB(self.ours, self.baseline, self.kind)


@dataclass(frozen=True)
class Clustered:
    """What the clusters are worth.

    Parameters
    ----------
    grouped : the conclusion
    count : of clusters
    silhouette : None where unknown
    accuracy, baseline : shares of the ``labelled`` rows that match the labels; None where unknown
    nmi, baseline_nmi : the normalised mutual information with the labels; None where unknown
    by_accuracy, by_nmi : how the first of each stands to the second
    labelled, rows : rows with a known label, and all of them; None where unknown
    """

    grouped: Grouped
    count: int = 0
    silhouette: float | None = None
    accuracy: float | None = None
    baseline: float | None = None
    nmi: float | None = None
    baseline_nmi: float | None = None
    by_accuracy: Outcome | None = None
    by_nmi: Outcome | None = None
    labelled: int | None = None
    rows: int | None = None

    @property
    def judged(self) -> Judged | None:
        """How the clusters stand to the baseline's, by both figures together; None where that is unknown."""
        if self.by_accuracy is None or self.by_nmi in (None, "same", self.by_accuracy):
            return self.by_accuracy
        return "mixed"


@dataclass(frozen=True)
class Findings:
    """What is known of a run, and what is doubtful.

    Parameters
    ----------
    is_images : whether rows are images rather than vectors
    shaped : whether the codes were made to rebuild rows from; a decoder may have learned to read others afterwards
    parts_clusters : whether they were made to tell clusters apart, so that they are apart to some degree whatever the
        rows are
    network_rows : which rows the network that makes the codes learned from: "all", those too that were held out from
        PCA, or "train"
    decoder_rows : the same of the decoder
    encoder : what turns rows into codes, where it is not a network; "" of one
    is_baseline : whether that is what others are compared with, so that there is no baseline for it
    rebuilt, clustered : what the codes keep, and what the clusters are worth
    warnings, notes : the signals that ask to be looked at before the run is used, and those that do not
    """

    is_images: bool
    shaped: bool
    parts_clusters: bool
    network_rows: Learned
    decoder_rows: Learned
    encoder: str
    is_baseline: bool
    rebuilt: Rebuilt
    clustered: Clustered
    warnings: Sequence[Mapping[str, Any]]
    notes: Sequence[Mapping[str, Any]]

    @property
    def rows(self) -> str:
        """What the rows are called."""
        return "images" if self.is_images else "vectors"

    @property
    def row(self) -> str:
        """What one of them is called."""
        return self.rows[:-1]

    def doubts(self, about: str) -> list[Mapping[str, Any]]:
        """Return the signals that take away a conclusion about "codes", "clusters", "samples" or "baselines"."""
        return [signal for signal in self.warnings if signal.get("name") in DOUBTS[about]]

    @property
    def doubts_separation(self) -> bool:
        """Whether something else that is known forbids to conclude anything from how far the clusters lie apart."""
        lost = self.rebuilt.kept in ("nothing to see", "same codes", "nothing")
        return lost or any(self.doubts(about) for about in ("clusters", "samples", "codes"))


def find(results: Mapping[str, Any], tables: Mapping[str, Any]) -> Findings:
    """Work out what is known and what is doubtful.

    Parameters
    ----------
    results : flat name -> number, as in results.json; any may be missing, None or NaN
    tables : as in tables.json; any part may be missing
    """
    told = [signal for signal in tables.get("signals") or [] if isinstance(signal, Mapping)]
    warnings = [signal for signal in told if signal.get("severity") != "note"]
    serious = {signal.get("name") for signal in told if signal.get("severity") == "serious"}
    encoder = tables.get("encoder") or {}
    learned, held_out = _learned(tables), bool((tables.get("data") or {}).get("held_out"))

    def rows_of(part: str) -> Learned:  # where nothing was held out, all learned from the same
        said = learned.get(part)
        return "none" if said == "none" else "all" if held_out and said == "all" else "train"

    return Findings(
        is_images=(tables.get("data") or {}).get("kind", "images") == "images",
        shaped=bool((tables.get("network") or {}).get("shaped_by_decoder", True)),
        parts_clusters=bool(learned.get("parts_clusters")),
        network_rows=rows_of("network"),
        decoder_rows=rows_of("decoder"),
        encoder=str(encoder.get("title") or ""),
        is_baseline=bool(encoder.get("is_baseline")),
        rebuilt=_rebuilt(results, same_codes=bool(serious & DOUBTS["codes"]), seen=rows_of("decoder") == "all"),
        clustered=_clustered(results, tables, doubtful=bool(serious & DOUBTS["clusters"])),
        warnings=warnings,
        notes=[signal for signal in told if signal.get("severity") == "note"],
    )


def _learned(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return which rows were learned from, and whether codes were made to tell clusters apart.

    Runs of former versions do not say so. Where a clustering trained the network, it and its decoder saw all rows.
    """
    learned = tables.get("learned")
    if isinstance(learned, Mapping):
        return learned
    return {"network": "all", "decoder": "all", "parts_clusters": True} if "clusterings" in tables else {}


def _rebuilt(results: Mapping[str, Any], *, same_codes: bool, seen: bool) -> Rebuilt:
    kind: Kind = "variance" if number(results, "reconstruction/psnr") is None else "dB"
    short = "psnr" if kind == "dB" else "explained"
    ours = number(results, f"reconstruction/{short}")
    baseline = None if seen else number(results, f"reconstruction/pca_{short}")
    ratio = _error_ratio(results, kind, ours, baseline)
    if nothing_to_see(results):
        return Rebuilt("nothing to see", kind)
    if same_codes:
        return Rebuilt("same codes", kind, ours, baseline)
    if ours is None:
        return Rebuilt("unmeasured", kind)
    if _explained(results, kind, ours) <= 0:
        return Rebuilt("nothing", kind, ours, baseline)
    if seen:
        return Rebuilt("seen", kind, ours)
    if baseline is None:
        return Rebuilt("alone", kind, ours)
    return Rebuilt(_kept(ours, baseline, kind, ratio), kind, ours, baseline, ratio)


def _kept(ours: float, baseline: float, kind: Kind, ratio: float | None) -> Kept:
    """Return how the codes stand to PCA, by the mean over rows and by the squared error of all of them together."""
    judged = outcome(ours, baseline, kind)
    if ratio is None or kind == "variance":  # in which the two are one
        return judged
    together = outcome(10 * math.log10(ratio), 0.0, "dB")
    if together in (judged, "same"):
        return judged
    agree = judged == "same" and (ours >= baseline) == (together == "better")
    return together if agree else "mixed"


def _error_ratio(results: Mapping[str, Any], kind: Kind, ours: float | None, baseline: float | None) -> float | None:
    """Return PCA's squared error by ours; None where either leaves no error that could be measured."""
    if ours is None or baseline is None or is_lossless(ours, kind) or is_lossless(baseline, kind):
        return None
    error, linear = number(results, "reconstruction/mse"), number(results, "reconstruction/pca_mse")
    if error is not None and linear is not None:
        return max(linear / error, 1e-300) if error > 0 and linear > 0 else None
    return 10 ** (gain_dB(ours, baseline, kind) / 10)


def _explained(results: Mapping[str, Any], kind: Kind, ours: float) -> float:
    """Return the part of the variance that came back; 1 where it is unknown."""
    if kind == "variance":
        return ours
    variance, error = number(results, "reconstruction/variance"), number(results, "reconstruction/mse")
    return 1 - error / variance if variance and error is not None else 1.0


def _clustered(results: Mapping[str, Any], tables: Mapping[str, Any], *, doubtful: bool) -> Clustered:
    count, rows = _whole(results, "clustering/n_clusters"), _whole(results, "data/images")
    if not count:
        return Clustered("unmeasured")
    if count == 1:
        return Clustered("one", count)
    if rows is not None and count >= rows:
        return Clustered("each", count)
    silhouette, accuracy = number(results, "clustering/silhouette"), number(results, "clustering/accuracy")
    labelled = _labelled(results, tables)
    if accuracy is None or number(results, "data/classes") == 1:  # labels that are all the same agree with anything
        return Clustered("doubtful" if doubtful else "apart", count, silhouette, labelled=labelled, rows=rows)
    baseline = number(results, "clustering/pixels_accuracy")
    by_accuracy = None if baseline is None else outcome(accuracy, baseline, "share", labelled or rows)
    nmi, raw = number(results, "clustering/nmi"), number(results, "clustering/pixels_nmi")
    by_nmi = None if nmi is None or raw is None else outcome(nmi, raw, "score")
    grouped: Grouped = "doubtful" if doubtful else "scored"
    return Clustered(grouped, count, silhouette, accuracy, baseline, nmi, raw, by_accuracy, by_nmi, labelled, rows)


def _labelled(results: Mapping[str, Any], tables: Mapping[str, Any]) -> int | None:
    """Return how many rows have a known label, which are those of the table of clusters against labels."""
    known = _whole(results, "data/labelled")
    counts = (tables.get("contingency") or {}).get("counts")
    if known is None and counts:
        known = int(sum(sum(row) for row in counts))
    return known or None


def _whole(results: Mapping[str, Any], name: str) -> int | None:
    value = number(results, name)
    return None if value is None else int(value)
