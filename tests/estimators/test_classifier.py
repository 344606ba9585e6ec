import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import narrows
from narrows.errors import DataError, InputError, RunFolderError


@parametrize_with_checks(
    [narrows.Classifier(net={"name": "mlp", "hidden": [16]}, epochs=25, batch_size=32, lr=3e-2, random_state=0)]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted(digits):
    images, labels = digits
    return narrows.Classifier({"name": "cnn", "width": 16}, epochs=6, random_state=0).fit(images[:1200], labels[:1200])


def test_it_learns_digits_from_images_and_says_how_sure_it_is(fitted, digits):
    images, labels = digits
    assert fitted.score(images[1200:], labels[1200:]) > 0.9
    shares = fitted.predict_proba(images[1200:])
    assert np.allclose(shares.sum(1), 1)
    assert np.array_equal(fitted.classes_[shares.argmax(1)], fitted.predict(images[1200:]))
    assert fitted.history_[-1]["valid/accuracy"] > 0.9


def test_labels_come_from_the_data_by_their_names():
    data = narrows.open("digits")
    fitted = narrows.Classifier("mlp", epochs=3, random_state=0).fit(data)
    assert fitted.score(data) > 0.8
    names = [f"class {i}" for i in range(10)]
    images, labels = data.values, np.array(names)[data.labels]
    by_name = narrows.Classifier("mlp", epochs=3, random_state=0).fit(images, labels)
    assert set(by_name.predict(images)) <= set(names)


def test_saved_and_loaded_it_predicts_the_same(fitted, digits, tmp_path):
    images, _ = digits
    fitted.save(tmp_path)
    loaded = narrows.Classifier.load(tmp_path)
    assert np.array_equal(loaded.predict_proba(images), fitted.predict_proba(images))
    (tmp_path / "classifier.json").unlink()
    with pytest.raises(RunFolderError, match=r"classifier\.json"):
        narrows.Classifier.load(tmp_path)


def test_it_cross_validates(digits):
    images, labels = digits
    rows = images.reshape(len(images), -1)[:600].astype(np.float32)
    assert cross_val_score(narrows.Classifier("mlp", epochs=20, random_state=0), rows, labels[:600], cv=2).mean() > 0.8


def test_what_is_missing_is_named(digits):
    images, labels = digits
    with pytest.raises(DataError, match="no labels"):
        narrows.Classifier().fit(images)
    with pytest.raises(DataError, match="one label for each"):
        narrows.Classifier().fit(images, labels[:5])
    with pytest.raises(InputError, match="images"):
        narrows.Classifier("mlp", epochs=1).fit(images, labels).predict(np.zeros((2, 64)))


def test_weights_of_rows_without_a_label_count_for_nothing(fitted, digits):
    images, labels = digits[0][1200:1300], digits[1][1200:1300].astype(np.int64)
    labels[::2] = -1
    weights = np.arange(100.0)
    score = fitted.score(narrows.Dataset(images, labels=labels), sample_weight=weights)
    assert score == fitted.score(images[1::2], labels[1::2], sample_weight=weights[1::2])


def test_a_linear_probe_reads_what_a_frozen_code_knows(digits):
    data = narrows.open("digits")
    model = narrows.Autoencoder(code_size=16, epochs=10, random_state=0).fit(data)
    before = {name: value.clone() for name, value in model.model_.state_dict().items()}
    train, test = data.take(np.arange(1200)), data.take(np.arange(1200, 1797))
    probe = narrows.LinearProbe(model, epochs=30, lr=1e-2, random_state=0).fit(train)
    assert probe.score(test) > 0.8
    assert all((value == before[name]).all() for name, value in model.model_.state_dict().items())
    wide = narrows.LinearProbe(model.model_, space="features", epochs=10, random_state=0).fit(train)
    assert wide.transform(test).shape[1] == model.model_.net.feature_size
    assert wide.score(test) > 0.8
    moved = narrows.LinearProbe(model, views="affine:0.3", passes=2, epochs=10, lr=1e-2, random_state=0).fit(train)
    assert moved.history_[-1]["step"] == 10 * -(-3600 // 128)
    assert moved.score(test.values, test.labels.astype(str)) > 0.6


def test_a_probe_says_what_is_wrong():
    data = narrows.open("digits")
    model = narrows.Autoencoder(code_size=4, epochs=1, random_state=0).fit(data)
    with pytest.raises(InputError, match="space"):
        narrows.LinearProbe(model, space="pixels").fit(data)
    with pytest.raises(InputError, match="no labels"):
        narrows.LinearProbe(model).fit(data.values)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        narrows.LinearProbe(model).predict(data)
