import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.data import label_tables
from narrows.errors import DataError

IDS = ("a/1.png", "b/2.png", "b/3.png")


@pytest.mark.parametrize(
    "text",
    [
        "id,label\nb/2.png,dog\na/1.png,cat\n",
        "\ufeffpath,width,class\nb/2.png,9,dog\na/1.png,9,cat\n",
        "2.png,dog\n1.png,cat\n",
        "label,id\ndog,2\ncat,1\n",
    ],
)
def test_a_table_of_ids_and_labels(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    labels, notes = label_tables.read(path, IDS)
    assert labels.tolist() == ["cat", "dog", ""]
    assert notes[-1] == "1 of 3 rows have no label in labels.csv."


def test_blanks_may_be_the_tables_or_the_ids_own(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n a , left \nb ,right\na,plain\n")
    labels, notes = label_tables.read(path, [" a ", "a", "b", "b "])
    assert labels.tolist() == ["left", "plain", "right", "right"]
    assert notes == ("Labels were taken from the column 'label' of labels.csv; they only score.",)


def test_a_table_of_labels_alone(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("label\nx\ny\nx\n")
    assert label_tables.read(path, IDS)[0].tolist() == ["x", "y", "x"]


def test_a_name_that_two_rows_share_labels_neither(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n1.png,x\nb/2.png,y\n")
    assert label_tables.read(path, ("a/1.png", "b/1.png", "b/2.png"))[0].tolist() == ["", "", "y"]


@pytest.mark.parametrize("content", [b"", b"id,label\nzzz,1\n", b"id,label\nzzz\n", b"\xff\xfe\x00"])
def test_tables_that_are_refused(tmp_path, content):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv"):
        label_tables.read(path, IDS)


@pytest.mark.parametrize(("text", "labels"), [("id,target\n1.png,n\n2.png,y\n3.png,n\n", "nyn"), ("y\nn\ny\n", "yny")])
def test_a_word_is_a_header_only_where_it_is_no_label(tmp_path, text, labels):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    assert label_tables.read(path, IDS)[0].tolist() == list(labels)


def test_a_first_row_that_looks_like_a_header_keeps_its_label(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("1.png,y\n2.png,n\n3.png,y\n")
    assert label_tables.read(path, IDS)[0].tolist() == ["y", "n", "y"]


IMAGES = tuple(f"im{i}.png" for i in range(9))


def written(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def rows(line):
    """Return nine lines; i, the class i % 3 and i < 6 are filled in."""
    return "".join(line(i, i % 3) + "\n" for i in range(9))


SPECIES = [f"s{i % 3}" for i in range(9)]


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("image,w,species\n" + rows(lambda i, c: f"im{i},{640 + i},s{c}"), "'species', the only one of few values,"),
        ("image,width,species\n" + rows(lambda i, c: f"im{i},640,s{c}"), "'species', the only one of few values,"),
        ("file,score,kind\n" + rows(lambda i, c: f"im{i},{(i % 2) / 4},s{c}"), "'kind', the only one of few values,"),
        ("filename,split,breed\n" + rows(lambda i, c: f"im{i}.png,{'train' if i < 6 else 'test'},s{c}"), "'breed', "),
        ("image,choice\n" + rows(lambda i, c: f"im{i}.png,s{c}"), "'choice'"),
        ("photo,what\n" + rows(lambda i, c: f"im{i}.png,s{c}"), "'what'"),
        ("what,photo\n" + rows(lambda i, c: f"s{c},im{i}.png"), "'what'"),
        ("width,class,photo\n" + rows(lambda i, c: f"{i % 2},s{c},im{i}.png"), "'class'"),
        (rows(lambda i, c: f"im{i},{i / 2},s{c}"), "number 2, the only one of few values,"),
        ("image;species\n" + rows(lambda i, c: f"im{i};s{c}"), "'species'"),
        ("image,s0,s1,s2\n" + rows(lambda i, c: f"im{i},{c == 0:d},{c == 1:d},{c == 2:d}"), "s 's0', 's1', 's2'"),
        ("image,w,s0,s1,s2\n" + rows(lambda i, c: f"im{i},{i},{c == 0:d}.0,{c == 1:d}.0,{c == 2:d}"), "s 's0', 's1'"),
    ],
)
def test_the_column_of_labels_is_recognised_and_named(tmp_path, text, taken):
    labels, notes = label_tables.read(written(tmp_path, text), IMAGES)
    assert labels.tolist() == SPECIES
    assert len(notes) == 1
    assert taken in notes[0]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("image,width,species\n" + rows(lambda i, c: f"im{i},{640 + i % 2},s{c}"), "'width', 'species'"),
        ("image,sex,species\n" + rows(lambda i, c: f"im{i},{'fm'[i % 2]},s{c}"), "'sex', 'species'"),
        ("image,label,class\n" + rows(lambda i, c: f"im{i},{i % 2},s{c}"), "'label', 'class'"),
        ("image,a,b\n" + rows(lambda i, c: f"im{i},{i % 2},{c == 0:d}"), "'a', 'b'"),
        ("image,x,y2\n" + rows(lambda i, c: f"im{i},{i * 2},{i / 3}"), "'x', 'y2'"),
        ("image,male,female,kind\n" + rows(lambda i, c: f"im{i},{i % 2},{1 - i % 2},s{c}"), "'male', 'female', 'kind'"),
        (rows(lambda i, c: f"im{i},{i % 2},s{c}"), "number 1, number 2"),
    ],
)
def test_where_several_columns_could_hold_labels_they_are_named(tmp_path, text, named):
    with pytest.raises(DataError, match=named) as refused:
        label_tables.read(written(tmp_path, text), IMAGES)
    assert "labels.csv:" in str(refused.value)


@pytest.mark.parametrize("column", ["species", "Species", "2", "-1"])
def test_a_column_may_be_named(tmp_path, column):
    text = "image,width,species\n" + rows(lambda i, c: f"im{i},{640 + i % 2},s{c}")
    path = written(tmp_path, text.replace("species", "Species") if column == "Species" else text)
    assert label_tables.read(path, IMAGES, column)[0].tolist() == SPECIES
    assert label_tables.read(path, IMAGES, "width")[0].tolist() == [str(640 + i % 2) for i in range(9)]


@pytest.mark.parametrize(("column", "words"), [("kind", "'species'"), ("9", "width"), ("image", "other")])
def test_a_column_that_cannot_be_taken(tmp_path, column, words):
    path = written(tmp_path, "image,width,species\n" + rows(lambda i, c: f"im{i},{640 + i % 2},s{c}"))
    with pytest.raises(DataError, match=words):
        label_tables.read(path, IMAGES, column)


def test_a_row_that_is_named_twice_has_one_label(tmp_path):
    twice = "image,species\nim0,a\nim0,{}\nim1,b\n"
    assert label_tables.read(written(tmp_path, twice.format("a")), IMAGES)[0].tolist()[:2] == ["a", "b"]
    with pytest.raises(DataError, match="one label"):
        label_tables.read(written(tmp_path, twice.format("b")), IMAGES)


@pytest.mark.parametrize(
    "text",
    [
        "image,split\n" + rows(lambda i, c: f"im{i},{'train' if i < 6 else 'test'}"),
        "image,split\n" + rows(lambda i, c: f"im{i},{('train', 'test', 'unlabeled')[c]}"),
        "image,fold\n" + rows(lambda i, c: f"im{i},{c}"),
        "image,is_train\n" + rows(lambda i, c: f"im{i},{i % 2}"),
        "image,area\n" + rows(lambda i, c: f"im{i},{1.5 * c}"),
        "image,train,test\n" + rows(lambda i, c: f"im{i},{i % 2},{1 - i % 2}"),
        "image,x,y\n" + rows(lambda i, c: f"im{i},{i * 3},{i * 2}"),
    ],
)
def test_splits_measurements_and_coordinates_are_no_labels(tmp_path, text):
    with pytest.raises(DataError, match="clearly the labels"):
        label_tables.read(written(tmp_path, text), IMAGES)


def test_a_coordinate_beside_labels_is_no_label(tmp_path):
    text = "image,x,y,species\n" + rows(lambda i, c: f"im{i},{i * 3},{i * 2},s{c}")
    assert label_tables.read(written(tmp_path, text), IMAGES)[0].tolist() == SPECIES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0,cat\n1,dog\n0,cat\n1,dog\n0,cat\n", "by their ids"),  # classes, not rows
        ("label,weight\n0,1.5\n1,2.5\n0,3.5\n1,4.5\n1,2.5\n", "by their ids"),
        ("id,kind\n1,a\n2,b\n3,a\n4,b\n5,a\n", "numbers from 0"),
    ],
)
def test_rows_of_an_array_are_not_told_by_small_numbers(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        label_tables.read(written(tmp_path, text), [str(i) for i in range(5)])


def test_a_row_under_two_spellings_has_one_label(tmp_path):
    with pytest.raises(DataError, match="one label"):
        label_tables.read(written(tmp_path, "image,kind\nim0.png,cat\nim0,dog\nim1,cat\n"), IMAGES)


def test_blanks_before_quotes_are_not_the_cells(tmp_path):
    text = '"image", "kind"\n' + rows(lambda i, c: f'"im{i}.png", "{("cat", "NA", "dog")[c]}"')
    assert label_tables.read(written(tmp_path, text), IMAGES)[0].tolist() == ["cat", "NA", "dog"] * 3


def test_measurements_in_a_column_called_target_are_no_classes(tmp_path):
    path = written(tmp_path, "a,target\n" + rows(lambda i, c: f"{i},{i / 4}"), "x.csv")
    with pytest.raises(DataError, match=r"classes.*none"):
        narrows.open(path)
    assert narrows.open(path, labels="none").labels is None


@pytest.mark.parametrize(("asked", "words"), [("nope.csv", "no such file"), ("folder/nope", "no such file")])
def test_a_file_of_labels_that_is_not_there(asked, words):
    with pytest.raises(DataError, match=words):
        narrows.open(np.zeros((3, 4, 4), np.uint8), labels=asked)


def test_a_table_of_labels_alone_with_one_row_more_begins_with_a_header(tmp_path):
    path = written(tmp_path, "species\nx\ny\nx\n")
    assert label_tables.read(path, IDS)[0].tolist() == ["x", "y", "x"]
    assert label_tables.read(path, ("a", "b"), counts={3})[0].tolist() == ["x", "y", "x"]
    assert label_tables.read(path, ("a", "b", "c", "d"))[0].tolist() == ["species", "x", "y", "x"]


def test_numbers_of_rows_are_ids_where_no_column_names_them_better(tmp_path):
    text = "width,row,species\n" + "".join(f"{i % 2},{i},s{i % 3}\n" for i in range(6))
    with pytest.raises(DataError, match="'width', 'species'"):
        label_tables.read(written(tmp_path, text), [str(i) for i in range(6)])
    assert label_tables.read(tmp_path / "labels.csv", [str(i) for i in range(6)], "species")[0].tolist() == SPECIES[:6]


def test_missing_labels_through_the_door(tmp_path):
    images = np.arange(9 * 16, dtype=np.uint8).reshape(9, 4, 4)
    path = written(tmp_path, "id,width,kind\n" + rows(lambda i, c: f"{i},{i},{('cat', 'NA', 'dog')[c]}"))
    data = narrows.open(images, labels=f"{path}:kind")
    assert data.class_names == ["cat", "dog"]
    assert data.labels.tolist() == [0, -1, 1] * 3
    assert "3 labels ('NA') were read as unknown." in data.notes
    assert "Labels were taken from the column 'kind' of labels.csv; they only score." in data.notes


def test_an_array_among_several_may_hold_the_labels(tmp_path):
    images = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4)
    np.savez(tmp_path / "all.npz", images=images, labels=[1, 0, 1], depth=[5, 6, 7])
    assert narrows.open(images, labels=str(tmp_path / "all.npz")).labels.tolist() == [1, 0, 1]
    assert narrows.open(images, labels=f"{tmp_path / 'all.npz'}:depth").labels.tolist() == [5, 6, 7]
    np.savez(tmp_path / "two.npz", y=[1, 0, 1], z=[5, 6, 7])
    with pytest.raises(DataError, match=r"two\.npz:KEY"):
        narrows.open(images, labels=str(tmp_path / "two.npz"))


def test_a_folder_called_none_is_a_class(tmp_path, monkeypatch):
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path / "cache"))
    for kind in ("none", "some"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (8, 8), 40 * i).save(tmp_path / "photos" / kind / f"{i}.png")
    assert narrows.open(tmp_path / "photos").class_names == ["none", "some"]
