"""Data sets that may not be downloaded: they are found in $NARROWS_DATA, or a clear error says so."""

import os
from pathlib import Path

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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "parts"),
    [
        ("letters36", (3780, 1, 32, 32), {"train": 2340, "valid": 720, "test": 720}),
        ("nature8500", (9000, 3, 32, 32), {"train": 8500, "test": 500}),
    ],
)
def test_the_real_ones(name, shape, parts):
    if not (Path(os.environ.get("NARROWS_DATA", "")) / name).is_dir():
        pytest.skip("needs the real files")
    data = narrows.open(name)
    assert data.values.shape == shape
    assert {part: int((data.split == part).sum()) for part in parts} == parts
    assert data.n_classes == len(data.class_names)
    known = data.labels >= 0
    assert known.all() if name == "letters36" else (known == (data.split == "test")).all()


@pytest.mark.slow
def test_letters_stand_upright():
    """An upright E has its long stroke at the left: more ink there than at the right, and no more above than below."""
    if not (Path(os.environ.get("NARROWS_DATA", "")) / "letters36").is_dir():
        pytest.skip("needs the real files")
    data = narrows.open("letters36")
    ink = 255.0 - data.values[data.labels == data.class_names.index("E"), 0].mean(0)  # (32, 32)
    left, right, above, below = ink[:, :16].sum(), ink[:, 16:].sum(), ink[:16].sum(), ink[16:].sum()
    assert left > 1.2 * right
    assert 0.9 < above / below < 1.1
