"""Files with more than 8 bits per value: TIFFs of microscopes, 16-bit PNGs, floats; several pages and channels."""

import numpy as np
import pytest
import tifffile
from PIL import Image

import narrows
from narrows.data import images, scale, sizes, tiff, upright
from narrows.errors import DataError

RNG = np.random.default_rng(0)
TWELVE = RNG.integers(0, 4096, (6, 20, 24)).astype(np.uint16)
TWELVE[0, 0, :2] = 0, 4095


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path / "cache"))


def folder_of(tmp_path, stack, name="photos", ending="tif", **how):
    folder = tmp_path / name
    folder.mkdir()
    for i, image in enumerate(stack):
        if ending == "tif":
            tifffile.imwrite(folder / f"{i}.tif", image, **how)
        else:
            Image.fromarray(image).save(folder / f"{i}.{ending}")
    return folder


def scaled(values, low, high):
    wide = values.astype(np.float64)
    return np.rint((wide - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_12_bits_in_16_are_scaled_over_the_whole_set(tmp_path, ending):
    data = narrows.open(folder_of(tmp_path, TWELVE, ending=ending))
    assert np.array_equal(data.values[:, 0], scaled(TWELVE, 0, 4095))
    assert data.provenance["preprocessing"]["range"] == [0, 4095]
    assert any("Values from 0 to 4,095" in note and "white=VALUE" in note for note in data.notes)
    assert np.array_equal(data.values, narrows.open(TWELVE).values)  # as an array of the same pixels
    again = narrows.open(tmp_path / "photos")  # from the cache
    assert again.notes == data.notes
    assert np.array_equal(again.values, data.values)


@pytest.mark.parametrize(
    ("stack", "low", "high"),
    [
        ((TWELVE.astype(np.int16) - 2000), -2000, 2095),
        (TWELVE.astype(np.uint32) * 1_000_000, 0, 4_095_000_000),
        (TWELVE.astype(np.int32) - 1, -1, 4094),
        (TWELVE.astype(np.float32) / 1e6, 0, 0.004095),
        (TWELVE.astype(np.float64) - 5000, -5000, -905),
        (TWELVE.astype(np.float32) / 4095, 0, 1),
        (TWELVE.astype(np.float16), 0, 4095),
        (TWELVE * 16, 0, 65535),
    ],
    ids=["int16", "uint32", "int32", "dark floats", "negative", "unit floats", "half", "16 bits"],
)
def test_other_numbers_are_read(tmp_path, stack, low, high):
    data = narrows.open(folder_of(tmp_path, stack))
    assert not data.skipped
    assert np.abs(data.values[:, 0].astype(int) - scaled(stack, low, high)).max() <= 1


def test_white_and_range_are_obeyed_and_kept(tmp_path):
    folder = folder_of(tmp_path, TWELVE)
    assert np.array_equal(narrows.open(folder, white=65535).values[:, 0], scaled(TWELVE, 0, 65535))
    window = narrows.open(folder, range=[1000, 2000])
    assert np.array_equal(window.values[:, 0], scaled(TWELVE, 1000, 2000))
    like = window.provenance["preprocessing"]
    assert np.array_equal(narrows.open(folder / "3.tif", like=like).values[0], window.values[3])
    assert np.array_equal(narrows.open(TWELVE[3:4], like=like).values[0], window.values[3])
    with pytest.raises(DataError, match="0 to 4000 are read"):
        narrows.open(folder / "0.tif", white=4000)


def test_one_file_alone_has_the_pixels_it_had_among_others(tmp_path):
    stack = TWELVE.copy()
    stack[2] //= 40
    folder = folder_of(tmp_path, stack)
    data = narrows.open(folder)
    alone = narrows.open(folder / "2.tif", like=data.provenance["preprocessing"])
    assert np.array_equal(alone.values[0], data.values[2])
    bytes_only = narrows.open(TWELVE.astype(np.uint8)).provenance["preprocessing"]
    seen_as = narrows.open(folder, like=bytes_only)  # a model of bytes: 16 bits are those of the format
    assert np.array_equal(seen_as.values[:, 0], scaled(stack, 0, 65535))


def test_hot_pixels_do_not_blacken_the_rest(tmp_path):
    stack = TWELVE.copy()
    stack[1, 5, 5] = 65535
    data = narrows.open(folder_of(tmp_path, stack))
    assert 4080 <= data.provenance["preprocessing"]["range"][1] <= 4095
    assert any("99.9 percentile" in note for note in data.notes)


def test_bytes_among_deep_files_keep_their_own_white(tmp_path):
    folder = folder_of(tmp_path, TWELVE)
    grey = RNG.integers(0, 256, (20, 24), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "z.png")
    assert np.array_equal(narrows.open(folder).values[-1, 0], grey)


@pytest.mark.parametrize("metadata", [{"imagej": True}, {"ome": True}, {"compression": "zlib"}])
def test_channels_of_microscopy(tmp_path, metadata):
    stack = RNG.integers(0, 4096, (3, 4, 20, 24)).astype(np.uint16)  # T, C, Y, X
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "TCYX"}, **metadata)
    assert tiff.count(path) == 3
    with pytest.raises(DataError, match=r"4 channels.*channels=\[0\]"):
        narrows.open(path)
    one = narrows.open(path, channels=[2], page=1)
    assert np.array_equal(one.values[0, 0], scaled(stack[1, 2], *one.provenance["preprocessing"]["range"]))
    three = narrows.open(path, channels=[3, 0, 1], page="all", range=[0, 4095])
    assert three.ids == ("x.tif#0", "x.tif#1", "x.tif#2")
    assert np.array_equal(three.values, scaled(stack[:, [3, 0, 1]], 0, 4095))
    like = three.provenance["preprocessing"]
    assert np.array_equal(narrows.open(path, like=like).values, three.values)
    size = tuple(like["size"])  # arrays have no pages, whatever the model's files had
    assert len(narrows.open(np.zeros((2, 4, *size), np.uint16), like=like)) == 2


