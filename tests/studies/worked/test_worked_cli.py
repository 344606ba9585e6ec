import pytest
from typer.testing import CliRunner

from narrows.cli.worked import app
from narrows.errors import InputError, RecipeError
from narrows.studies.worked import about, pages


def worked(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False).output


def test_list_names_every_page_with_its_title():
    lines = worked("list").splitlines()
    assert [line.split()[0] for line in lines] == pages.names()
    assert all(line.endswith(about(line.split()[0])[0]) for line in lines)


def test_show_prints_markdown_or_writes_the_page(tmp_path):
    text = worked("show", "lstm")
    assert text.startswith("# An LSTM cell, traced\n")
    assert worked("show", "lstm", "--out", tmp_path).splitlines() == [
        str(tmp_path / "lstm.md"),
        str(tmp_path / "lstm-trace.png"),
    ]
    assert (tmp_path / "lstm.md").read_text(encoding="utf-8") == text


def test_a_page_is_not_replaced_unasked(tmp_path):
    (tmp_path / "lstm.md").write_text("mine")
    with pytest.raises(InputError, match="must not hold these pages yet"):
        worked("show", "lstm", "--out", tmp_path)
    with pytest.raises(InputError, match="must not hold these pages yet"):
        worked("write", "--out", tmp_path)
    assert (tmp_path / "lstm.md").read_text() == "mine"
    worked("show", "lstm", "--out", tmp_path, "--overwrite")
    assert (tmp_path / "lstm.md").read_text().startswith("# An LSTM")


def test_places_that_cannot_be_written_to_are_refused(tmp_path):
    with pytest.raises(InputError, match="must be in a folder that exists"):
        worked("write", "--out", tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="must be a folder"):
        worked("write", "--out", tmp_path / "file")


def test_an_unknown_page_is_answered_with_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'xavier'"):
        worked("show", "xaver")


def test_write_writes_every_page_and_the_list(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "names", lambda: ["lstm", "skip-gram"])  # two are enough
    written = worked("write", "--out", tmp_path / "all").splitlines()
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [
        "README.md",
        "lstm-trace.png",
        "lstm.md",
        "skip-gram.md",
        "skip-gram.png",
    ]
    assert written[-1] == str(tmp_path / "all" / "README.md")
    assert "skip-gram.md" in (tmp_path / "all" / "README.md").read_text(encoding="utf-8")
