import numpy as np
import pytest

from narrows.errors import InputError
from narrows.studies.figures.centres import Balance, balances, centres, errors_grid

ETAS = [0.1, 1.0, 10.0]


def panel(title="batches of 16"):
    rising = np.array([1e-6, 1e-4, np.nan])
    return Balance(title, ETAS, rising[::-1], rising, rising[::-1], rising)


def texts(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_centres_show_how_many_rows_they_have_and_which_are_dead():
    images = np.zeros((3, 1, 4, 4), np.float32)
    figure = centres({"at the start": images, "after 10 epochs": images}, np.array([1200, 0, 7]))
    assert {"at the start", "after 10 epochs", "1,200", "dead", "7"} <= set(texts(figure))
    with pytest.raises(InputError, match="3 images each"):
        centres({"start": images[:2]}, np.array([1, 2, 3]))


def test_every_panel_has_measured_dots_over_predicted_lines():
    figure = balances([panel(), panel("batches of 64"), panel("batches of 256")])
    drawn = [ax for ax in figure.axes if ax.lines]
    assert [ax.get_title("left") for ax in drawn] == ["batches of 16", "batches of 64", "batches of 256"]
    dots = [line for line in drawn[0].lines if line.get_label().endswith("measured")]
    assert [line.get_linestyle() for line in dots] == ["None", "None"]
    assert np.array_equal(dots[1].get_ydata(), panel().variance, equal_nan=True)
    with pytest.raises(InputError, match="at least one"):
        balances([])


def test_powers_of_ten_are_written_as_plain_numbers():
    shown = texts(balances([panel()]))
    assert "0.0001" in shown
    assert not [text for text in shown if "$" in text]


def test_the_grid_names_what_diverged():
    table = np.array([[1e-3, 2e-3], [4e-3, np.nan], [5e-1, np.inf]])
    figure = errors_grid(ETAS, [16, 1024], table, table, names=("measured", "predicted"))
    shown = texts(figure)
    assert shown.count("–") == 4
    assert {"0.001", "0.5", "1,024", "measured", "predicted"} <= set(shown)
    with pytest.raises(InputError, match="shape"):
        errors_grid(ETAS, [16], table, table, names=("a", "b"))
