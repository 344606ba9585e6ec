import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import narrows
from narrows.errors import InputError, RecipeError, RunFolderError, TrainingError
from narrows.estimators.neural_kmeans import NeuralKMeans, initial_centers


@parametrize_with_checks([NeuralKMeans(3, epochs=20, random_state=0)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_common_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted(digits):
    return NeuralKMeans(10, epochs=20, random_state=0).fit(digits[0])


def blobs(n=300, d=2, k=4, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    middles = 10 * rng.normal(size=(k, d))
    return (scale * (middles[np.arange(n) % k] + rng.normal(size=(n, d)))).astype(np.float32), scale * middles


def test_distances_are_those_to_the_centres_in_the_datas_own_units():
    x, _ = blobs(scale=1000)
    x += 1e5
    model = NeuralKMeans(4, epochs=20, random_state=0).fit(x)
    expected = cdist(x.astype(np.float64), model.cluster_centers_.astype(np.float64))
    assert np.allclose(model.transform(x), expected, rtol=1e-4)
    assert np.array_equal(model.predict(x), expected.argmin(1))
    assert np.array_equal(model.labels_, model.predict(x))
    assert model.inertia_ == pytest.approx((expected.min(1) ** 2).sum(), rel=1e-4)
    assert model.score(x) == pytest.approx(-model.inertia_)
    assert model.counts_.tolist() == np.bincount(model.labels_, minlength=4).tolist()


@pytest.mark.parametrize("update", ["cell", "gradient", "sum"])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_every_rule_finds_separated_groups_whatever_the_unit(update, scale):
    x, middles = blobs(scale=scale)
    model = NeuralKMeans(4, update=update, epochs=20, random_state=1).fit(x)
    nearest = cdist(middles, model.cluster_centers_)
    assert sorted(nearest.argmin(1)) == [0, 1, 2, 3]
    assert nearest.min(1).max() < 0.5 * scale


def test_it_ends_where_lloyds_iteration_would_end_too(fitted, digits):
    rows = digits[0].reshape(1797, 64) / 255
    lloyd = KMeans(10, init=fitted.cluster_centers_.reshape(10, 64), n_init=1).fit(rows)
    assert lloyd.inertia_ <= fitted.inertia_ < 1.005 * lloyd.inertia_


def test_every_start(digits):
    values, labels = digits
    data = narrows.open(values)
    rows = values.reshape(len(values), -1) / np.float32(255)
    random = initial_centers(data, 10, "random", seed=3)
    assert (cdist(random, rows).min(1) == 0).all()
    assert len(np.unique(random, axis=0)) == 10
    by_class = initial_centers(data, 10, "labels", labels=labels, nth=2)
    assert np.array_equal(by_class, rows[[np.flatnonzero(labels == digit)[2] for digit in range(10)]])
    uniform = initial_centers(data, 10, "uniform", seed=3)
    assert 0 <= uniform.min() < 0.1
    assert 0.9 < uniform.max() <= 1
    for seeded in ("k-means++", "random", "uniform"):
        assert np.array_equal(initial_centers(data, 10, seeded, seed=1), initial_centers(data, 10, seeded, seed=1))
        assert not np.array_equal(initial_centers(data, 10, seeded, seed=1), initial_centers(data, 10, seeded, seed=2))


def test_labels_start_the_centres_and_do_nothing_else(digits):
    values, labels = digits
    quick = {"epochs": 1, "batch_size": 256, "random_state": 0}
    names = np.array(list("abcdefghij"))[labels]
    sources = [(values, labels), (values, names), ("digits", None)]
    first, *others = [NeuralKMeans(10, init="labels", **quick).fit(x, y).cluster_centers_ for x, y in sources]
    assert all(np.array_equal(other, first) for other in others)
    a, b = (NeuralKMeans(10, init="random", **quick).fit(values, y) for y in (labels, None))
    assert np.array_equal(a.cluster_centers_, b.cluster_centers_)


@pytest.mark.parametrize("shape", [(60, 6, 5), (60, 6, 5, 3), (60, 3, 6, 5), (60, 7)])
def test_centres_look_like_the_rows_and_can_be_given_back(shape):
    x = np.random.default_rng(0).random(shape).astype(np.float32)
    model = NeuralKMeans(3, epochs=5, random_state=0).fit(x)
    assert model.cluster_centers_.shape == (3, *shape[1:])
    again = NeuralKMeans(3, init=model.cluster_centers_, lr=1e-12, epochs=1).fit(x)
    assert np.allclose(again.cluster_centers_, model.cluster_centers_, atol=1e-6)
    single = NeuralKMeans(1, epochs=60, random_state=0).fit(x)
    assert np.allclose(single.cluster_centers_[0], x.mean(axis=0), atol=0.01)


def test_divergence_is_an_error_that_says_when():
    x, _ = blobs()
    # A single centre wins every row: each step takes it 1.5 times as far from the mean as it was, until numbers end.
    model = NeuralKMeans(1, lr=2.5, schedule="constant", epochs=300, batch_size=100, random_state=0)
    with pytest.raises(TrainingError, match=r"epoch \d+, at batch [123]\. .* below 2"):
        model.fit(x)
    assert model.n_steps_ == pytest.approx(64 * np.log(2) / np.log(1.5), abs=10)  # squares overflow beyond 2^128
    assert not hasattr(model, "model_")


def test_a_collapse_is_warned_of_and_repaired(digits):
    literal = {"update": "gradient", "lr": 4.5, "schedule": "constant", "init": "uniform", "random_state": 0}
    with pytest.warns(ConvergenceWarning) as seen:
        broken = NeuralKMeans(10, repair=False, epochs=5, **literal).fit(digits[0])
    assert ["clusters have no members" in str(seen[0].message), "holds 100.0" in str(seen[1].message)] == [True, True]
    assert broken.n_dead_ >= 5
    assert broken.n_dead_ == (broken.counts_ == 0).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        whole = NeuralKMeans(10, repair=True, epochs=10, **literal).fit(digits[0])
    assert whole.n_dead_ == 0
    assert whole.n_repairs_ >= broken.n_dead_
    assert whole.inertia_ < 0.8 * broken.inertia_


def test_the_seed_decides_every_bit_and_without_shuffling_the_start_alone(digits):
    values = digits[0]
    a, b = (NeuralKMeans(10, epochs=2, random_state=0).fit(values).cluster_centers_ for _ in range(2))
    assert np.array_equal(a, b)
    start = {"init": a, "epochs": 2}
    c, d = (NeuralKMeans(10, random_state=seed, **start).fit(values).cluster_centers_ for seed in (0, 1))
    assert not np.array_equal(c, d)
    e, f = (NeuralKMeans(10, shuffle=False, random_state=s, **start).fit(values).cluster_centers_ for s in (0, 1))
    assert np.array_equal(e, f)


def test_saved_and_loaded_it_predicts_the_same(fitted, digits, tmp_path):
    fitted.save(tmp_path / "centres")
    loaded = NeuralKMeans.load(tmp_path / "centres")
    assert np.array_equal(loaded.transform(digits[0]), fitted.transform(digits[0]))
    assert np.array_equal(loaded.cluster_centers_, fitted.cluster_centers_)
    assert loaded.n_clusters == 10
    (tmp_path / "centres" / "kmeans.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"kmeans\.json"):
        NeuralKMeans.load(tmp_path / "centres")


def test_history_and_steps(fitted, digits):
    epochs, batch_size = len(fitted.history_), 64  # of 1,797 rows
    assert fitted.n_steps_ == epochs * -(-1797 // batch_size)
    assert fitted.history_[-1]["train/mse"] < fitted.history_[0]["train/mse"]
    assert fitted.history_[-1]["train/mse"] == pytest.approx(fitted.inertia_ / digits[0].size, rel=0.02)
    assert fitted.get_feature_names_out()[-1] == "neuralkmeans9"


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"n_clusters": 0}, "n_clusters"),
        ({"n_clusters": 301}, "300 rows"),
        ({"init": "kmeans++"}, "Did you mean 'k-means\\+\\+'"),
        ({"init": np.zeros((3, 2))}, "4 finite centres of 2 values"),
        ({"init": np.full((4, 2), np.nan)}, "finite"),
        ({"init": "labels"}, "one class for each"),
        ({"update": "cells"}, "update must be .*Did you mean 'cell'"),
        ({"beta": 0.0}, "net.beta"),
        ({"lr": -1.0}, "train.lr"),
        ({"repair": -1}, "repair must be"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters, match):
    with pytest.raises((InputError, RecipeError), match=match):
        NeuralKMeans(**{"n_clusters": 4, **parameters}).fit(blobs()[0])


def test_classes_must_be_as_many_as_the_centres(digits):
    with pytest.raises(InputError, match="10 classes"):
        NeuralKMeans(9, init="labels").fit(*digits)


def test_centres_that_rounding_alone_put_outside_are_taken():
    images = np.random.default_rng(0).random((40, 4, 4)).astype(np.float32)
    start = np.zeros((2, 16), np.float32)
    start[0, 0], start[1, 1] = -1e-6, 1 + 1e-6
    model = narrows.NeuralKMeans(2, init=start, epochs=1, random_state=0).fit(images)
    same = narrows.NeuralKMeans(2, init=start.clip(0, 1), epochs=1, random_state=0).fit(images)
    np.testing.assert_array_equal(model.cluster_centers_, same.cluster_centers_)
    with pytest.raises(InputError, match=r"init must hold images in \[0, 1\]"):
        narrows.NeuralKMeans(2, init=start - 0.01, epochs=1, random_state=0).fit(images)