def test_planes_side_by_side_and_planes_apart(tmp_path):
    five = RNG.random((20, 24, 5)).astype(np.float32)
    for planar, stack in (("contig", five), ("separate", np.moveaxis(five, 2, 0))):
        tifffile.imwrite(tmp_path / f"{planar}.tif", stack, photometric="minisblack", planarconfig=planar)
        found = narrows.open(tmp_path / f"{planar}.tif", channels=[4])
        assert np.array_equal(found.values[0, 0], scaled(five[..., 4], 0, 1))


def test_deep_colour(tmp_path):
    colour = (RNG.integers(0, 4096, (20, 24, 3)) * 16).astype(np.uint16)
    colour[0, 0] = 0, 65535, 65535
    tifffile.imwrite(tmp_path / "x.tif", colour, photometric="rgb")
    data = narrows.open(tmp_path / "x.tif")
    assert np.array_equal(data.values[0], scaled(np.moveaxis(colour, 2, 0), 0, 65535))


def test_a_channel_of_any_file(tmp_path):
    colour = RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "x.png")
    assert np.array_equal(narrows.open(tmp_path / "x.png", channels=[1]).values[0, 0], colour[..., 1])
    with pytest.raises(DataError, match="channel 3 was asked for"):
        narrows.open(tmp_path / "x.png", channels=[3])


@pytest.mark.parametrize("ending", ["tif", "gif", "webp", "png"])
def test_pages_and_frames_are_chosen(tmp_path, ending):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    how = {"lossless": True} if ending == "webp" else {}
    (tmp_path / "p").mkdir()
    frames[0].save(tmp_path / "p" / f"x.{ending}", save_all=True, append_images=frames[1:], **how)
    Image.new("RGB", (16, 16), "black").save(tmp_path / "p" / "one.bmp")
    first = narrows.open(tmp_path / "p")
    assert len(first) == 2
    assert any("page=" in note for note in first.notes)
    every = narrows.open(tmp_path / "p", page="all")
    assert every.ids == ("one.bmp", *(f"x.{ending}#{i}" for i in range(3)))
    assert every.values[1:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255], [0, 255, 0]]
    second = narrows.open(tmp_path / "p", page=1)
    assert second.values[0, :, 0, 0].tolist() == [0, 0, 255]
    assert second.skipped[0].reason == "it has 1 page, and page 1 was asked for (they count from 0)"


