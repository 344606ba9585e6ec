import numpy as np
import pytest
import torch
from torch.nn import functional

from narrows.errors import DataError, InputError, RecipeError
from narrows.studies.classifiers.thresholds import Thresholds
from narrows.studies.jobs import Work
from narrows.studies.jobs.polygons import equation, spread
from narrows.studies.jobs.polygons import polygons as job
from narrows.studies.polygons import LOWER, PENTAGONS, UPPER, draw, inside, load, on_edge, threshold_network

SQUARE = [(0, 0), (4, 0), (4, 4), (0, 4)]
PENTAGRAM = [(np.cos(angle), np.sin(angle)) for angle in np.arange(5) * 4 * np.pi / 5]
COMB = [(0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]


def regular(corners, radius, centre):
    angles = np.arange(corners) * 2 * np.pi / corners
    return np.asarray(centre) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_the_pentagons_give_the_half_planes_of_the_study():
    (planes, offsets), conjunction, union = threshold_network(PENTAGONS).layers
    assert np.column_stack([planes, offsets]).tolist() == [
        [1, -1, 500],
        [2, 1, -1400],
        [0, 1, -600],
        [-2, 1, 600],
        [-1, -1, 1500],
        [1, -2, 700],
        [1, 1, -500],
        [0, 1, -200],
        [-1, 1, 500],
        [-1, -2, 1700],
    ]
    assert conjunction[0].tolist() == [[1] * 5 + [0] * 5, [0] * 5 + [1] * 5]
    assert conjunction[1].tolist() == [-4.5, -4.5]
    assert (union[0].tolist(), union[1].tolist()) == ([[1, 1]], [-0.5])
    assert threshold_network(PENTAGONS).n_parameters() == 30 + 22 + 3


def test_orientation_does_not_matter():
    points = draw(2000, seed=1).values
    backwards = threshold_network([UPPER[::-1], LOWER])
    assert (backwards.predict(points) == threshold_network(PENTAGONS).predict(points)).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 0.1, 1 / 3, 1e150, 1e295])
def test_it_agrees_with_crossing_numbers_at_any_scale(scale):
    polygons = [scale * np.array(polygon) for polygon in (*PENTAGONS, regular(37, 150, (850, 850)))]
    points = scale * draw(5000, seed=2).values.astype(np.float64)
    predicted = threshold_network(polygons).predict(points)
    assert (predicted == inside(points, polygons)).all()
    assert 0.2 < predicted.mean() < 0.5


def test_it_agrees_far_from_the_origin_and_for_points_beyond_everything():
    polygons = [np.array(polygon) + 1e9 for polygon in PENTAGONS]
    points = draw(5000, seed=3).values + 1e9
    network = threshold_network(polygons)
    assert (network.predict(points) == inside(points, polygons)).all()
    assert not network.predict(np.array([[1.7e308, -1.7e308], [-1.7e308, 1.7e308], [1.7e308, 1.7e308]])).any()


def test_points_on_the_boundary_are_outside():
    edge = np.array([*UPPER, *LOWER, (500, 600), (400, 900), (500, 200)])
    assert on_edge(edge, PENTAGONS).all()
    assert not threshold_network(PENTAGONS).predict(edge).any()
    assert threshold_network(PENTAGONS).predict([[500, 601], [500, 599]]).all()


def test_polygons_may_overlap_and_one_is_enough():
    network = threshold_network([SQUARE, [(2, 2), (6, 2), (2, 6)]])
    assert network.predict([[1, 1], [3, 3], [4.5, 2.5], [5, 5]]).tolist() == [True, True, True, False]
    assert threshold_network([SQUARE]).predict(np.empty((0, 2))).tolist() == []


