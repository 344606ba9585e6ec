import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from narrows import data
from narrows.data.formats import formats
from narrows.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (12, 9, 8), dtype=np.uint8)


def test_importing_it_is_quick():
    code = "import sys, narrows.data; print([m for m in ('PIL', 'sklearn', 'scipy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_format_is_one_file_with_one_reader():
    assert formats.names() == ["csv", "divided-mat", "divided-npy", "folder", "idx", "mat", "npy", "parquet"]
    for name in formats.names():
        assert formats.get(name)().reads


def test_arrays():
    for array in (X, X[..., None], X[:, None], X.tolist()):
        opened = data.open(array)
        assert np.array_equal(opened.values[:, 0], X)
        assert opened.ids[:2] == ("0", "1")
    assert data.open(X).provenance == {
        "source": "array (12, 9, 8) uint8",
        "format": "array",
        "preprocessing": {"size": [9, 8], "channels": 1, "fit": "crop"},
    }
    assert "preprocessing" not in data.open(X.reshape(12, -1)).provenance


def test_arrays_keep_their_size_and_channels():
    assert data.open(np.repeat(X[..., None], 3, axis=3)).shape == (3, 9, 8)
    large = data.open(np.zeros((2, 100, 50), np.uint8))
    assert large.shape == (1, 100, 50)
    assert large.notes == ()


@pytest.mark.parametrize("size", [16, (16, 16), [16, 16], np.int64(16)])
def test_explicit_size_and_channels(size):
    assert data.open(X, size=size, channels=3).shape == (3, 16, 16)
    assert data.open("digits", size=size, channels=3, limit=5).shape == (3, 16, 16)
    assert data.open(data.open(X), size=size).provenance["preprocessing"]["size"] == [16, 16]


def test_files_and_arrays_of_the_same_pictures_are_the_same(tmp_path):
    colour = RNG.integers(0, 256, (3, 40, 30, 3), dtype=np.uint8)
    for i, pixels in enumerate(colour):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    for fit in ("crop", "pad", "stretch"):
        asked = {"size": (16, 24), "channels": 1, "fit": fit}
        assert np.array_equal(data.open(tmp_path, **asked).values, data.open(colour, **asked).values)


def test_a_dataset_is_returned_as_it_is_or_converted():
    opened = data.open(X, labels=range(12))
    assert data.open(opened).values is opened.values
    assert data.open(opened).labels is opened.labels
    assert data.open(opened, labels="none").labels is None
    assert data.open(opened, labels=[1] * 12).n_classes == 1
    fewer = data.open(opened, limit=4)
    assert fewer.labels.tolist() == [int(i) for i in fewer.ids]


@pytest.mark.parametrize("kind", ["array", "npy", "mapped"])
def test_limit_is_seeded_and_in_order(tmp_path, kind):
    np.save(tmp_path / "x.npy", X)
    source = {"array": X, "npy": tmp_path / "x.npy", "mapped": np.load(tmp_path / "x.npy", mmap_mode="r")}[kind]
    opened = data.open(source, limit=5, seed=3, labels=np.arange(12))
    rows = np.sort(np.random.default_rng(3).choice(12, 5, replace=False))
    assert np.array_equal(opened.values[:, 0], X[rows])
    assert opened.labels.tolist() == rows.tolist() == [int(i) for i in opened.ids]
    assert opened.provenance["limit"] == 5
    assert len(data.open(source, limit=12)) == 12


@pytest.mark.parametrize("limit", [0, -1, 2.5, True])
def test_limits_that_make_no_sense(limit):
    with pytest.raises(DataError, match="limit"):
        data.open(X, limit=limit)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (range(11), "each of the 12 rows; got '11 labels'"),
        (np.zeros((12, 3)), "one-hot"),
        ("folders", "must name labels of this source"),
        ("zzz.csv", "must name labels of this source"),
    ],
)
def test_labels_that_do_not_fit(labels, words):
    with pytest.raises(DataError, match=words):
        data.open(X, labels=labels)


