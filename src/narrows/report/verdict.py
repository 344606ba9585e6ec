"""The run in three sentences of plain words, computed from its figures; bad news is said as plainly as good news.

What is concluded stands in ``findings.py``; here it is put into words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from narrows.evaluation.reconstruction import ROUNDING_ERROR
from narrows.evaluation.signals import EPOCHS, nothing_to_see
from narrows.report.findings import Clustered, Findings, Rebuilt, find
from narrows.report.numbers import Kind, is_lossless, number, outcome
from narrows.wording import NBSP, fixed, plural, share, times, verb

CLEAR = "Nothing stood out that calls for special care."
CIRCULAR = "codes that were made to tell clusters apart are always apart to some degree"
MUCH, MORE = 3.0, 1.0  # dB of squared error
FEW = 100  # held-out rows, below which a figure is rough


def verdict(results: Mapping[str, Any], tables: Mapping[str, Any]) -> list[str]:
    """Return exactly three sentences: what the codes keep, what the clusters are worth, and what to be careful about.

    Parameters
    ----------
    results : flat name -> number, as in results.json; any may be missing, None or NaN
    tables : as in tables.json; any part may be missing
    """
    found = find(results, tables)
    size = number(results, "codes/size")
    codes = f"codes of {plural(size, 'number')}" if size else "the codes"
    if found.encoder and not found.is_baseline:
        codes += f" from {found.encoder}"
    return [
        f"The pile held {describe_pile(results, tables)}{_kept(found, codes)}.",
        f"{_sorted(found, results, tables)}.",
        _careful(found, results, tables),
    ]


# What the codes keep


def _kept(found: Findings, codes: str) -> str:
    rebuilt, rows = found.rebuilt, found.rows
    figures = _figures(rebuilt, rows)
    by = f" by a network that saw all {rows}" if found.network_rows == "all" else ""
    made = "" if found.shaped else f", made to tell clusters apart{by},"
    against = f"{figures} for PCA at the same size" if rebuilt.baseline is not None else figures
    if rebuilt.kept == "nothing to see":
        return f", and the ones checked are practically equal, so there was nothing for {codes} to keep"
    if rebuilt.kept == "same codes":
        said = f", but {codes} tell nothing about them: {_why_nothing(found)}"
        return f"{said}; {against}" if figures else said
    if rebuilt.kept == "unmeasured":
        return f"; nothing was rebuilt from {codes}, so how much they keep was not measured"
    if rebuilt.kept == "seen":
        return f", and from {codes}{made} {figures}; the decoder had learned from these very {rows}"
    if found.is_baseline:
        return f", and from {codes}, their {found.encoder}, {figures}"
    if rebuilt.kept == "alone":
        return f", and from {codes} {figures}, with no baseline to compare with"
    if rebuilt.kept == "nothing":
        if not found.shaped:  # codes may tell apart what a decoder cannot draw from them
            return f", and rebuilt from {codes}{made} they come no nearer than the average {found.row} does: {against}"
        as_well = f"the average {found.row} would do as well"
        return f", and {codes}{made} keep nothing that tells them apart: {against}, and {as_well}"
    if rebuilt.kept == "mixed":
        far = "is nearer than PCA's by one figure and farther by another"
        return f", and what comes back from {codes}{made} {far}: {figures}, but over all of them {_beside(rebuilt)}"
    return _against_pca(found, codes + made, figures)


def _against_pca(found: Findings, codes: str, figures: str) -> str:
    """Say that the codes keep more than PCA, no more, or less."""
    rebuilt = found.rebuilt
    ratio = f", and {_beside(rebuilt)}" if _beside(rebuilt) else ""
    lossless = rebuilt.baseline is not None and is_lossless(rebuilt.baseline, rebuilt.kind)
    if rebuilt.kept == "worse":
        less = "keep less" if found.shaped else "keep less of each"
        than = "PCA at the same size, which loses nothing" if lossless else "PCA at the same size"
        so = f", so {_maker(found)} is worse than this simple linear method" if found.shaped else ""
        return f", and {codes} {less} than {than}: {figures}{ratio}{so}"
    if rebuilt.kept == "same":
        so = f", so {_maker(found)} gains nothing over this simple linear method" if found.shaped else ""
        both = f": {figures}" if not lossless else ", and both lose nothing"
        return f", and {codes} keep no more than PCA at the same size{both}{so}"
    if found.doubts("baselines"):  # a picture that comes back is not all that codes are for
        return f", and from {codes} they are rebuilt better than by PCA at the same size: {figures}{ratio}"
    more = "much more" if rebuilt.gain >= MUCH else "more" if rebuilt.gain >= MORE else "slightly more"
    return f", and {codes} keep {more} of each than PCA at the same size: {figures}{ratio}"


def _maker(found: Findings) -> str:
    return "this encoder" if found.encoder else "the autoencoder"


def _why_nothing(found: Findings) -> str:
    names = {signal.get("name") for signal in found.doubts("codes")}
    return "they are almost the same for every row" if "collapsed codes" in names else "they are pure noise"


def _figures(rebuilt: Rebuilt, rows: str) -> str:
    """Return "rebuilt images reach a PSNR of 25.1 dB against 18.6 dB", or "" where nothing was measured."""
    if rebuilt.ours is None:
        return ""
    ours = _written(rebuilt.ours, rebuilt.kind)
    text = f"rebuilt {rows} reach a PSNR of {ours}" if rebuilt.kind == "dB" else f"{ours} of the variance comes back"
    return text if rebuilt.baseline is None else f"{text} against {_written(rebuilt.baseline, rebuilt.kind)}"


def _beside(rebuilt: Rebuilt) -> str:
    """Say how the squared error stands to PCA's, where it does by more than a trifle."""
    ratio = rebuilt.ratio
    if ratio is None or outcome(10 * math.log10(ratio), 0.0, "dB") == "same":
        return ""
    if ratio < 1:
        return f"the squared error is {times(1 / ratio)} PCA's"
    return f"PCA leaves {times(ratio)} the squared error"


