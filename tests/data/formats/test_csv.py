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
        ("w,v\n1,2\n3,?\n", r"column 'v' does not; got \"'\?' in line 3\".*ignore=\['v'\]"),
        ("1,2\n3,?\n", r"column number 1 does not.*ignore=\[1\]"),
        ("w;v\n1,5;2\n", "no commas in numbers; column 'w' does not; got \"'1,5' in line 2\""),
        ("name\nx\n", r"column of numbers apart from.*'name' .such as 'x'"),
        ("a,b\n1,\n,nan\n", "3 cells that are empty.*line 2, column 'b'"),
        ("a,b\n1,1e99\n", "too large"),
        ("a,b\n1,2\n1,2,3\n", "2 cells in every row; got '3 in line 3'"),
        ("a,b\n1\n", "2 cells in every row; got '1 in line 2'"),
        ("", "at least one row"),
        ("a,b\n", "a header alone"),
        ("label\n1\n2\n", "column of numbers apart from"),
        ("id,a\nx,1\nx,2\n", "unique values"),
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
        assert any(f"Left out, because their names suggest labels: '{name}'" in note for note in opened.notes)


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


# Columns


def test_columns_of_words_are_left_out_with_a_note(tmp_path):
    opened = data.open(write(tmp_path, "id,width,species,empty\np1,1,rose,\np2,2,lily,\n"))
    assert opened.values.tolist() == [[1], [2]]
    assert opened.provenance["columns"] == ["width"]
    of_rows, of_data, note = opened.notes
    assert of_data == "1 column was read as data: 'width'."
    assert of_rows == "The column 'id' was read as row ids, not as data."
    said = "Not read as data, because they are not numbers: 'species' (such as 'rose'), 'empty' (empty)."
    assert note == f"{said} If one of them is the labels, name it: labels=COLUMN."
    labelled = data.open(tmp_path / "x.csv", labels="species")
    assert labelled.notes[-1] == "Not read as data, because they are not numbers: 'empty' (empty)."
    assert data.open(write(tmp_path, "1,x\n2,y\n")).values.tolist() == [[1], [2]]


def test_columns_are_ignored_by_name_or_number(tmp_path):
    path = write(tmp_path, "w,v,u\n1,2,?\n3,4,5\n")
    for ignore in (["u"], ["u", "w"], [-1, 0], "u"):
        opened = data.open(path, ignore=ignore)
        assert opened.provenance["columns"] == (["w", "v"] if ignore in (["u"], "u") else ["v"])
    with pytest.raises(DataError, match=r"ignore must name columns of .*Did you mean 'u'"):
        data.open(path, ignore=["uu"])
    with pytest.raises(DataError, match="ignore must not name a column that is also in columns"):
        data.open(path, columns=["u", "v"], ignore=["u"])


@pytest.mark.parametrize("columns", [["a", "b"], [2, 0], ["a", 0]])
def test_columns_come_in_the_order_asked_for(tmp_path, columns):
    opened = data.open(write(tmp_path, "b,c,a,label\n1,9,2,0\n3,9,4,1\n"), columns=columns)
    assert opened.values.tolist() == [[2, 1], [4, 3]]
    assert opened.labels.tolist() == [0, 1]
    assert "Left out: 'c', which columns does not name." in opened.notes


def test_new_tables_are_brought_to_the_columns_of_the_first(tmp_path):
    first = data.open(write(tmp_path, "a,b,species\n1,2,x\n3,4,y\n"), labels="species")
    assert first.provenance["columns"] == ["a", "b"]
    same = first.provenance["preprocessing"]
    other = data.open(write(tmp_path, ",b,more,a\n0,20,0,10\n1,40,0,30\n"), **same)
    assert other.values.tolist() == [[10, 20], [30, 40]]
    assert other.provenance["preprocessing"] == same
    assert data.open(write(tmp_path, "1,2\n"), **same).values.tolist() == [[1, 2]]  # without names, by position
    with pytest.raises(DataError, match=r"x\.csv must have the column named in columns; got \"none called 'b'\""):
        data.open(write(tmp_path, "a,bb\n1,2\n"), **same)


def test_a_column_asked_for_is_data_whatever_it_is_called(tmp_path):
    path = write(tmp_path, "id,label,w\n5,1,2\n6,3,4\n")
    opened = data.open(path, columns=["id", "label"])
    assert opened.values.tolist() == [[5, 1], [6, 3]]
    assert opened.labels is None
    assert opened.ids == ("0", "1")
    with pytest.raises(DataError, match="labels must be a column that is not in columns"):
        data.open(path, columns=["label"], labels="label")
    with pytest.raises(DataError, match="column 'w' does not"):
        data.open(write(tmp_path, "w,v\nx,1\ny,2\n"), columns=["w"])


