import numpy as np

from narrows.geometry.distinct import distinct_rows, first_rows


def test_first_rows_leaves_copies_out():
    codes = np.array([[1, 2], [0, 1], [1, 2], [0, 1], [2, 1]], dtype=np.float32)
    np.testing.assert_array_equal(first_rows(codes), [0, 1, 4])


def test_distinct_rows_tells_which_row_each_is_a_copy_of():
    codes = np.array([[1, 2], [0, 1], [1, 2], [0, 1], [2, 1]], dtype=np.float32)
    rows, where = distinct_rows(codes)
    assert sorted(rows) == [0, 1, 4]
    np.testing.assert_array_equal(codes[rows][where], codes)
