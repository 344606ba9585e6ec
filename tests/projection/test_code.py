"""The code as its own map."""

import numpy as np

from narrows.projection.code import Code


def test_two_values_are_the_places_and_one_value_lies_on_a_line():
    codes = np.array([[1.5, -2.0], [3.0, 0.25]], np.float32)
    np.testing.assert_array_equal(Code().fit(codes).map_, codes)
    np.testing.assert_array_equal(Code().fit(codes[:, :1]).map_, [[1.5, 0], [3.0, 0]])


def test_of_longer_codes_the_first_two_are_shown():
    codes = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(Code().fit(codes).map_, codes[:, :2])
