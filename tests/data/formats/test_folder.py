import os
import shutil
import socket
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from narrows import data
from narrows.data import images
from narrows.data.formats import _decoding, _image_cache
from narrows.disk.files import cache_folder
from narrows.errors import DataError

RNG = np.random.default_rng(0)


def photo(path, size=(16, 16), grey=False, **save):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    image.save(path, **save)
    return np.asarray(image)


def spoil(folder):
    """Write ten files that look like images but are not; return their names and a word of each reason."""
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
        "cut.jpg": "truncated",
        "cut.png": "truncated",
        "cut.gif": "truncated",
        "empty.png": "0 bytes",
        "text.png": "not an image",
        "zeros.jpg": "not an image",
        "random.webp": "not an image",
        "link.png": "link to a file that does not exist",
        "pipe.png": "not a regular file",
        "bomb.ppm": "above the limit of 50 megapixels",
    }


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
        "source": str(tmp_path),
        "format": "folder",
        "preprocessing": {"size": [16, 16], "channels": 3, "fit": "crop"},
    }


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
    assert any("2 sub-folders were read as labels" in note for note in opened.notes)
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
    (tmp_path / "up").symlink_to(tmp_path.parent)
    assert data.open(f"{tmp_path}/**/*.png").ids == ("a.png", "linked/b.png")
    here = tmp_path.name
    assert data.open(f"{tmp_path}/**").ids == (f"{here}/a.png", f"{here}/linked/b.png")
    opened = data.open(tmp_path)
    assert opened.ids == ("a.png", "linked/b.png")
    assert {file.path: file.reason for file in opened.skipped} == {
        "again": "a link to a folder that was already read",
        "up": "a link to a folder that contains this one",
    }


def test_a_link_beside_its_folder_doubles_nothing_and_takes_no_name(tmp_path):
    photo(tmp_path / "photos" / "real" / "1.png")
    (tmp_path / "photos" / "a_link").symlink_to("real")  # comes first in the alphabet
    for source in (
        tmp_path / "photos",
        f"{tmp_path}/photos/*",
        [tmp_path / "photos" / "a_link", tmp_path / "photos" / "real"],
    ):
        opened = data.open(source)
        assert opened.ids == ("real/1.png",)
        assert [(file.path, file.reason) for file in opened.skipped] == [
            ("a_link", "a link to a folder that was already read")
        ]


def odd_files(folder):
    """Make entries that are neither files nor folders; return how each is listed."""
    photo(folder / "a.png")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "loop").symlink_to("loop")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "gone").symlink_to("nowhere")
    (folder / "null.png").symlink_to("/dev/zero")
    (folder / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(folder)  # the names of sockets are short
        made.bind("socket.png")
        os.chdir(here)
    odd = "it is not a regular file"
    return {
        "pipe": odd,
        "pipe.jpg": odd,
        "null.png": odd,
        "zero": odd,
        "socket.png": odd,
        "loop": "a link that leads nowhere",
        "loop.jpg": "it is a link that leads back to itself",
        "gone": "a link that leads nowhere",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="there are none of these there")
def test_pipes_devices_sockets_and_loops_are_listed_at_every_way_in(tmp_path):
    expected = odd_files(tmp_path / "photos")
    for source in (tmp_path / "photos", f"{tmp_path}/photos/*", sorted((tmp_path / "photos").iterdir())):
        opened = data.open(source)
        assert opened.ids == ("a.png",)
        assert {file.path: file.reason for file in opened.skipped} == expected
    new = data.open(tmp_path / "photos", like=opened.provenance["preprocessing"])
    assert {file.path: file.reason for file in new.skipped} == expected
    for name in expected:
        with pytest.raises(DataError):
            data.open(tmp_path / "photos" / name)


def with_systems_own(folder):
    """Make photos of two kinds, among files that a NAS, a camera's card and three operating systems add."""
    for kind in ("cat", "dog"):
        for i in range(3):
            photo(folder / kind / f"{i}.jpg")
            photo(folder / kind / "@eaDir" / f"{i}.jpg" / "SYNOPHOTO_THUMB_M.jpg")
        (folder / kind / "Thumbs.db").write_bytes(b"x")
        (folder / kind / "._0.jpg").write_bytes(b"x")
    for name in ("#recycle", ".@__thumb", "__MACOSX/cat", "$RECYCLE.BIN", ".Trash-1000", "lost+found", ".thumbnails"):
        photo(folder / name / "1.jpg")


def test_systems_own_folders_are_passed_over_at_every_way_in(tmp_path):
    with_systems_own(tmp_path)
    sources = (tmp_path, f"{tmp_path}/*", f"{tmp_path}/**/*.jpg", sorted(tmp_path.rglob("*.jpg")))
    notes = []
    for source in sources:
        opened = data.open(source)
        assert opened.ids == tuple(f"{kind}/{i}.jpg" for kind in ("cat", "dog") for i in range(3))
        assert opened.class_names == ["cat", "dog"]
        assert opened.skipped == ()
        notes.append(next(note for note in opened.notes if note.startswith("Ignored as files")))
        assert "2 @eaDir (thumbnails of a Synology)" in notes[-1]
    assert "2 Thumbs.db (thumbnails of Windows), 2 ._* (what macOS adds to files)" in notes[0]
    assert notes[0].endswith(", 4 of other names.")
    assert len(data.open(tmp_path, like=opened.provenance["preprocessing"])) == 6


def test_nothing_but_systems_own(tmp_path):
    photo(tmp_path / "@eaDir" / "1.jpg")
    with pytest.raises(DataError, match="only system files"):
        data.open(tmp_path)
    assert data.open(tmp_path / "@eaDir").ids == ("1.jpg",)  # where it is asked for by name


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.cr2", b"II*\0" + bytes(90), "a camera's raw photo"),
        ("a.NEF", b"MM\0*" + bytes(90), "a camera's raw photo"),
        ("a.jxl", b"\xff\x0a" + bytes(90), "a JPEG XL image"),
        ("a.svg", b"<svg/>", "a vector drawing"),
        ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(90), "a video"),
        ("clip", b"\0\0\0\x18ftypqt  " + bytes(90), "a video"),
        ("a.psd", b"8BPS" + bytes(90), "a document with layers"),
        ("photo.jpg", b"\0\0\0\x18ftypheic" + bytes(90), "a HEIC photo"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(90), "a HEIC photo"),
        ("b.jpg", b"\0\0\0\x18ftypcrx " + bytes(90), "a camera's raw photo"),
        ("b.png", b"  <!DOCTYPE html><html>", "a web page"),
        ("b.webp", b"\0\0\0\x0cjP  \r\n" + bytes(90), "a JPEG 2000 image"),
        ("notes.txt", b"%PDF no more", "a PDF document"),
    ],
    ids=range(13),
)
def test_other_files_are_named_as_what_they_are(tmp_path, monkeypatch, name, content, reason):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # not installed
    photo(tmp_path / "a.png")
    (tmp_path / name).write_bytes(content)
    (listed,) = data.open(tmp_path).skipped
    assert listed.path == name
    assert listed.reason.startswith(reason)
    assert listed.reason.count(": ") == 1  # with what to do about it
    with pytest.raises(DataError, match=reason):
        data.open(tmp_path / name)


