import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import sparse
from sklearn.utils import ClassifierTags
from sklearn.utils.estimator_checks import parametrize_with_checks

import narrows
from narrows.clustering import methods
from narrows.data.dataset import Dataset
from narrows.errors import DataError, InputError, RecipeError, RunFolderError
from narrows.evaluation.clustering import accuracy

QUICK = {"layouts": 1, "options": {"epochs": 20, "passes": 2}, "random_state": 0}


class Checked(narrows.ImageClusterer):
    """With the tags that scikit-learn's checks of sparse rows ask of whatever has predict_proba."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags = ClassifierTags()
        return tags


def test_sparse_rows_are_clustered_as_dense_ones():
    rows = np.random.default_rng(0).uniform(size=(40, 3)) * (np.arange(40)[:, None] % 2)
    quick = {"layouts": 1, "options": {"epochs": 2}, "random_state": 0}
    dense = narrows.ImageClusterer(2, **quick).fit(rows)
    for kind in (sparse.csr_array, sparse.coo_matrix):
        assert np.array_equal(narrows.ImageClusterer(2, **quick).fit(kind(rows)).labels_, dense.labels_)
        assert np.array_equal(dense.predict_proba(kind(rows)), dense.predict_proba(rows))


@pytest.mark.slow
@parametrize_with_checks([Checked(4, layouts=1, options={"epochs": 2}, random_state=0)])  # four, as their classes
def test_scikit_learns_common_checks(estimator, check):
    check(estimator)


KINDS = [0, 4, 6]


@pytest.fixture(scope="module")
def three_kinds(digits):
    """Zeros, fours and sixes: images (N, 8, 8) and labels; 300 to fit, and the others."""
    chosen = np.flatnonzero(np.isin(digits[1], KINDS))
    images, labels = digits[0][chosen, 0], np.searchsorted(KINDS, digits[1][chosen])
    return images[:300], labels[:300], images[300:], labels[300:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("steps")


@pytest.fixture(scope="module")
def fitted(three_kinds, folder):
    images, labels, *_ = three_kinds
    return narrows.ImageClusterer(3, **QUICK, folder=folder).fit(images), images, labels


def test_kinds_of_images_are_told_apart_and_new_ones_recognised(fitted, three_kinds):
    clusterer, images, labels = fitted
    assert accuracy(clusterer.labels_, labels) > 0.95
    assert clusterer.labels_.dtype == np.int64
    assert np.array_equal(clusterer.predict(images), clusterer.labels_)
    *_, new, kinds = three_kinds
    assert accuracy(clusterer.predict(new), kinds) > 0.95
    np.testing.assert_allclose(clusterer.predict_proba(new).max(1), clusterer.clusterer_.confidence(new[:, None]))
    assert clusterer.confidence_.shape == (300,)
    assert clusterer.embedding_.shape == (300, 64) == clusterer.transform(images).shape
    assert clusterer.get_feature_names_out()[-1] == "code63"
    assert clusterer.n_clusters_ == 3
    assert any("mirrored" in note for note in clusterer.notes_)


@pytest.mark.parametrize("name", ["folder", "file.zip"])
def test_saved_and_loaded_it_predicts_the_same_bits(fitted, tmp_path, name):
    clusterer, images, _ = fitted
    clusterer.save(tmp_path / name)
    loaded = narrows.ImageClusterer.load(tmp_path / name)
    assert np.array_equal(loaded.predict_proba(images), clusterer.predict_proba(images))
    assert np.array_equal(loaded.predict(images), clusterer.labels_)
    assert loaded.notes_ == clusterer.notes_
    assert loaded.get_params() == clusterer.get_params()
    assert loaded.history_ == clusterer.history_ != []
    assert "<p>Fitted to 300 rows: 3 clusters, codes of 64 values.</p>" in loaded._repr_mimebundle_()["text/html"]
    assert np.array_equal(loaded.novelty(images), clusterer.novelty(images))
    if name.endswith("zip"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(RunFolderError, match=r"file\.zip must be a \.zip that was saved"):
            narrows.ImageClusterer.load(tmp_path / name)


def test_noise_is_unlike_what_was_fitted_whatever_its_confidence(fitted, three_kinds, tmp_path):
    clusterer = fitted[0]
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8), dtype=np.uint8)
    assert (clusterer.novelty(noise) <= 0.05).mean() >= 0.99
    assert (clusterer.novelty(three_kinds[2]) <= 0.05).mean() < 0.2
    clusterer.save(tmp_path / "c.zip")
    with zipfile.ZipFile(tmp_path / "c.zip") as whole, zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        for name in set(whole.namelist()) - {"novelty.safetensors", "hashes.json"}:
            old.writestr(name, whole.read(name))
    earlier = narrows.ImageClusterer.load(tmp_path / "old.zip")
    assert np.array_equal(earlier.predict(noise), clusterer.predict(noise))
    with pytest.raises(RunFolderError, match="fit it again"):
        earlier.novelty(noise)


@dataclass(frozen=True)
class Secret(Dataset):
    """A data set whose labels must not be read."""

    def __getattribute__(self, name):
        if name == "labels":
            raise AssertionError("the labels were touched")
        return super().__getattribute__(name)


def test_labels_are_never_looked_at_and_a_folder_changes_nothing(fitted):
    clusterer, images, _ = fitted
    open_ = Dataset(images[:, None])
    secret = object.__new__(Secret)
    for name, value in vars(open_).items():
        object.__setattr__(secret, name, value)
    object.__setattr__(secret, "labels", np.zeros(300, np.int64))
    with pytest.raises(AssertionError, match="touched"):
        _ = secret.labels
    again = narrows.ImageClusterer(3, **QUICK).fit(secret)
    assert np.array_equal(again.labels_, clusterer.labels_)
    assert np.array_equal(again.predict_proba(images), clusterer.predict_proba(images))


def test_every_form_of_the_same_images_gives_the_same_clusters(fitted):
    clusterer, images, _ = fitted
    unit = images.astype(np.float32) / 255
    for form in (images[:, None], images[..., None], images.astype(np.int64), narrows.open(unit, white=1)):
        assert np.array_equal(clusterer.predict(form), clusterer.labels_)
    with pytest.raises(DataError, match=r"white at 255.*set white=1"):
        clusterer.predict(unit)


def test_a_folder_takes_the_same_call_up_again(fitted, folder):
    clusterer, images, _ = fitted
    again = narrows.ImageClusterer(3, **QUICK, folder=folder).fit(images)
    assert np.array_equal(again.predict_proba(images), clusterer.predict_proba(images))
    with pytest.raises(RunFolderError, match="the same work"):
        narrows.ImageClusterer(4, **QUICK, folder=folder).fit(images)


def test_a_folder_needs_a_seed(fitted, tmp_path):
    with pytest.raises(RecipeError, match="random_state"):
        narrows.ImageClusterer(3, folder=tmp_path).fit(fitted[1])


def test_an_archive_that_could_be_larger_than_it_looks_is_refused(fitted, tmp_path):
    fitted[0].save(tmp_path / "saved")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in (tmp_path / "saved").iterdir():
            archive.write(part, part.name)
    with pytest.raises(RunFolderError, match="is compressed"):
        narrows.ImageClusterer.load(tmp_path / "packed.zip")


@pytest.mark.parametrize("method", ["dec", "imsat", "n2d"])
def test_any_method_that_trains_a_network_takes_its_place(method, three_kinds, tmp_path):
    images = three_kinds[0][:90]
    made = narrows.ImageClusterer(3, method=method, options=methods.get(method).quick, random_state=0).fit(images)
    assert np.array_equal(made.predict(images), made.labels_)
    assert made.predict_proba(images).shape == (90, made.n_clusters_)
    assert made.embedding_.shape[1] == len(made.get_feature_names_out())
    made.save(tmp_path / "c.zip")
    loaded = narrows.ImageClusterer.load(tmp_path / "c.zip")
    assert loaded.method == method
    assert np.array_equal(loaded.predict_proba(images), made.predict_proba(images))
    assert np.array_equal(loaded.novelty(images), made.novelty(images))


@pytest.mark.parametrize("method", ["kmeans", "mixture", "linear", "student-t", "layout"])
@pytest.mark.parametrize("encoder", [None, {"name": "patches", "n_centers": 8, "side": 3, "grid": 2}])
def test_a_method_that_sorts_codes_is_given_an_encoder(method, encoder, three_kinds, tmp_path):
    images = three_kinds[0][:90]
    made = narrows.ImageClusterer(3, method=method, encoder=encoder, random_state=0).fit(images)
    assert np.array_equal(made.predict(images), made.labels_)
    assert np.array_equal(made.transform(images), made.embedding_)
    assert made.embedding_.shape[1] == len(made.get_feature_names_out())
    np.testing.assert_allclose(made.predict_proba(images).sum(1), 1, atol=1e-5)
    codes = narrows.clustering.methods.get(method)(3, seed=0).fit(made.embedding_)
    assert np.array_equal(codes.labels_, made.labels_)
    made.save(tmp_path / "c.zip")
    loaded = narrows.ImageClusterer.load(tmp_path / "c.zip")
    assert (loaded.method, loaded.encoder) == (method, encoder)
    for ask in ("predict_proba", "transform", "novelty"):
        assert np.array_equal(getattr(loaded, ask)(images), getattr(made, ask)(images))


def test_settings_that_a_method_does_not_have_are_named():
    for wrong, words in (
        ({"method": "kmeans", "folder": "x"}, r"folder has no effect: 'kmeans' trains nothing"),
        ({"encoder": "pca"}, r"encoder has no effect: 'agreement' trains its own network.*'kmeans'"),
        ({"method": "kmeans", "encoder": "network"}, "encoder must be an encoder that is fitted without training"),
        ({"method": "kmeans", "encoder": {"name": "pca", "n_componets": 2}}, "Did you mean 'n_components'"),
        ({"method": "kmeans", "encoder": {"grid": 2}}, "encoder must be a name, a class, or a mapping that has one"),
        ({"method": "kmeans", "n_clusters": "auto"}, "n_clusters"),
        ({"method": "dek"}, "Did you mean 'dec'"),
        ({"method": "dec", "views": ["flip:1"]}, "views is not a setting"),
        ({"method": "dec", "options": {"eposch": 3}}, "Did you mean 'epochs'"),
        ({"layouts": 1, "options": {"layouts": 2}}, "layouts must be given once"),
        ({"options": {"seed": 2}}, "is not a setting"),
        ({"n_clusters": True}, "n_clusters"),
    ):
        with pytest.raises(RecipeError, match=words):
            narrows.ImageClusterer(**{"random_state": 0} | wrong).fit(np.zeros((9, 8, 8), np.uint8))


def test_wrong_input_is_named(fitted):
    clusterer, images, _ = fitted
    with pytest.raises(InputError, match="must be images"):
        clusterer.predict(np.zeros((3, 64), np.float32))
    for wrong in ({"n_clusters": 0}, {"n_clusters": True}, {"layouts": 0}, {"layouts": "3"}, {"views": ["spin:1"]}):
        with pytest.raises(RecipeError, match=next(iter(wrong))):
            narrows.ImageClusterer(**{"random_state": 0} | wrong).fit(images)
