"""Every clustering in the registry keeps the contract."""

import warnings

import numpy as np
import pytest

from narrows.clustering import methods
from narrows.disk import files
from narrows.errors import InputError, RecipeError
from narrows.evaluation.clustering import accuracy

NAMES = [name for name in methods.names() if not methods.get(name).trains_network]
every_method = pytest.mark.parametrize("name", NAMES)


def blobs(sizes=(120, 60, 30), spread=0.3, seed=0):
    """Well-separated round groups in 3 dimensions, with an offset and in random order."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0]]) + 100.0
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (centres[labels] + spread * rng.standard_normal((len(labels), 3))).astype(np.float32), labels


def test_the_registry_has_the_methods_the_recipes_name():
    assert {"kmeans", "mixture"} <= set(methods.names())


@every_method
def test_finds_groups_and_numbers_them_by_size(name):
    codes, labels = blobs()
    clusterer = methods.get(name)(n_clusters=3, seed=0).fit(codes)
    assert clusterer.notes == ()
    assert clusterer.labels_.dtype == np.int64
    np.testing.assert_array_equal(clusterer.labels_, labels)  # made with the largest group first, too


@every_method
def test_predicts_the_fitted_codes_as_fitted_and_new_ones_as_their_group(name):
    codes, _ = blobs()
    clusterer = methods.get(name)(n_clusters=3).fit(codes)
    np.testing.assert_array_equal(clusterer.predict(codes), clusterer.labels_)
    new, labels = blobs(seed=1)
    np.testing.assert_array_equal(clusterer.predict(new), labels)
    assert clusterer.predict(codes[:0]).shape == (0,)


@every_method
def test_confidence_is_a_share_and_least_between_groups(name):
    codes, _ = blobs()
    clusterer = methods.get(name)(n_clusters=3).fit(codes)
    confidence = clusterer.confidence(codes)
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    near = np.array([100, 100, 100], dtype=np.float32)
    assert clusterer.confidence(near[None]) > 0.9
    # Nowhere on the way from one group to the other is a code less clear than where the cluster changes.
    way = np.linspace(0, 8, 401)[:, None] * [1, 0, 0] + near
    change, confidence = int(np.flatnonzero(np.diff(clusterer.predict(way)))[0]), clusterer.confidence(way)
    assert confidence.min() == confidence[change - 1 : change + 3].min()


@every_method
def test_typicality_falls_with_the_distance_from_the_core(name):
    codes, _ = blobs()
    clusterer = methods.get(name)(n_clusters=3).fit(codes)
    core = codes[clusterer.labels_ == 0].mean(axis=0)
    typicality = clusterer.typicality(core + np.linspace(0, 1.5, 6)[:, None] * [0, 0, 1])
    assert typicality[0] > typicality[1:].max()
    if name != "layout":  # in which distances are those between neighbours
        assert (np.diff(typicality) < 0).all()


@every_method
def test_the_same_seed_gives_the_same_bits(name):
    codes = np.random.default_rng(0).standard_normal((200, 5)).astype(np.float32)
    one, two = (methods.get(name)(n_clusters=7, seed=3).fit(codes) for _ in range(2))
    for array, same in zip(one.state().values(), two.state().values(), strict=True):
        np.testing.assert_array_equal(array, same)


@every_method
def test_a_reloaded_one_answers_bit_for_bit(name, tmp_path):
    codes = np.random.default_rng(0).standard_normal((100, 4)).astype(np.float32)
    fitted = methods.get(name)(n_clusters=5).fit(codes)
    files.write_arrays(tmp_path / "state.safetensors", fitted.state())
    arrays, _ = files.read_arrays(tmp_path / "state.safetensors")
    loaded = methods.get(name).from_state(arrays, n_clusters=5)
    for answer in ("predict", "confidence", "typicality"):
        np.testing.assert_array_equal(getattr(loaded, answer)(codes), getattr(fitted, answer)(codes))


@every_method
def test_refuses_a_state_that_is_not_its_own(name):
    fitted = methods.get(name)(n_clusters=3).fit(blobs()[0])
    state = fitted.state()
    some = next(iter(state))
    for wrong in (
        {},
        state | {"more": np.zeros(3)},
        state | {some: state[some] * np.nan},
        state | {some: np.zeros(())},
    ):
        with pytest.raises(InputError, match="saved clustering"):
            methods.get(name).from_state(wrong, n_clusters=3)


@every_method
@pytest.mark.parametrize(("rows", "asked", "made"), [(1, 10, 1), (2, 10, 2), (3, 10, 3), (5, 10, 5), (5, 1, 1)])
def test_few_rows_give_as_many_clusters_as_there_can_be(name, rows, asked, made):
    codes = np.random.default_rng(0).standard_normal((rows, 32)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clusterer = methods.get(name)(n_clusters=asked).fit(codes)
    assert len(set(clusterer.labels_.tolist())) == clusterer.labels_.max() + 1 == made
    assert any("were asked for" in note and f"only {rows} different code" in note for note in clusterer.notes) == (
        rows < asked
    )
    assert np.isfinite(clusterer.confidence(codes)).all()
    assert np.isfinite(clusterer.typicality(codes)).all()


@every_method
def test_equal_rows_are_one_cluster_and_copies_belong_together(name):
    alike = methods.get(name)(n_clusters=4).fit(np.full((20, 3), 2.5, dtype=np.float32))
    assert not alike.labels_.any()
    assert "there is only 1 different code, so the number was lowered to 1" in alike.notes[0]
    copies = np.repeat(np.eye(3, dtype=np.float32), [9, 5, 2], axis=0)
    clusterer = methods.get(name)(n_clusters=8).fit(copies)
    np.testing.assert_array_equal(clusterer.labels_, np.repeat([0, 1, 2], [9, 5, 2]))


@every_method
def test_one_cluster_leaves_no_doubt(name):
    codes, _ = blobs()
    clusterer = methods.get(name)(n_clusters=1).fit(codes)
    np.testing.assert_array_equal(clusterer.confidence(codes), 1)


@every_method
def test_groups_are_found_on_any_scale(name):
    codes, labels = blobs()
    for scale in (1e-6, 1e6):
        assert accuracy(methods.get(name)(n_clusters=3).fit(codes * np.float32(scale)).labels_, labels) == 1


@every_method
def test_refuses_what_is_no_table_of_numbers(name):
    clusterer = methods.get(name)(n_clusters=2)
    for wrong in (np.zeros(3), np.zeros((0, 3)), np.array([["a"]]), np.array([[1.0], [np.nan]])):
        with pytest.raises(InputError, match="codes must"):
            clusterer.fit(wrong)
    with pytest.raises(InputError, match="3 values"):
        clusterer.fit(blobs()[0]).predict(np.zeros((1, 4)))
    with pytest.raises(RecipeError, match="n_clusters"):
        methods.get(name)(n_clusters=0)