def test_crossing_numbers_in_closed_form_also_of_concave_polygons():
    points = np.array([[0.5, 2], [1.5, 2], [2.5, 2], [1.5, 0.5], [4, 2]])
    assert inside(points, [COMB]).tolist() == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("polygon", "reason"),
    [
        ([(0, 0), (4, 0), (1, 1), (0, 4)], r"polygons\[1\], vertex 2 .* concave"),
        (COMB, r"vertex 4 .* concave"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], r"cross itself; its edges 0-1 and 2-3"),
        (PENTAGRAM, "cross itself; its edges 0-1 and 2-3"),
        (PENTAGRAM[::-1], "cross itself"),
        ([(0, 0), (1, 0), (0, 1), (0, 0)], "vertex 3 must differ from vertex 0"),
        ([(0, 0), (1, 1), (2, 2)], "must have an area"),
        ([(0, 0), (1, 0), (2, 0), (0, 2)], "vertex 1 must not lie on the line"),
        ([(0, 0), (2, 0), (2, 2), (2, -1)], "vertex 2 must not lie on the line"),
        ([(0, 0), (1, 1)], "at least three vertices; got 2"),
        ([(0, 0), (1, 0), (np.nan, 1)], "vertex 2 must be two numbers, finite"),
        ([(0, 0), (1, 0), (1, np.inf)], "vertex 2 must be two numbers, finite"),
        ([(0, 0), (1, 0, 0), (1, 1)], "vertex 1 must be two numbers"),
        ([("a", "b"), (1, 0), (1, 1)], "vertex 0 must be two numbers"),
        ((0, 0), r"polygons\[1\], vertex 0 must be two numbers"),
        (3, r"polygons\[1\] must be a list of vertices"),
    ],
)
def test_what_is_no_convex_polygon_is_refused_with_the_reason(polygon, reason):
    with pytest.raises(InputError, match=reason):
        threshold_network([SQUARE, polygon])


def test_corners_and_dents_too_small_for_floating_point_arithmetic_are_told_apart():
    corner = [(0, 0), (2, 0), (2, 2), (1, np.nextafter(1, 2))]
    assert threshold_network([corner]).layers[1][1] == [-3.5]
    for last, reason in [
        ((1, 1), "vertex 3 must not lie on the line"),
        ((1, np.nextafter(1, 0)), "vertex 3 .* concave"),
    ]:
        with pytest.raises(InputError, match=reason):
            threshold_network([[*corner[:3], last]])


@pytest.mark.parametrize("polygons", [[], None, "square", SQUARE])
def test_no_list_of_polygons_is_refused(polygons):
    with pytest.raises(InputError, match="polygons"):
        threshold_network(polygons)


@pytest.mark.parametrize("points", [[[1, 2, 3]], [1, 2], [[np.nan, 1]], [["a", "b"]]])
def test_points_that_are_none_are_refused(points):
    for answer in (threshold_network(PENTAGONS).predict, lambda p: inside(p, PENTAGONS)):
        with pytest.raises(InputError, match="points"):
            answer(points)


def test_uniform_points_cover_the_square_and_the_network_is_right_everywhere():
    data = draw(60_000)
    assert data.values.dtype == np.float32
    assert (data.split == "train").sum() == 50_000
    assert abs(data.labels.mean() - 0.3) < 5 * np.sqrt(0.21 / 60_000)  # the pentagons' areas: 0.1 + 0.2 of the square
    assert data.values.min() >= 0
    assert data.values.max() <= 1000
    assert np.abs(data.values.mean(axis=0) - 500).max() < 6
    assert (threshold_network(PENTAGONS).predict(data.values) == data.labels).all()


def test_sparse_points_have_the_shares_of_the_study():
    data = draw(60_000, "sparse", seed=4)
    train = data.split == "train"
    assert 1 - data.labels[train].mean() == pytest.approx(0.82282)
    assert 1 - data.labels[~train].mean() == pytest.approx(0.6992)
    assert (threshold_network(PENTAGONS).predict(data.values) == data.labels).all()
    # The order tells nothing: both halves of the training rows have about the same share inside.
    assert abs(data.labels[:25_000].mean() - data.labels[25_000:50_000].mean()) < 0.02


def test_the_seed_decides_the_points():
    assert (draw(100, "sparse", seed=1).values == draw(100, "sparse", seed=1).values).all()
    assert (draw(100, "sparse", seed=1).values != draw(100, "sparse", seed=2).values).any()


@pytest.mark.slow
def test_the_networks_answers_on_a_million_points():
    data = draw(1_000_000, seed=5)
    assert (threshold_network(PENTAGONS).predict(data.values) == data.labels).all()


@pytest.mark.parametrize(("n", "sampling"), [(1, "uniform"), (2.5, "uniform"), (10, "dense")])
def test_draw_says_what_it_needs(n, sampling):
    with pytest.raises(InputError, match=r"n must|sampling must"):
        draw(n, sampling)


