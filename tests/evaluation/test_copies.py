import csv
import errno
import io
import os

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

import narrows
from narrows.errors import WriteError
from narrows.evaluation import _registration as registration
from narrows.evaluation import copies


def scenes(count, height, width, seed=0):
    """Pictures (count, 3, height, width) with as much detail as photos: noise with a similar spectrum."""
    rng = np.random.default_rng(seed)
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    falling = 1 / np.maximum(np.hypot(down, across), 1 / max(height, width)) ** 1.5
    light, colour = (
        np.fft.irfft2(falling * np.fft.rfft2(rng.standard_normal((count, channels, height, width))))
        for channels in (1, 3)
    )
    images = light + colour / 3
    images -= images.mean(axis=(2, 3), keepdims=True)
    return np.clip(128 + 50 * images / images.std(axis=(1, 2, 3), keepdims=True), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tiles():
    """Pictures (200, 3, 32, 32)."""
    return scenes(200, 32, 32)


def picture(pixels):
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def pixels(image):
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def saved(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def cropped(image, left, top, right, bottom):
    """Crop shares of the sides, and scale back."""
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.resize(image.size, Resampling.BICUBIC, box=box)


def halved(image):
    half = image.resize((image.width // 2, image.height // 2), Resampling.LANCZOS)
    return half.resize(image.size, Resampling.BICUBIC)


CHANGES = {
    "mirrored": lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "cropped": lambda image, rng: cropped(image, *rng.uniform(0.02, 0.05, 4)),
    "re-saved": lambda image, rng: saved(image, int(rng.integers(60, 91))),
    "resized": lambda image, _: halved(image),
    "mirrored, cropped": lambda image, _: cropped(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 0.05, 0, 0.05, 0),
}


def rows_of(found):
    return [[copy.row for copy in group] for group in found.groups]


# What is equal


def test_equal_rows_are_one_group_however_many(digits):
    images = digits[0][:300].copy()
    images[100:180] = images[7]
    images[3] = images[299]
    found = copies.find(images)
    assert rows_of(found) == [[7, *range(100, 180)], [3, 299]]
    assert [copy.kind for copy in found.groups[1]] == ["first", "exact"]
    assert (found.exact, found.rows) == (81, 83)


def test_of_vectors_only_equal_rows_are_copies():
    vectors = np.array([[0, 1e6], [-0.0, 1e6], [1e-6, 1e6], [5, 5], [0, 1e6]], dtype=np.float32)
    found = copies.find(vectors)
    assert rows_of(found) == [[0, 1, 4]]
    assert found.results() == {
        "duplicates/groups": 1,
        "duplicates/rows": 3,
        "duplicates/exact": 2,
        "duplicates/blank": 0,
    }


def test_blank_images_are_set_aside(tiles):
    images = tiles[:60].copy()
    images[[4, 9]] = 0
    images[17] = 255
    images[20] = 200
    images[20, :, ::5, ::5] += 2  # nearly constant
    images[21] = 255
    images[21, :, 12:15, 12:15] = 0  # a mark is no blank page
    found = copies.find(images)
    assert found.blank == [4, 9, 17, 20]
    assert not found.groups


def test_dark_images_are_not_blank_among_dark_ones(tiles):
    found = copies.find(tiles[:60] // 40)
    assert not found.blank


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_hardly_any_rows(tiles, rows):
    assert copies.find(tiles[:rows]) == copies.Copies([], [], 0)


# What was changed


@pytest.mark.parametrize("kind", CHANGES)
def test_changed_copies_are_found_and_named(tiles, kind):
    rng = np.random.default_rng(0)
    sources = rng.choice(len(tiles), 40, replace=False)
    changed = [pixels(CHANGES[kind](picture(tiles[row]), rng)) for row in sources]
    found = copies.find(np.concatenate([tiles, np.stack(changed)]))
    pairs = {(row, len(tiles) + place) for place, row in enumerate(sources.tolist())}
    kinds = {(group[0].row, copy.row): copy.kind for group in found.groups for copy in group[1:]}
    assert len(pairs & kinds.keys()) >= 39
    assert len(kinds.keys() - pairs) <= 1
    assert sum(kinds.get(pair) == kind for pair in pairs) >= 36


def test_a_hundred_copies_of_one_picture_are_one_group(tiles):
    rng = np.random.default_rng(0)
    changes = [*CHANGES.values()]
    changed = [pixels(changes[i % len(changes)](picture(tiles[7]), rng)) for i in range(100)]
    (group,) = copies.find(np.concatenate([tiles, np.stack(changed)])).groups
    assert len(group) >= 97


def test_a_digit_and_its_mirror_image(digits):
    images = np.concatenate([digits[0][:200], digits[0][[8]][..., ::-1]])
    found = copies.find(images)
    assert [[(copy.row, copy.kind, copy.difference) for copy in group] for group in found.groups] == [
        [(8, "first", 0.0), (200, "mirrored", 0.0)]
    ]


def test_different_digits_are_no_copies(digits):
    assert not copies.find(digits[0]).groups


def test_a_copy_of_a_copy_need_not_be_one(tiles):
    """A camera that moves: each frame is a light crop of the next, and the first shows little of the last."""
    wide = picture(scenes(1, 32, 96, seed=1)[0])
    frames = [wide.crop((step, 0, 32 + step, 32)) for step in range(0, 60, 1)]
    found = copies.find(np.concatenate([tiles[:100], np.stack([pixels(frame) for frame in frames])]))
    moved = [[copy.row - 100 for copy in group] for group in found.groups if group[0].row >= 100]
    assert len(moved) >= 3
    assert all(abs(row - group[0]) <= 4 for group in moved for row in group)


def test_pictures_of_one_form_in_two_colours_are_no_copies(tiles):
    rng = np.random.default_rng(0)
    images = tiles[:100].copy()
    form = rng.random((1, 32, 32)) < 0.5
    images[3] = np.where(form, np.array([220, 30, 30])[:, None, None], 250)
    images[60] = np.where(form, np.array([30, 30, 220])[:, None, None], 250)
    assert not copies.find(images).groups


# Files


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Forty pictures of 120x80 as PNG, and copies of some in other forms."""
    folder = tmp_path_factory.mktemp("photos")
    for number, image in enumerate(scenes(40, 80, 120)):
        picture(image).save(folder / f"{number:02}.png")
    original = Image.open(folder / "04.png")
    original.save(folder / "equal.bmp")
    saved(original, 75).save(folder / "saved.jpg", quality=75)
    original.resize((60, 40), Resampling.LANCZOS).save(folder / "half.png")
    original.crop((6, 0, 120, 80)).save(folder / "crop.png")  # of another aspect
    original.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirror.webp", lossless=True)
    # The middle squares of these are equal, and the pictures are not.
    wide = picture(scenes(1, 80, 200, seed=2)[0])
    wide.save(folder / "wide-a.png")
    wide.paste(Image.open(folder / "09.png").crop((0, 0, 45, 80)), (0, 0))
    wide.paste(Image.open(folder / "11.png").crop((0, 0, 45, 80)), (155, 0))
    wide.save(folder / "wide-b.png")
    return folder


def test_files_are_compared_as_whole_pictures(files):
    data = narrows.open(files, size=32)
    found = copies.find(data)
    (group,) = found.groups
    assert {data.ids[copy.row]: copy.kind for copy in group} == {
        "04.png": "first",
        "equal.bmp": "exact",
        "saved.jpg": "re-saved",
        "half.png": "resized",
        "crop.png": "cropped",
        "mirror.webp": "mirrored",
    }
    assert found.exact == 1
    rows = {name: row for row, name in enumerate(data.ids)}
    np.testing.assert_array_equal(data.values[rows["wide-a.png"]], data.values[rows["wide-b.png"]])


def test_files_that_are_gone_are_compared_as_they_were_stored(files, tmp_path):
    data = narrows.open(files, size=32)
    moved = tuple(str(tmp_path / name) for name in data.ids)
    found = copies.find(narrows.Dataset(data.values, ids=data.ids, paths=moved))
    assert ["wide-a.png", "wide-b.png"] in [[data.ids[copy.row] for copy in group] for group in found.groups]


def test_there_is_room_for_whole_pictures_before_they_are_decoded(tmp_path, monkeypatch):
    for number, image in enumerate(scenes(3, 40, 80)[:, :1]):
        picture(image).save(tmp_path / f"{number}.png")
    data = narrows.open(tmp_path, size=32)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(WriteError, match="could not be written: No space left on device; it needs 12,288 bytes"):
        copies.find(data)


def test_rows_of_one_file_are_not_all_its_first_page(tiles):
    data = narrows.Dataset(tiles[:40], paths=("scan.tif",) * 40)
    assert not copies.find(data).groups


def test_all_are_in_the_table(tmp_path, digits):
    images = digits[0][:60].copy()
    images[[5, 9]] = images[2]
    images[30] = 0
    data = narrows.Dataset(images, ids=tuple(f"row {i}, seen" for i in range(60)))
    copies.write_csv(copies.find(data), data, tmp_path / "copies.csv")
    with open(tmp_path / "copies.csv", newline="") as file:
        lines = list(csv.reader(file))
    assert lines == [
        ["group", "id", "row", "path", "kind", "difference"],
        ["0", "row 2, seen", "2", "", "first", "0"],
        ["0", "row 5, seen", "5", "", "exact", "0"],
        ["0", "row 9, seen", "9", "", "exact", "0"],
        ["", "row 30, seen", "30", "", "blank", ""],
    ]


# Registration


def waves(scale=0.0, shift=0.0):
    """A smooth picture (1, 1, 32, 32), or a window of it along x."""
    at = (np.arange(32) + 0.5) / 32 - 0.5
    x, y = (1 + scale) * at + shift, at[:, None]
    return np.float32(np.sin(9 * x) + np.cos(8 * y + 1) + np.sin(7 * (x + y)) / 2)[None, None]


@pytest.mark.parametrize(("scale", "shift"), [(0.0, 0.0), (-0.1, 0.0), (-0.05, 0.025), (0.0, -0.05), (0.1, 0.02)])
def test_registration_finds_the_window(scale, shift):
    found = registration.register(waves(), 0.8 * waves(scale, shift) + 0.1)
    np.testing.assert_allclose(found.window[0], [scale, shift, 0, 0], atol=2e-3)
    assert found.left[0] < 1e-3
    beyond = registration.edges(found.window)[0]
    np.testing.assert_allclose(beyond[:2], [shift - scale / 2, shift + scale / 2], atol=2e-3)


def test_what_is_left_after_one_linear_step():
    others = np.stack([waves()[0, 0], waves(-0.02, 0.01)[0, 0], np.random.default_rng(0).random((32, 32))])
    left = registration.left_by_tangents(waves()[0], others[None].astype(np.float32))[0]
    assert left[0] == pytest.approx(0, abs=1e-5)
    assert left[1] < 0.01
    assert left[2] > 0.9
