import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from narrows import data
from narrows.data import images
from narrows.data.formats import _decoding, _image_cache
from narrows.errors import DataError
from narrows.files import cache_folder

RNG = np.random.default_rng(0)


def photo(path, size=(16, 16), grey=False, **save):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    image.save(path, **save)
    return np.asarray(image)


def spoil(folder):
    """Write ten files that look like images and are not; return their names and a word of each reason."""
    photo(folder / "cut.jpg", (200, 300))
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:4000])
    photo(folder / "cut.png", (100, 100))
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:9000])
    photo(folder / "cut.gif", (100, 100), grey=True)
    (folder / "cut.gif").write_bytes((folder / "cut.gif").read_bytes()[:2000])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("I am no picture.")
    (folder / "zeros.jpg").write_bytes(bytes(5000))
    (folder / "random.webp").write_bytes(RNG.bytes(5000))
    (folder / "link.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "bomb.ppm").write_bytes(b"P6 30000 30000 255\n" + bytes(100))
    return {
        "cut.jpg": "cut off", "cut.png": "cut off", "cut.gif": "cut off", "empty.png": "0 bytes",
        "text.png": "no image", "zeros.jpg": "no image", "random.webp": "no image",
        "link.png": "link to a file that does not exist",
        "pipe.png": "not a regular file", "bomb.ppm": "above the limit of 50 megapixels",
    }  # fmt: skip


def test_200_photos_with_10_corrupt_files(tmp_path):
    for i in range(190):
        photo(tmp_path / f"{i:03}.jpg", (30 + i % 7, 40))
    bad = spoil(tmp_path)
    opened = data.open(tmp_path)
    assert opened.values.shape == (190, 3, 64, 64)
    assert {file.path for file in opened.skipped} == set(bad)
    for file in opened.skipped:
        assert bad[file.path] in file.reason
    assert opened.ids[:2] == ("000.jpg", "001.jpg")
    assert opened.paths[0] == str(tmp_path / "000.jpg")
    assert opened.notes == (
        "All 190 images were brought to 64x64 (the middle cut out): 28 of 30x40, 27 of 31x40, 27 of 32x40, "
        "108 of other sizes.",
    )
    with pytest.raises(DataError, match="10 of 200 images cannot be read") as raised:
        data.open(tmp_path, strict=True)
    assert all(name in str(raised.value) for name in bad)


def test_a_flat_folder_keeps_pixels_and_order(tmp_path):
    pixels = [photo(tmp_path / f"{i}.png") for i in range(5)]
    opened = data.open(tmp_path)
    assert np.array_equal(opened.values, np.stack(pixels).transpose(0, 3, 1, 2))
    assert opened.labels is None
    assert opened.notes == ()
    assert opened.provenance == {
        "source": str(tmp_path), "format": "folder", "preprocessing": {"size": [16, 16], "channels": 3, "fit": "crop"}
    }  # fmt: skip


@pytest.mark.parametrize("in_memory", [False, True])
def test_grey_folders_have_one_channel(tmp_path, monkeypatch, in_memory):
    pixels = [photo(tmp_path / f"{i}.png", grey=True) for i in range(3)]
    Image.fromarray(pixels[2]).convert("RGB").save(tmp_path / "2.png")  # grey in content
    if in_memory:
        monkeypatch.setenv("NARROWS_CACHE", str(tmp_path / "0.png" / "not a folder"))
    opened = data.open(tmp_path)
    assert np.array_equal(opened.values[:, 0], np.stack(pixels))
    assert opened.shape == (1, 16, 16)
    assert isinstance(opened.values, np.memmap) != in_memory
    assert any("kept in memory" in note for note in opened.notes) == in_memory
    assert data.open(tmp_path, channels=3).shape == (3, 16, 16)
    photo(tmp_path / "3.png")
    assert data.open(tmp_path).shape == (3, 16, 16)
    assert data.open(tmp_path, channels=1).shape == (1, 16, 16)


def test_more_images_than_one_block(tmp_path, monkeypatch):
    monkeypatch.setattr(_decoding, "BLOCK", 4)
    pixels = [photo(tmp_path / f"{i:02}.png", grey=True) for i in range(11)]
    assert np.array_equal(data.open(tmp_path).values[:, 0], np.stack(pixels))
    (tmp_path / "05.png").write_bytes(b"")
    opened = data.open(tmp_path)
    assert np.array_equal(opened.values[:, 0], np.stack(pixels[:5] + pixels[6:]))
    assert "05.png" not in opened.ids


def test_uniform_large_images_keep_their_aspect(tmp_path):
    for i in range(2):
        photo(tmp_path / f"{i}.png", (120, 160))
    opened = data.open(tmp_path)
    assert opened.shape == (3, 48, 64)
    assert opened.notes == ("All 2 images were brought to 48x64: 2 of 120x160.",)


def test_images_of_another_size_than_asked_for_are_counted(tmp_path):
    for i, size in enumerate([(16, 16), (32, 32), (32, 32), (20, 40)]):
        photo(tmp_path / f"{i}.png", size)
    note = "3 of 4 images were brought to 16x16 ({}): 2 of 32x32, 1 of 20x40."
    for fit, how in (("crop", "the middle cut out"), ("pad", "with black bars"), ("stretch", "aspect changed")):
        for _ in range(2):  # decoded, then recalled from the cache
            assert data.open(tmp_path, size=16, fit=fit).notes == (note.format(how),)
    assert data.open(tmp_path / "1.png", size=16).notes == ("The image was brought to 16x16: 1 of 32x32.",)


def test_photos_taken_upright_count_with_the_size_they_are_seen_at(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for ending in ("jpg", "png", "webp", "tif"):
        Image.new("L", (40, 20)).save(tmp_path / f"x.{ending}", exif=exif)
        assert data.open(tmp_path / f"x.{ending}", size=8).notes[0].endswith("1 of 40x20.")


def test_conversions_are_stated(tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for i in range(3):
        frames[0].save(tmp_path / f"{i}.gif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (16, 16)).save(tmp_path / "c.jpg")
    assert "3 animated GIFs: first frame used." in data.open(tmp_path).notes
    assert "1 CMYK image: converted to red, green and blue." in data.open(tmp_path).notes


# Labels


def test_subfolders_are_labels_when_every_image_lies_in_one(tmp_path):
    for name in ("10/a", "9/a", "9/b"):
        photo(tmp_path / f"{name}.png")
    opened = data.open(tmp_path)
    assert opened.ids == ("10/a.png", "9/a.png", "9/b.png")
    assert opened.labels.tolist() == [10, 9, 9]
    assert any("2 sub-folders were taken as labels" in note for note in opened.notes)
    assert data.open(tmp_path, labels="none").labels is None
    photo(tmp_path / "loose.png")
    assert data.open(tmp_path).labels is None
    asked = data.open(tmp_path, labels="folders")
    assert asked.labels.tolist() == [10, 9, 9, -1]


def test_folders_of_folders_are_labels_only_when_asked(tmp_path):
    for name in ("2019/05/a", "2020/06/b", "2020/07/c"):
        photo(tmp_path / f"{name}.png")
    assert data.open(tmp_path).labels is None
    opened = data.open(tmp_path, labels="folders")
    assert opened.labels.tolist() == [0, 1, 1]
    assert opened.label_names == ("2019", "2020")


def test_one_subfolder_is_no_label(tmp_path):
    photo(tmp_path / "all/a.png")
    photo(tmp_path / "all/b.png")
    assert data.open(tmp_path).labels is None


def test_train_and_test_folders_are_a_split(tmp_path):
    for name in ("test/cat/1", "train/cat/1", "train/dog/1", "val/dog/1"):
        photo(tmp_path / f"{name}.png")
    opened = data.open(tmp_path)
    assert opened.split.tolist() == ["test", "train", "train", "valid"]
    assert opened.label_names == ("cat", "dog")
    assert opened.labels.tolist() == [0, 0, 1, 1]


def test_labels_in_a_table_beside_the_images(tmp_path):
    for i in range(3):
        photo(tmp_path / f"{i}.png")
    (tmp_path / "labels.csv").write_text("id,label\n2,dog\n0,cat\n1,dog\n")
    opened = data.open(tmp_path, labels=tmp_path / "labels.csv")
    assert opened.labels.tolist() == [0, 1, 1]
    assert opened.skipped == ()


def test_labels_in_order_follow_the_files_that_could_be_read(tmp_path):
    for i in range(4):
        photo(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"")
    assert data.open(tmp_path, labels=[5, 6, 7, 8]).labels.tolist() == [5, 7, 8]
    assert data.open(tmp_path, labels=[5, 7, 8]).labels.tolist() == [5, 7, 8]
    with pytest.raises(DataError, match="got '2 labels'"):
        data.open(tmp_path, labels=[5, 7])


# Which files


def test_hidden_files_are_passed_over_and_others_listed(tmp_path):
    photo(tmp_path / "a.png")
    photo(tmp_path / ".hidden/b.png")
    photo(tmp_path / ".c.png")
    (tmp_path / "notes.txt").write_text("hello")
    opened = data.open(tmp_path, strict=True)
    assert opened.ids == ("a.png",)
    assert [(file.path, file.reason) for file in opened.skipped] == [("notes.txt", "not an image file (.txt)")]


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "again").symlink_to(tmp_path)
    photo(tmp_path.parent / f"{tmp_path.name}-other" / "b.png")
    (tmp_path / "linked").symlink_to(tmp_path.parent / f"{tmp_path.name}-other")
    assert data.open(tmp_path).ids == ("a.png", "linked/b.png")


def test_names_that_are_no_text(tmp_path):
    name = os.fsdecode(b"\xff.png")
    try:
        photo(tmp_path / name)
    except OSError:
        pytest.skip("this file system has no such names")
    assert data.open(tmp_path).ids == ("\\xff.png",)


def test_globs_lists_and_single_files(tmp_path):
    for name in ("a/1.png", "a/2.jpg", "b/3.png"):
        photo(tmp_path / name)
    assert data.open(f"{tmp_path}/**/*.png").ids == ("a/1.png", "b/3.png")
    assert data.open(f"{tmp_path}/a/*").ids == ("1.png", "2.jpg")
    assert data.open([tmp_path / "b/3.png", str(tmp_path / "a/1.png")]).ids == ("a/1.png", "b/3.png")
    assert data.open(tmp_path / "b/3.png").ids == ("3.png",)
    with pytest.raises(DataError, match="exist"):
        data.open([str(tmp_path / "zzz.png")])


def test_folders_without_images(tmp_path):
    with pytest.raises(DataError, match=r"must hold images.*got 'nothing'"):
        data.open(tmp_path)
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"It holds x\.npy: open one of those"):
        data.open(tmp_path)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.png: the file is empty"):
        data.open(tmp_path)


def test_limit_draws_files_with_the_seed(tmp_path):
    for i in range(30):
        photo(tmp_path / f"{i:02}.png")
    one, two = data.open(tmp_path, limit=7), data.open(tmp_path, limit=7)
    assert one.ids == two.ids == tuple(sorted(one.ids))
    assert len(one) == 7
    assert data.open(tmp_path, limit=7, seed=1).ids != one.ids
    assert len(data.open(tmp_path, limit=99)) == 30


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="everything may be read here")
def test_no_permission(tmp_path):
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    (tmp_path / "b.png").chmod(0)
    assert "no permission" in data.open(tmp_path).skipped[0].reason
    (tmp_path / "b.png").chmod(0o600)
    assert len(data.open(tmp_path)) == 2


def test_no_permission_as_the_system_says_it(tmp_path, monkeypatch):
    photo(tmp_path / "a.png")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(images, "_regular", refuse)
    with pytest.raises(DataError, match=r"a\.png: no permission to read it"):
        data.open(tmp_path)


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    walk = os.walk

    def refuse(top, onerror):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "shut")))
        return walk(top)

    monkeypatch.setattr(os, "walk", refuse)
    assert data.open(tmp_path).skipped[0].reason == "a folder that cannot be listed: permission denied"
    with pytest.raises(DataError, match=r"shut: a folder that cannot be listed"):
        data.open(tmp_path, strict=True)