def test_a_users_file_is_read(tmp_path):
    table = np.array([[1.5, 2, 0], [500, 700, 1], [3, 4, 0]])
    np.save(tmp_path / "points.npy", table)
    data = load(tmp_path / "points.npy")
    assert data.values.tolist() == table[:, :2].tolist()
    assert data.labels.tolist() == [0, 1, 0]
    assert data.split.tolist() == ["train", "train", "test"]
    assert data.class_names == ["outside", "inside"]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (np.zeros((3, 2)), r"numbers \(N, 3\)"),
        (np.zeros((1, 3)), "at least two points"),
        (np.array([["1", "2", "0"]] * 3), r"numbers \(N, 3\)"),
        (np.array([[1, 2, 0], [1, 2, 3]]), "0 .outside. or 1 .inside. .*3 in line 1"),
        (np.array([[1, 2, 0], [1, 2, np.nan]]), "nan in line 1"),
        (np.array([[np.inf, 2, 0], [1, 2, 1]]), "finite"),
        (np.array([[1e300, 2, 0], [1, 2, 1]]), "finite"),
    ],
)
def test_files_of_something_else_are_refused(tmp_path, table, reason):
    np.save(tmp_path / "points.npy", table)
    with pytest.raises(DataError, match=reason):
        load(tmp_path / "points.npy")


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "none.npy")
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match="undamaged"):
        load(tmp_path / "bad.npy")


# The same network with sigmoids


def soft_thresholds(**arguments):
    return Thresholds((2,), 2, **arguments).eval()


def test_steep_sigmoids_with_the_weights_by_hand_are_the_threshold_network():
    net, points = soft_thresholds(slope=40.0, gain=40.0), draw(2000, seed=6)
    with torch.no_grad():
        for layer, (weights, biases) in zip(net.linear(), threshold_network(PENTAGONS).layers, strict=True):
            layer.weight.copy_(torch.from_numpy(weights))
            layer.bias.copy_(torch.from_numpy(biases))
    logits = net(torch.from_numpy(points.values)).detach().numpy()
    assert (logits[:, 0] == 0).all()
    assert ((logits[:, 1] > 0) == points.labels).all()
    assert sum(parameter.numel() for parameter in net.parameters()) == threshold_network(PENTAGONS).n_parameters()


def test_the_output_is_one_sigmoid_whose_cross_entropy_is_that_of_two_classes():
    net = soft_thresholds(slope=1.0, gain=1.0, low=-2.0, high=2.0)
    x, y = torch.rand(50, 2), torch.arange(50) % 2
    first, second, last = net.linear()
    z = last(second(first(x).sigmoid()).sigmoid())[:, 0]
    expected = functional.binary_cross_entropy_with_logits(z, y.float())
    assert functional.cross_entropy(net(x), y).item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(parameter.abs().max() <= 2 for parameter in net.parameters())


def test_the_slope_rises_with_the_steps_of_training_alone():
    net = soft_thresholds(slope=2.0, slope_end=32.0, anneal=4)
    rise = net.encoder[1]
    assert rise.slope_now() == 2
    net(torch.zeros(1, 2))
    assert rise.slope_now() == 2
    slopes = []
    net.train()
    for _ in range(6):
        net(torch.zeros(1, 2))
        slopes.append(rise.slope_now())
    assert slopes == pytest.approx([4, 8, 16, 32, 32, 32])
    net.restart_slope()
    assert rise.slope_now() == 2


def test_it_starts_as_regular_polygons_around_the_centres():
    net, centres = soft_thresholds(slope=1000.0, gain=100.0), torch.tensor([[-0.5, 0.2], [0.4, -0.3]])
    net.surround(centres, 0.25, torch.Generator().manual_seed(0))
    for centre in centres:
        near = centre + 0.2 * functional.normalize(torch.randn(40, 2), dim=1)
        far = centre + 0.33 * functional.normalize(torch.randn(40, 2), dim=1)
        assert (net(near)[:, 1] > 0).all()
        assert (net(far)[:, 1] < 0).all()


@pytest.mark.parametrize(
    "arguments",
    [{"widths": []}, {"widths": [0]}, {"low": 2.0, "high": 1.0}, {"slope": 0.0}, {"gain": -1.0}, {"slope_end": 9.0}],
)
def test_networks_of_thresholds_that_cannot_be_are_refused(arguments):
    with pytest.raises(RecipeError, match="must"):
        soft_thresholds(**arguments)
    with pytest.raises(RecipeError, match="widths"):
        soft_thresholds(widths=[10, 3]).surround(torch.zeros(3, 2), 0.3, torch.Generator())


