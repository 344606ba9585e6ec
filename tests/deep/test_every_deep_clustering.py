"""Every deep clustering in the folder keeps the contract."""

import shutil

import numpy as np
import pytest

from narrows.deep import Stages, methods
from narrows.disk import files
from narrows.errors import InputError, Interrupted, RecipeError, RunFolderError
from narrows.evaluation.clustering import accuracy

NAMES = methods.names()
SHORT = {
    "dec": {"epochs": 6, "rounds": 3, "code_size": 3},
    "idec": {"epochs": 6, "rounds": 3, "code_size": 3},
    # At its default rate, so few steps run clusters into one with some seeds (LOG.md).
    "vade": {"pretrain_epochs": 6, "epochs": 5, "code_size": 3, "lr": 5e-4},
    "n2d": {"epochs": 6, "code_size": 3},
    "imsat": {"epochs": 10},
    "agreement": {"layouts": 1, "epochs": 20},
    "autoencoder-kmeans": {"epochs": 6, "code_size": 3},
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
    """A method, fitted with a seed that is not its default."""
    values, labels = blobs()
    return request.param, make(request.param, seed=3).fit(values), values, labels


@pytest.fixture(scope="module")
def staged(fitted, tmp_path_factory):
    """The same, fitted once more, in a folder."""
    name, _, values, _ = fitted
    folder = tmp_path_factory.mktemp("stages")
    return folder, make(name, seed=3).fit(values, Stages(folder))


@pytest.fixture
def folder(staged, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(staged[0], tmp_path / "stages")


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
    assert loaded.notes == clusterer.notes
    other = methods.get("imsat" if name != "imsat" else "dec")
    with pytest.raises(RunFolderError, match="of this method"):
        other.load(tmp_path)
    arrays, made_by = files.read_arrays(tmp_path / "clusterer.safetensors")
    files.write_arrays(tmp_path / "clusterer.safetensors", arrays | {"order": np.array([0, 1, 7])}, made_by)
    with pytest.raises(RunFolderError, match=r"clusterer\.safetensors .*sha256"):
        methods.get(name).load(tmp_path)
    (tmp_path / "hashes.json").unlink()  # as an older version saved it
    with pytest.raises(RunFolderError, match="order"):
        methods.get(name).load(tmp_path)
    (tmp_path / "clusterer.safetensors").write_bytes(b"x")
    with pytest.raises(RunFolderError, match="clusterer"):
        methods.get(name).load(tmp_path)


def test_the_seed_decides_every_bit_with_a_folder_and_without(fitted, staged):
    _, clusterer, values, _ = fitted
    assert np.array_equal(staged[1].assign(values), clusterer.assign(values))


@pytest.mark.slow
def test_stopped_again_and_again_it_ends_with_the_same_bits(fitted, tmp_path):
    name, clusterer, values, _ = fitted
    stopped = []
    while len(stopped) < 100:
        steps = 0

        def stop():
            nonlocal steps
            steps += 1
            return 15 if steps > 40 else 0

        try:
            again = make(name, seed=3).fit(values, Stages(tmp_path, stop=stop))
            break
        except Interrupted:
            stopped += [path.parent.name for path in tmp_path.glob("*/checkpoints")]
    assert np.array_equal(again.assign(values), clusterer.assign(values))
    assert again.notes == clusterer.notes
    trained = {path.parent.name for path in tmp_path.glob("*/config.json")}
    # Rounds of fewer steps than are waited for end between two stops.
    assert {stage for stage in trained if not stage.startswith("round-")} <= set(stopped)
    assert not list(tmp_path.glob("*/checkpoints"))


def test_killed_between_two_writes_it_goes_on(fitted, folder):
    name, clusterer, values, _ = fitted
    for written in sorted(folder.glob("*/hashes.json")):
        written.unlink()  # the model is there, and nothing says whether it is whole
        again = make(name, seed=3).fit(values, Stages(folder))
        assert np.array_equal(again.assign(values), clusterer.assign(values))


def test_a_folder_serves_one_clustering_only(fitted, folder):
    name, _, values, _ = fitted
    own = make(name, seed=3)
    for other, rows in ((make(name, n_clusters=4, seed=3), values), (make(name), values), (own, values * 2)):
        with pytest.raises(RunFolderError, match="the same work"):
            other.fit(rows, Stages(folder))
    another = "imsat" if name != "imsat" else "dec"
    with pytest.raises(RunFolderError, match="method"):
        make(another, seed=3).fit(values, Stages(folder))


@every_method
def test_rows_that_cannot_be_used_are_named(name):
    values, _ = blobs((20, 10, 10))
    for wrong, words in (
        (np.zeros((5, 1, 8, 8), np.float32), "uint8"),
        (values[0], "uint8"),
        (values[:0], "at least one row"),
        (np.where(values > 3, np.nan, values), "finite"),
    ):
        with pytest.raises(InputError, match=words):
            make(name).fit(wrong)
    clusterer = make(name, n_clusters=1).fit(values)
    with pytest.raises(InputError, match="rows of shape"):
        clusterer.predict(values[:, :5])


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
    assert "there are only 2 different rows, so the number was lowered to 2" in clusterer.notes[0]
    assert clusterer.labels_.max() <= 1


@every_method
def test_rows_that_differ_by_less_than_codes_can_are_one_cluster_or_said_to_be(name):
    values = np.array([[0, 0], [1e-12, 0], [1, 0], [2, 1], [0, 0], [1, 0]], np.float32)
    clusterer = make(name, n_clusters=4).fit(values)
    shares = clusterer.assign(values)
    assert np.array_equal(shares.argmax(1), clusterer.labels_)
    assert len(set(clusterer.labels_[[0, 1, 4]])) == 1
    assert any("no row" in note or "have the same code" in note for note in clusterer.notes)


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


@every_method
def test_nothing_but_outliers_is_divided_all_the_same(name):
    values = 5 * np.eye(48, 50, dtype=np.float32)  # each row as far from every other as any
    clusterer = make(name).fit(values)
    assert clusterer.labels_.shape == (48,)
    assert set(clusterer.labels_.tolist()) <= {0, 1, 2}
    assert np.array_equal(clusterer.predict(values), clusterer.labels_)
    assert np.isfinite(clusterer.assign(values)).all()


def test_of_nothing_but_outliers_a_number_is_estimated_with_its_doubt():
    values = 5 * np.eye(48, 50, dtype=np.float32)
    clusterer = make("agreement", "auto").fit(values)
    assert any("stand" in note for note in clusterer.notes)
    assert np.array_equal(clusterer.predict(values), clusterer.labels_)


@pytest.mark.parametrize("name", ["dec", "idec"])
def test_rounds_are_the_epochs_of_one_training(name):
    stages = Stages()
    made = make(name).fit(blobs()[0], stages)
    rounds = [key for key in stages.histories if key.startswith("round-")]
    history = made.history(stages)
    assert [row["epoch"] for row in history] == list(range(1, len(rounds) + 1))
    assert [row["targets"] for row in history] == [row["epoch"] for row in history]
    assert [row["step"] for row in history] == [turn * history[0]["step"] for turn in range(1, len(rounds) + 1)]
    assert history[-1]["train/loss"] == stages.histories[rounds[-1]][-1]["train/loss"]
