import io

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from narrows.errors import InputError
from narrows.figures import DPI, save
from narrows.figures.curves import loss_curves
from narrows.figures.images import FRAME, comparison, gallery, groups
from narrows.figures.maps import scatter
from narrows.figures.sheets import contact_sheet, percent
from narrows.figures.style import INK, PALETTE, UNKNOWN, class_colours, ink_on, short
from narrows.figures.sweeps import sweep_grid
from narrows.figures.tables import contingency


def png(figure, tmp_path, name="figure.png"):
    save(figure, tmp_path / name)
    return np.asarray(Image.open(tmp_path / name).convert("RGB")).astype(int)


def pictures(count, channels=1, height=8, width=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, channels, height, width), np.uint8)


PIXEL = 14  # dots to a pixel of an 8 x 8 image
TILE = 8 * PIXEL + 2  # with its frame
STEP = TILE + 8

HISTORY = [
    {"epoch": 1, "train/loss": 1.0, "valid/loss": 1.2, "train/mse": 0.9, "train/kl": 0.1, "lr": 1e-3},
    {"epoch": 2, "train/loss": 0.5, "valid/loss": 0.6, "train/mse": 0.4, "train/kl": 0.1, "lr": 5e-4},
    {"epoch": 3, "train/loss": 0.4, "valid/loss": 0.7, "train/mse": 0.3, "train/kl": 0.1, "lr": 0.0},
]


@pytest.mark.parametrize(("size", "scale"), [(8, 14), (28, 4), (32, 4), (64, 2), (256, 1)])
def test_gallery_draws_each_pixel_as_a_square_of_whole_dots(tmp_path, size, scale):
    image = pictures(1, height=size, width=size)
    drawn = png(gallery(image), tmp_path)
    tile = drawn[9 : 9 + scale * size, 9 : 9 + scale * size]  # a margin of 8 dots and a frame of 1
    expected = np.kron(image[0, 0], np.ones((scale, scale), int))
    assert (tile == expected[:, :, None]).all()
    assert (drawn[8, 8 : 10 + scale * size] == FRAME).all()


def test_colour_images_keep_their_channels(tmp_path):
    image = pictures(1, channels=3)
    drawn = png(gallery(image), tmp_path)
    inside = slice(9, 9 + 8 * PIXEL, PIXEL)
    assert (drawn[inside, inside] == image[0].transpose(1, 2, 0)).all()


def test_floats_mean_0_black_to_1_white_whatever_the_range_of_the_image(tmp_path):
    image = np.full((1, 1, 8, 8), 0.2)
    image[0, 0, 0, 0] = 0.6
    image[0, 0, 0, 1] = 1.7
    drawn = png(gallery(image), tmp_path)
    assert drawn[9 + 20, 9 + 20, 0] == 51
    assert drawn[9, 9, 0] == 153
    assert drawn[9, 9 + PIXEL, 0] == 255


def test_gallery_goes_in_reading_order(tmp_path):
    images = np.repeat(np.arange(5, dtype=np.uint8) * 50, 64).reshape(5, 1, 8, 8)
    drawn = png(gallery(images, columns=3), tmp_path)
    middle = 8 + TILE // 2
    middles = [drawn[middle + STEP * row, middle + STEP * column, 0] for row, column in [(0, 0), (0, 2), (1, 1)]]
    assert middles == [0, 100, 200]


def test_captions_stand_on_the_page_and_must_match():
    texts = [text.get_text() for text in gallery(pictures(2), captions=["a", "b\n$c"]).axes[0].texts]
    assert texts == ["a", "b", "$c"]
    with pytest.raises(InputError, match="captions"):
        gallery(pictures(2), captions=["a"])


def test_a_gallery_of_very_many_images_shows_400_evenly_spaced_ones(tmp_path):
    shades = np.linspace(0, 255, 3000).round().astype(np.uint8)
    figure = gallery(np.broadcast_to(shades[:, None, None, None], (3000, 1, 8, 8)), columns=20)
    assert [text.get_text() for text in figure.axes[0].texts] == ["400 of 3,000"]
    assert tuple(figure.get_size_inches() * DPI) == pytest.approx((20 * STEP + 8, 20 * STEP + 8 + 34))
    page = figure.axes[0].images[0].get_array()
    middle = 8 + TILE // 2
    assert [int(page[middle, middle, 0]), int(page[middle + 19 * STEP, middle + 19 * STEP, 0])] == [0, 255]
    captions = [str(i) for i in range(3000)]
    texts = gallery(pictures(3000), captions=captions).axes[0].texts
    assert (texts[0].get_text(), texts[-2].get_text()) == ("0", "2999")


