import numpy as np
import pytest
from matplotlib.contour import QuadContourSet
from PIL import Image

from narrows.errors import InputError
from narrows.figures import save
from narrows.studies.figures.regions import (
    half_planes,
    probabilities,
    region,
    regions,
    saturation,
    share_by_angle,
    share_inside,
)

SQUARE = [(2, 2), (8, 2), (8, 8), (2, 8)]
BOX = (0, 10, 0, 10)


def right_half(points):
    return points[:, 0] > 5


def slope(points):
    return np.clip(points[:, 1] / 10, 0, 1)


def nowhere(points):
    return np.zeros(len(points), dtype=bool)


def contour_of(ax):
    return [artist for artist in ax.get_children() if isinstance(artist, QuadContourSet)]


@pytest.mark.parametrize(("predict", "axis"), [(right_half, 0), (slope, 1)])
def test_the_boundary_lies_where_the_answer_changes(predict, axis):
    (ax,) = region(predict, [SQUARE], box=BOX, resolution=101).axes
    (contour,) = contour_of(ax)
    boundary = np.concatenate([path.vertices for path in contour.get_paths()])
    assert np.abs(boundary[:, axis] - 5).max() <= 0.1
    assert ax.patches[0].get_xy()[:4].tolist() == [list(vertex) for vertex in SQUARE]


def test_a_constant_answer_has_no_boundary_and_its_mistakes_are_the_inside():
    points = np.random.default_rng(0).uniform(0, 10, (500, 2))
    labels = (np.abs(points - 5) < 3).all(axis=1)
    (ax,) = region(nowhere, [SQUARE], box=BOX, points=points, labels=labels, resolution=20).axes
    assert not contour_of(ax)
    assert sorted(map(tuple, ax.lines[0].get_xydata())) == sorted(map(tuple, points[labels]))


def test_the_drawn_region_is_the_one_called_inside(tmp_path):
    save(region(right_half, [], box=BOX, resolution=50), tmp_path / "region.png")
    pixels = np.asarray(Image.open(tmp_path / "region.png").convert("RGB")).astype(int)
    row = pixels[len(pixels) // 2]
    tinted = row[:, 2] - row[:, 0] > 60
    assert not tinted[: len(row) // 3].any()
    assert tinted[2 * len(row) // 3 : -60].all()


def test_predictors_stand_side_by_side_under_their_titles():
    names = {"right half": right_half, "slope": slope, "nowhere": nowhere, "again": nowhere}
    figure = regions(names, [SQUARE], box=BOX, resolution=20)
    assert [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes] == list(names)


def test_probabilities_have_one_scale_from_0_to_1_and_a_bar():
    figure = probabilities({"constant": lambda points: np.full(len(points), 0.177), "slope": slope}, [SQUARE], box=BOX)
    constant, rising, bar = figure.axes
    assert constant.get_title() + constant.get_title(loc="left") == "constant: 0.177 to 0.177"
    assert {ax.images[0].get_clim() for ax in (constant, rising)} == {(0, 1)}
    assert np.allclose(constant.images[0].get_array(), 0.177)
    assert bar.get_ylabel() == "probability of being inside"
    with pytest.raises(InputError, match="predictors"):
        probabilities({}, [SQUARE], box=BOX)


def test_the_course_of_the_share_stands_beside_the_truth():
    (ax,) = share_inside({"a": [0.5, 0.25, 0.0], "b": [0.1]}, 0.3).axes
    assert ax.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.25], [3, 0]]
    assert set(ax.lines[2].get_ydata()) == {0.3}


def test_lines_are_drawn_where_units_change_sides_if_they_cross_the_box_at_all():
    weights, biases = np.array([[1, 0], [1, 1], [0, 1.0]]), np.array([-4, 1.0, -20])
    (ax,) = half_planes({"units": (weights, biases)}, [SQUARE], box=BOX).axes
    assert "1 of 3 lines" in (ax.get_title(loc="left") or ax.get_title())
    assert len(ax.lines) == 1
    (x1, _), (x2, _) = ax.lines[0].get_xy1(), ax.lines[0].get_xy2()
    assert x1 == x2 == pytest.approx(4)


def test_saturation_counts_what_can_still_learn():
    (ax,) = saturation({"some": np.array([[0.0, -4.5], [4.7, 800]]), "none": np.full(7, -50.0)}).axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["some: 50.0\N{NO-BREAK SPACE}% can learn", "none: 0.0\N{NO-BREAK SPACE}% can learn"]


def test_shares_by_angle_in_closed_form():
    points = np.array([(10, 1), (10, 2), (1, 10), (2, 10), (1, 9)])
    (ax,) = share_by_angle({"points": (points, np.array([0, 1, 1, 1, 0]))}, bins=2).axes
    (stairs,) = [patch for patch in ax.patches if hasattr(patch, "get_data")]
    assert stairs.get_data().values.tolist() == pytest.approx([0.5, 2 / 3])


@pytest.mark.parametrize(
    "call",
    [
        lambda: region(right_half, [], box=(1, 1, 0, 1)),
        lambda: region(right_half, [], box=BOX, resolution=1),
        lambda: region(lambda points: points, [], box=BOX, resolution=3),
        lambda: region(lambda points: points[:, 0] - 3, [], box=BOX, resolution=3),
        lambda: region(right_half, [], box=BOX, points=np.zeros((3, 2)), resolution=3),
        lambda: region(right_half, [], box=BOX, points=np.zeros((3, 2)), labels=np.zeros(2), resolution=3),
        lambda: regions({}, [], box=BOX),
        lambda: share_inside({}, 0.3),
        lambda: share_inside({"a": []}, 0.3),
        lambda: share_inside({"a": [1.5]}, 0.3),
        lambda: half_planes({}, [], box=BOX),
        lambda: half_planes({"a": (np.zeros((3, 3)), np.zeros(3))}, [], box=BOX),
        lambda: saturation({}),
        lambda: saturation({"a": np.array([np.nan])}),
        lambda: share_by_angle({}),
    ],
)
def test_what_cannot_be_drawn_is_refused(call):
    with pytest.raises(InputError, match="must"):
        call()
