"""Data sets that nobody may download: found in $NARROWS_DATA, or a clear word about it."""

import numpy as np
import pytest
from scipy.io import savemat

import narrows
from narrows.errors import DataError


@pytest.mark.parametrize("name", ["letters36", "nature8500"])
def test_without_its_files_it_says_where_they_must_be(name, tmp_path, monkeypatch):
    monkeypatch.delenv("NARROWS_DATA", raising=False)
    with pytest.raises(DataError, match=rf"NARROWS_DATA/{name}.*is not set.*--data FOLDER"):
        narrows.open(name)
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path))
    with pytest.raises(DataError, match="not published"):
        narrows.open(name)


def test_nature8500_has_few_labels_and_they_are_the_test_rows(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    folder = tmp_path / "nature8500"
    folder.mkdir()
    images = rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    np.save(folder / "trainX.npy", images[:5])
    np.save(folder / "valX.npy", images[5:])
    np.save(folder / "valY.npy", np.array([1, 0, 1]))
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path))
    data = narrows.open("nature8500")
    assert np.array_equal(data.values, images.transpose(0, 3, 1, 2))
    assert data.labels.tolist() == [-1] * 5 + [1, 0, 1]
    assert data.split.tolist() == ["train"] * 5 + ["test"] * 3
    assert data.class_names == ["vehicle", "animal"]
    np.save(folder / "valX.npy", images[5:, :16])
    with pytest.raises(DataError, match="rows of shape"):
        narrows.open("nature8500")


def test_letters36_is_opened_like_any_folder_of_its_layout(tmp_path, monkeypatch):
    folder = tmp_path / "letters36"
    folder.mkdir()
    image = np.arange(16).reshape(4, 4) / 15
    for part in ("train", "valid", "test"):
        content = {f"{part}_data": image.T.reshape(1, 16), f"{part}_labels": np.eye(36)[[35]]}
        savemat(folder / f"letters36_{part}.mat", content)
    monkeypatch.setenv("NARROWS_DATA", str(tmp_path))
    data = narrows.open("letters36")
    assert np.array_equal(data.values[0, 0], np.rint(255 * image))
    assert data.class_names[data.labels[0]] == "9"
    assert data.provenance["source"] == "letters36"
