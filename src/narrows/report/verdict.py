"""The run in three sentences of plain words, computed from its figures; bad news is said as plainly as good news."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from narrows.report.numbers import NBSP, Kind, gain_dB, number, outcome, plural


def verdict(results: Mapping[str, Any], tables: Mapping[str, Any]) -> list[str]:
    """Return exactly three sentences: what the codes keep, what the clusters are worth, and what to be careful about.

    Parameters
    ----------
    results : flat name -> number, as in results.json; any may be missing, None or NaN
    tables : as in tables.json; any part may be missing
    """
    return [_kept(results, tables), _clusters(results, tables), _careful(results, tables)]


def _kept(results: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    rows = _rows(tables)
    size = number(results, "codes/size")
    codes = f"codes of {plural(size, 'number')}" if size else "the codes"
    start = f"The pile held {describe_pile(results, tables)}"
    kind, ours, baseline = _reconstruction(results)
    if ours is None:
        return f"{start}; nothing was rebuilt from {codes}, so how much they keep was not measured."
    if baseline is None:
        return f"{start}, and from {codes} {_amount(ours, kind, rows)}, with no baseline to hold that against."
    figures = f"{_amount(ours, kind, rows)} against {_written(baseline, kind)}"
    gain = gain_dB(ours, baseline, kind)
    ratio = 10 ** (abs(gain) / 10)
    factor = f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"
    if gain <= -0.3 and not _was_to_rebuild(tables):
        return (
            f"{start}, and {codes}, made to tell clusters apart, keep less of each than PCA at the same size: "
            f"{figures}, which is {factor} times PCA's squared error."
        )
    if gain <= -0.3:
        return (
            f"{start}, and {codes} keep less than PCA at the same size: {figures}, which is {factor} times PCA's "
            "squared error, so the autoencoder is worse than this simple linear method."
        )
    if gain < 0.3:
        return (
            f"{start}, and {codes} keep no more than PCA at the same size: {figures}, so the autoencoder gains "
            "nothing over this simple linear method."
        )
    more = "much more" if gain >= 3 else "more" if gain >= 1 else "slightly more"
    return (
        f"{start}, and {codes} keep {more} of what matters than PCA at the same size: {figures}, which means that "
        f"PCA leaves {factor} times the squared error."
    )


def _was_to_rebuild(tables: Mapping[str, Any]) -> bool:
    """Return whether the codes were made to rebuild rows from; a decoder may have learned to read others afterwards."""
    return bool((tables.get("network") or {}).get("shaped_by_decoder", True))


def _clusters(results: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    count = number(results, "clustering/n_clusters")
    if count is None:
        return "No clusters were looked for."
    rows, raw = _rows(tables), "raw pixels" if _is_images(tables) else "the raw values"
    silhouette = number(results, "clustering/silhouette")
    accuracy = number(results, "clustering/accuracy")
    start = f"The codes were sorted into {plural(count, 'cluster')}{_how_many(results, tables, count)}"
    if accuracy is not None:
        if silhouette is not None:
            start += f", {_separation(silhouette)} (silhouette {_score(silhouette)})"
        start += f", and these match the labels for {_share(accuracy)} of the {rows}"
        baseline = number(results, "clustering/pixels_accuracy")
        if baseline is None:
            return f"{start}, with no baseline to hold that against."
        how = {
            "better": f"so the codes group them better than {raw} do",
            "same": f"so the codes group them no better than {raw} do",
            "worse": f"so the codes group them worse than {raw} do",
        }[outcome(accuracy, baseline, "share", number(results, "data/images"))]
        return f"{start}, against {_share(baseline)} for k-means on {raw}, {how}."
    if silhouette is None:
        return f"{start}; how well separated they are was not measured, and there were no labels to score them by."
    start += f", {_separation(silhouette)} (silhouette {_score(silhouette)})"
    if silhouette >= 0.5:
        suggests = "which suggests distinct groups"
    elif silhouette >= 0.25:
        suggests = "which suggests groups that run into each other"
    else:
        suggests = "which suggests slices of a continuum rather than kinds of their own"
    return f"{start}, {suggests}."


def _how_many(results: Mapping[str, Any], tables: Mapping[str, Any], count: float) -> str:
    """Say whether the number of clusters was asked for or is a finding, and how it stands to the labels."""
    asked, classes = number(results, "clustering/asked"), number(results, "data/classes")
    said = []
    if tables.get("numbers"):
        said.append("a number that was estimated")
    elif asked is not None:
        said.append("the number set beforehand" if asked == count else f"{asked:,.0f} were asked for")
    if classes and classes != count:
        said.append(f"the labels have {plural(classes, 'class', 'classes')}")
    return f" ({'; '.join(said)})" if said else ""


def _careful(results: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    points = cautions(results, tables)
    if not points:
        return "Nothing stood out that calls for special care."
    listed = points[0] if len(points) == 1 else "; ".join(points[:-1]) + f"; and {points[-1]}"
    return f"Be careful: {listed}."


def cautions(results: Mapping[str, Any], tables: Mapping[str, Any]) -> list[str]:
    """Return what a reader should be careful about, each as a clause, the most serious first."""
    found: list[str] = []
    rows, row = _rows(tables), _rows(tables).removesuffix("s")
    data = tables.get("data") or {}
    signs = [signal for signal in tables.get("signals") or [] if signal.get("severity") != "note"]
    if signs:
        names = ", ".join(dict.fromkeys(str(signal.get("name")) for signal in signs))
        found.append(f"{plural(len(signs), 'warning sign was', 'warning signs were')} found ({names})")
    kind, ours, baseline = _reconstruction(results)
    if ours is not None and baseline is not None and gain_dB(ours, baseline, kind) <= -0.3 and _was_to_rebuild(tables):
        found.append("the autoencoder does not reach its PCA baseline")
    measures: list[tuple[str, Kind]] = [("psnr", "dB"), ("explained", "variance")]
    for name, unit in measures:
        cleaned, corrupted = number(results, f"denoising/{name}"), number(results, f"denoising/corrupted_{name}")
        if cleaned is not None and corrupted is not None and outcome(cleaned, corrupted, unit) == "worse":
            found.append(f"denoising takes {rows} farther from the originals than the noise did")
    if data.get("held_out") is False:
        found.append("nothing was held out, so the figures describe the data it was trained on")
    elif 0 < (number(results, "data/test") or 0) < 100:
        held_out = plural(number(results, "data/test") or 0, row, rows)
        found.append(f"only {held_out} were held out to test on, so the figures are rough")
    if part := describe_limit(results, tables):
        found.append(part)
    skipped = number(results, "data/skipped")
    if skipped is None:
        skipped = len(tables.get("skipped") or [])
    if skipped:
        found.append(f"{plural(skipped, 'file')} could not be used and {'was' if skipped == 1 else 'were'} left out")
    trust = number(results, "projection/trustworthiness")
    if trust is not None and trust < 0.9:
        found.append(f"the map bends neighbourhoods (trustworthiness {_score(trust)})")
    error = number(results, "reconstruction/mse")
    worst = max((_value(outlier, "error") for outlier in tables.get("outliers") or []), default=0.0)
    if error and worst > 10 * error:
        found.append(f"the strangest {row} is rebuilt with {worst / error:.0f} times the average error")
    for name, noun in (("groups", "group of copies"), ("pairs", "pair of near-duplicates")):
        if count := number(results, f"duplicates/{name}"):  # of a run made before there were groups: pairs
            nouns = noun.replace(" of ", "s of ")
            found.append(f"there {'is' if count == 1 else 'are'} {plural(count, noun, nouns)}")
    if not _is_images(tables):
        found.append("the rows are vectors, so no pictures can be checked by eye")
    return found


def describe_pile(results: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    """Return what was in the pile, such as "1,797 grey images of 8 × 8 pixels"."""
    count = number(results, "data/images")
    shape = (tables.get("data") or {}).get("shape") or []
    if not _is_images(tables):
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
    return f"only {count:,.0f}{of} {_rows(tables)} were used (data.limit){more}"


def signal_lines(tables: Mapping[str, Any]) -> list[str]:
    """Return the signals of a run (see ``evaluation.signals``) as lines of text, the most serious first."""
    lines = []
    for signal in tables.get("signals") or []:
        name = str(signal.get("name"))
        lines.append(f"{str(signal.get('severity')).capitalize()}, {name}: {signal.get('sentence')}")
    return lines


def _reconstruction(results: Mapping[str, Any]) -> tuple[Kind, float | None, float | None]:
    """Return the measure that was taken, ours and PCA's: PSNR of images, or variance explained of vectors."""
    psnr = number(results, "reconstruction/psnr")
    if psnr is not None:
        return "dB", psnr, number(results, "reconstruction/pca_psnr")
    return "variance", number(results, "reconstruction/explained"), number(results, "reconstruction/pca_explained")


def _is_images(tables: Mapping[str, Any]) -> bool:
    return bool((tables.get("data") or {}).get("kind", "images") == "images")


def _rows(tables: Mapping[str, Any]) -> str:
    return "images" if _is_images(tables) else "vectors"


def _separation(silhouette: float) -> str:
    """Name a silhouette by the bounds of Kaufman & Rousseeuw (1990), table 2.4."""
    if silhouette > 0.7:
        return "clearly separated"
    if silhouette > 0.5:
        return "reasonably separated"
    return "weakly separated" if silhouette > 0.25 else "hardly separated"


def _amount(value: float, kind: Kind, rows: str) -> str:
    if kind == "dB":
        return f"rebuilt {rows} reach a PSNR of {_written(value, kind)}"
    return f"{_written(value, kind)} of the variance comes back"


def _written(value: float, kind: Kind) -> str:
    return f"{value:.1f}{NBSP}dB" if kind == "dB" else _share(value)


def _share(value: float) -> str:
    return f"{100 * value:.1f}{NBSP}%"


def _score(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _value(row: Mapping[str, Any], name: str) -> float:
    return number(row, name) or 0.0