@pytest.mark.parametrize("page", [-1, "first", True, 1.5])
def test_pages_that_make_no_sense(tmp_path, page):
    with pytest.raises(DataError, match="page"):
        narrows.open(folder_of(tmp_path, TWELVE), page=page)


def test_pages_are_of_image_files(tmp_path):
    with pytest.raises(DataError, match="only to image files"):
        narrows.open(TWELVE, page=1)
    np.save(tmp_path / "x.npy", TWELVE)
    with pytest.raises(DataError, match="only to image files"):
        narrows.open(tmp_path / "x.npy", page=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_files_are_turned_upright(tmp_path, orientation):
    stored = TWELVE[0]
    tifffile.imwrite(tmp_path / "x.tif", stored, extratags=[(tiff.ORIENTATION, "H", 1, orientation, True)])
    from PIL import ImageOps

    exif = Image.Exif()
    exif[tiff.ORIENTATION] = orientation
    turned = Image.fromarray(scaled(stored, 0, 65535))
    turned.save(tmp_path / "x.png", exif=exif)
    with Image.open(tmp_path / "x.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert images.measure(tmp_path / "x.tif") == upright.shape
    assert np.array_equal(narrows.open(tmp_path / "x.tif", white=65535).values[0, 0], upright)


def test_a_few_colour_files_among_grey_ones_are_spoken_of(tmp_path):
    folder = folder_of(tmp_path, [np.full((16, 16), 9 * i, np.uint8) for i in range(5)], ending="png")
    Image.new("RGB", (16, 16), "red").save(folder / "red.png")
    data = narrows.open(folder)
    assert data.shape[0] == 3
    assert "1 of 6 images is in colour, so all were given three channels; channels=1 makes them all grey." in data.notes
    assert not any("colour" in note for note in narrows.open(folder, channels=1).notes)
    assert not any("colour" in note for note in narrows.open(folder, channels=3).notes)


def test_colour_of_16_bits_in_a_png_is_cut_with_a_word(tmp_path):
    import struct
    import zlib

    rows = b"".join(b"\0" + RNG.integers(0, 65536, 16 * 3).astype(">u2").tobytes() for _ in range(16))
    parts = [(b"IHDR", struct.pack(">2I5B", 16, 16, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in parts)
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    notes = narrows.open(tmp_path / "x.png").notes
    assert "1 image in colour with 16 bits per channel: upper 8 bits read." in notes


def test_damaged_tiffs_are_listed_with_a_reason(tmp_path):
    folder = folder_of(tmp_path, TWELVE)
    whole = (folder / "0.tif").read_bytes()
    for i in range(40):
        rng = np.random.default_rng(i)
        damaged = bytearray(whole[: rng.integers(8, len(whole))] if i % 2 else whole)
        for place in rng.integers(4, min(len(damaged), 300), 6):
            damaged[place] = rng.integers(256)
        (folder / f"d{i}.tif").write_bytes(damaged)
    data = narrows.open(folder, white=65535)
    assert len(data) >= 6
    assert len(data) + len(data.skipped) == 46


def test_a_picture_that_is_too_large_is_not_read(tmp_path):
    folder = folder_of(tmp_path, TWELVE)
    with pytest.raises(DataError, match=r"above the limit of 0\.000479 megapixels: max_pixels=1_000_000 reads it"):
        narrows.open(folder, max_pixels=20 * 24 - 1)
    assert len(narrows.open(folder, max_pixels=20 * 24)) == 6


def test_in_a_mixed_folder_every_file_keeps_its_pixels_when_it_is_read_alone(tmp_path):
    folder = folder_of(tmp_path, TWELVE)
    floats = RNG.random((3, 20, 24)).astype(np.float32)
    for i in range(3):
        tifffile.imwrite(folder / f"f{i}.tif", floats[i])
        Image.fromarray(RNG.integers(0, 256, (20, 24), dtype=np.uint8)).save(folder / f"b{i}.png")
        tifffile.imwrite(folder / f"s{i}.tif", TWELVE[i].astype(np.int16))
    data = narrows.open(folder)
    like = data.provenance["preprocessing"]
    assert (like["range"], like["dtype"]) == ([0, 4095], "uint16")
    for row, name in enumerate(data.ids):
        alone = narrows.open(folder / name, like=like)
        assert np.array_equal(alone.values[0], data.values[row]), name
    assert np.array_equal(data.values[[name.startswith("f") for name in data.ids], 0], scaled(floats, 0, 1))


def test_a_stack_behind_one_header(tmp_path):
    stack = RNG.integers(0, 4096, (5, 20, 24)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", stack, metadata={"axes": "ZYX"}, imagej=True, truncate=True)
    data = narrows.open(tmp_path / "x.tif", page="all", white=4095)
    assert np.array_equal(data.values[:, 0], scaled(stack, 0, 4095))


def test_what_nobody_can_know_is_listed(tmp_path):
    folder = folder_of(tmp_path, TWELVE)
    tifffile.imwrite(folder / "dark.tif", TWELVE[0].astype(np.int16), photometric="miniswhite")
    data = narrows.open(folder)
    assert len(data) == 6
    assert "values are inverted" in data.skipped[0].reason


def test_pages_that_go_round_in_a_circle_end(tmp_path):
    folder = folder_of(tmp_path, TWELVE[:2])
    Image.fromarray(TWELVE[0]).save(folder / "two.tif", save_all=True, append_images=[Image.fromarray(TWELVE[1])])
    with tifffile.TiffFile(folder / "two.tif") as file:
        first, second = (page.offset for page in file.pages)
    content = bytearray((folder / "two.tif").read_bytes())
    for back in (first, second):
        place = second + 2 + 12 * int.from_bytes(content[second : second + 2], "little")
        content[place : place + 4] = back.to_bytes(4, "little")
        (folder / "two.tif").write_bytes(content)
        assert (
            narrows.open(folder, white=4095).skipped[0].reason == "damaged: its pages refer to each other in a circle"
        )


@pytest.mark.parametrize(
    "how", [{}, {"compression": "zlib", "rowsperstrip": 7}, {"compression": "zlib", "tile": (16, 16)}]
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_strips_and_tiles_are_read_in_bands(tmp_path, monkeypatch, how, planar):
    monkeypatch.setattr(sizes, "BAND_PIXELS", 150)
    stack = RNG.integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    stack[0, 0] = 0, 65535, 65535
    laid = stack if planar == "contig" else np.moveaxis(stack, 2, 0)
    for orientation in (1, 4, 8):
        tags = [(tiff.ORIENTATION, "H", 1, orientation, True)]
        tifffile.imwrite(tmp_path / "x.tif", laid, photometric="rgb", planarconfig=planar, extratags=tags, **how)
        found = narrows.open(tmp_path / "x.tif").values[0]
        expected = upright.turned_planes(scaled(np.moveaxis(stack, 2, 0), 0, 65535), orientation)
        assert np.array_equal(found, expected)


def test_a_tile_that_was_never_written_is_empty(tmp_path):
    stack = RNG.integers(1, 255, (32, 32, 5), dtype=np.uint8)
    tifffile.imwrite(
        tmp_path / "x.tif", stack, photometric="minisblack", planarconfig="contig", tile=(16, 16), compression="zlib"
    )
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+b") as file:
        counts = file.pages.first.tags["TileByteCounts"]
        counts.overwrite([*counts.value[:3], 0])
    found = narrows.open(tmp_path / "x.tif", channels=[2]).values[0, 0]
    stack[16:, 16:] = 0
    assert np.array_equal(found, stack[..., 2])


def test_masks_of_one_bit(tmp_path):
    masks = RNG.random((3, 16, 24)) > 0.5
    tifffile.imwrite(tmp_path / "x.tif", masks, photometric="minisblack", planarconfig="separate")
    assert np.array_equal(narrows.open(tmp_path / "x.tif").values[0], masks * np.uint8(255))


def test_a_large_stack_of_channels_is_sampled_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "BAND_PIXELS", 100)
    monkeypatch.setattr(scale, "SAMPLE", 2048)
    stack = RNG.integers(0, 3000, (2, 1, 80, 90)).astype(np.uint16)
    stack[0, 0, 3, 3] = 60_000
    folder = folder_of(tmp_path, stack[:, 0])
    each = [image.ravel()[:: -(-image.size // 1024)] for image in stack]
    wanted = np.percentile(np.concatenate(each), 100 - scale.OUTLIERS)
    assert narrows.open(folder).provenance["preprocessing"]["range"] == [0, pytest.approx(wanted)]
