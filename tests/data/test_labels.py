import numpy as np
import pandas as pd
import pytest

from narrows.data.labels import about_missing, as_labels, labels_file
from narrows.errors import DataError


@pytest.mark.parametrize(
    ("raw", "numbers", "names"),
    [
        ([2, 0, 1], [2, 0, 1], None),
        ([[2], [0], [1]], [2, 0, 1], None),
        ([1.0, float("nan"), 0.0], [1, -1, 0], None),
        ([True, False, True], [1, 0, 1], None),
        (["dog", "cat", ""], [1, 0, -1], ("cat", "dog")),
        (["dog", "NA", "cat"], [1, -1, 0], ("cat", "dog")),
        (["dog", "NaN", "nan"], [0, -1, -1], ("dog",)),
        (["None", "-", "null"], [-1, -1, -1], None),
        (["1.0", "nan", "0.0"], [1, -1, 0], None),
        (["1.5", "a", "b"], [0, 1, 2], ("1.5", "a", "b")),
        (np.array(["é".encode(), b"a", b""]), [1, 0, -1], ("a", "é")),
        (np.array(["dog", None, np.nan], object), [0, -1, -1], ("dog",)),
        (np.array([2, None, 1], object), [2, -1, 1], None),
        (pd.Series(["a", pd.NA, "b"], dtype="string"), [0, -1, 1], ("a", "b")),
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
        (["0.5", "1", "NA"], "classes"),
        (np.array([b"\xff", b"a", b"b"]), "UTF-8"),
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


def test_years_are_no_class_numbers_but_a_class_may_be_missing():
    years, names = as_labels(np.arange(1990, 2020), 30)
    assert years.tolist() == list(range(30))
    assert names == tuple(str(year) for year in range(1990, 2020))
    for numbers in ([0, 1, 2], [0, 1, 2, 3, 5, 6, 7, 8, 9], list(range(10, 40))):
        assert as_labels(numbers, len(numbers))[1] is None


def test_words_taken_for_unknown_labels_are_named():
    assert about_missing(["NA", "cat", "none", "NA", ""]) == ["3 labels ('NA', 'none') were read as unknown."]
    assert about_missing(["-", "cat"]) == ["1 label ('-') was read as unknown."]
    assert about_missing(["", "cat"]) == about_missing([1, 2]) == []


def test_a_file_of_labels_may_have_its_column_after_a_colon(tmp_path):
    path, odd = tmp_path / "a.csv", tmp_path / "b:c"
    for file in (path, odd):
        file.write_text("x")
    assert labels_file(str(path)) == (path, "")
    assert labels_file(f"{path}:width") == (path, "width")
    assert labels_file(str(odd)) == (odd, "")
    assert labels_file(f"{path}:") is None
    assert labels_file("nowhere.csv:width") is None
    assert labels_file("\0") is None