@pytest.mark.parametrize("labels", [np.eye(12), [f"{i:02}x" for i in range(12)], np.arange(12), None])
def test_labels_as_arrays(labels):
    opened = data.open(X, labels=labels)
    assert opened.labels is None if labels is None else opened.labels.tolist() == list(range(12))


def test_labels_files(tmp_path):
    np.save(tmp_path / "y.npy", np.arange(12)[::-1])
    (tmp_path / "y.csv").write_text("id,label\n" + "".join(f"{i},{11 - i}\n" for i in range(12)))
    for labels in (str(tmp_path / "y.npy"), tmp_path / "y.npy", tmp_path / "y.csv"):
        assert data.open(X, labels=labels).labels.tolist() == list(range(12))[::-1]


@pytest.mark.parametrize("array", [np.array([[np.nan, 1.0]]), np.array([[np.inf, 1.0]])])
def test_vectors_that_are_not_finite(array):
    with pytest.raises(DataError, match="NaN or infinity in 1 of 1 rows"):
        data.open(array)


def test_columns_of_arrays_go_by_number():
    table = np.arange(6.0).reshape(2, 3)
    opened = data.open(table, columns=[2, -3])
    assert opened.values.tolist() == [[2, 0], [5, 3]]
    assert opened.provenance["columns"] == ["2", "0"]
    assert data.open(table, ignore=[1]).values.tolist() == [[0, 2], [3, 5]]
    assert "columns" not in data.open(table).provenance


def test_arrays_have_no_names_to_check_but_their_number():
    opened = data.open(np.zeros((2, 3)), columns=["a", "b", "c"])
    assert "no names to check" in opened.notes[0]
    assert data.open(opened, columns=["c", "a"]).provenance["columns"] == ["c", "a"]
    with pytest.raises(DataError, match=r"must have the 2 columns asked for .'a', 'b'.; got '3 columns without names'"):
        data.open(np.zeros((2, 3)), columns=["a", "b"])


@pytest.mark.parametrize("option", ["columns", "ignore"])
@pytest.mark.parametrize("value", [[], [1.5], 3, {"a"}, ["a", "a"], [b"a"]])
def test_columns_that_make_no_sense(option, value):
    with pytest.raises(DataError, match=f"{option} must"):
        data.open(np.zeros((2, 3)), **{option: value})


def test_images_have_no_columns(tmp_path):
    Image.fromarray(X[0]).save(tmp_path / "x.png")
    for source in (X, tmp_path, "digits"):
        with pytest.raises(DataError, match="ignore applies only to tables"):
            data.open(source, ignore=["a"])


def test_vectors_have_no_size():
    with pytest.raises(DataError, match="size applies only to images"):
        data.open(np.zeros((3, 64)), size=8)


# Names and paths


def test_a_bare_word_means_the_data_set_even_where_a_file_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    (tmp_path / "digits").mkdir()
    (tmp_path / "x.png").rename(tmp_path / "digits" / "x.png")
    assert len(data.open("digits")) == 1797
    assert len(data.open("./digits")) == 1
    assert len(data.open("digits/")) == 1
    assert len(data.open(tmp_path / "digits")) == 1
    (tmp_path / "digits").rename(tmp_path / "photos")
    assert len(data.open("photos")) == 1


def test_what_does_not_exist():
    with pytest.raises(DataError, match=r"Did you mean 'mnist'.*Files that are read: .*IDX"):
        data.open("mnits")
    with pytest.raises(DataError, match="no such file or folder"):
        data.open("photos/nowhere")
    with pytest.raises(DataError, match="pattern matches"):
        data.open("nowhere/*.png")


def test_an_unknown_format(tmp_path):
    (tmp_path / "x.docx").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"got '\.docx'.*It reads"):
        data.open(tmp_path / "x.docx")