def test_a_saved_run_opens_new_photos_the_same_way(tmp_path):
    photo(tmp_path / "old/a.png", (28, 28), grey=True)
    photo(tmp_path / "new/b.jpg", (100, 50))
    old = data.open(tmp_path / "old")
    assert data.open(tmp_path / "new", **old.provenance["preprocessing"]).shape == old.shape == (1, 28, 28)


def test_nothing_is_warned_of(tmp_path):
    spoil(tmp_path)
    photo(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(data.open(tmp_path)) == 1


# The cache


def cached():
    return sorted((cache_folder() / "images").glob("*.npy"))


def test_the_second_time_nothing_is_decoded(tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    first = data.open(tmp_path)
    monkeypatch.setattr(images, "decode", None)
    second = data.open(tmp_path)
    assert np.array_equal(first.values, second.values)
    assert first.skipped == second.skipped
    assert first.notes == second.notes
    assert first.ids == second.ids
    assert isinstance(second.values, np.memmap)
    assert not second.values.flags.writeable


@pytest.mark.parametrize("damage", ["cut", "flip", "no sidecar", "bad sidecar"])
def test_a_damaged_cache_is_rebuilt(tmp_path, damage):
    photo(tmp_path / "a.png")
    first = np.array(data.open(tmp_path).values)
    (path,) = cached()
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "no sidecar":
        path.with_suffix(".json").unlink()
    else:
        path.with_suffix(".json").write_text("{")
    assert np.array_equal(data.open(tmp_path).values, first)
    assert path.read_bytes() == content


def test_changed_files_are_decoded_anew(tmp_path):
    photo(tmp_path / "in/a.png")
    data.open(tmp_path / "in")
    pixels = photo(tmp_path / "in/a.png")
    assert np.array_equal(data.open(tmp_path / "in").values[0], pixels.transpose(2, 0, 1))
    shutil.copytree(tmp_path / "in", tmp_path / "copy")
    n = len(cached())
    data.open(tmp_path / "copy")
    assert len(cached()) == n + 1


def test_a_full_disk_keeps_images_in_memory(tmp_path, monkeypatch):
    pixels = photo(tmp_path / "a.png")

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_image_cache, "write_json", full)
    opened = data.open(tmp_path)
    assert np.array_equal(opened.values[0], pixels.transpose(2, 0, 1))
    assert "no space left on device" in opened.notes[0]


def test_header_of_our_own_is_numpys(tmp_path):
    for shape in ((1, 1, 1, 1), (10**9, 3, 4096, 4096)):
        (tmp_path / "x.npy").write_bytes(_decoding.npy_header(shape))
        with open(tmp_path / "x.npy", "rb") as file:
            assert np.lib.format.read_magic(file) == (1, 0)
            assert np.lib.format.read_array_header_1_0(file) == (shape, False, np.dtype("u1"))
            assert file.tell() == _decoding.HEADER_BYTES


def test_everything_is_listed_relative_to_the_folder(tmp_path, monkeypatch):
    photo(tmp_path / "in/deep/a.png")
    (tmp_path / "in/deep/b.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    opened = data.open("in")
    assert opened.ids == ("deep/a.png",)
    assert opened.skipped[0].path == "deep/b.png"
    assert Path(opened.paths[0]).exists()


def test_a_file_named_twice_in_two_spellings_is_one_image(tmp_path, monkeypatch):
    photo(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert data.open(["a.png", str(tmp_path / "a.png")]).ids == ("a.png",)
