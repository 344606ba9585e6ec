"""Every projection in the registry keeps the contract."""

import warnings

import numpy as np
import pytest

from narrows.disk import files
from narrows.errors import InputError
from narrows.evaluation.projection import trustworthiness
from narrows.geometry.neighbours import nearest
from narrows.projection import methods

every_method = pytest.mark.parametrize("name", methods.names())


def make(name, **arguments):
    return methods.get(name)(**arguments)


def three_groups(n=150, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return (6 * np.eye(3, 5)[labels] + 0.3 * rng.standard_normal((n, 5))).astype(np.float32), labels


def test_the_registry_has_the_methods_the_recipes_name():
    assert {"pca", "tsne", "umap"} <= set(methods.names())


@every_method
def test_keeps_groups_together_and_new_codes_near_their_group(name):
    codes, labels = three_groups()
    projection = make(name).fit(codes)
    assert projection.map_.shape == (150, 2)
    assert projection.map_.dtype == np.float32
    centres = np.stack([projection.map_[labels == group].mean(axis=0) for group in range(3)])
    new, groups = three_groups(seed=1)
    for points, truth in ((projection.map_, labels), (projection.transform(new), groups)):
        distances = np.linalg.norm(points[:, None] - centres, axis=2)
        np.testing.assert_array_equal(distances.argmin(axis=1), truth)
    assert trustworthiness(codes, projection.map_) > 0.85


@every_method
def test_the_same_seed_gives_the_same_bits_with_neighbours_or_without(name):
    codes, _ = three_groups()
    maps = [make(name, seed=3).fit(codes, neighbours).map_ for neighbours in (None, None, nearest(codes, 100))]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


@every_method
def test_a_reloaded_one_places_bit_for_bit(name, tmp_path):
    codes, _ = three_groups()
    fitted = make(name).fit(codes)
    files.write_arrays(tmp_path / "state.safetensors", fitted.state())
    arrays, _ = files.read_arrays(tmp_path / "state.safetensors")
    loaded = methods.get(name).from_state(arrays)
    np.testing.assert_array_equal(loaded.transform(codes), fitted.map_)
    new, _ = three_groups(seed=1)
    np.testing.assert_array_equal(loaded.transform(new), fitted.transform(new))


@every_method
def test_refuses_a_state_that_is_not_its_own(name):
    state = make(name).fit(three_groups()[0]).state()
    for wrong in ({}, state | {"more": np.zeros(3)}, {key: array[:1] * np.nan for key, array in state.items()}):
        with pytest.raises(InputError, match="saved projection"):
            methods.get(name).from_state(wrong)


@every_method
@pytest.mark.parametrize("size", [1, 32])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 12])
def test_few_rows_have_a_map(name, rows, size):
    codes = np.random.default_rng(0).standard_normal((rows, size)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        projection = make(name).fit(codes, nearest(codes, 15))
    assert projection.map_.shape == (rows, 2)
    assert np.isfinite(projection.map_).all()
    assert np.isfinite(projection.transform(codes + 1)).all()


@every_method
def test_equal_codes_share_a_point(name):
    alike = make(name).fit(np.full((30, 4), 7, dtype=np.float32))
    assert np.isfinite(alike.map_).all()
    assert (alike.map_ == alike.map_[0]).all()
    codes, _ = three_groups(60)
    copies = make(name).fit(np.concatenate([codes, codes[:20]])).map_
    np.testing.assert_array_equal(copies[60:], copies[:20])
    assert len(np.unique(copies, axis=0)) == 60


@every_method
def test_refuses_what_is_no_table_of_numbers(name):
    projection = make(name)
    for wrong in (np.zeros(3), np.zeros((0, 3)), np.array([["a"]]), np.array([[1.0], [np.inf]])):
        with pytest.raises(InputError, match="codes must"):
            projection.fit(wrong)
    with pytest.raises(InputError, match="5 values"):
        projection.fit(three_groups()[0]).transform(np.zeros((1, 4)))
