"""Twenty made-up runs: good, bad, contradictory, incomplete, or with incredible figures.

The text about each must be possible, consistent, and three sentences long.
"""

import json
import math

import numpy as np
import pytest

from narrows.evaluation import signals
from narrows.report import build
from narrows.report.findings import find
from narrows.report.verdict import cautions, signal_lines, verdict
from reading import PRAISE, contradictions, faults, words_of

KINDS = ("good", "bad", "contradictory", "holes", "extreme")
RUNS = [(kind, seed) for kind in KINDS for seed in range(4)]
BEYOND = (0, -0.0, 1, 1e-45, 1e30, 1e300, -1e300, -13.096, 2.025, math.nan, math.inf, None)


def make(kind, seed):
    """Return results and tables of a run of this kind, drawn at random."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    images = bool(rng.random() < 0.6) if seed else True
    count = int(rng.choice([1, 2, 3, 150, 5000])) if kind in ("extreme", "holes") else int(rng.integers(300, 9000))
    clusters = int(rng.integers(1, 12))
    good = kind == "good" or (kind != "bad" and rng.random() < 0.5)
    results = _figures(rng, count, clusters, images=images, good=good)
    tables = _tables(rng, count, clusters, results, images=images)
    if kind == "extreme":
        results |= {name: BEYOND[rng.integers(len(BEYOND))] for name in results if rng.random() < 0.5}
    if kind == "holes":
        results = {name: value for name, value in results.items() if rng.random() < 0.5}
        tables = {name: value for name, value in tables.items() if rng.random() < 0.5}
    found = signals.of_run(results, _history(rng, kind), **_arrays(rng, kind, count, clusters))
    if kind == "contradictory":  # what is measured praises, what is seen warns
        found += [
            signals.dead_dimensions(np.ones((9, 4))),
            signals.mode_collapse(np.array([980, 10, 10])),
            signals.dead_centres(np.array([5, 0, 0])),
            signals.against_baseline(0.3, 0.6, 500, "matching clusters with labels", "k-means on the raw values"),
            signals.posterior_collapse(np.zeros(4)),
        ][seed : seed + 2]
    tables["signals"] = [vars(signal) for signal in found]
    return json.loads(json.dumps(results).replace("Infinity", "1e999")), tables


def _figures(rng, count, clusters, *, images, good):
    better, worse = np.sort(rng.uniform(0.2, 0.99, 2))[::-1] if good else np.sort(rng.uniform(0.2, 0.99, 2))
    decibels = rng.uniform(-0.4, 8) * (1 if good else -1)
    psnr = rng.uniform(12, 30)
    labelled = int(count * rng.choice([1, 0.3])) or 1
    results = {
        "data/images": count,
        "data/test": count // 5,
        "data/valid": count // 10,
        "data/train": count // 2,
        "data/skipped": int(rng.integers(0, 3)),
        "data/classes": int(rng.integers(1, 12)),
        "data/labelled": labelled,
        "codes/size": int(rng.integers(1, 33)),
        "codes/dead": int(rng.integers(0, 2)),
        "clustering/n_clusters": clusters,
        "clustering/asked": clusters + int(rng.integers(0, 2)),
        "clustering/silhouette": rng.uniform(-0.2, 0.95) if not good else rng.uniform(0.5, 0.95),
        "duplicates/groups": int(rng.integers(0, 3)),
        "duplicates/blank": int(rng.integers(0, 3)),
        "projection/trustworthiness": rng.uniform(0.6, 1),
        "train/epochs": int(rng.integers(1, 30)),
        "train/loss": rng.normal(),
        "train/valid_loss": rng.normal(),
        "probe/linear_accuracy": better,
        "probe/pca_linear_accuracy": worse,
        "probe/majority_accuracy": 0.2,
        "probe/rows": max(1, labelled // 5),
    }
    results |= {
        "duplicates/rows": 2 * results["duplicates/groups"],
        "duplicates/exact": results["duplicates/groups"] // 2,
    }
    if rng.random() < 0.7:
        results |= {"clustering/accuracy": better, "clustering/pixels_accuracy": worse}
        results |= {"clustering/nmi": better + rng.uniform(-0.2, 0), "clustering/pixels_nmi": worse}
    if images:
        error, spread = 10 ** (-psnr / 10), rng.uniform(0.01, 0.1)
        results |= {
            "reconstruction/psnr": psnr,
            "reconstruction/pca_psnr": psnr - decibels,
            "reconstruction/mse": error,
            "reconstruction/pca_mse": error * rng.uniform(0.3, 3),
            "reconstruction/variance": spread,
            "reconstruction/rows": count // 5 or 1,
            "denoising/psnr": psnr,
            "denoising/corrupted_psnr": psnr - decibels,
        }
    else:
        results |= {"reconstruction/explained": better, "reconstruction/pca_explained": worse - rng.integers(0, 2)}
    return results


def _tables(rng, count, clusters, results, *, images):
    listed = [
        {
            "cluster": c,
            "size": 1 + c,
            "share": (1 + c) / 99,
            "label": "8" if c % 2 else None,
            "labelled": 1,
            "purity": 1.0 if c % 2 else None,
            "matched": "1" if c % 3 else None,
            "figure": None,
        }
        for c in range(clusters)
    ]
    data = {
        "kind": "images" if images else "vectors",
        "shape": [1, 8, 8] if images else [int(rng.integers(1, 9))],
        "held_out": bool(rng.random() < 0.8),
        "label_names": ["1", "8"],
        "notes": [],
    }
    if rng.random() < 0.3:
        data |= {"limit": count, "available": count + 1}
    outliers = [{"id": "a", "row": 0, "cluster": 0, "distance": rng.uniform(), "error": 10 ** rng.uniform(-40, 3)}]
    group = {
        "size": 2,
        "rows": [
            {"id": "a", "row": 0, "kind": "first", "difference": 0.0},
            {"id": "b", "row": 1, "kind": "mirrored", "difference": 0.01},
        ],
    }
    copies = {
        "groups": results["duplicates/groups"] * [group],
        "blank": [{"id": "c", "row": 2}] * results["duplicates/blank"],
    }
    shaped, everything = bool(rng.random() < 0.7), bool(rng.random() < 0.5)
    learned = {
        "network": "train" if shaped else "all",
        "decoder": "train" if shaped or everything else "all",
        "parts_clusters": not shaped,
    }
    return {
        "name": "made up",
        "data": data,
        "clusters": listed,
        "outliers": outliers,
        "copies": copies,
        "learned": learned,
        "network": {"trains_decoder": True, "shaped_by_decoder": shaped},
    }


def _history(rng, kind):
    epochs = int(rng.integers(1, 40))
    start, end = (
        10 ** rng.uniform(-3, 3),
        -(10 ** rng.uniform(-3, 3)) if kind == "extreme" else 10 ** rng.uniform(-6, -3),
    )
    train = np.linspace(start, end, epochs) if rng.random() < 0.7 else rng.normal(size=epochs)
    valid = train * rng.uniform(1, 3) + 0.1 * rng.random(epochs)
    return [
        {"epoch": i + 1, "train/loss": t, "valid/loss": v} for i, (t, v) in enumerate(zip(train, valid, strict=True))
    ]


def _arrays(rng, kind, count, clusters):
    even = np.full(clusters, max(1, count // clusters))
    sizes = even if kind == "good" else rng.multinomial(count, rng.dirichlet(np.full(clusters, 0.3)))
    return {"sizes": sizes, "samples": rng.multinomial(100, even / even.sum()), "codes": rng.normal(size=(50, 4))}


@pytest.mark.parametrize(("kind", "seed"), RUNS)
def test_what_is_said_of_a_run_is_possible_and_agrees_with_itself(kind, seed, tmp_path):
    results, tables = make(kind, seed)
    sentences = verdict(results, tables)
    assert len(sentences) == 3
    for sentence in sentences:
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not sentence.endswith("..")
    told = [*sentences, *signal_lines(tables)]
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "tables.json").write_text(json.dumps(tables))
    page = words_of(build(tmp_path).read_text(encoding="utf-8"))
    for text in [*told, page]:
        assert faults(text) == [], text
    assert contradictions(" ".join(told)) == []
    assert contradictions(page) == []


@pytest.mark.parametrize(("kind", "seed"), RUNS)
def test_bad_news_is_said(kind, seed):
    results, tables = make(kind, seed)
    found, sentences = find(results, tables), verdict(results, tables)
    warnings = [signal for signal in tables["signals"] if signal["severity"] != "note"]
    points = cautions(found, results, tables)
    assert all(signal["name"] in sentences[2] for signal in warnings)
    assert sentences[2].startswith("Be careful") == bool(points)
    if found.shaped and found.rebuilt.kept in ("nothing", "same", "worse", "mixed"):
        assert any("PCA baseline" in point or "average" in point for point in points)


def test_the_made_up_runs_are_of_all_kinds():
    """If all of them were alike, the tests above would say little."""
    found = [find(*make(kind, seed)) for kind, seed in RUNS]
    assert len({one.rebuilt.kept for one in found}) >= 6
    assert len({one.clustered.grouped for one in found}) >= 5
    assert any(one.notes for one in found)
    assert any(not one.warnings for one in found)


def test_a_run_of_a_former_version_speaks_of_pairs(tmp_path):
    results, tables = make("good", 0)
    results = {name: value for name, value in results.items() if not name.startswith("duplicates/")}
    pairs = [{"a": "x", "b": "y", "difference": 0.01 * i, "exact": not i} for i in range(2)]
    del tables["copies"]
    (tmp_path / "results.json").write_text(json.dumps(results | {"duplicates/pairs": 2}))
    (tmp_path / "tables.json").write_text(json.dumps(tables | {"duplicates": pairs}))
    page = words_of(build(tmp_path).read_text(encoding="utf-8"))
    assert "2 pairs of images are the same or almost" in page
    assert faults(page) == contradictions(page) == []


PAIRS = [
    ("codes of 4 numbers keep much more of each than PCA", "Warning, worse than the baseline: x"),
    ("which suggests distinct groups", "Serious, mode collapse: x"),
    ("Nothing stood out that calls for special care.", "Warning, overfitting: x"),
    ("made by a network that saw all images", "Held out to test on . 45"),
    ("the network that makes the codes saw all images", "All of it on images held out from training."),
    ("the decoder had learned from these very images", "14.3 dB against 12.0 dB for PCA at the same size"),
    ("codes that were made to tell clusters apart", "weakly separated (silhouette 0.32)"),
    ("one of which holds 75.0 % of all rows", "reasonably separated (silhouette 0.63)"),
    (
        "(the number set beforehand)",
        "10 clusters were asked for, but there is only 1 different row, so the number was lowered to 1.",
    ),
    ("None: no two images show the same.", "50 blank images are set aside"),
    ("so there was nothing for codes of 1 number to keep", "longer training would probably give a better result."),
    ("so the codes group them better than raw pixels do", "NMI . 0.472 . 0.557 . 0.084 worse"),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_the_reader_sees_a_contradiction(pair):
    assert contradictions(" ".join(pair))
    assert not contradictions(pair[0])


@pytest.mark.parametrize(
    "text",
    [
        "it still fell by 202.5 %",
        "fell by 1309.6 %",
        "780 of 700 pairs",
        "1 pair of images are the same",
        "1 rows",
        "1 groups of copies",
        "2 copy",
        "2 image",
        "a silhouette of -0.00)",
        "nan",
        "7e-05 more",
        "None of",
        "1,797 cluster",
        "\u22127.3 % of the variance",
        "there are 1,000,000,000,000,000,000 pairs",
    ],
)
def test_the_reader_sees_a_fault(text):
    assert faults(text)


@pytest.mark.parametrize(
    "text", ["100.0 % of 10 images", "1 of 3 clusters holds", "1 image is", "0.1 numbers", "from 1 to 2", "1 class"]
)
def test_the_reader_lets_truths_pass(text):
    assert not faults(text)


def test_praise_is_found_by_the_reader():
    import re

    good = {"reconstruction/psnr": 25.0, "reconstruction/pca_psnr": 18.0, "data/images": 500}
    assert re.search(PRAISE, verdict(good, {})[0])