def test_a_function_by_its_path(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from narrows.data import open\ndef load(progress=None):\n    return open([[1.0, 2.0]])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert data.open("mine:load").shape == (2,)


def test_key_is_for_files_with_several_arrays(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    for source in (tmp_path, "digits", data.open(X)):
        with pytest.raises(DataError, match="key"):
            data.open(source, key="x")


def test_no_permission(monkeypatch, tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    reader = formats.get("csv")

    def refuse(self, paths, options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reader, "read", refuse)
    with pytest.raises(DataError, match="no permission"):
        data.open(tmp_path / "x.csv")


def test_preprocessing_opens_other_data_the_same_way():
    first = data.open(np.zeros((2, 100, 50, 3), np.uint8) + np.arange(3, dtype=np.uint8), fit="pad")
    other = data.open(RNG.integers(0, 256, (4, 100, 50), np.uint8), like=first.provenance["preprocessing"])
    assert other.shape == first.shape == (3, 100, 50)
    assert other.provenance["preprocessing"] == first.provenance["preprocessing"]


@pytest.mark.parametrize(
    ("top", "white"), [(1.0, 1), (255.0, 255), (np.uint16(60000), 65535), (np.int32(9), 16), (np.int32(90), 255)]
)
def test_new_arrays_are_scaled_as_the_first_were(top, white):
    first = data.open(np.full((3, 8, 8), top))
    assert first.provenance["preprocessing"]["white"] == white
    assert data.open(first, size=9).provenance["preprocessing"]["white"] == white
    dark = data.open(np.full((2, 8, 8), round(white / 5) if white > 1 else 0.2), like=first.provenance["preprocessing"])
    assert (dark.values == np.rint(255 / white * (round(white / 5) if white > 1 else 0.2))).all()
    assert dark.provenance["preprocessing"] == first.provenance["preprocessing"]


def test_images_brought_to_another_size_are_counted():
    opened = data.open(RNG.integers(0, 256, (4, 33, 44), np.uint8), size=22)
    assert opened.notes == ("All 4 images were brought to 22x22 (the middle cut out): 4 of 33x44.",)
    assert data.open(opened, size=11).notes[-1] == "All 4 images were brought to 11x11: 4 of 22x22."
    assert data.open("digits", size=8).notes == ()


def test_image_files_obey_white(tmp_path):
    dark = (X[0] // 16).astype(np.uint8)  # 0 to 15
    Image.fromarray(dark).save(tmp_path / "x.png")
    assert np.array_equal(data.open(tmp_path).values[0, 0], dark)
    opened = data.open(tmp_path, white=15)
    assert np.array_equal(opened.values[0, 0], np.rint(dark * (255 / 15)))
    again = data.open(tmp_path, like=opened.provenance["preprocessing"])
    assert np.array_equal(again.values, opened.values)
    with pytest.raises(DataError, match="its values run from 0 to 15, and 0 to 8 are read"):
        data.open(tmp_path, white=8)


def test_arrays_of_another_size_or_in_colour_are_refused_for_a_model():
    like = data.open(X).provenance["preprocessing"]
    odd = RNG.integers(0, 256, (3, 9, 9), np.uint8)
    with pytest.raises(DataError, match=r"like the model's; got '9x9'.*size="):
        data.open(odd, like=like)
    with pytest.raises(DataError, match="like the model's"):
        data.open(data.open(odd), like=like)
    assert data.open(odd, like=like, size=like["size"]).shape == (1, *like["size"])
    colour = RNG.integers(0, 256, (3, *like["size"], 3), np.uint8)
    with pytest.raises(DataError, match="must be grey, like the model's"):
        data.open(colour, like=like)
    assert data.open(colour, like=like, channels=1).shape[0] == 1


@pytest.mark.parametrize("source", ["", " ", "~nosuchuser/x", ["~nosuchuser/x.png"], [""], "x" * 5000, ["x" * 5000]])
def test_paths_that_cannot_be(source):
    with pytest.raises(DataError, match=r"source|must be readable"):
        data.open(source)


@pytest.mark.parametrize("labels", ["~nosuchuser", "x" * 5000, "a\0b"])
def test_label_files_that_cannot_be(tmp_path, labels):
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    for source in (X, tmp_path / "x.png", tmp_path / "x.csv"):
        with pytest.raises(DataError, match="labels must name"):
            data.open(source, labels=labels)


@pytest.mark.parametrize("seed", [-1, 2.5, True, None])
def test_seeds_that_make_no_sense(seed):
    with pytest.raises(DataError, match="seed must be"):
        data.open(X, limit=5, seed=seed)
