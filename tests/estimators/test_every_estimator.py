"""Properties of all estimators: they pass scikit-learn's checks, can be cloned and saved, and have a display."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import narrows
from narrows.clustering.kmeans import KMeans
from narrows.disk.sealed import Parts, seal
from narrows.encoders.pca import PCACodes
from narrows.errors import InputError, RecipeError, RunFolderError
from narrows.estimators._saving import as_json, from_json
from narrows.nets.dense import Dense
from narrows.objectives.reconstruction import Reconstruction

QUICK = {"epochs": 2, "batch_size": 32}
UNFITTED = narrows.Autoencoder(3, epochs=2, random_state=0)


@parametrize_with_checks(
    [
        narrows.LinearProbe(
            narrows.Autoencoder(epochs=4, batch_size=32, lr=1e-2, random_state=0),
            epochs=10,
            lr=0.1,
            batch_size=32,
            random_state=0,
        )
    ]
)
def test_a_probe_passes_scikit_learns_checks(estimator, check):
    check(estimator)


def rows(n=60, d=5):
    rng = np.random.default_rng(0)
    kinds = np.arange(n) % 3
    return pd.DataFrame(rng.normal(size=(n, d)) + 4 * kinds[:, None], columns=list("abcde")[:d]), kinds


def every_estimator(state):
    """One estimator of each kind, with parameters of every kind."""
    encoder = clone(UNFITTED).fit(rows()[0])
    return {
        "autoencoder": narrows.Autoencoder(
            np.int64(3),
            net={"name": "dense", "hidden": (16,)},
            objective={"name": "denoising", "noise": ["masking:0.3"]},
            lr=np.float32(1e-3),
            train_options={"patience": np.int32(5)},
            valid=0.25,
            random_state=state,
            **QUICK,
        ),
        "classifier": narrows.Classifier(
            {"name": "mlp", "hidden": np.array([8, 8])},
            smoothing=np.float64(0.1),
            random_state=state,
            valid=0.3,
            **QUICK,
        ),
        "neural k-means": narrows.NeuralKMeans(
            3, init=rows()[0].to_numpy()[:3], beta=np.float32(3.0), repair=np.int64(20), random_state=state, **QUICK
        ),
        "probe": narrows.LinearProbe(encoder, train_options={"clip": 0.5}, random_state=state, **QUICK),
        "probe of a model": narrows.LinearProbe(encoder.model_, space="features", random_state=state, **QUICK),
        "probe of components": narrows.LinearProbe(
            PCACodes(3).fit(rows()[0].to_numpy(np.float32), preprocessing={"columns": list("abcde")}),
            random_state=state,
            **QUICK,
        ),
        "probe of its own": narrows.LinearProbe(clone(UNFITTED), random_state=state, **QUICK),
    }


EVERY = sorted(every_estimator(0))


def fitted(name, state=0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return every_estimator(state)[name].fit(*rows())


def answers(estimator, X):
    """All results of an estimator for rows."""
    found = {"novelty": estimator.novelty(X)}
    for name in ("transform", "predict", "predict_proba", "decision_function", "score_samples"):
        if hasattr(estimator, name):
            found[name] = getattr(estimator, name)(X)
    return found


def said(estimator):
    """The text that a notebook shows below the parameters."""
    return estimator._repr_mimebundle_()["text/html"].partition("<p>Fitted")[2]


def same(one, other):
    """Whether two parameters are equal and of the same types."""
    if isinstance(one, np.generic) or isinstance(other, np.generic):
        return same(np.asarray(one).item(), np.asarray(other).item())
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(map(same, one, other)) and len(one) == len(other)
    if isinstance(one, np.random.RandomState):
        return all(np.array_equal(a, b) for a, b in zip(one.get_state(), other.get_state(), strict=True))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, narrows.Model | narrows.Autoencoder | PCACodes):
        return type(one) is type(other)
    return type(one) is type(other) and np.array_equal(one, other)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("state", "place"), [(None, "folder"), (7, "file.zip"), (np.int64(7), "folder"), ("RandomState", "file.zip")]
)
def test_saved_and_loaded_it_is_the_same(name, state, place, tmp_path):
    drawn = np.random.RandomState(3) if state == "RandomState" else state
    before, (X, _) = fitted(name, drawn), rows()
    before.save(tmp_path / place)
    loaded = type(before).load(tmp_path / place)
    mine, its = before.get_params(deep=False), loaded.get_params(deep=False)
    assert mine.keys() == its.keys()
    assert [key for key in mine if not same(mine[key], its[key])] == []
    expected = answers(before, X)
    for key, found in answers(loaded, X).items():
        assert np.array_equal(found, expected[key]), key
        assert found.dtype == expected[key].dtype
    assert loaded.history_ == before.history_
    assert loaded.feature_names_in_.tolist() == list("abcde")
    assert loaded.n_features_in_ == 5
    assert said(loaded) == said(before)
    with pytest.raises(ValueError, match="feature names"):
        loaded.novelty(X[list("edcba")])
    # Fitted again, it does what the saved one would have done.
    if state != "RandomState" and state is not None:
        again = fitted_again(loaded)
        assert all(np.array_equal(found, expected[key]) for key, found in answers(again, X).items())


def fitted_again(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(estimator).fit(*rows())


def test_a_random_state_goes_on_where_it_was():
    for state in (np.random.RandomState(5), np.random.RandomState(np.random.PCG64(5))):
        state.standard_normal(3)  # half of a pair is kept back
        arrays = {}
        kept = json.loads(json.dumps(as_json("random_state", state, arrays)))
        again = from_json(kept, arrays)
        assert np.array_equal(again.standard_normal(1000), state.standard_normal(1000))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        "text",
        [1, [2.5]],
        (1, ("a", None)),
        {"a": {"b": (1,)}},
        Path("x/y"),
        np.arange(6).reshape(2, 3),
        np.array([0.1], np.float32),
        {"init": np.eye(2)},
    ],
)
def test_a_parameter_of_every_kind_is_read_as_it_was_written(value):
    arrays = {}
    again = from_json(json.loads(json.dumps(as_json("p", value, arrays))), arrays)
    assert same(value, again)


@pytest.mark.parametrize("value", [object(), {3: 4}, {"is": "array"}, np.random.RandomState(np.random.Philox(0))])
def test_a_parameter_that_cannot_be_kept_is_refused(value):
    with pytest.raises(InputError, match="p must be numbers, strings"):
        as_json("p", value, {})


@pytest.mark.parametrize(
    "value",
    [
        {"is": "module", "name": "os"},
        {"is": "array", "name": "none"},
        {"is": "tuple"},
        {"is": ["path"]},
        {"is": "random state", "state": {"bit_generator": "default_rng"}},
        {"is": "random state", "state": {"bit_generator": "MT19937", "state": {"pos": 10**6, "key": [0] * 624}}},
        {
            "is": "random state",
            "state": {"bit_generator": "MT19937", "state": {"pos": 6, "key": [0] * 6}, "has_gauss": 0},
        },
    ],
)
def test_parameters_of_a_stranger_that_cannot_be_are_one_clear_error(value, tmp_path):
    fitted("classifier").save(tmp_path)
    record = json.loads((tmp_path / "classifier.json").read_text())
    record["parameters"]["random_state"] = value
    (tmp_path / "classifier.json").write_text(json.dumps(record))
    seal(tmp_path, [name.name for name in tmp_path.iterdir() if name.name != "hashes.json"])
    with pytest.raises(RunFolderError, match=r"classifier\.json must be undamaged"):
        narrows.Classifier.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"nets": "mlp"}},
        {"parameters": {"net": "os:system"}},
        {"parameters": {"net": {"name": "os:system"}}},
        {"parameters": {"net": {"in": [{"net": "os:system"}]}}},
        {"rows": "many"},
        {"rows": -3},
        {"rows": True},
        {"axes": "XY"},
        {"axes": "NHWC"},
        {"history": 3},
        {"classes": [0, 1]},
        {"classes": [0, 1, 1]},
        {"classes": None},
        {"type of classes": "nonsense"},
        {"type of classes": "V8"},
        {"type of classes": "M8[D]"},
        {"type of classes": "(1000000000,)f8"},
    ],
)
def test_a_record_of_a_stranger_that_does_not_fit_is_refused(change, tmp_path):
    fitted("classifier").save(tmp_path)
    record = json.loads((tmp_path / "classifier.json").read_text()) | change
    (tmp_path / "classifier.json").write_text(json.dumps(record))
    seal(tmp_path, [name.name for name in tmp_path.iterdir() if name.name != "hashes.json"])
    with pytest.raises(RunFolderError, match=r"classifier\.json"):
        narrows.Classifier.load(tmp_path)


def test_a_file_does_not_say_how_much_memory_the_names_of_classes_take(tmp_path):
    X, kinds = rows()
    classifier = narrows.Classifier(random_state=0, **QUICK).fit(X, np.array(["a", "bb", "c"])[kinds])
    classifier.save(tmp_path)
    record = json.loads((tmp_path / "classifier.json").read_text()) | {"type of classes": "<U500000000"}
    (tmp_path / "classifier.json").write_text(json.dumps(record))
    seal(tmp_path, [name.name for name in tmp_path.iterdir() if name.name != "hashes.json"])
    read = narrows.Classifier.load(tmp_path)
    assert read.classes_.dtype == "<U2"
    assert np.array_equal(read.predict(X), classifier.predict(X))


def test_a_method_of_a_stranger_is_no_code_that_a_later_fit_would_run(tmp_path):
    clusterer = narrows.ImageClusterer(3, method="autoencoder-kmeans", options={"epochs": 1}, random_state=0)
    clusterer.fit(rows()[0]).save(tmp_path)
    record = json.loads((tmp_path / "image-clusterer.json").read_text())
    record["parameters"]["method"] = "os:system"
    (tmp_path / "image-clusterer.json").write_text(json.dumps(record))
    seal(tmp_path, [name.name for name in tmp_path.iterdir() if name.name != "hashes.json"])
    with pytest.raises(RunFolderError, match="only parts of narrows; got 'os:system'"):
        narrows.ImageClusterer.load(tmp_path)


def test_what_recipes_take_as_lists_may_be_arrays(tmp_path, digits):
    images, labels = digits[0][:60], digits[1][:60]
    views = np.array(["affine:0.3", "flip:1"])
    classifier = narrows.Classifier(views=views, random_state=0, **QUICK).fit(images, labels)
    probe = narrows.LinearProbe(clone(UNFITTED), views=views, random_state=0, **QUICK).fit(images, labels)
    for estimator in (classifier, probe):
        estimator.save(tmp_path / "one.zip")
        assert list(type(estimator).load(tmp_path / "one.zip").views) == list(estimator.views)


def test_a_probe_is_saved_with_the_encoder_that_it_was_fitted_on_alone(tmp_path):
    probe = fitted("probe")
    for other in (clone(UNFITTED).fit(rows()[0]), PCACodes(2).fit(rows()[0].to_numpy(np.float32)), 5):
        with pytest.raises(InputError, match=r"^encoder must be"):
            probe.set_params(encoder=other).save(tmp_path)
    probe.set_params(encoder=clone(UNFITTED)).save(tmp_path)
    assert not narrows.LinearProbe.load(tmp_path).encoder.__sklearn_is_fitted__()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"patience": 2}, "needs validation rows"),
        ({"keep": "best"}, "needs validation rows"),
        ({"patience": False}, r"train_options\.patience must be a whole number"),
        ({"keep": np.array([1, 2])}, r"train_options\.keep must be"),
        ({"clip": object()}, r"^train_options\.clip must be"),
    ],
)
def test_options_that_a_probe_cannot_obey_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        every_estimator(0)["probe"].set_params(train_options=options).fit(*rows())


@pytest.mark.parametrize("name", ["encoder/model.safetensors", "classifier/classifier.json", "linear-probe.json"])
def test_a_changed_part_of_a_probe_is_named(name, tmp_path):
    fitted("probe").save(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1] + b" ")
    with pytest.raises(RunFolderError, match=name.replace(".", r"\.")):
        narrows.LinearProbe.load(tmp_path)
    assert "model.safetensors" in Parts.of(tmp_path).within("encoder")


@pytest.mark.parametrize("name", EVERY)
def test_it_shows_itself_in_a_notebook(name):
    estimator = every_estimator(0)[name]
    assert "<p>Fitted" not in estimator._repr_mimebundle_()["text/html"]
    shown = fitted(name)._repr_mimebundle_()
    assert "<p>Fitted to 60 rows: " in shown["text/html"]
    assert "Fitted to" not in shown["text/plain"]


@pytest.mark.parametrize("name", EVERY)
def test_a_clone_is_not_fitted_and_has_the_same_parameters(name):
    estimator = fitted(name)
    twin = clone(estimator)
    mine, its = estimator.get_params(deep=False), twin.get_params(deep=False)
    assert all(same(mine[key], its[key]) for key in mine)
    with pytest.raises(NotFittedError):
        twin.novelty(rows()[0])


def test_a_frozen_encoder_stays_the_same_in_clones_and_another_is_fitted_with_the_probe():
    frozen = fitted("probe")
    assert clone(frozen).encoder is frozen.encoder is frozen.encoder_
    own = fitted("probe of its own")
    assert own.encoder_ is not own.encoder
    assert not own.encoder.__sklearn_is_fitted__()
    assert np.array_equal(own.encoder_.transform(rows()[0]), frozen.encoder.transform(rows()[0]))
    with pytest.raises(InputError, match="encoder must be"):
        narrows.LinearProbe("conv").fit(*rows())


def test_a_probe_tells_novelty():
    X, _ = rows(400)
    probe = narrows.LinearProbe(clone(UNFITTED).fit(X), random_state=0, **QUICK).fit(*rows(400))
    assert (probe.novelty(X + 1e3) <= 0.05).all()
    assert (probe.novelty(X) <= 0.05).mean() < 0.2


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "parameters",
    [
        {"epochs": True},
        {"epochs": 2.5},
        {"batch_size": "16"},
        {"lr": "fast"},
        {"verbose": "no"},
        {"random_state": -1},
        {"random_state": True},
    ],
)
def test_parameters_of_another_kind_are_refused_by_their_names(name, parameters):
    (parameter,) = parameters
    with pytest.raises(RecipeError, match=f"^{parameter} must be"):
        every_estimator(0)[name].set_params(**parameters).fit(*rows())


@pytest.mark.parametrize("wrong", [2.5, True, "3", 0])
def test_so_many_samples_cannot_be_drawn(wrong):
    with pytest.raises(InputError, match=r"^n must be"):
        fitted("autoencoder").sample(wrong)
    assert len(fitted("autoencoder").sample(np.int64(2))) == 2


class OwnNet(Dense):
    """A user's network."""


