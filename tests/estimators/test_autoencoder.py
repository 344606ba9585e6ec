import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import narrows
from narrows.encoding.codes import normal_codes
from narrows.errors import DataError, InputError, RecipeError

QUICK = {"epochs": 2, "batch_size": 16, "random_state": 0}


@parametrize_with_checks([narrows.Autoencoder(**QUICK)])
def test_scikit_learns_common_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fitted(digits):
    return narrows.Autoencoder(code_size=6, epochs=30, random_state=0).fit(digits[0])


def test_codes_and_pictures(fitted, digits):
    values, _ = digits
    codes = fitted.transform(values)
    assert codes.shape == (1797, 6)
    assert codes.dtype == np.float32
    pictures = fitted.inverse_transform(codes[:5])
    assert pictures.shape == (5, 1, 8, 8)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    assert np.allclose(pictures, fitted.reconstruct(values)[:5], atol=1e-6)


def test_score_is_minus_the_mean_squared_error_and_finds_the_odd_one_out(fitted, digits):
    values, _ = digits
    scores = fitted.score_samples(values)
    expected = -np.square(fitted.reconstruct(values) - values / 255).mean(axis=(1, 2, 3))
    assert np.allclose(scores, expected, atol=1e-6)
    assert fitted.score(values) == pytest.approx(expected.mean(), abs=1e-6)
    strange = np.zeros((1, 1, 8, 8), np.uint8)
    strange[:, :, ::2, ::2] = 255
    assert fitted.score_samples(strange)[0] < scores.min()


def test_samples_follow_their_seed_and_lie_near_the_data(fitted, digits):
    a, b = fitted.sample(50, random_state=1), fitted.sample(50, random_state=1)
    assert a.shape == (50, 1, 8, 8)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, fitted.sample(50, random_state=2))
    real = digits[0] / 255
    far = np.random.default_rng(0).random(a.shape)

    def to_nearest(x):
        return np.sqrt(((x.reshape(50, 1, -1) - real.reshape(1, -1, 64)) ** 2).sum(2)).min(1).mean()

    assert to_nearest(a) < 0.6 * to_nearest(far)


def test_the_objective_decides_where_samples_come_from(digits):
    model = narrows.Autoencoder(4, objective="variational", **QUICK).fit(digits[0][:100])
    assert np.array_equal(model.sample(3, random_state=0), model.sample(3, origin="normal", random_state=0))
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    drawn = normal_codes(3, model.code_size_, seed)
    assert np.array_equal(model.sample(3, origin="normal", random_state=0), model.inverse_transform(drawn))
    assert np.array_equal(model.sample(3, origin="doubled", random_state=0), model.inverse_transform(2 * drawn))
    with pytest.raises(InputError, match="origin"):
        model.sample(3, origin="elsewhere")


@pytest.mark.parametrize("shape", [(40, 10, 9), (40, 10, 9, 3), (40, 3, 10, 9), (40, 17)])
def test_arrays_of_every_form_come_back_in_that_form(shape):
    x = np.random.default_rng(0).random(shape).astype(np.float32)
    model = narrows.Autoencoder(3, **QUICK).fit(x)
    assert model.transform(x).shape == (40, 3)
    assert model.inverse_transform(model.transform(x)).shape == shape
    assert np.array_equal(model.transform(torch.from_numpy(x)), model.transform(x))


def test_a_dataset_a_name_and_a_path_are_the_same_source(tmp_path, digits):
    np.save(tmp_path / "x.npy", digits[0])
    model = narrows.Autoencoder(3, **QUICK).fit("digits")
    codes = model.transform("digits")
    assert np.array_equal(codes, model.transform(narrows.open("digits")))
    assert np.array_equal(codes, model.transform(tmp_path / "x.npy"))


def test_the_seed_decides_every_bit(digits):
    a, b = (narrows.Autoencoder(3, **QUICK).fit(digits[0]).transform(digits[0]) for _ in range(2))
    assert np.array_equal(a, b)
    c = narrows.Autoencoder(3, **(QUICK | {"random_state": 1})).fit(digits[0]).transform(digits[0])
    assert not np.array_equal(a, c)


def test_in_a_pipeline_with_named_output(digits):
    x = digits[0].reshape(1797, 64).astype(np.float64)
    model = narrows.Autoencoder(3, **QUICK)
    assert make_pipeline(clone(model), KMeans(5, n_init=1, random_state=0)).fit(x).predict(x).shape == (1797,)
    frame = model.set_output(transform="pandas").fit(x).transform(x)
    assert list(frame.columns) == ["code0", "code1", "code2"]


def test_saved_and_loaded_it_does_all_it_did(fitted, digits, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = narrows.Autoencoder.load(tmp_path / "model")
    values, _ = digits
    assert np.array_equal(loaded.transform(values), fitted.transform(values))
    assert np.array_equal(loaded.sample(4, random_state=0), fitted.sample(4, random_state=0))
    assert loaded.get_params() == fitted.get_params()


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"code_size": 65}, "at most 64, the number of values"),
        ({"code_size": 0}, "code_size"),
        ({"net": "convv"}, "Did you mean 'conv'"),
        ({"objective": {"name": "variational", "beta": -1.0}}, "beta"),
        ({"objective": {"name": "variational", "gamma": 1.0}}, "objective.gamma"),
        ({"epochs": 0}, "train.epochs"),
        ({"train_options": {"learning_rate": 1.0}}, "train_options.learning_rate"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(digits, parameters, match):
    with pytest.raises(RecipeError, match=match):
        narrows.Autoencoder(**parameters).fit(digits[0])


def test_images_of_another_shape_are_refused_unless_a_person_resizes_them(fitted):
    with pytest.raises((InputError, DataError)):
        fitted.transform(np.zeros((3, 64)))
    other = np.zeros((3, 16, 16), np.uint8)
    for X in (other, narrows.open(other)):
        with pytest.raises(DataError, match=r"must be 8x8, like the model's.*size=\[8, 8\]"):
            fitted.transform(X)
    assert fitted.transform(narrows.open(other, size=[8, 8])).shape == (3, 6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float32, np.float64])
def test_a_code_does_not_depend_on_what_stands_beside_it(dtype):
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16)).astype(np.uint8)
    images[0] //= 20  # no pixel above 12 of 255
    images[1] = images[1] > 100  # 0 and 1
    model = narrows.Autoencoder(4, **QUICK).fit(images)
    together = model.transform(images.astype(dtype))
    assert np.allclose(together, model.transform(images), atol=1e-5)
    for row in range(2):
        assert np.allclose(model.transform(images[row : row + 1].astype(dtype))[0], together[row], atol=1e-5)


def test_an_encoder_alone_says_that_it_cannot_draw(digits):
    model = narrows.Autoencoder(3, objective="contrastive", **QUICK).fit(digits[0][:64])
    with pytest.raises(InputError, match="trains only the encoder"):
        model.sample(1)
