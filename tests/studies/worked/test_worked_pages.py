"""Every worked page is complete, and docs/worked contains what the program computes."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from narrows.errors import RecipeError
from narrows.figures import as_bytes
from narrows.studies.worked import about, index, pages, write
from narrows.studies.worked._markdown import difference, fill, fixed, number, table, vector

DOCS = Path(__file__).parents[3] / "docs" / "worked"
EVERY = pytest.mark.parametrize("name", pages.names())


@cache
def computed(name):
    return pages.get(name)()


def test_the_pages_are_there():
    asked_for = {"batch-normalisation", "softmax", "xavier", "bias-variance", "kmeans-update", "lstm", "skip-gram"}
    assert asked_for <= set(pages.names())
    with pytest.raises(RecipeError, match="softmax"):
        pages.get("sofmax")


@EVERY
def test_the_committed_page_is_what_the_program_computes(name):
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == computed(name).text


@EVERY
def test_a_page_shows_all_its_pictures_and_no_others(name):
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\.png\)", computed(name).text)
    assert sorted(shown) == sorted(computed(name).figures)
    assert shown
    for figure in shown:
        with Image.open(DOCS / f"{figure}.png") as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 200  # dark ink on white


@EVERY
def test_every_committed_picture_rebuilds_to_the_same_bytes(name):
    for figure, drawn in computed(name).figures.items():
        assert as_bytes(drawn) == (DOCS / f"{figure}.png").read_bytes(), figure


@EVERY
def test_a_page_is_called_what_the_list_calls_it(name):
    page, (title, paragraph) = computed(name), about(name)
    assert (page.name, page.title) == (name, title)
    assert paragraph.endswith(".")


@EVERY
def test_a_page_has_no_gaps_and_no_dead_links(name):
    text = computed(name).text
    assert "@" not in text
    assert set(re.findall(r"\]\(([^)]+)\.md\)", text)) <= set(pages.names())
    assert text.count("$$") % 2 == 0
    assert text.replace("$$", "").count("$") % 2 == 0


@EVERY
def test_every_check_a_page_lists_came_out_right(name):
    checks = computed(name).text.partition("## How it was checked")[2].partition("## Source")[0]
    found = [line.split("|")[-2].strip() for line in checks.splitlines() if line.startswith("| ")][2:]
    assert len(found) >= 2
    assert all(re.fullmatch(r"< \de-\d+", cell) or float(cell) < 4 for cell in found)  # a bound, or standard errors


def test_the_committed_index_lists_every_page():
    assert (DOCS / "README.md").read_text(encoding="utf-8") == index()


def test_nothing_else_lies_among_the_committed_pages():
    expected = {"README.md"} | {f"{name}.md" for name in pages.names()}
    expected |= {f"{figure}.png" for name in pages.names() for figure in computed(name).figures}
    assert {path.name for path in DOCS.iterdir()} == expected


def test_write_makes_the_folder_and_the_files(tmp_path):
    page = computed("lstm")
    written = write(page, tmp_path / "new" / "folder")
    assert written[0].read_text(encoding="utf-8") == page.text
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["lstm-trace.png", "lstm.md"]


def test_numbers_are_written_as_on_paper():
    assert number(0.0127467, 6) == "0.0127467"
    assert number(1.65322e-5, 3) == "1.65e-5"
    assert number(1024, 2) == "1.0e3"
    assert number(128, 3) == "128"
    assert fixed(-1e-17, 4) == "0.0000"
    assert vector([[1, -0.25]], 2) == "(1.00, -0.25)"


def test_a_difference_is_a_bound_where_it_holds_and_the_number_where_it_does_not():
    assert difference([1.0, 2.0], [1.0, 2.0 + 1e-13], 1e-10) == "< 1e-10"
    assert difference([np.ones(2), np.ones(3)], [np.ones(2), np.full(3, 1.5)], 1e-10) == "0.500"
    assert difference([np.nan, 1.0], [1.0, 1.0], 1e-10) == "nan"
    with pytest.raises(ValueError, match="zip"):
        difference([1.0], [1.0, 2.0], 1e-10)


def test_a_gap_without_a_value_is_an_error():
    assert fill("$a$ = @a and $b^{@{a}}$", a="2") == "$a$ = 2 and $b^{2}$"
    with pytest.raises(KeyError, match="a"):
        fill("@a")


def test_a_table_is_markdown():
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
