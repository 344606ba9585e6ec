"""A path that a person typed in one folder means the same in another."""

import os

import pytest

from narrows.data.places import is_same, lasting, lasting_labels
from narrows.data.walking import matching


@pytest.fixture
def pile(tmp_path, monkeypatch):
    (tmp_path / "real" / "photos").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (tmp_path / "real" / "photos" / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "labels.csv").write_text("id,kind\na,1\n")
    monkeypatch.chdir(tmp_path / "real")
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("photos", "real/photos"),
        ("photos/", "real/photos"),
        ("./photos/../photos", "real/photos"),
        (".", "real"),
        ("..", ""),
        ("../link/photos", "real/photos"),
        ("../link", "link"),  # a name says what is in a file, so the last link is kept
        ("photos/*.png", "real/photos/*.png"),
        ("**/*.png", "real/**/*.png"),
        ("phot*/a.png", "real/phot*/a.png"),
    ],
)
def test_a_path_is_kept_as_one_that_holds_from_everywhere(pile, typed, kept):
    assert lasting(typed) == str(pile / kept).rstrip("/")


def test_home_is_written_out(pile, monkeypatch):
    monkeypatch.setenv("HOME", str(pile / "real"))
    assert lasting("~/photos") == str(pile / "real" / "photos")


@pytest.mark.parametrize(
    "source", ["digits", "mnist", "no-such-folder", "my.module:rows", "nothing/*.png", "~nobody-here/x"]
)
def test_what_is_no_path_stays_as_it_is(pile, source):
    assert lasting(source) == source


def test_a_name_of_a_data_set_is_that_even_beside_a_folder_of_that_name(pile):
    (pile / "real" / "digits").mkdir()
    assert lasting("digits") == "digits"
    assert lasting("./digits") == str(pile / "real" / "digits")


def test_labels_keep_their_column(pile):
    table = str(pile / "real" / "labels.csv")
    assert lasting_labels("labels.csv") == table
    assert lasting_labels("labels.csv:kind") == f"{table}:kind"
    assert [lasting_labels(word) for word in ("auto", "none", "folders", "kind")] == ["auto", "none", "folders", "kind"]


def test_one_place_by_any_road(pile):
    os.chdir(pile)
    assert is_same("real/photos", "link/photos")
    assert is_same("link", str(pile / "real"))
    assert is_same("digits", "digits")
    assert not is_same("real/photos", "real")
    assert not is_same("digits", "./real")


def test_brackets_in_a_folder_are_no_pattern_of_its_files(pile, monkeypatch):
    folder = pile / "set [1] a*"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("a.png", "b.png"):
        (folder / name).touch()
    kept = lasting("*.png")
    monkeypatch.chdir(pile)
    assert matching(kept) == [str(folder / "a.png"), str(folder / "b.png")]
    assert lasting(kept) == kept
    assert is_same(kept, "set [[]1] a[*]/*.png")
    assert lasting("set [1] a*") == str(folder)


@pytest.mark.parametrize("word", ["auto", "none", "folders"])
def test_what_may_be_asked_of_labels_is_no_file_of_that_name(pile, word):
    (pile / "real" / word).write_text("1\n2\n")
    assert lasting_labels(word) == word
