import numpy as np
import pytest

import narrows
from narrows.errors import DataError

RNG = np.random.default_rng(0)


def write(folder, train, val, labels):
    for name, array in (("trainX", train), ("valX", val), ("valY", labels)):
        np.save(folder / f"{name}.npy", array)


def test_rows_without_labels_train_and_those_with_test(tmp_path):
    images = RNG.integers(0, 256, (8, 9, 10, 3), dtype=np.uint8)
    write(tmp_path, images[:5], images[5:], np.array([1, 0, 1]))
    data = narrows.open(tmp_path)
    assert np.array_equal(data.values, images.transpose(0, 3, 1, 2))
    assert data.labels.tolist() == [-1] * 5 + [1, 0, 1]
    assert data.split.tolist() == ["train"] * 5 + ["test"] * 3
    assert data.ids[4:6] == ("train/4", "val/0")
    assert narrows.open(tmp_path, labels="none").labels is None
    assert len(narrows.open(tmp_path, limit=3)) == 3


def test_vectors_and_words(tmp_path):
    write(tmp_path, np.zeros((2, 4)), np.ones((3, 4)), np.array(["b", "a", "b"]))
    data = narrows.open(tmp_path)
    assert data.shape == (4,)
    assert data.class_names == ["a", "b"]
    assert data.labels.tolist() == [-1, -1, 1, 0, 1]


@pytest.mark.parametrize(
    ("val", "labels", "words"),
    [
        (np.zeros((3, 5)), np.zeros(3, int), r"valX\.npy must have rows of shape \(4,\), as trainX\.npy has"),
        (np.zeros((3, 4)), np.zeros(2, int), r"valY\.npy must have one label for each of the 3 rows"),
        (np.zeros((0, 4)), np.zeros(0, int), r"valX\.npy must have at least one row"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, val, labels, words):
    write(tmp_path, np.zeros((2, 4)), val, labels)
    with pytest.raises(DataError, match=words):
        narrows.open(tmp_path)


def test_without_one_of_the_files_it_is_a_folder_like_any(tmp_path):
    write(tmp_path, np.zeros((2, 4)), np.zeros((2, 4)), np.zeros(2, int))
    (tmp_path / "valY.npy").unlink()
    with pytest.raises(DataError, match=r"must contain images.*trainX\.npy"):
        narrows.open(tmp_path)