def _written(value: float, kind: Kind) -> str:
    if kind == "dB":
        return f"{fixed(value, 1)}{NBSP}dB"
    return share(value) if value > 0 else "none"


# What the clusters are worth


def _sorted(found: Findings, results: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    clustered = found.clustered
    if clustered.grouped == "unmeasured":
        return "No clusters were looked for"
    start = f"The codes were sorted into {plural(clustered.count, 'cluster')}{_how_many(results, tables, clustered)}"
    if clustered.grouped == "one":
        return f"{start}, so nothing was told apart"
    if clustered.grouped == "each":
        return f"{start}, no fewer than there are {found.rows}, so nothing was grouped"
    if clustered.grouped == "doubtful":
        start += f", but {_what_is_wrong(found)}"
        return start if clustered.accuracy is None else f"{start}; they match the labels for {_matched(found)}"
    lopsided = [signal for signal in found.doubts("clusters") if signal.get("name") == "mode collapse"]
    if lopsided:
        start += f", one of which holds {_largest(lopsided[0], 'more than half of')} all rows"
    silhouette = clustered.silhouette
    if silhouette is not None and not found.parts_clusters:
        written = fixed(silhouette, 2)
        bare, named = f"with a silhouette of {written}", f"{_separation(silhouette)} (silhouette {written})"
        start += f", {bare if found.doubts_separation else named}"
    if clustered.grouped == "scored":
        return f"{start}, and these match the labels for {_matched(found)}, {_beside_raw(found)}"
    if silhouette is not None and found.parts_clusters:
        return f"{start}; their silhouette of {fixed(silhouette, 2)} shows little: {CIRCULAR}"
    if silhouette is None:
        unscored = {0: "no labels", 1: "labels of one class only"}.get(int(number(results, "data/classes") or 0))
        why = f", and there were {unscored} to score them by" if unscored else ""
        return f"{start}; how well separated they are was not measured{why}"
    if found.doubts_separation:
        return start
    if silhouette > 0.5:
        suggests = "which suggests distinct groups"
    elif silhouette > 0.25:
        suggests = "which suggests groups that run into each other"
    else:
        suggests = "which suggests slices of a continuum rather than kinds of their own"
    return f"{start}, {suggests}"


def _beside_raw(found: Findings) -> str:
    """Say how the clusters stand to those of raw values; where two figures disagree, by which of them."""
    clustered, raw = found.clustered, _raw(found)
    if clustered.by_accuracy is None:
        return "with no baseline to compare with"
    how = {"better": "better", "same": "no better", "worse": "worse"}
    group = f"the codes group them {how[clustered.by_accuracy]} than {raw} do"
    if clustered.judged != "mixed" or clustered.by_nmi is None:
        return f"so {group}"
    figures = f"{fixed(clustered.nmi or 0.0, 3)} against {fixed(clustered.baseline_nmi or 0.0, 3)}"
    return f"so by accuracy {group}, but by NMI ({figures}) {how[clustered.by_nmi]}"


def _matched(found: Findings) -> str:
    """Return "74.2 % of the images, against 53.4 % for k-means on raw pixels"."""
    clustered = found.clustered
    of = f"the {found.rows}"
    if clustered.labelled is not None and clustered.labelled < (clustered.rows or 0):
        of = f"the {plural(clustered.labelled, f'labelled {found.row}')}"
    against = (
        "" if clustered.baseline is None else f", against {share(clustered.baseline)} for k-means on {_raw(found)}"
    )
    return f"{share(clustered.accuracy or 0.0)} of {of}{against}"


def _what_is_wrong(found: Findings) -> str:
    """Say why clusters tell nothing apart, after the gravest signal."""
    signs = {signal.get("name"): signal for signal in found.doubts("clusters") if signal.get("severity") == "serious"}
    if "collapsed codes" in signs:
        return "the codes are almost the same for every row, so they tell nothing apart"
    if "mode collapse" in signs:
        largest = _largest(signs["mode collapse"], "nearly")
        return f"one of them holds {largest} all rows, so they hardly tell anything apart"
    return "most of the centres have no members, so the grouping is not what it seems"


def _largest(signal: Mapping[str, Any], otherwise: str) -> str:
    largest = number(signal.get("numbers") or {}, "largest")
    return f"{share(largest)} of" if largest is not None and 0 <= largest <= 1 else otherwise


def _how_many(results: Mapping[str, Any], tables: Mapping[str, Any], clustered: Clustered) -> str:
    """Say whether the number of clusters was asked for or is a finding, and how it stands to the labels."""
    asked, classes = number(results, "clustering/asked"), number(results, "data/classes")
    said = []
    if tables.get("numbers"):
        said.append("a number that was estimated")
    elif asked is not None:
        same = asked == clustered.count
        said.append("the number set beforehand" if same else f"{asked:,.0f} {verb(asked, 'was', 'were')} asked for")
    if classes and classes != clustered.count:
        said.append(f"the labels have {plural(classes, 'class', 'classes')}")
    return f" ({'; '.join(said)})" if said else ""


def _separation(silhouette: float) -> str:
    """Name a silhouette by the bounds of Kaufman & Rousseeuw (1990), table 2.4."""
    if silhouette > 0.7:
        return "clearly separated"
    if silhouette > 0.5:
        return "reasonably separated"
    return "weakly separated" if silhouette > 0.25 else "hardly separated"


# What to be careful about


def _careful(found: Findings, results: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    points = cautions(found, results, tables)
    if points:
        listed = points[0] if len(points) == 1 else "; ".join(points[:-1]) + f"; and {points[-1]}"
        return f"Be careful: {listed}."
    if found.rebuilt.kept == found.clustered.grouped == "unmeasured":
        return "Too little was measured to say what calls for care."
    if found.notes:
        made = f"{plural(len(found.notes), 'note')} {verb(len(found.notes), 'was', 'were')} made"
        return f"Nothing stood out that calls for special care; {made} ({_names(found.notes)})."
    return CLEAR


def cautions(found: Findings, results: Mapping[str, Any], tables: Mapping[str, Any]) -> list[str]:
    """Return what a reader should be careful about, each as a clause, the most serious first."""
    points: list[str] = []
    data = tables.get("data") or {}
    if signs := found.warnings:
        points.append(f"{plural(len(signs), 'warning sign was', 'warning signs were')} found ({_names(signs)})")
    points += filter(None, (_about_codes(found), _about_clusters(found)))
    measures: list[tuple[str, Kind]] = [("psnr", "dB"), ("explained", "variance")]
    for name, unit in measures:
        cleaned, corrupted = number(results, f"denoising/{name}"), number(results, f"denoising/corrupted_{name}")
        if cleaned is not None and corrupted is not None and outcome(cleaned, corrupted, unit) == "worse":
            points.append(f"denoising takes {found.rows} farther from the originals than the noise did")
    test = number(results, "data/test") or 0
    if data.get("held_out") is False:
        points.append("nothing was held out, so the figures describe the data it was trained on")
    elif 0 < test < FEW:
        held_out = f"{plural(test, found.row)} {verb(test, 'was', 'were')}"
        whom = ""
        if found.network_rows == "all":
            whom = " from decoder and PCA" if found.decoder_rows == "train" else " from PCA"
        points.append(f"only {held_out} held out{whom} to test on, so the figures are rough")
    if part := describe_limit(results, tables):
        points.append(part)
    skipped = number(results, "data/skipped")
    if skipped is None:
        skipped = len(tables.get("skipped") or [])
    if skipped:
        points.append(f"{plural(skipped, 'file')} could not be used and {verb(skipped, 'was', 'were')} left out")
    trust = number(results, "projection/trustworthiness")
    if trust is not None and trust < 0.9:
        points.append(f"the map bends neighbourhoods (trustworthiness {fixed(trust, 2)})")
    if (ratio := _worst_error(found, results, tables)) > 10:
        points.append(f"one of the strangest {found.rows} is rebuilt with {times(ratio)} the average error")
    for name, of in (("groups", "copies"), ("pairs", "near-duplicates")):
        if count := number(results, f"duplicates/{name}"):  # of a run made before there were groups: pairs
            points.append(f"there {verb(count, 'is', 'are')} {plural(count, name.removesuffix('s'))} of {of}")
    if not found.is_images:
        points.append("the rows are vectors, so no pictures can be checked by eye")
    return points


def _about_codes(found: Findings) -> str:
    """Say what is wrong with the codes, unless they were never made to rebuild rows from."""
    if found.rebuilt.kept == "nothing to see":
        return f"the {found.rows} that were checked hardly differ, so no figure says much about them"
    if not found.shaped and found.rebuilt.kept != "seen":
        return ""
    return {
        "nothing": f"what is rebuilt is no nearer than the average {found.row}",
        "same": f"{_maker(found)} gains nothing over its PCA baseline",
        "worse": f"{_maker(found)} does not reach its PCA baseline",
        "mixed": f"whether {_maker(found)} reaches its PCA baseline depends on the figure",
        "seen": f"the decoder had learned from the {found.rows} that it is tested on",
    }.get(found.rebuilt.kept, "")


def _about_clusters(found: Findings) -> str:
    clustered = found.clustered
    if clustered.grouped == "one":
        return "there is only one cluster"
    if clustered.grouped == "each":
        return f"there are no fewer clusters than {found.rows}"
    if clustered.judged == "mixed":
        return f"whether the clusters match the labels better than k-means on {_raw(found)} depends on the figure"
    if clustered.judged in ("same", "worse") and not found.doubts("baselines"):
        how = "no better" if clustered.judged == "same" else "worse"
        return f"the clusters match the labels {how} than k-means on {_raw(found)}"
    return ""


def _worst_error(found: Findings, results: Mapping[str, Any], tables: Mapping[str, Any]) -> float:
    """Return how many times the average error the worst of the outliers has; 0 where that is unknown or invisible.

    Both in the network's units, which of images are those of the mean squared error.
    """
    average = number(results, "reconstruction/error")
    if average is None and found.is_images:
        average = number(results, "reconstruction/mse")
    worst = max((number(outlier, "error") or 0.0 for outlier in tables.get("outliers") or []), default=0.0)
    if not average or average < 0 or (found.is_images and worst <= ROUNDING_ERROR):
        return 0.0
    return worst / average


def _names(signs: Iterable[Mapping[str, Any]]) -> str:
    """Return the names of signals, each once."""
    counts = Counter(str(sign.get("name")) for sign in signs)
    return ", ".join(name if count == 1 else f"{count}{NBSP}× {name}" for name, count in counts.items())


def _raw(found: Findings) -> str:
    return "raw pixels" if found.is_images else "the raw values"


# What else is said of a run


def describe_pile(results: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    """Return what was in the pile, such as "1,797 grey images of 8 × 8 pixels"."""
    count = number(results, "data/images")
    shape = (tables.get("data") or {}).get("shape") or []
    if (tables.get("data") or {}).get("kind", "images") != "images":
        text = "vectors" if count is None else plural(count, "vector")
        return f"{text} of {plural(shape[0], 'number')}" if len(shape) == 1 else text
    colour = {1: "grey ", 3: "colour "}.get(shape[0], "") if len(shape) == 3 else ""
    text = f"{colour}images" if count is None else plural(count, f"{colour}image")
    return f"{text} of {shape[2]} × {shape[1]} pixels" if len(shape) == 3 else text


def describe_limit(results: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    """Return that only a part of the source was used, and of how much if that is known; "" where all of it was."""
    data, count = tables.get("data") or {}, number(results, "data/images")
    limit, available = number(data, "limit"), number(data, "available")
    if limit is None or count is None or count < limit or (available is not None and available <= count):
        return ""
    of = "" if available is None else f" of the {available:,.0f}"
    more = "" if available is not None else ", and the source may hold more"
    rows = "images" if data.get("kind", "images") == "images" else "vectors"
    noun = rows.removesuffix("s") if count == 1 and available is None else rows
    return f"only {count:,.0f}{of} {noun} {verb(count, 'was', 'were')} used (data.limit){more}"


def signal_lines(tables: Mapping[str, Any]) -> list[str]:
    """Return the signals of a run (see ``evaluation.signals``) as lines of text, the most serious first."""
    return [
        f"{str(signal.get('severity')).capitalize()}, {signal.get('name')}: {signal.get('sentence')}"
        for signal in tables.get("signals") or []
    ]


def looked_for(results: Mapping[str, Any]) -> str:
    """Return which troubles were looked for, as far as there are the figures to find them in; "" for none."""
    epochs = 0 if nothing_to_see(results) else number(results, "train/epochs") or 0
    scores = ("clustering/accuracy", "probe/linear_accuracy")
    kinds = {
        "clusters without members or with nearly everything": number(results, "clustering/n_clusters") is not None,
        "codes that carry nothing": number(results, "codes/dead") is not None,
        "learning by heart": number(results, "train/valid_loss") is not None and not nothing_to_see(results),
        "a loss that stopped improving": epochs >= EPOCHS,
        "a loss that was still falling": epochs >= 2,
        "scores that chance would explain": any(number(results, name) is not None for name in scores),
    }
    known = [kind for kind, looked in kinds.items() if looked]
    return " and ".join(filter(None, (", ".join(known[:-1]), *known[-1:])))