def test_the_index_that_pandas_writes_is_no_data(tmp_path):
    for text, ids in (
        (",a\n7,1\n8,2\n", ("7", "8")),
        (",a\n7,1\n7,2\n", ("0", "1")),
        (",a,id\n7,1,x\n7,2,y\n", ("x", "y")),
    ):
        opened = data.open(write(tmp_path, text))
        assert opened.values.tolist() == [[1], [2]]
        assert opened.ids == ids
        assert any("no name and was read as row ids" in note for note in opened.notes)
    assert data.open(write(tmp_path, ",a\n7,1\n"), columns=[0, 1]).values.tolist() == [[7, 1]]


def test_columns_have_names_of_their_own(tmp_path):
    opened = data.open(write(tmp_path, "a,a,,a.1\n1,2,3,4\n"))
    assert opened.provenance["columns"] == ["a", "a.1", "Unnamed: 2", "a.1.1"]


TEN = ",".join(map(str, range(10)))


@pytest.mark.parametrize(
    "text",
    ["0,1,2\n0.5,1,2\n0.1,3,4\n", f"{TEN}\n" + "5,5,5,5,5,5,5,5,5,5\n" * 2, "0,1,2,kind\n.5,1,2,x\n.1,3,4,y\n"],
)
def test_a_header_that_counts_is_no_row(tmp_path, text):
    opened = data.open(write(tmp_path, text))
    assert len(opened) == 2
    assert opened.provenance["columns"] == [str(i) for i in range(opened.shape[0])]
    assert "The first row counts 0, 1, 2, ... and was read as column names" in opened.notes[0]


@pytest.mark.parametrize(
    "text",
    ["0,1,2\n2,1,3\n", "0,1\n0.1,0.9\n", "0.0,1.0,2.0\n0.5,0.1,0.2\n", f"{TEN}\n10,11,12,13,14,15,16,17,18,19\n"],
)
def test_a_first_row_that_counts_by_chance_is_data(tmp_path, text):
    opened = data.open(write(tmp_path, text))
    assert len(opened) == 2
    assert "columns" not in opened.provenance


def test_ragged_rows_are_noticed_where_columns_are_left_out(tmp_path):
    with pytest.raises(DataError, match="3 in line 3"):
        data.open(write(tmp_path, "a,b\n1,2\n3,4,5\n"), ignore=["a"])


def test_names_with_an_underscore_are_no_numbers(tmp_path):
    (tmp_path / "x.csv").write_text("a,b,well\n1.5,2,1_1\n2.5,3,1_2\n")
    opened = data.open(tmp_path / "x.csv")
    np.testing.assert_array_equal(opened.values, [[1.5, 2], [2.5, 3]])
    assert opened.metadata["well"] == ("1_1", "1_2")
    labels = data.open(tmp_path / "x.csv", labels="well")
    assert labels.class_names == ["1_1", "1_2"]
    with pytest.raises(DataError, match=r"must contain numbers; column 'well' does not; got \"'1_1' in line 2\""):
        data.open(tmp_path / "x.csv", columns=["a", "well"])
    (tmp_path / "x.csv").write_text('a,v\n1,"[1_0, 2]"\n2,"[3, 4]"\n')
    assert data.open(tmp_path / "x.csv").metadata["v"] == ("[1_0, 2]", "[3, 4]")


@pytest.mark.parametrize("interval", ["(0.5, 18.0]", "[0.5, 18.0)"])
def test_an_interval_is_no_vector(tmp_path, interval):
    write(tmp_path, f'a,b,age\n1,2,"{interval}"\n3,5,"{interval}"\n')
    opened = data.open(tmp_path / "x.csv")
    assert opened.values.tolist() == [[1, 2], [3, 5]]
    assert opened.metadata["age"] == (interval, interval)
    write(tmp_path, f'age\n"({interval[1:-1]})"\n"({interval[1:-1]})"\n')
    assert data.open(tmp_path / "x.csv").values.tolist() == [[0.5, 18.0]] * 2


def test_a_long_text_is_named_in_short(tmp_path):
    write(tmp_path, f"a,b,text\n1,2,{'x' * 200_000}\n3,5,y\n")
    opened = data.open(tmp_path / "x.csv")
    assert len(opened.metadata["text"][0]) == 200_000
    assert max(map(len, opened.notes)) < 200
