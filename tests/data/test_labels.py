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
        ([1990, 2019, -1], [0, 1, -1], ("1990", "2019")),
        (["--5", "3", "10"], [2, 0, 1], ("3", "10", "--5")),
        (["a", "9" * 5000, "9"], [2, 1, 0], ("9", "9" * 5000, "a")),
        ([-1e30, 1.0, 0.0], [-1, 1, 0], None),
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
        (["1" * 25, "2", "3"], "below 2"),
        (["1" * 5000, "2", "3"], "below 2"),
        ([10**25, 2, 3], "Python objects"),
        ([1e30, 2, 3], "below 2"),
        (np.array([2**63 + 1, 2, 3], np.uint64), "below 2"),
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


def test_blanks_may_be_the_tables_or_the_ids_own(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n a , left \nb ,right\na,plain\n")
    labels, note = read_table(path, [" a ", "a", "b", "b "])
    assert labels.tolist() == ["left", "plain", "right", "right"]
    assert not note


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


def test_years_are_no_class_numbers_but_a_class_may_be_missing():
    years, names = as_labels(np.arange(1990, 2020), 30)
    assert years.tolist() == list(range(30))
    assert names == tuple(str(year) for year in range(1990, 2020))
    for numbers in ([0, 1, 2], [0, 1, 2, 3, 5, 6, 7, 8, 9], list(range(10, 40))):
        assert as_labels(numbers, len(numbers))[1] is None


@pytest.mark.parametrize(("text", "labels"), [("id,target\n1.png,n\n2.png,y\n3.png,n\n", "nyn"), ("y\nn\ny\n", "yny")])
def test_a_word_is_a_header_only_where_it_is_no_label(tmp_path, text, labels):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    assert read_table(path, IDS)[0].tolist() == list(labels)


def test_a_first_row_that_looks_like_a_header_keeps_its_label(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("1.png,y\n2.png,n\n3.png,y\n")
    assert read_table(path, IDS)[0].tolist() == ["y", "n", "y"]