class OwnMeans(KMeans):
    """A user's clustering."""


class OwnCodes(PCACodes):
    """A user's encoder."""


@pytest.mark.parametrize(
    "estimator",
    [
        narrows.Autoencoder(2, net=OwnNet, objective=Reconstruction, epochs=1, random_state=0),
        narrows.Autoencoder(2, net={"name": OwnNet, "hidden": [8]}, epochs=1, random_state=0),
        narrows.ImageClusterer(3, method=OwnMeans, encoder=OwnCodes, random_state=0),
    ],
)
def test_a_class_is_taken_where_a_name_is_and_a_file_of_it_is_trusted_by_a_person_alone(estimator, tmp_path):
    fitted = estimator.fit(rows()[0])
    fitted.save(tmp_path / "e.zip")
    with pytest.raises((RecipeError, RunFolderError), match=r"trust_code=True"):
        type(estimator).load(tmp_path / "e.zip")
    loaded = type(estimator).load(tmp_path / "e.zip", trust_code=True)
    np.testing.assert_array_equal(loaded.transform(rows()[0]), fitted.transform(rows()[0]))
    again = clone(loaded).fit(rows()[0])
    np.testing.assert_array_equal(again.transform(rows()[0]), fitted.transform(rows()[0]))


def test_a_class_that_is_none_of_these_is_refused_and_so_is_one_that_nothing_finds_again():
    for parameters in ({"net": PCACodes}, {"objective": OwnNet}, {"net": 3}, {"net": {"hidden": [8]}}):
        with pytest.raises(RecipeError, match="must"):
            narrows.Autoencoder(2, epochs=1, **parameters).fit(rows()[0])

    class Inside(Dense):
        pass

    with pytest.raises(RecipeError, match="must be defined at the top level of its module"):
        narrows.Autoencoder(2, net=Inside).fit(rows()[0])


def test_a_probe_of_an_encoder_that_learned_nothing_is_refused():
    with pytest.raises(InputError, match="encoder must have been fitted"):
        narrows.LinearProbe(PCACodes(2)).fit(*rows())
