"""The results in the docs are complete and explained, and the pages are built from them alone."""

import re
from pathlib import Path

import pytest

from narrows.disk.files import read_json
from narrows.report import resource
from narrows.studies.page import bare_figures, render
from narrows.studies.plan import builtin, load, question
from narrows.studies.summing import content_of

DOCS = Path(__file__).parents[2] / "docs" / "studies"
KEPT = sorted(path.parent for path in DOCS.glob("*/results.json"))
EVERY = pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)


def page_of(folder):
    return folder.with_name(f"{folder.name}.md").read_text(encoding="utf-8")


def template_of(folder):
    return (folder / "page.md").read_text(encoding="utf-8")


@EVERY
def test_kept_results_are_of_a_whole_study(folder):
    content = read_json(folder / "results.json")
    assert folder.name in builtin()
    assert not content["quick"]
    assert content["hardware"]
    rows = {row.name: row for row in load(folder.name).run}
    assert {entry["run"] for entry in content["runs"]} == set(rows)
    assert all(entry["made"] for entry in content["runs"])
    study = load(folder.name)
    assert all(entry["asks"] == question(study, rows[entry["run"]]) for entry in content["runs"])
    assert content_of(study, content["runs"], quick=False)["figures"] == content["figures"]
    assert not [f"{line['run']}: {line['label']}" for line in content["figures"] if line["unexplained"]]


@EVERY
def test_a_page_is_built_from_its_template_and_what_was_measured(folder):
    beside = {path.stem: read_json(path) for path in folder.glob("*.json") if path.name != "results.json"}
    assert render(template_of(folder), read_json(folder / "results.json"), beside) == page_of(folder)


@EVERY
def test_no_figure_in_a_pages_text_is_typed(folder):
    assert bare_figures(template_of(folder)) == []


@EVERY
def test_a_page_shows_the_pictures_that_are_kept_and_no_others(folder):
    shown = set(re.findall(rf"\({folder.name}/figures/([^)]+)\)", page_of(folder)))
    assert shown == {path.name for path in folder.glob("figures/*.png")}


@EVERY
def test_numbers_are_written_as_people_write_them(folder):
    found = re.findall(r"(-?[\d,]*\d(?:\.\d+)?) ± ([\d,]*\d(?:\.\d+)?)", page_of(folder))
    assert found or folder.name == "letters-from-scratch"
    for mean, spread in found:
        if spread == "0":
            continue
        digits = spread.replace(",", "").replace(".", "").lstrip("0")
        assert len(digits.rstrip("0") or "0") <= 2, (mean, spread)
        assert len(mean.partition(".")[2]) == len(spread.partition(".")[2]), (mean, spread)
    assert not re.search(r"[|±≤≥≈<>(] ?-?[\d.]+e[-+]?\d", page_of(folder))  # 1e-09 is a program's way


@EVERY
def test_every_page_says_the_same_of_how_labels_were_used(folder):
    said = resource("choices.md", "narrows.studies").strip()
    assert said in page_of(folder)
    assert said in (DOCS / "README.md").read_text(encoding="utf-8")


@EVERY
def test_every_figure_of_somebody_else_says_whose_it_is(folder):
    for line in read_json(folder / "results.json")["figures"]:
        assert (line["reported"] is None) == (line["attribution"] is None) == (line["source"] == "")


def test_a_bare_figure_is_seen_and_a_marked_one_is_not():
    text = 'It is 3.5 dB, 72 % and 9 points; {{ quoted("84 %") }}, `5 %`, $2 %$ and 50,000 points, in 1.5 seconds.'
    assert [found.strip() for found in bare_figures(text)] == ["3.5 dB", "72 %", "9 points", "1.5 seconds"]


def test_every_study_has_a_page():
    missing = [name for name in builtin() if not (DOCS / f"{name}.md").is_file()]
    assert not missing
