import math

import numpy as np
import pytest

from narrows.errors import InputError
from narrows.figures import save
from narrows.studies.figures.learning import compare_losses, confusion, curves_by_rate, variance_by_layer, weights_grid

HISTORY = [
    {"epoch": 1.0, "train/loss": 3.0, "valid/loss": 3.2, "train/accuracy": 0.1, "valid/accuracy": 0.1},
    {"epoch": 2.0, "train/loss": 0.1, "valid/loss": 1.0, "train/accuracy": 0.9, "valid/accuracy": 0.7},
]


def ys(ax):
    return [line.get_ydata().tolist() for line in ax.lines]


def test_weights_become_images_with_zero_grey_and_a_scale_of_their_own(tmp_path):
    weights = np.zeros((6, 2))
    weights[:, 1] = [1, 0, 0, 0, 0, -1]
    figure = weights_grid({"before": weights, "after": 10 * weights}, (2, 3), columns=2)
    titles = [text.get_text() for text in figure.axes[0].texts]
    assert [title.split()[0] for title in titles] == ["before", "after"]
    assert [title.split()[-1] for title in titles] == ["+1)", "+10)"]
    page = figure.axes[0].images[0].get_array()[..., 0]
    shades, counts = np.unique(page, return_counts=True)
    assert {0, 128} <= set(shades[counts > 1000])
    save(figure, tmp_path / "weights.png")


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_of_the_pixels_is_the_datas(order):
    image = np.zeros((2, 3))
    image[0, 2] = 1  # white at the top right
    figure = weights_grid({"w": image.reshape(6, 1, order=order) * [[1.0]]}, (2, 3), order=order)
    page = figure.axes[0].images[0].get_array()[..., 0].astype(int)
    grey = np.argwhere(page == 128)
    top, left = grey.min(axis=0)
    bottom, right = grey.max(axis=0)
    height, width = bottom - top, right - left
    assert page[top + height // 4, left + 5 * width // 6] == 255
    assert page[top + 3 * height // 4, left + width // 6] == 128


def test_curves_stand_side_by_side_for_each_rate(tmp_path):
    figure = curves_by_rate({"0.01": HISTORY, "0.1": HISTORY[:1], "0.001": HISTORY})
    assert len(figure.axes) == 6
    assert [ax.get_title("left") for ax in figure.axes[::2]] == ["0.01", "0.1", "0.001"]
    assert ys(figure.axes[0]) == [[3.0, 0.1], [3.2, 1.0]]
    assert ys(figure.axes[1]) == [[0.1, 0.9], [0.1, 0.7]]
    assert figure.axes[0].get_yscale() == "log"  # 3.2 is more than 20 times 0.1
    assert "0.700" in figure.axes[1].get_title("left")
    save(figure, tmp_path / "curves.png")


def test_curves_without_accuracy_or_validation(tmp_path):
    figure = curves_by_rate({"sgd": [{"epoch": 1, "train/loss": math.nan}, {"epoch": 2, "train/loss": 2.0}]})
    assert [len(ax.lines) for ax in figure.axes] == [1, 0]
    save(figure, tmp_path / "curves.png")


def test_losses_of_methods_on_one_plot(tmp_path):
    figure = compare_losses({"momentum": HISTORY, "plain": HISTORY})
    (ax,) = figure.axes
    assert ys(ax) == 2 * [[3.0, 0.1], [3.2, 1.0]]
    assert [line.get_label() for line in ax.lines] == ["momentum", "momentum, validation", "plain", "plain, validation"]
    assert ax.lines[0].get_color() == ax.lines[1].get_color() != ax.lines[2].get_color()
    save(figure, tmp_path / "losses.png")


@pytest.mark.filterwarnings("error::UserWarning")
def test_variances_of_zero_are_marked_at_the_edge(tmp_path):
    figure = variance_by_layer(
        {"xavier": [1.0, 0.5, 0.4], "zeros": [1.0, 0, 0]}, {"xavier": [0.1, 0.2], "zeros": [0, 0]}
    )
    left, right = figure.axes
    assert left.get_yscale() == right.get_yscale() == "log"
    marks = [line for line in left.lines if line.get_marker() == "v"]
    assert [line.get_xdata().tolist() for line in marks] == [[1, 2]]
    assert left.get_ylim()[0] == pytest.approx(0.04)
    save(figure, tmp_path / "variance.png")


def test_the_confusion_without_its_diagonal_is_coloured_by_mistakes(tmp_path):
    counts = np.array([[90, 9, 1], [0, 100, 0], [0, 2, 98]])
    whole, mistakes = confusion(counts, "abc"), confusion(counts, "abc", diagonal=False)
    assert [text.get_text() for text in whole.axes[0].texts] == ["90", "9", "1", "100", "2", "98"]
    assert [text.get_text() for text in mistakes.axes[0].texts] == ["9", "1", "2"]
    assert whole.axes[0].images[0].get_clim() == (0, 1)
    assert mistakes.axes[0].images[0].get_clim() == (0, 0.09)
    assert np.ma.getmaskarray(mistakes.axes[0].images[0].get_array()).diagonal().all()
    save(mistakes, tmp_path / "confusion.png")


def test_a_confusion_of_36_classes_names_them_all_and_a_perfect_one_is_drawn(tmp_path):
    names = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]
    figure = confusion(20 * np.eye(36, dtype=int), names, diagonal=False)
    ax, scale = figure.axes
    assert scale.get_ylabel() == "share of each true class's rows"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == names
    assert [tick.get_text() for tick in ax.get_yticklabels()] == names
    assert max(figure.get_size_inches()) * 96 < 1000
    save(figure, tmp_path / "confusion.png")


@pytest.mark.parametrize(
    ("draw", "named"),
    [
        (lambda: weights_grid({}, (2, 2)), "weights"),
        (lambda: weights_grid({"a": np.zeros((5, 2))}, (2, 2)), "weights"),
        (lambda: curves_by_rate({}), "histories"),
        (lambda: compare_losses({"a": []}), "histories"),
        (lambda: variance_by_layer({}, {}), "activations"),
        (lambda: variance_by_layer({"a": [-1.0]}, {"a": [1.0]}), "activations"),
        (lambda: confusion(np.zeros((2, 3), int)), "counts"),
        (lambda: confusion(np.zeros((2, 2), int), ["a"]), "names"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, named):
    with pytest.raises(InputError, match=named):
        draw()