# The job


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((2, 1, -1400), "2x + y - 1400"), ((0, 1, -600), "y - 600"), ((-1, -2, 1700), "-x - 2y + 1700"), ((1, 0, 0), "x")],
)
def test_half_planes_are_written_as_by_hand(numbers, text):
    assert equation(*numbers) == text


def test_centres_are_drawn_far_apart():
    points = np.array([[0, 0], [0, 0.001], [0.001, 0], [100, 100]], np.float32)
    for seed in range(5):
        chosen = spread(points, 2, np.random.default_rng(seed))
        assert [100, 100] in chosen.tolist()


SHORT = {"batch_size": 200, "optimizer": "adam", "warmup": 0.0, "clip": 0.0, "keep": "last", "precision": "float32"}


@pytest.fixture
def few_fresh(monkeypatch):
    monkeypatch.setattr("narrows.studies.jobs.polygons.FRESH_POINTS", 2000)


@pytest.mark.usefixtures("few_fresh")
def test_weights_from_the_range_of_all_parameters_and_plain_descent_end_as_a_constant(tmp_path):
    net = {"low": -8.5, "high": 14.0, "slope": 1.0, "gain": 1.0}
    steps = {"optimizer": "sgd", "momentum": 0.0, "lr": 0.1, "epochs": 60, "schedule": "step", "step_epochs": 20}
    results = job(Work(tmp_path, seed=2), method="literal", points=6000, net=net, train=SHORT | steps)
    assert results["train/is_a_constant"] == 1
    assert results["train/fixed_in_layer_2"] == 2
    # A constant learns the share inside and nothing else, and its loss is the entropy of that share.
    assert results["train/highest_probability"] == pytest.approx(0.177, abs=0.005)
    assert results["train/final_loss"] == pytest.approx(results["train/entropy"], rel=1e-3)
    assert results["train/largest_bias_move"] < 0.01


@pytest.mark.usefixtures("few_fresh")
def test_training_on_raw_coordinates_answers_outside_and_says_so(tmp_path):
    net = {"low": -2.0, "high": 2.0, "slope": 1.0, "gain": 1.0}
    steps = {"epochs": 40, "batch_size": 500, "lr": 0.1, "schedule": "step", "step_epochs": 8, "shuffle": False}
    work = Work(tmp_path, seed=0)
    results = job(work, method="literal", points=600, net=net, train=SHORT | steps)
    assert results["test/accuracy"] == results["test/majority_accuracy"] == pytest.approx(0.7, abs=0.01)
    assert results["train/accuracy"] == results["train/majority_accuracy"] == pytest.approx(0.822, abs=0.002)
    assert results["test/is_constant"] == 1
    assert results["train/final_loss_times_5"] == pytest.approx(5 * results["train/final_loss"])
    assert results["train/entropy"] == pytest.approx(-(0.178 * np.log(0.178) + 0.822 * np.log(0.822)), abs=2e-3)
    assert 0 <= results["train/lowest_probability"] <= results["train/highest_probability"] <= 1
    assert 0 <= results["start/fixed_in_layer_1"] <= 10
    assert 0 <= results["train/fixed_in_layer_2"] <= 2
    assert results["train/median_distance"] < 0.1 * results["edges/median_distance"]
    assert any("“outside”, to all 100 rows" in note for note in work.notes)
    assert set(work.figures) == {"output", "regions", "share-inside", "lines", "saturation", "directions"}


@pytest.mark.usefixtures("few_fresh")
def test_training_from_points_inside_with_rising_slopes_finds_the_pentagons(tmp_path):
    work = Work(tmp_path, seed=0)
    results = job(
        work,
        method="annealed",
        points=3000,
        sampling="uniform",
        restarts=2,
        enough=0.97,
        net={"slope": 60.0, "slope_end": 100.0, "gain": 8.0},
        train=SHORT | {"epochs": 30, "lr": 0.02},
        sharpen=SHORT | {"epochs": 5, "lr": 1e-3},
        last_slope=200.0,
    )
    assert results["test/accuracy"] > 0.93 > results["test/majority_accuracy"] + 0.2
    assert results["test/is_constant"] == 0
    assert [row["kept"] for row in work.tables["Starts"]].count(True) == 1


def test_a_users_points_can_be_trained_on(tmp_path):
    data = draw(120, seed=3)
    np.save(tmp_path / "points.npy", np.column_stack([data.values, data.labels]))
    results = job(Work(tmp_path), method="thresholds", source=str(tmp_path / "points.npy"))
    assert results["all/mistakes"] == 0
    assert "fresh/accuracy" not in results
