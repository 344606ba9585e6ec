import numpy as np
import pytest

from narrows import data
from narrows.errors import DataError


def write(folder, text, name="x.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a,b\n1,2\n3,4.5\n", "x.csv"),
        ("1,2\n3,4.5\n", "x.csv"),
        ("1;2\n3;4.5\n", "x.csv"),
        ("\ufeff\na\tb\n1\t2\n\n3\t4.5\n", "x.tsv"),
        ('"a, or so",b\r\n"1",2\r\n3,"4.5"\r\n', "x.csv"),
        ("a b\n1  2\n3 4.5\n", "x.csv"),
    ],
)
def test_numbers(tmp_path, text, name):
    opened = data.open(write(tmp_path, text, name))
    assert opened.values.dtype == np.float32
    assert opened.values.tolist() == [[1, 2], [3, 4.5]]
    assert opened.labels is None


IRIS = "id,width,species\np1,1,rose\np2,2,lily\np3,3,rose\n"


@pytest.mark.parametrize("labels", ["species", "2", "-1"])
def test_labels_and_ids(tmp_path, labels):
    opened = data.open(write(tmp_path, IRIS), labels=labels)
    assert opened.values.tolist() == [[1], [2], [3]]
    assert opened.labels.tolist() == [1, 0, 1]
    assert opened.label_names == ("lily", "rose")
    assert opened.ids == ("p1", "p2", "p3")


def test_a_column_called_label_is_no_number_with_labels_none_either(tmp_path):
    path = write(tmp_path, "w,label\n1,7\n2,8\n")
    assert data.open(path).labels.tolist() == [7, 8]
    opened = data.open(path, labels="none")
    assert opened.labels is None
    assert opened.values.tolist() == [[1], [2]]


def test_labels_from_another_file(tmp_path):
    other = write(tmp_path, "id,label\n1,b\n0,a\n", "other.csv")
    opened = data.open(write(tmp_path, "w,label\n1,7\n2,8\n"), labels=str(other))
    assert opened.labels.tolist() == [0, 1]


def test_labels_as_an_array(tmp_path):
    assert data.open(write(tmp_path, "1,2\n3,4\n"), labels=np.array([1, 0])).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (IRIS, "column 'species' does not; got \"'rose' in line 2\""),
        ("1,x\n2,y\n", r"column number 1 does not.*labels=1"),
        ("a,b\n1,\n,nan\n", "3 cells that are empty.*line 2, column 'b'"),
        ("a,b\n1,1e99\n", "too large"),
        ("a,b\n1,2\n1,2,3\n", "2 cells in every row; got '3 in line 3'"),
        ("a,b\n1\n", "2 cells in every row; got '1 in line 2'"),
        ("", "at least one row"),
        ("a,b\n", "a header alone"),
        ("label\n1\n2\n", "column of numbers besides"),
        ("id,a\nx,1\nx,2\n", "twice"),
    ],
)
def test_what_is_refused(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        data.open(write(tmp_path, text))


def test_what_is_no_text(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe1\x002\x00")
    with pytest.raises(DataError, match="UTF-8"):
        data.open(tmp_path / "x.csv")


def test_an_unknown_column(tmp_path):
    with pytest.raises(DataError, match="Did you mean 'species'"):
        data.open(write(tmp_path, IRIS), labels="specis")


@pytest.mark.parametrize("name", ["target", "y", "Class", "labels"])
def test_a_column_that_is_called_as_labels_are_is_never_data(tmp_path, name):
    path = write(tmp_path, f"w,{name}\n1,7\n2,8\n")
    assert data.open(path).labels.tolist() == [7, 8]
    for labels in ("none", [0, 1]):
        opened = data.open(path, labels=labels)
        assert opened.values.tolist() == [[1], [2]]
        assert any(f"Left out, because of names that labels have: '{name}'" in note for note in opened.notes)


def test_several_columns_that_are_called_as_labels_are(tmp_path):
    path = write(tmp_path, "w,target,label\n1,7,0\n2,8,1\n")
    with pytest.raises(DataError, match=r"got 'target, label'.*labels='target'"):
        data.open(path)
    opened = data.open(path, labels="label")
    assert opened.values.tolist() == [[1], [2]]
    assert opened.labels.tolist() == [0, 1]


def test_x_and_y_are_coordinates(tmp_path):
    opened = data.open(write(tmp_path, "x,y,label\n1,7,0\n2,8,1\n"))
    assert opened.values.tolist() == [[1, 7], [2, 8]]
    assert opened.labels.tolist() == [0, 1]
