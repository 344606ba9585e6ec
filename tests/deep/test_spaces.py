import numpy as np
import pytest
from sklearn.decomposition import PCA

from narrows.deep import Stages
from narrows.deep import _spaces as spaces
from narrows.deep.agreement import Agreement
from narrows.errors import RecipeError, RunFolderError
from narrows.evaluation.clustering import accuracy
from narrows.geometry.neighbours import nearest


def pixel_space(values):
    return spaces.pixel_space(values, np.arange(len(values)), 0)


def test_pixels_are_principal_components(digits):
    rows = pixel_space(digits[0])
    flat = digits[0].reshape(1797, 64) / 255
    expected = PCA(50, svd_solver="full").fit_transform(flat)
    np.testing.assert_allclose(np.abs(rows), np.abs(expected), atol=1e-4)


def test_large_images_are_compared_small():
    rng = np.random.default_rng(0)
    small = rng.integers(256, size=(60, 3, 32, 32), dtype=np.uint8)
    large = small.repeat(3, axis=2).repeat(2, axis=3)
    np.testing.assert_allclose(np.abs(pixel_space(large)), np.abs(pixel_space(small)), atol=1e-3)


def test_vectors_count_alike_whatever_their_units_and_constants_count_nothing():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 6)).astype(np.float32)
    units = values * np.float32([1, 10, 1e3, 1e-3, 1, 1]) + np.float32([0, 5, 1e4, 0, 0, 0])
    rows, other = pixel_space(values), pixel_space(units)
    np.testing.assert_allclose(np.abs(rows), np.abs(other), atol=1e-2)
    constant = pixel_space(np.hstack([values, np.full((200, 1), 7, np.float32)]))
    np.testing.assert_allclose(np.linalg.norm(constant, axis=1), np.linalg.norm(rows, axis=1), rtol=1e-4)


@pytest.mark.parametrize(("shape", "size"), [((1, 8, 8), 128), ((3, 20, 28), 128), ((1, 64, 64), 128)])
@pytest.mark.slow
def test_patches_of_any_images(shape, size):
    images = np.random.default_rng(0).integers(256, size=(200, *shape), dtype=np.uint8)
    for grid in spaces.GRIDS:
        assert spaces.patch_space(images, np.arange(200), grid, 0).shape == (200, size)


def test_side_by_side_every_space_has_the_same_say():
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(size=(300, 20)), rng.normal(size=(300, 3)) * 1e-3
    together = spaces.side_by_side({"wide": wide, "narrow": narrow})
    assert together.shape == (300, 23)
    for part in (together[:, :20], together[:, 20:]):
        assert np.median(nearest(part, spaces.SCALE)[1][:, -1]) == pytest.approx(1, rel=1e-5)


def test_directions_have_length_one_and_zero_stays():
    rows = spaces.to_directions(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]])
    assert rows.dtype == np.float32


@pytest.mark.parametrize("centers", [[[0.0], [10.0], [20.0]], [[0, 0], [10, 10], [20, 20]]], ids=["1-d", "on a line"])
def test_vectors_keep_their_length(centers):
    rng = np.random.default_rng(0)
    truth = np.arange(120) % 3
    values = (np.array(centers)[truth] + rng.normal(size=(120, len(centers[0])))).astype(np.float32)
    assert accuracy(Agreement(3, 0, layouts=1).fit(values).labels_, truth) == 1


def test_two_images_are_two_clusters():
    images = np.random.default_rng(0).integers(256, size=(2, 1, 8, 8), dtype=np.uint8)
    assert sorted(Agreement(2, 0, layouts=1, epochs=5).fit(images).labels_) == [0, 1]


def test_what_cannot_be_used_is_said_before_anything_is_done():
    for wrong, words in (
        ({"views": ["spin:1"]}, "views"),
        ({"seed": 2**32}, "seed"),
        ({"n_clusters": 2.5}, "n_clusters"),
        ({"spaces": ["pixel"]}, "Did you mean 'pixels'"),
        ({"agree": 2}, "agree"),
        ({"passes": 0}, "passes"),
        ({"grouping": "tree"}, "grouping"),
    ):
        with pytest.raises(RecipeError, match=words):
            Agreement(**wrong)
    assert Agreement(np.int64(3), np.int64(4), views="flip:1").views == ["flip:1"]


def test_no_step_is_done_twice_and_none_is_left_to_another_clustering():
    made = []

    def make():
        made.append(len(made))
        return {"n": np.array([len(made)])}, ["said"]

    stages = Stages()
    stages.begin({"method": "a"})
    assert [stages.arrays("step", make)[0]["n"].tolist() for _ in range(3)] == [[1], [1], [1]]
    stages.begin({"method": "b"})
    assert stages.arrays("step", make)[0]["n"].tolist() == [2]
    assert len(made) == 2


def test_flat_images_lie_in_a_row_and_rounding_is_no_space():
    flat = np.repeat(np.arange(256, dtype=np.uint8), 64).reshape(-1, 1, 8, 8)
    seen = {"pixels": spaces.to_directions(pixel_space(flat)), "line": np.linspace(1, 2, 256)[:, None]}
    assert np.abs(spaces.side_by_side(seen)).max() < 10


def test_numbers_of_numpy_are_numbers(tmp_path):
    values = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    clusterer = Agreement(np.int64(2), 0, layouts=np.int64(1), epochs=np.int32(1)).fit(values, Stages(tmp_path / "a"))
    clusterer.save(tmp_path / "saved")
    assert np.array_equal(Agreement.load(tmp_path / "saved").predict(values), clusterer.labels_)
    for wrong in ("ten", None, 2.5, float("nan")):
        with pytest.raises(RecipeError, match="n_clusters must be"):
            Agreement(wrong)


def test_a_folder_that_does_not_say_whose_steps_it_holds_is_refused(tmp_path):
    Stages(tmp_path).begin({"method": "a"})
    (tmp_path / "begun.json").unlink()
    Stages(tmp_path).begin({"method": "b"})  # an empty folder may be there
    (tmp_path / "begun.json").rename(tmp_path / "views.safetensors")
    with pytest.raises(RunFolderError, match=r"must be empty or contain"):
        Stages(tmp_path).begin({"method": "a"})
