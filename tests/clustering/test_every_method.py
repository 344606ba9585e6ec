"""Every clustering, whether of codes or with its own network, keeps the same contract."""

import numpy as np
import pytest

from narrows.arguments import whole_number
from narrows.clustering import Clusterer, methods
from narrows.deep import Stages
from narrows.errors import InputError, RecipeError, RunFolderError
from narrows.registry import name_of

NAMES = methods.names()
every_method = pytest.mark.parametrize("name", NAMES)


def rows(seed=0):
    """Three groups of vectors, as they are stored and as codes."""
    rng = np.random.default_rng(seed)
    return (np.repeat(6 * np.eye(3, 8), (30, 20, 10), axis=0) + rng.normal(size=(60, 8))).astype(np.float32)


def make(name, n_clusters=3, **arguments):
    return methods.get(name)(n_clusters=n_clusters, seed=1, **methods.get(name).quick | arguments)


@pytest.fixture(scope="module", params=NAMES)
def fitted(request):
    return request.param, make(request.param).fit(rows())


def test_each_says_what_it_is_and_has_a_name_of_its_own():
    for name in NAMES:
        assert issubclass(methods.get(name), Clusterer)
        assert name_of(methods.get(name)) == name
    assert {methods.get(name).trains_network for name in NAMES} == {True, False}
    assert len({methods.get(name).__name__ for name in NAMES}) == len(NAMES)  # by which a saved one is known


def test_labels_answers_and_codes_fit_each_other(fitted):
    _, clusterer = fitted
    new = rows(seed=2)
    shares, clusters = clusterer.assign(new), clusterer.predict(new)
    assert np.array_equal(clusterer.labels_, clusterer.predict(rows()))
    assert clusterer.labels_.dtype == clusters.dtype == np.int64
    assert shares.shape == (60, clusterer.n_clusters_)
    assert shares.dtype == clusterer.confidence(new).dtype == np.float32
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert np.array_equal(shares.argmax(1), clusters)
    assert ((clusterer.confidence(new) >= 0) & (clusterer.confidence(new) <= 1)).all()
    assert clusterer.embed(new).shape[0] == 60
    assert clusterer.assign(new[:0]).shape == (0, clusterer.n_clusters_)
    assert isinstance(clusterer.evidence(), dict)


def test_saved_and_loaded_it_gives_the_same_bits(fitted, tmp_path):
    name, clusterer = fitted
    clusterer.save(tmp_path)
    loaded = methods.get(name).load(tmp_path)
    for answer in ("assign", "predict", "confidence", "embed"):
        assert np.array_equal(getattr(loaded, answer)(rows(3)), getattr(clusterer, answer)(rows(3)))
    assert (loaded.n_clusters, loaded.n_clusters_, loaded.notes) == (3, clusterer.n_clusters_, clusterer.notes)
    other = methods.get("kmeans" if name != "kmeans" else "linear")
    with pytest.raises(RunFolderError, match="of this method"):
        other.load(tmp_path)
    (tmp_path / "clusterer.safetensors").write_bytes(b"x")
    with pytest.raises(RunFolderError, match=r"clusterer\.safetensors"):
        methods.get(name).load(tmp_path)


def test_a_network_has_a_reader_of_its_codes_with_the_same_clusters(fitted):
    _, clusterer = fitted
    if clusterer.trains_network:
        codes = clusterer.embed(rows())
        reader = clusterer.reader(codes)
        assert not reader.trains_network
        assert reader.n_clusters_ == clusterer.n_clusters_ == reader.n_clusters
        assert np.array_equal(reader.labels_, clusterer.labels_)
        np.testing.assert_allclose(reader.assign(codes), clusterer.assign(rows()), atol=1e-4)


@every_method
def test_a_number_of_clusters_is_a_whole_number(name):
    for wrong in (True, np.True_, False, 0, -1, 2.5, 3.0, np.float32(3), "7", None, float("nan"), [3]):
        with pytest.raises(RecipeError, match=r"clustering\.n_clusters must be"):
            methods.get(name)(n_clusters=wrong)
    for whole in (np.int64(3), np.uint8(3), 3):
        clusterer = methods.get(name)(n_clusters=whole)
        assert type(clusterer.n_clusters) is int
        assert clusterer.n_clusters == 3
    for wrong in (True, -1, 2**32, 1.0, "1"):
        with pytest.raises(RecipeError, match="seed must be a whole number"):
            methods.get(name)(seed=wrong)


@every_method
def test_counts_are_whole_numbers_too(name):
    counts = methods.get(name).quick.keys() - {"spaces"} | ({"n_init"} if name in ("kmeans", "student-t") else set())
    for count in counts:
        for wrong in (True, 1.5, 0, "2"):
            with pytest.raises(RecipeError, match=rf"clustering\.{count} must be"):
                methods.get(name)(**{count: wrong})


def test_a_whole_number_says_its_limits():
    assert whole_number("n", np.int16(3)) == 3
    with pytest.raises(RecipeError, match=r"n must be a whole number >= 2; got 1"):
        whole_number("n", 1, 2)
    with pytest.raises(RecipeError, match=r"n must be a whole number from 0 to 4; got 5"):
        whole_number("n", 5, 0, 4)


@every_method
def test_rows_of_another_size_are_refused(name):
    with pytest.raises(InputError, match="like the fitted ones"):
        make(name, 1).fit(rows()).predict(rows()[:, :5])


def test_steps_that_served_another_clustering_do_not_lend_their_training():
    stages = Stages()
    assert make("dec", rounds=2, tol=0.0).fit(rows(), stages).training_.startswith("round-")
    after = make("n2d").fit(rows(), stages)
    assert after.training_ == "autoencoder"  # which DEC began with, and not the last that it did
    assert make("n2d", 1).fit(rows(), stages).training_ == ""
    assert after.fit(np.ones((4, 3), np.float32), stages).training_ == ""
