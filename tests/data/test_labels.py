import numpy as np
import pytest

from narrows.data.labels import as_labels, read_table
from narrows.errors import DataError


@pytest.mark.parametrize(
    ("raw", "numbers", "names"),
    [
        ([2, 0, 1], [2, 0, 1], None),
        ([[2], [0], [1]], [2, 0, 1], None),
        ([1.0, float("nan"), 0.0], [1, -1, 0], None),
        ([True, False, True], [1, 0, 1], None),
        (["dog", "cat", ""], [1, 0, -1], ("cat", "dog")),
        (["10", "9", "10"], [10, 9, 10], None),
        ([2020, 10**6, 2020], [0, 1, 0], ("2020", "1000000")),
        ([[0, 1], [1, 0], [0, 1]], [1, 0, 1], None),
        (np.array(["b", "a", "b"], object), [1, 0, 1], ("a", "b")),
    ],
)
def test_labels_become_class_numbers(raw, numbers, names):
    found, found_names = as_labels(raw, 3)
    assert found.dtype == np.int64
    assert found.tolist() == numbers
    assert found_names == names


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([0, 1], "each of the 3 rows; got '2 labels'"),
        (0, "each of the 3 rows"),
        ([0.5, 1, 2], "classes"),
        ([0, np.inf, 2], "classes"),
        ([[1, 1], [1, 0], [0, 1]], "one-hot"),
        (np.zeros((3, 2, 2)), "one-hot"),
        (np.array([{}, {}, {}], object), "Python objects"),
        (np.zeros(3, "M8[s]"), "dtype"),
    ],
)
def test_labels_that_are_refused(raw, words):
    with pytest.raises(DataError, match=words):
        as_labels(raw, 3)


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
    labels, note = read_table(path, IDS)
    assert labels.tolist() == ["cat", "dog", ""]
    assert note == "1 of 3 rows have no label in labels.csv."


def test_a_table_of_labels_alone(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("label\nx\ny\nx\n")
    assert read_table(path, IDS)[0].tolist() == ["x", "y", "x"]


def test_a_name_that_two_rows_share_labels_neither(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n1.png,x\nb/2.png,y\n")
    assert read_table(path, ("a/1.png", "b/1.png", "b/2.png"))[0].tolist() == ["", "", "y"]


@pytest.mark.parametrize("content", [b"", b"id,label\nzzz,1\n", b"id,label\nzzz\n", b"\xff\xfe\x00"])
def test_tables_that_are_refused(tmp_path, content):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv"):
        read_table(path, IDS)