def test_a_gallery_of_large_images_stays_within_a_page():
    figure = gallery(np.zeros((40, 1, 2048, 2048), np.uint8), columns=4)
    assert [text.get_text() for text in figure.axes[0].texts] == ["2 of 40"]


def test_comparison_lines_the_same_image_up(tmp_path):
    original = pictures(4)
    figure = comparison({"original": original, "reconstructed": original, "PCA": 255 - original})
    assert [text.get_text() for text in figure.axes[0].texts] == ["original", "reconstructed", "PCA"]
    drawn = png(figure, tmp_path)
    first, second, third = (drawn[8 + STEP * i : 8 + STEP * i + TILE] for i in range(3))
    strip = slice(len(first[0]) - 4 * STEP, None)  # the images, right of the titles
    assert (first[:, strip] == second[:, strip]).all()
    inside = strip.start + 1 + PIXEL // 2
    assert first[PIXEL // 2, inside, 0] == original[0, 0, 0, 0]
    assert third[PIXEL // 2, inside, 0] == 255 - original[0, 0, 0, 0]


def test_each_group_has_a_line_and_what_does_not_fit_is_counted(tmp_path):
    large, small = pictures(9, seed=1), pictures(2, seed=2)
    figure = groups([large, small], [["exact"] * 9, ["first", "mirrored"]], [40, 2])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["exact"] * 6 + ["and 34 more", "first", "mirrored"]
    drawn = png(figure, tmp_path)
    down, next_line = slice(9, 9 + 8 * PIXEL, PIXEL), 8 + TILE + 26 + 16 + 8
    assert (drawn[down, 8 + TILE + 16 + 1 : 8 + TILE + 17 + 8 * PIXEL : PIXEL, 0] == large[1, 0]).all()
    second = [
        line
        for line in range(100, drawn.shape[0] - 8 * PIXEL)
        if (drawn[line : line + 8 * PIXEL : PIXEL, down, 0] == small[0, 0]).all()
    ]
    assert second
    assert abs(second[0] - next_line) < 60
    for members, captions, sizes in [([], [], []), ([large], [["a"] * 9], [9, 9]), ([large], [["a"]], [9])]:
        with pytest.raises(InputError, match="captions"):
            groups(members, captions, sizes)


def test_contact_sheet_has_two_labelled_strips():
    figure = contact_sheet(pictures(4), [0.6, 0.296, 0.1, 0.004], pictures(4))
    shares = ["60 %", "30 %", "10 %", "<1 %"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["parts and shares", *shares, "least typical"]
    assert [percent(share) for share in (0.004, 0.005, 0.994, 0.997, 1)] == ["<1 %", "1 %", "99 %", ">99 %", "100 %"]
    alone = contact_sheet(pictures(1), [1.0], pictures(0))
    assert [text.get_text() for text in alone.axes[0].texts] == ["parts and shares", "100 %"]
    renderer = FigureCanvasAgg(alone).get_renderer()
    assert all(text.get_window_extent(renderer).x1 <= alone.bbox.x1 for text in alone.axes[0].texts)  # none is cut off
    with pytest.raises(InputError, match="shares"):
        contact_sheet(pictures(4), [1.0], pictures(4))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((0, 1, 8, 8), np.uint8),
        np.zeros((2, 8, 8), np.uint8),
        np.zeros((2, 1, 8, 8), np.int64),
        np.full((1, 1, 8, 8), np.nan),
        np.zeros((1, 2, 8, 8), np.uint8),
    ],
)
def test_what_is_not_images_is_refused(images):
    with pytest.raises(InputError, match="images"):
        gallery(images)


def test_scatter_draws_every_point_in_its_class_colour():
    rng = np.random.default_rng(0)
    points, classes = rng.normal(size=(300, 2)), rng.integers(-1, 3, 300)
    ax = scatter(points, classes, ["cat", "dog", "$x$"]).axes[0]
    (drawn,) = ax.collections
    offsets, colours = np.asarray(drawn.get_offsets()), drawn.get_facecolors()[:, :3]
    order, expected = np.lexsort(offsets.T), np.lexsort(points.T)
    assert np.allclose(offsets[order], points[expected])
    assert np.allclose(colours[order], class_colours(classes[expected]))
    assert not np.array_equal(offsets, points)  # shuffled
    assert [text.get_text() for text in ax.texts] == ["cat", "dog", "$x$"]
    assert np.allclose(ax.texts[1].get_position(), np.median(points[classes == 1], axis=0))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cat", "dog", "$x$", "unknown"]


def test_scatter_draws_at_most_100_000_points():
    points = np.random.default_rng(0).normal(size=(100_500, 2))
    (drawn,) = scatter(points, np.zeros(len(points), int)).axes[0].collections
    assert len(drawn.get_offsets()) == 100_000
    assert drawn.get_rasterized()


def test_past_20_classes_names_stand_in_the_map_and_no_legend():
    points = np.random.default_rng(0).normal(size=(230, 2))
    ax = scatter(points, np.arange(230) % 23).axes[0]
    assert ax.get_legend() is None
    assert len(ax.texts) == 23


def test_class_colours():
    colours = class_colours(np.array([0, 20, 40, 60, -1]))
    assert np.allclose(colours[0], to_rgb(PALETTE[0]))
    assert np.allclose(colours[1], 0.5 + 0.5 * colours[0])
    assert np.allclose(colours[2], 0.6 * colours[0])
    assert np.allclose(colours[3], colours[0])
    assert np.allclose(colours[4], to_rgb(UNKNOWN))
    assert len(np.unique(class_colours(np.arange(-1, 60)), axis=0)) == 61


@pytest.mark.parametrize(
    ("points", "classes", "names"),
    [
        (np.zeros((3, 3)), np.zeros(3, int), None),
        (np.zeros((3, 2)), np.zeros(2, int), None),
        (np.full((3, 2), np.nan), np.zeros(3, int), None),
        (np.zeros((3, 2)), np.array([0, 1, 2]), ["a"]),
    ],
)
def test_scatter_refuses_what_does_not_fit(points, classes, names):
    with pytest.raises(InputError):
        scatter(points, classes, names)


def test_contingency_writes_the_counts():
    counts = np.array([[50, 3, 0], [0, 12345, 7]])
    ax = contingency(counts, ["0", "1"], ["cat", "dog", "$x$"], matched=[0, 1]).axes[0]
    drawn = {(round(y), round(x)): text.get_text() for text in ax.texts for x, y in [text.get_position()]}
    assert drawn == {(0, 0): "50", (0, 1): "3", (1, 1): "12345", (1, 2): "7"}
    assert np.allclose(ax.images[0].get_array(), counts / counts.sum(axis=1, keepdims=True))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog", "$x$"]
    assert len(ax.patches) == 2


def test_contingency_stays_readable_at_36_by_36():
    figure = contingency(np.full((36, 36), 888), [str(i) for i in range(36)], ["a long label name"] * 36)
    figure.canvas.draw()
    ax, scale = figure.axes
    assert scale.get_ylabel() == "share of each cluster's rows"
    cell = ax.get_window_extent()
    for text in ax.texts[:40]:
        box = text.get_window_extent()
        assert box.width < cell.width / 36
        assert box.height < cell.height / 36


def test_contingency_of_hundreds_of_columns_stays_within_a_page():
    names = [f"label {i}" for i in range(700)]
    figure = contingency(np.ones((3, 700), int), list("abc"), names, matched=[0, 1, 2])
    assert max(figure.get_size_inches()) * 96 < 2500
    ax = figure.axes[0]
    assert not ax.texts
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert len(shown) <= 60
    assert shown[:2] == ["label 0", "label 12"]
    assert len(ax.get_yticklabels()) == 3


@pytest.mark.parametrize(
    ("colour", "ink"),
    [
        ((1, 1, 1), INK),
        ((0, 0, 0), "white"),
        ((0.03, 0.19, 0.42, 1.0), "white"),
        ((0.87, 0.92, 0.97), INK),
        ((0, 0, 0, 0.1), INK),
    ],
)
def test_text_can_be_read_on_any_colour(colour, ink):
    assert ink_on(colour) == ink


def test_dark_cells_of_a_sweep_have_white_text_and_shares_are_per_cent():
    figure = sweep_grid(
        [1, 8],
        [0.1],
        np.array([[0.1], [0.9]]),
        row_setting="batch size",
        column_setting="learning rate",
        metric="accuracy",
        percent=True,
    )
    light, dark = figure.axes[0].texts
    assert (light.get_text(), light.get_color()) == ("10.0 %", INK)
    assert (dark.get_text(), dark.get_color()) == ("90.0 %", "white")


def test_no_curve_passes_under_the_legend():
    figure = loss_curves([{"epoch": i, "train/loss": 1.0, "valid/loss": 1.1} for i in range(5)])
    figure.canvas.draw()
    ax = figure.axes[0]
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


def test_an_empty_cluster_is_drawn_white():
    ax = contingency(np.array([[0, 0], [1, 1]]), ["0", "1"], ["a", "b"]).axes[0]
    assert (np.asarray(ax.images[0].get_array())[0] == 0).all()


def test_loss_curves_draw_the_history_and_mark_the_best_epoch():
    figure = loss_curves(HISTORY)
    ax, rate = figure.axes
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines["training"].get_ydata()) == [1.0, 0.5, 0.4]
    assert list(lines["validation"].get_ydata()) == [1.2, 0.6, 0.7]
    assert list(lines["kl"].get_ydata()) == [0.1, 0.1, 0.1]
    assert [text.get_text() for text in ax.texts] == ["best: epoch 2"]
    assert list(rate.lines[0].get_ydata()) == [1e-3, 5e-4, 0.0]


