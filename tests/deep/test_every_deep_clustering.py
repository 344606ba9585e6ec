"""Whatever stands in the folder keeps the contract."""

import numpy as np
import pytest

from narrows.deep import Stages, methods
from narrows.errors import Interrupted, RecipeError, RunFolderError
from narrows.evaluation.clustering import accuracy

NAMES = methods.names()
SHORT = {
    "dec": {"epochs": 6, "rounds": 3, "code_size": 3},
    "idec": {"epochs": 6, "rounds": 3, "code_size": 3},
    "vade": {"pretrain_epochs": 6, "epochs": 5, "code_size": 3},
    "n2d": {"epochs": 6, "code_size": 3},
    "imsat": {"epochs": 5},
}
every_method = pytest.mark.parametrize("name", NAMES)


def make(name, n_clusters=3, seed=0):
    return methods.get(name)(n_clusters=n_clusters, seed=seed, **SHORT.get(name, {}))


def blobs(sizes=(120, 70, 40), seed=0):
    """Well-separated groups of vectors in random order, the largest first."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(len(sizes), 12)) * 4
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (centres[labels] + 0.4 * rng.standard_normal((len(labels), 12))).astype(np.float32), labels


@pytest.fixture(scope="module", params=NAMES)
def fitted(request):
    values, labels = blobs()
    return request.param, make(request.param).fit(values), values, labels


def test_finds_groups_and_numbers_them_by_size(fitted):
    _, clusterer, values, labels = fitted
    assert clusterer.labels_.dtype == np.int64
    assert (np.diff(np.bincount(clusterer.labels_, minlength=3)) <= 0).all()
    assert accuracy(clusterer.labels_, labels) > 0.9
    assert np.array_equal(clusterer.predict(values), clusterer.labels_)


def test_new_rows_go_to_their_group_and_shares_add_up_to_one(fitted):
    _, clusterer, _, _ = fitted
    values, labels = blobs(seed=1)
    assert accuracy(clusterer.predict(values), labels) > 0.9
    shares = clusterer.assign(values)
    assert shares.shape == (len(values), 3)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert np.array_equal(shares.argmax(1), clusterer.predict(values))
    np.testing.assert_array_equal(clusterer.confidence(values), shares.max(1))
    assert len(clusterer.embed(values)) == len(values)
    assert clusterer.predict(values[:0]).shape == (0,)


def test_saved_and_loaded_it_answers_bit_for_bit(fitted, tmp_path):
    name, clusterer, values, _ = fitted
    clusterer.save(tmp_path)
    loaded = methods.get(name).load(tmp_path)
    assert np.array_equal(loaded.assign(values), clusterer.assign(values))
    (tmp_path / "clusterer.safetensors").write_bytes(b"x")
    with pytest.raises(RunFolderError, match="clusterer"):
        methods.get(name).load(tmp_path)


def test_the_seed_decides_every_bit(fitted):
    name, clusterer, values, _ = fitted
    assert np.array_equal(make(name).fit(values).assign(values), clusterer.assign(values))


def test_stopped_and_gone_on_it_ends_with_the_same_bits(fitted, tmp_path):
    name, clusterer, values, _ = fitted
    steps = 0

    def stop_after(most):
        nonlocal steps
        steps += 1
        return 15 if steps > most else 0

    for most in (7, 40):  # in the first stage, and in a later one where there are several
        steps = 0
        with pytest.raises(Interrupted):
            make(name).fit(values, Stages(tmp_path, stop=lambda most=most: stop_after(most)))
            raise Interrupted(15, "it was done before so many steps")
    again = make(name).fit(values, Stages(tmp_path))
    assert np.array_equal(again.assign(values), clusterer.assign(values))


@every_method
def test_a_single_cluster_and_fewer_distinct_rows_than_clusters(name, tmp_path):
    values, _ = blobs((20, 10, 10))
    alone = make(name, n_clusters=1).fit(values)
    assert (alone.labels_ == 0).all()
    assert np.array_equal(alone.confidence(values), np.ones(40))
    np.testing.assert_allclose(alone.model_.restore(alone.model_.net.centers.detach())[0], values.mean(0), rtol=1e-5)
    alone.save(tmp_path)
    assert (methods.get(name).load(tmp_path).predict(values) == 0).all()
    two = np.repeat(values[:2], 6, axis=0)
    clusterer = make(name, n_clusters=5).fit(two)
    assert "only 2 of the 12 rows differ" in clusterer.notes[0]
    assert clusterer.labels_.max() <= 1


@every_method
def test_images_come_as_bytes(name, digits):
    images = digits[0][:60]
    clusterer = make(name).fit(images)
    assert clusterer.labels_.shape == (60,)
    assert clusterer.model_.is_images


@every_method
def test_no_clusters_are_refused(name):
    with pytest.raises(RecipeError, match="n_clusters"):
        methods.get(name)(n_clusters=0)
