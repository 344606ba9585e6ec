"""The results that the docs show are whole, explained, and what the pages say."""

from pathlib import Path

import pytest

from narrows.files import read_json
from narrows.studies.study import builtin, load, with_figures

DOCS = Path(__file__).parents[2] / "docs" / "studies"
KEPT = sorted(path.parent for path in DOCS.glob("*/results.json"))


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_kept_results_are_of_a_whole_study_and_the_page_shows_them(folder):
    content = read_json(folder / "results.json")
    assert folder.name in builtin()
    assert not content["quick"]
    assert content["hardware"]
    known = {row.name for row in load(folder.name).run}
    assert {entry["run"] for entry in content["runs"]} <= known
    unexplained = [f"{line['run']}: {line['label']}" for line in content["figures"] if line["unexplained"]]
    assert not unexplained
    page = (DOCS / f"{folder.name}.md").read_text(encoding="utf-8")
    assert "<!-- figures -->" in page
    assert with_figures(page, content) == page


def test_a_page_without_the_marks_is_left_as_it_is():
    assert with_figures("# Page\n", {}) == "# Page\n"


def test_every_study_has_a_page():
    missing = [name for name in builtin() if not (DOCS / f"{name}.md").is_file()]
    assert not missing