def test_loss_curves_leave_gaps_for_missing_numbers(tmp_path):
    figure = loss_curves([{"epoch": 1, "train/loss": None}, {"epoch": 2, "train/loss": float("nan")}, {"epoch": 3}])
    assert len(figure.axes[0].lines) == 0
    png(figure, tmp_path)
    with pytest.raises(InputError, match="history"):
        loss_curves([])


def test_the_loss_axis_is_logarithmic_only_for_a_wide_span():
    wide = [{"epoch": i, "train/loss": 10.0**-i} for i in range(4)]
    assert loss_curves(wide).axes[0].get_yscale() == "log"
    assert loss_curves(HISTORY).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: loss_curves(HISTORY, ax=ax),
        lambda ax: scatter(np.eye(2), np.arange(2), ax=ax),
        lambda ax: contingency(np.eye(2, dtype=int), ["a", "b"], ["c", "d"], ax=ax),
    ],
)
def test_ax_is_drawn_on_and_its_figure_returned(draw):
    figure = Figure()
    ax = figure.add_subplot()
    assert draw(ax) is figure
    assert ax.has_data()


def test_same_figure_same_bytes_and_no_date(tmp_path):
    for name in ("a.png", "b.png"):
        points = np.random.default_rng(0).normal(size=(50, 2))
        save(scatter(points, np.arange(50) % 5), tmp_path / name)
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    info = Image.open(io.BytesIO(content)).info
    assert set(info) == {"dpi"}
    assert round(info["dpi"][0]) == DPI


def test_the_users_own_matplotlib_settings_change_nothing(tmp_path):
    save(loss_curves(HISTORY), tmp_path / "a.png")
    with matplotlib.rc_context({"figure.facecolor": "black", "lines.linewidth": 9, "savefig.bbox": "tight"}):
        save(loss_curves(HISTORY), tmp_path / "b.png")
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_hostile_names_are_drawn_as_they_are(tmp_path):
    names = ["$\\frac{", "<script>\n\x00", "名" * 50]
    png(contingency(np.eye(3, dtype=int), names, names), tmp_path)
    png(scatter(np.random.default_rng(0).normal(size=(3, 2)), np.arange(3), names), tmp_path)


def test_short_keeps_both_ends():
    assert short("holiday/IMG_0001.jpg", 12) == "holida…1.jpg"
    assert short("a\nb\t\x07c", 12) == "a b c"
