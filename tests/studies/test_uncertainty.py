"""Numbers as people write them."""

import pytest

from narrows.studies.uncertainty import compared, exact, measured, ranged


@pytest.mark.parametrize(
    ("mean", "sd", "kind", "text"),
    [
        (0.5768, 0.0367, "share", "57.7 ± 3.7 %"),
        (0.82282, 0.0, "share", "82.282 ± 0 %"),
        (15.97, 1.986e-15, "number", "15.97 ± 0"),
        (0.0, 0.0, "number", "0 ± 0"),
        (43428, 0.0, "count", "43,428 ± 0"),
        (1072, 154.1, "number", "1,070 ± 150"),
        (12, 0.0999, "number", "12.00 ± 0.10"),
        (2.4, 0.894, "count", "2.40 ± 0.89"),
        (-726.9, 23.42, "number", "-727 ± 23"),
        (-0.0001, 0.5, "number", "0.00 ± 0.50"),
        (3.727e-9, 1.752e-10, "number", "(3.73 ± 0.18) × 10⁻⁹"),
        (0.99981, 0.00024, "number", "0.99981 ± 0.00024"),
        (0.5426, None, "share", "54.26 %"),
        (None, None, "share", "–"),
    ],
)
def test_a_spread_has_two_digits_and_the_mean_ends_at_the_same_place(mean, sd, kind, text):
    assert measured(mean, sd, kind) == text


def test_figures_from_elsewhere_keep_their_digits():
    assert compared(0.82282, "share") == "82.282 %"
    assert compared([0.53, 0.55], "share") == "53 to 55 %"
    assert compared(7.41368) == "7.41368"
    assert compared(43428, "count") == "43,428"
    assert compared(1.0, "flag") == "yes"
    assert compared(1e-7) == "10⁻⁷"
    assert compared(0.0004) == "4 × 10⁻⁴"
    assert compared(None) == ""


def test_a_median_has_its_ends_and_a_single_number_four_digits():
    assert ranged(2.33546, 2.1074, 2.3462) == "2.335 (2.107 to 2.346)"
    assert exact(287.13) == "287.1"
    assert exact(0.00012345) == "1.23 × 10⁻⁴"
    assert exact(3.0) == "3"
    assert exact(-0.0) == "0"
    assert compared(-0.0) == "0"
    assert measured(-1e-9, 0.0, "share") == "0 ± 0 %"
