import base64
import hashlib
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from narrows.errors import RunFolderError
from narrows.figures import save
from narrows.figures.images import gallery
from narrows.report import build
from narrows.report.numbers import METRICS, NBSP, difference, written

PICTURES = [
    "curves",
    "reconstruction",
    "denoising",
    "samples-normal",
    "samples-fitted",
    "map-clusters",
    "map-labels",
    "cluster-00",
    "outliers",
    "duplicates",
    "contingency",
    "architecture",
    "feature-maps",
    "filters",
]
SECTIONS = [
    "pile",
    "map",
    "clusters",
    "contingency",
    "reconstruction",
    "denoising",
    "samples",
    "outliers",
    "duplicates",
    "probe",
    "network",
    "training",
    "made",
]
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 1111 }}", "</style>", "a\nb&amp;"]


class Page(HTMLParser):
    """Collects the elements with their attributes, and the text."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.text, self.title = [], "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self):
        return [attributes["id"] for attributes in self.all("section")]


@pytest.fixture
def folder(tmp_path):
    """A complete run folder with random but structurally correct content."""
    rng = np.random.default_rng(0)
    results = {name: float(rng.random()) for name in METRICS}
    results |= {f"{s}/pca_{m}": 0.5 for s, m in [("reconstruction", "psnr"), ("probe", "linear_accuracy")]}
    results |= {"data/images": 40, "data/skipped": 13, "codes/size": 4, "clustering/n_clusters": 2}
    results |= {
        "clustering/pixels_accuracy": 0.5,
        "duplicates/groups": 60,
        "duplicates/rows": 130,
        "duplicates/exact": 1,
        "duplicates/blank": 13,
        "time/total_s": 3.0,
        "time/train_s": 2.0,
    }
    tables = {
        "name": "demo",
        "data": {
            "source": "photos",
            "kind": "images",
            "shape": [1, 8, 8],
            "label_names": HOSTILE,
            "held_out": True,
            "notes": HOSTILE,
        },
        "skipped": [{"path": f"{HOSTILE[1]}{i}", "reason": "broken"} for i in range(13)],
        "contingency": {"clusters": ["0", "1"], "labels": HOSTILE[:2], "counts": [[19, 1], [2, 18]], "matched": [0, 1]},
        "clusters": [
            {"cluster": 0, "size": 20, "share": 0.5, "label": HOSTILE[0], "purity": 0.95, "figure": "cluster-00.png"},
            {"cluster": 1, "size": 20, "share": 0.5, "label": None, "purity": None, "figure": None},
        ],
        "outliers": [{"id": HOSTILE[0], "cluster": 0, "distance": 1.5, "error": None}],
        "copies": {
            "groups": [
                {
                    "size": 20,
                    "rows": [
                        {"id": HOSTILE[0], "row": 3, "kind": "first", "difference": 0.0},
                        {"id": HOSTILE[1], "row": 4, "kind": "mirrored, cropped", "difference": 0.0123},
                    ],
                }
            ],
            "blank": [{"id": HOSTILE[0], "row": 9}],
        },
        "notes": HOSTILE,
        "signals": [{"name": "dead centres", "severity": "warning", "sentence": HOSTILE[0], "numbers": {"dead": 1}}],
    }
    write(tmp_path, results, tables)
    (tmp_path / "recipe.toml").write_text(f"name = 'x' # {HOSTILE[0]}\n")
    (tmp_path / "environment.json").write_text(
        json.dumps({"seed": 7, "packages": {"numpy": "2"}, "gpu": None, "command": ["narrows", HOSTILE[0]]})
    )
    (tmp_path / "figures").mkdir()
    for name in PICTURES:
        save(gallery(rng.integers(0, 256, (3, 1, 8, 8), np.uint8)), tmp_path / "figures" / f"{name}.png")
    return tmp_path


def write(folder, results, tables):
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "tables.json").write_text(json.dumps(tables))


def read(folder):
    return json.loads((folder / "results.json").read_text()), json.loads((folder / "tables.json").read_text())


def test_a_whole_run_has_every_section_in_order_and_every_picture_once(folder):
    path = build(folder)
    assert path == folder / "report.html"
    page = Page(path)
    assert page.ids() == SECTIONS
    inside = [link["href"] for link in page.all("a") if link["href"].startswith("#")]
    assert inside == [f"#{section}" for section in SECTIONS]
    images = page.all("img")
    assert len({image["src"] for image in images}) == len(images) == len(PICTURES)
    assert all(image["alt"] and image["width"] and image["height"] for image in images)
    assert len(page.all("table")) == len(page.all("caption"))


def test_the_page_loads_nothing_and_runs_no_script(folder):
    page = Page(build(folder))
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in {"src", "href"}:
                assert value.startswith(("data:image/png;base64,", "#")) or (tag, value) == ("a", "duplicates.csv")
    css = re.search(r"<style>(.*?)</style>", (folder / "report.html").read_text(), re.DOTALL)[1]
    assert "url(" not in css
    assert "@import" not in css


def test_the_policy_allows_this_style_sheet_alone(folder):
    page = Page(build(folder))
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv")]
    html = (folder / "report.html").read_text(encoding="utf-8")
    css = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert html.index("Content-Security-Policy") < html.index("<title>")


def test_hostile_names_are_text(folder):
    results, tables = read(folder)
    write(folder, results | {HOSTILE[0]: 1.0}, tables | {"name": HOSTILE[1]})
    page = Page(build(folder))
    assert len(page.all("img")) == len(PICTURES)
    assert page.text.count(HOSTILE[0]) >= 8
    assert HOSTILE[2] in page.text
    assert "7777" not in re.findall(r"\b\d+\b", page.text.replace("{{ 7 * 1111 }}", ""))
    assert "<script" not in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("figure", ["../secret.png", "/etc/passwd", "fake.png", "none.png", "folder.png"])
def test_only_pictures_of_the_figures_folder_are_shown(folder, figure):
    genuine = (folder / "figures" / "curves.png").read_bytes()
    (folder / "secret.png").write_bytes(genuine)
    (folder / "figures" / "fake.png").write_bytes(b"<svg onload=alert(1)>")
    (folder / "figures" / "folder.png").mkdir()
    results, tables = read(folder)
    tables["clusters"][0]["figure"] = figure
    write(folder, results, tables)
    assert len(Page(build(folder)).all("img")) == len(PICTURES) - 1


def test_bad_files_are_all_listed_ten_of_them_in_sight(folder):
    html = build(folder).read_text(encoding="utf-8")
    assert html.count(">broken<") == 13
    shown = html[: html.index("the other 3")]
    assert shown.count(">broken<") == 10


def test_signals_stand_below_the_verdict(folder):
    html = build(folder).read_text(encoding="utf-8")
    assert html.index('class="verdict"') < html.index('<li class="warning"><strong>Dead centres') < html.index("<nav")
    results, tables = read(folder)
    write(folder, results, tables | {"signals": []})
    assert "Looked for and not found: clusters without members" in Page(build(folder)).text
    del tables["signals"]
    write(folder, results, tables)
    page = Page(build(folder))
    assert "not found" not in page.text
    assert not [ul for ul in page.all("ul") if ul.get("class") == "signals"]


def test_what_is_listed_of_the_copies_is_counted(folder):
    text = " ".join(Page(build(folder)).text.split())
    assert (
        "60 groups of images that show the same, with 130 images in all; 1 of them is equal to an earlier one." in text
    )
    assert "The largest 1 of 60 groups." in text
    assert "(mirrored, cropped, 0.01230); and 18 more" in text
    assert "13 blank images are set aside:" in text
    assert "and 12 more." in text
    assert "duplicates.csv" in [link["href"] for link in Page(folder / "report.html").all("a")]


def test_blank_images_show_nothing_that_could_be_the_same(folder):
    results, tables = read(folder)
    (folder / "figures" / "duplicates.png").unlink()
    none = {"duplicates/groups": 0, "duplicates/rows": 0, "duplicates/exact": 0}
    write(folder, results | none, tables | {"copies": {"groups": [], "blank": []}})
    text = " ".join(Page(build(folder)).text.split())
    assert "None: no two images that show something show the same. 13 blank images are set aside" in text
    write(folder, results | none | {"duplicates/blank": 0}, tables | {"copies": {"groups": [], "blank": []}})
    assert "None: no two images show the same." in " ".join(Page(build(folder)).text.split())


def test_outliers_are_those_the_list_is_ordered_by(folder):
    text = " ".join(Page(build(folder)).text.split())
    assert "whose codes lie farthest from others, by the mean distance to their nearest neighbours" in text
    assert "What is far away among the codes need not be odd by it." in text


def test_a_run_of_a_former_version_lists_its_pairs(folder):
    results, tables = read(folder)
    results = {name: value for name, value in results.items() if not name.startswith("duplicates/")}
    del tables["copies"]
    pairs = [
        {"a": "one", "b": "two", "rows": [1, 2], "difference": 0.0, "exact": True},
        {"a": "three", "b": "four", "difference": 0.02, "exact": False},
    ]
    write(folder, results | {"duplicates/pairs": 281}, tables | {"duplicates": pairs})
    text = " ".join(Page(build(folder)).text.split())
    assert "281 pairs of images are the same or almost." in text
    assert "two (exact)" in text
    assert "four (nearly the same, 0.02000)" in text
    assert "duplicates.csv" not in text


def test_silhouettes_of_two_spaces_are_neither_better_nor_worse(folder):
    results, tables = read(folder)
    write(folder, results | {"clustering/silhouette": 0.27, "clustering/pixels_silhouette": 0.11}, tables)
    text = "".join(Page(build(folder)).text.split())
    assert "Silhouette0.2700.110notcomparable" in text
    assert "Clustersilhouette0.270Linearprobe" in text


def test_a_part_of_the_data_is_said_where_the_data_are_described(folder):
    results, tables = read(folder)
    tables["data"] |= {"limit": 40, "available": 1797}
    write(folder, results, tables)
    assert (
        "40 grey images of 8 × 8 pixels (only 40 of the 1,797 images were used (data.limit))"
        in Page(build(folder)).text
    )


def test_what_the_folder_lacks_the_report_leaves_out(tmp_path):
    write(tmp_path, {"data/images": 3}, {})
    page = Page(build(tmp_path))
    assert page.ids() == ["pile", "made"]
    assert "nan" not in page.text.lower()
    (tmp_path / "tables.json").unlink()
    assert Page(build(tmp_path)).ids() == ["pile", "made"]


def test_vectors_without_labels(folder):
    for path in (folder / "figures").iterdir():
        if path.stem not in ("curves", "map-clusters"):
            path.unlink()
    results, tables = read(folder)
    keep = ("data/", "codes/", "train/", "time/", "projection/", "reconstruction/explained", "clustering/silhouette")
    results = {name: value for name, value in results.items() if name.startswith(keep)} | {"duplicates/groups": 0}
    tables["data"] |= {"kind": "vectors", "shape": [12], "label_names": []}
    tables["clusters"] = [{"cluster": 0, "size": 40, "share": 1.0, "label": None, "purity": None, "figure": None}]
    write(folder, results, {key: tables[key] for key in ("name", "data", "clusters", "outliers")})
    page = Page(build(folder))
    assert page.ids() == ["pile", "map", "clusters", "reconstruction", "outliers", "duplicates", "training", "made"]
    assert "Accuracy" not in page.text
    assert "Purity" not in page.text
    assert "images" not in page.text.replace("train/images_per_s", "").replace("data/images", "")


def test_a_sheet_is_described_by_what_it_shows(folder):
    page = Page(build(folder))  # of a run made before sheets showed parts
    assert "For each cluster: the images nearest to its centre" in page.text
    results, tables = read(folder)
    tables["clusters"][0]["examples"] = [{"id": "a", "row": 3, "share": 0.75}, {"id": "b", "row": 1, "share": 0.25}]
    write(folder, results, tables)
    page = Page(build(folder))
    assert "the most central image of each of its parts, with the part’s share of the cluster below it" in page.text
    assert "nearest to its centre" not in page.text
    html = build(folder).read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "Examples of the parts of cluster 0, which hold 75.0 %, 25.0 % of it; then its least typical images" in html


@pytest.mark.parametrize(
    "other",
    [
        {"network": {"trains_decoder": True, "shaped_by_decoder": False}},
        {"encoder": {"title": "k-means on patches", "is_baseline": False}},
    ],
)
def test_a_plain_autoencoder_is_spoken_of_only_where_there_is_one(folder, other):
    assert "because a plain autoencoder does not arrange its codes as" in Page(build(folder)).text
    results, tables = read(folder)
    write(folder, results, tables | other)
    text = Page(build(folder)).text
    assert "because such codes are not arranged as" in text
    assert "plain autoencoder" not in text


def test_holes_in_numbers_and_tables_are_dashes(folder):
    results, tables = read(folder)
    tables["outliers"] = [{"id": "a"}]
    tables["clusters"] = [{"cluster": 0}]
    write(folder, dict.fromkeys(results, math.nan) | {"data/images": None}, tables)
    text = Page(build(folder)).text
    assert "nan" not in text.lower().replace("finance", "")
    assert "None" not in text


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_damaged_results_are_named(folder, content):
    (folder / "results.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"results\.json"):
        build(folder)


def test_no_results_no_report(tmp_path):
    with pytest.raises(RunFolderError, match=r"results\.json"):
        build(tmp_path)
    assert not list(tmp_path.iterdir())


def test_same_folder_same_bytes(folder):
    assert build(folder).read_bytes() == build(folder).read_bytes()


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1797, "count", "1,797"),
        (0.8531, "share", "85.3 %"),
        (24.4, "dB", "24.40 dB"),
        (-0.25, "score", "\u22120.250"),
        (0.0123456, "error", "0.01235"),
        (0.04, "seconds", "40 ms"),
        (95, "seconds", "1 min 35 s"),
        (-0.0004, "score", "0.000"),
        (0.9999, "share", "more than 99.9 %"),
        (0.0002, "share", "less than 0.1 %"),
        (1.3, "share", "–"),
        (-13.096, "variance", "below 0 %"),
        (-0.0, "dB", "0.00 dB"),
        (1e-45, "error", "1 × 10⁻⁴⁵"),
        (-1, "count", "–"),
        (2.5, "count", "–"),
        (7500, "seconds", "2 h 5 min"),
        (23412.2, "speed", "23,412 per second"),
        (None, "dB", "–"),
        (math.nan, "dB", "–"),
    ],
)
def test_numbers_are_written_with_their_units(value, kind, text):
    assert written(value, kind).replace(NBSP, " ") == text


@pytest.mark.parametrize(
    ("name", "ours", "baseline", "expected"),
    [
        ("reconstruction/psnr", 24.4, 18.6, ("5.80 dB better", "better")),
        ("reconstruction/psnr", 18.7, 18.6, ("about the same", "same")),
        ("reconstruction/mse", 0.02, 0.01, ("2.0 × more", "worse")),
        ("reconstruction/mse", 0.005, 0.01, ("2.0 × less", "better")),
        ("reconstruction/explained", 0.995, 0.99, ("0.5 points better", "better")),
        ("clustering/accuracy", 0.5, 0.6, ("10.0 points worse", "worse")),
        ("clustering/nmi", 0.52, 0.5, ("0.020 better", "better")),
        ("reconstruction/psnr", 25.0, 58.92, ("at least 33.92 dB worse", "worse")),
        ("reconstruction/mse", 1e-80, 1e30, ("over 1,000 × less", "better")),
        ("reconstruction/mse", 1e300, 1e-300, ("over 1,000 × more", "worse")),
        ("reconstruction/explained", -13.0, -1.0, ("7.0 × more error", "worse")),
        ("reconstruction/explained", -0.2, -0.21, ("about the same", "same")),
        ("clustering/silhouette", 0.27, 0.11, ("not comparable", "same")),
    ],
)
def test_differences_say_which_way(name, ours, baseline, expected):
    text, judged = difference(METRICS[name], ours, baseline)
    assert (text.replace(NBSP, " "), judged) == expected
