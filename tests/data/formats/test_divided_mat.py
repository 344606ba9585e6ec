import numpy as np
import pytest
from scipy.io import savemat

import narrows
from narrows.errors import DataError

RNG = np.random.default_rng(0)


def write(folder, part, images, classes, n_classes, name=None):
    """Images (N, side, side) in [0, 1] as NIST36 has them: columns one after the other."""
    flat = images.transpose(0, 2, 1).reshape(len(images), -1)
    content = {f"{part}_data": flat, f"{part}_labels": np.eye(n_classes)[classes]}
    savemat(folder / (name or f"nist36_{part}.mat"), content)


@pytest.fixture
def parts(tmp_path):
    images = {part: RNG.random((n, 6, 6)) for part, n in (("train", 5), ("valid", 3), ("test", 2))}
    for part, values in images.items():
        write(tmp_path, part, values, np.arange(len(values)), 36)
    return tmp_path, images


def test_the_parts_come_together_upright_and_in_order(parts):
    folder, images = parts
    data = narrows.open(folder)
    expected = np.concatenate([images[part] for part in ("train", "valid", "test")])
    assert np.array_equal(data.values[:, 0], np.rint(255 * expected).astype(np.uint8))
    assert data.split.tolist() == ["train"] * 5 + ["valid"] * 3 + ["test"] * 2
    assert data.labels.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 0, 1]
    assert data.ids[5] == "nist36_valid/0"
    assert narrows.open(folder, labels="none").labels is None
    assert len(narrows.open(folder, limit=4)) == 4


def test_thirty_six_classes_are_letters_and_digits_and_others_are_numbers(tmp_path):
    for n_classes, names in ((36, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), (3, "012")):
        write(tmp_path, "train", RNG.random((n_classes, 4, 4)), np.arange(n_classes), n_classes)
        assert "".join(narrows.open(tmp_path).class_names) == names


def test_training_images_alone_are_enough(tmp_path):
    write(tmp_path, "train", RNG.random((4, 4, 4)), [0, 1, 0, 1], 2, name="my_train.mat")
    assert set(narrows.open(tmp_path).split) == {"train"}


def test_other_folders_are_read_as_before(tmp_path):
    write(tmp_path, "train", RNG.random((4, 4, 4)), [0, 1, 0, 1], 2, name="a_train.mat")
    write(tmp_path, "train", RNG.random((4, 4, 4)), [0, 1, 0, 1], 2, name="b_train.mat")
    with pytest.raises(DataError, match="image"):  # two files of training rows: no one can say which
        narrows.open(tmp_path)


@pytest.mark.parametrize(("content", "message"), [
    ({"train_data": RNG.random((4, 15)), "train_labels": np.eye(4)}, "one square image a row"),
    ({"train_data": RNG.random((4, 16)), "train_labels": np.eye(3)}, "one-hot, one row for each of the 4"),
    ({"train_data": RNG.random((4, 16)), "train_labels": np.ones((4, 2))}, "one-hot"),
    ({"train_data": RNG.random((4, 16))}, "must hold train_labels"),
    ({"images": RNG.random((4, 16))}, "must hold train_data"),
])  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, content, message):
    savemat(tmp_path / "nist36_train.mat", content)
    with pytest.raises(DataError, match=message):
        narrows.open(tmp_path)


def test_parts_of_different_sizes_are_refused(tmp_path):
    write(tmp_path, "train", RNG.random((4, 4, 4)), [0, 1, 0, 1], 2)
    write(tmp_path, "test", RNG.random((4, 5, 5)), [0, 1, 0, 1], 2)
    with pytest.raises(DataError, match="one size"):
        narrows.open(tmp_path)
