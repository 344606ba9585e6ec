import subprocess

import numpy as np
import pytest
from PIL import Image
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
    assert "Rows of 36 values were read as images of 6x6" in data.notes[0]
    assert narrows.open(folder, labels="none").labels is None
    assert len(narrows.open(folder, limit=4)) == 4


def test_thirty_six_classes_are_letters_and_digits_and_others_are_numbers(tmp_path):
    for n_classes, names in ((36, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), (3, "012")):
        write(tmp_path, "train", RNG.random((n_classes, 4, 4)), np.arange(n_classes), n_classes)
        assert "".join(narrows.open(tmp_path).class_names) == names


def test_training_images_alone_are_enough(tmp_path):
    write(tmp_path, "train", RNG.random((4, 4, 4)), [0, 1, 0, 1], 2, name="my_train.mat")
    assert set(narrows.open(tmp_path).split) == {"train"}


def test_of_several_sets_in_a_folder_a_pattern_names_one(parts):
    folder, images = parts
    for part in ("train", "valid", "test"):
        write(folder, part, RNG.random((4, 5, 5)), [0, 1, 0, 1], 26, name=f"nist26_{part}.mat")
    with pytest.raises(DataError, match=r'one train file.*nist26_train\.mat, nist36_train\.mat.*nist36_\*\.mat"'):
        narrows.open(folder)
    data = narrows.open(f"{folder}/nist36_*.mat")
    assert np.array_equal(data.values[:5, 0], np.rint(255 * images["train"]).astype(np.uint8))
    listed = narrows.open([folder / f"nist26_{part}.mat" for part in ("test", "train")])
    assert listed.split.tolist() == ["train"] * 4 + ["test"] * 4
    assert listed.class_names[:2] == ["A", "B"]


@pytest.mark.parametrize("stem", ["nist36_val", "validation", "myValid", "NIST36-Valid", "valid2"])
def test_the_part_is_a_word_of_the_name(parts, stem):
    folder, _ = parts
    (folder / "nist36_valid.mat").rename(folder / f"{stem}.mat")
    assert (narrows.open(folder).split == "valid").sum() == 3


def test_files_of_no_part_are_skipped(parts):
    folder, _ = parts
    for name in ("latest", "nist36_model_60iters"):
        savemat(folder / f"{name}.mat", {"w": np.eye(3)})
    assert [file.path for file in narrows.open(folder).skipped] == ["latest.mat", "nist36_model_60iters.mat"]
    with pytest.raises(DataError, match=r"train, valid or test in the names.*latest\.mat"):
        narrows.open([folder / "latest.mat"])


def test_folders_with_pictures_are_read_as_before(parts):
    folder, _ = parts
    (folder / "faces").mkdir()
    Image.new("L", (8, 8)).save(folder / "faces" / "1.png")
    assert narrows.open(folder).ids == ("faces/1.png",)


def test_labels_are_the_files_own_or_other_ones(parts):
    folder, _ = parts
    assert narrows.open(folder, labels=[1] * 10).labels.tolist() == [1] * 10
    with pytest.raises(DataError, match="labels must name labels"):
        narrows.open(folder, labels="letters")


def test_new_files_open_as_the_first_did(tmp_path):
    images = RNG.random((5, 8, 8))
    write(tmp_path, "train", images, [0, 1, 2, 3, 4], 36)
    write(tmp_path, "test", 0.5 * images, [0, 1, 2, 3, 4], 36, name="other.mat")
    same = narrows.open(tmp_path / "nist36_train.mat").provenance["preprocessing"]
    data = narrows.open(tmp_path / "other.mat", like=same)
    assert np.array_equal(data.values[:, 0], np.rint(127.5 * images).astype(np.uint8))
    assert data.split.tolist() == ["test"] * 5
    assert data.class_names[4] == "E"
    rows = narrows.open(tmp_path / "other.mat", key="test_data")
    assert rows.shape == (64,)
    assert rows.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (RNG.random((4, 16)), np.eye(4)),  # too small for images that are not said to be any
        (RNG.random((4, 65)), np.eye(4)),
        (RNG.standard_normal((4, 64)), np.eye(4)),
        (300 * RNG.random((4, 64)) + 1, np.eye(4)),
        (RNG.random((4, 64)), np.arange(4)[None]),
    ],
)
def test_other_arrays_of_a_single_file_stay_vectors(tmp_path, values, labels):
    savemat(tmp_path / "x_train.mat", {"train_data": values, "train_labels": labels})
    data = narrows.open(tmp_path / "x_train.mat")
    assert np.array_equal(data.values, values.astype(np.float32))
    assert data.labels.tolist() == [0, 1, 2, 3]


def test_one_file_may_hold_all_parts(tmp_path):
    content = {}
    for n, part in enumerate(("test", "train"), 1):
        content |= {f"{part}_data": RNG.random((n, 64)), f"{part}_labels": np.eye(3)[[0] * n]}
    savemat(tmp_path / "all.mat", content)
    assert narrows.open(tmp_path / "all.mat").ids == ("train/0", "train/1", "test/0")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train_data": RNG.random((4, 15)), "train_labels": np.eye(4)}, "one square image per row"),
        ({"train_data": RNG.random((4, 16)), "train_labels": np.eye(3)}, "one-hot, one row for each of the 4"),
        ({"train_data": RNG.random((4, 16)), "train_labels": np.ones((4, 2))}, "one-hot"),
        ({"train_data": RNG.random((4, 16))}, "must contain train_labels"),
        ({"images": RNG.random((4, 16))}, "must contain train_data"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, message):
    savemat(tmp_path / "nist36_train.mat", content)
    with pytest.raises(DataError, match=message):
        narrows.open(tmp_path)


def test_parts_of_different_sizes_are_refused(tmp_path):
    write(tmp_path, "train", RNG.random((4, 4, 4)), [0, 1, 0, 1], 2)
    write(tmp_path, "test", RNG.random((4, 5, 5)), [0, 1, 0, 1], 2)
    with pytest.raises(DataError, match="one size"):
        narrows.open(tmp_path)


def test_parts_of_different_classes_are_refused(tmp_path):
    write(tmp_path, "train", RNG.random((4, 4, 4)), [0, 1, 0, 1], 2)
    write(tmp_path, "test", RNG.random((4, 4, 4)), [0, 1, 0, 1], 3)
    with pytest.raises(DataError, match="same classes"):
        narrows.open(tmp_path)


def test_what_systems_add_is_no_part_and_no_picture(parts):
    folder, _ = parts
    (folder / "._nist36_train.mat").write_bytes(b"x")
    (folder / "@eaDir").mkdir()
    Image.new("L", (8, 8)).save(folder / "@eaDir" / "thumb.jpg")
    assert len(narrows.open(folder)) == 10


def test_one_child_reads_all_parts_and_a_damaged_one_is_named(parts, monkeypatch):
    folder, _ = parts
    started = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *given, **options: started.append(given) or run(*given, **options))
    narrows.open(folder)
    assert len(started) == 1
    whole = (folder / "nist36_valid.mat").read_bytes()
    (folder / "nist36_valid.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"nist36_valid\.mat must be an undamaged \.mat"):
        narrows.open(folder)