def test_heic_is_read_where_its_package_is(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    smooth = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, notes in (("a.heic", None), ("turned.jpg", exif.tobytes())):  # also under the name of a JPEG
        heif.from_pillow(Image.fromarray(smooth).convert("RGB")).save(tmp_path / name, exif=notes)
    opened = data.open(tmp_path, size=(96, 128), fit="stretch", channels=1)
    assert np.abs(opened.values[0, 0].astype(int) - smooth).max() < 12
    assert images.measure(tmp_path / "turned.jpg") == (128, 96)
    assert "HEIF" not in Image.OPEN
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(90))
    assert data.open(tmp_path).skipped[0].reason == "damaged: it begins like a HEIC photo"


def test_avif_is_read(tmp_path):
    features = pytest.importorskip("PIL.features")
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    Image.new("RGB", (32, 16), (200, 30, 60)).save(tmp_path / "a.avif", quality=95)
    assert np.abs(data.open(tmp_path).values[0, :, 8, 8].astype(int) - [200, 30, 60]).max() < 4
    (tmp_path / "b.png").write_bytes(b"\0\0\0\x18ftypavif" + bytes(90))
    assert data.open(tmp_path).skipped[0].reason == "damaged: it begins like an AVIF image"


# Damage


def cut_off(path, missing):
    path.write_bytes(path.read_bytes()[:-missing])


def test_a_photo_that_is_cut_off_is_read_and_listed_as_damaged(tmp_path):
    for i in range(12):
        Image.new("L", (64, 64), 20 * i).save(tmp_path / f"{i:02}.jpg")
    whole = data.open(tmp_path).values.copy()
    for i in range(11):
        cut_off(tmp_path / f"{i:02}.jpg", 2)
    for _ in range(2):  # decoded, then recalled from the cache
        opened = data.open(tmp_path)
        assert np.array_equal(opened.values, whole)
        assert opened.skipped == ()
        assert [file.path for file in opened.damaged] == [f"{i:02}.jpg" for i in range(11)]
        assert opened.damaged[0].reason == "truncated, but with all of its lines"
        named = ", ".join(f"{i:02}.jpg" for i in range(10))
        assert opened.notes == (f"11 images are truncated and were read as far as they go: {named} and 1 more.",)
    with pytest.raises(DataError, match=r"11 of 12 images cannot be read.*00\.jpg: truncated, but with all"):
        data.open(tmp_path, strict=True)


# The cap


def test_the_cap_is_obeyed_kept_and_refused_elsewhere(tmp_path):
    photo(tmp_path / "small.png", (16, 16))
    photo(tmp_path / "large.png", (100, 100))
    opened = data.open(tmp_path, max_pixels=9_999)
    assert opened.ids == ("small.png",)
    assert opened.skipped[0].reason.endswith("above the limit of 0.009999 megapixels: max_pixels=1_000_000 reads it")
    like = opened.provenance["preprocessing"]
    assert like["max_pixels"] == 9_999
    assert data.open(tmp_path, like=like).ids == ("small.png",)
    assert len(data.open(tmp_path, like=like, max_pixels=10_000)) == 2
    assert "max_pixels" not in data.open(tmp_path).provenance["preprocessing"]
    assert len(data.open(np.zeros((2, 16, 16, 3), np.uint8), like=like)) == 2  # arrays are decoded already
    for source in (np.zeros((2, 16, 16)), "digits"):
        with pytest.raises(DataError, match="max_pixels"):
            data.open(source, max_pixels=9_999)
    for nonsense in (0, -1, 1.5, True, "many", 10**9 + 1):
        with pytest.raises(DataError, match="max_pixels"):
            data.open(tmp_path, max_pixels=nonsense)


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
    with pytest.raises(DataError, match=r"must contain images.*got 'nothing'"):
        data.open(tmp_path)
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"It contains x\.npy: open one of these"):
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

    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
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
