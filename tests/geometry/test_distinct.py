import numpy as np

from narrows.geometry.distinct import first_rows


def test_first_rows_leaves_copies_out():
    codes = np.array([[1, 2], [0, 1], [1, 2], [0, 1], [2, 1]], dtype=np.float32)
    np.testing.assert_array_equal(first_rows(codes), [0, 1, 4])
