import io
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from narrows.data import images, sizes
from narrows.data.images import Unreadable
from narrows.data.pixels import to_pixels
from narrows.data.reading import How, of_format
from narrows.data.sizes import auto_size, check_geometry, convert, resize
from narrows.errors import DataError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
NATIVE = (20, 30)


def how(size=NATIVE, fit="crop", channels="auto", scale=of_format, page=0):
    return How(size, fit, channels, scale, page)


def decode(path, image, size=NATIVE, fit="crop", channels="auto", **save):
    image.save(path, **save)
    with images.quiet():
        return images.decode(path, how(size, fit, channels))


def test_pixels_are_untouched_at_their_own_size(tmp_path):
    picture = decode(tmp_path / "x.png", Image.fromarray(COLOUR))
    assert np.array_equal(picture.pixels, COLOUR.transpose(2, 0, 1))
    assert picture.conversions == ()


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "pgm", "gif"])
def test_grey_images_have_one_channel(tmp_path, ending):
    picture = decode(tmp_path / f"x.{ending}", Image.fromarray(GREY))
    assert np.array_equal(picture.pixels, GREY[None])


def test_colour_that_is_grey_in_content_has_one_channel(tmp_path):
    assert decode(tmp_path / "x.png", Image.fromarray(GREY).convert("RGB")).pixels.shape == (1, 20, 30)
    assert decode(tmp_path / "x.png", Image.fromarray(GREY), channels=3).pixels.shape == (3, 20, 30)
    assert decode(tmp_path / "x.png", Image.fromarray(COLOUR), channels=1).pixels.shape == (1, 20, 30)


def test_alpha_is_laid_on_white(tmp_path):
    rgba = np.zeros((8, 8, 4), np.uint8)  # black everywhere
    rgba[:, :4, 3] = 255  # seen on the left, hidden on the right
    rgba[0, 0, 3] = 51  # 20 % seen
    picture = decode(tmp_path / "x.png", Image.fromarray(rgba), (8, 8))
    assert picture.conversions == ("alpha",)
    assert picture.pixels.shape == (1, 8, 8)
    assert (picture.pixels[0, 1:, :4] == 0).all()
    assert (picture.pixels[0, :, 4:] == 255).all()
    assert picture.pixels[0, 0, 0] == 204


def test_alpha_that_hides_nothing_is_not_spoken_of(tmp_path):
    assert decode(tmp_path / "x.png", Image.fromarray(COLOUR).convert("RGBA")).conversions == ()


def test_a_palette_with_a_transparent_entry(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (4, 0, 8, 8))
    plain = decode(tmp_path / "x.png", image, (8, 8))
    assert plain.conversions == ("palette",)
    assert plain.pixels[:, 0, 0].tolist() == [255, 0, 0]
    clear = decode(tmp_path / "x.png", image, (8, 8), transparency=0)
    assert clear.conversions == ("alpha",)
    assert clear.pixels[:, 0, 0].tolist() == [255, 255, 255]
    assert clear.pixels[:, 0, 7].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("values", "ending", "expected"),
    [
        (np.array([0, 257, 300, 65535], np.uint16), "png", [0, 1, 1, 255]),
        (np.array([0, 257, 300, 65535], np.uint16), "tif", [0, 1, 1, 255]),
        (np.array([0, 1, 255, 65535], np.int32), "tif", [0, 0, 1, 255]),
        (np.array([0, 1, 255, 514], np.int32), "tif", [0, 0, 1, 2]),
        (np.array([0, 1, 255, 514], np.uint16), "tif", [0, 0, 1, 2]),
        (np.array([0, 1, 255, 514], np.uint16), "png", [0, 0, 1, 2]),
        (np.array([0, 0.1, 0.5, 1], np.float32), "tif", [0, 26, 128, 255]),
        (np.array([-0.0005, 0, 0.5, 1.0005], np.float32), "tif", [0, 0, 128, 255]),
    ],
)
def test_deep_images_are_scaled(tmp_path, values, ending, expected):
    picture = decode(tmp_path / f"x.{ending}", Image.fromarray(values[None]), (1, 4))
    assert picture.pixels[0, 0].tolist() == expected
    assert picture.conversions == ("deep",)


@pytest.mark.parametrize("value", [-5, 1.5, 1e6, np.nan])
def test_deep_images_of_no_known_range_are_refused(tmp_path, value):
    with pytest.raises(Unreadable, match=r"its values run|NaN"):
        decode(tmp_path / "x.tif", Image.fromarray(np.full((8, 8), value, np.float32)))


def test_cmyk(tmp_path):
    picture = decode(tmp_path / "x.tif", Image.new("CMYK", (8, 8), (255, 0, 0, 0)), (8, 8))
    assert picture.conversions == ("cmyk",)
    assert picture.pixels[:, 0, 0].tolist() == [0, 255, 255]


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    for name, kind in (("x.gif", "GIF"), ("x.webp", "frames"), ("x.png", "frames"), ("x.tif", "pages")):
        lossless = {"lossless": True} if name == "x.webp" else {}
        picture = decode(tmp_path / name, frames[0], (8, 8), save_all=True, append_images=frames[1:], **lossless)
        assert kind in picture.conversions
        assert picture.pixels[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("ending", "mode"), [("jpg", "RGB"), ("png", "RGBA"), ("tif", "RGB"), ("webp", "RGBA")])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(tmp_path, ending, mode, orientation):
    stored = Image.new(mode, (64, 32), "white")
    stored.paste("black", (0, 0, 16, 16))
    if mode == "RGBA":
        stored.putpixel((40, 20), (255, 255, 255, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"x.{ending}", exif=exif)
    with Image.open(tmp_path / f"x.{ending}") as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("L"))  # the reference
    assert images.measure(tmp_path / f"x.{ending}") == upright.shape
    with images.quiet():
        picture = images.decode(tmp_path / f"x.{ending}", how(upright.shape, "crop", 1))
    assert np.abs(picture.pixels[0].astype(int) - upright).max() < 30


@pytest.mark.parametrize("size", [(8, 8), (16, 40), (60, 20), (64, 64)])
def test_fits_against_the_reference(size):
    image = Image.fromarray(COLOUR)
    lanczos = Image.Resampling.LANCZOS
    height, width = size
    reference = {
        "crop": ImageOps.fit(image, (width, height), lanczos),
        "pad": ImageOps.pad(image, (width, height), lanczos),
        "stretch": image.resize((width, height), lanczos),
    }
    for fit, expected in reference.items():
        found = np.asarray(resize(image, size, fit)).astype(int)
        assert found.shape == (*size, 3)
        assert np.abs(found - np.asarray(expected)).mean() < 1.5


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_are_converted_as_files_are(tmp_path, fit, channels):
    for array in (COLOUR, GREY):
        picture = decode(tmp_path / "x.png", Image.fromarray(array), (16, 12), fit, channels)
        stack = array[None, None] if array.ndim == 2 else array.transpose(2, 0, 1)[None]
        assert np.array_equal(convert(stack, (16, 12), channels, fit)[0], picture.pixels)


def test_draft_gives_nearly_the_same_picture(tmp_path):
    y, x = np.mgrid[:480, :640]
    smooth = np.stack([x * 255 // 640, y * 255 // 480, (x + y) % 256], -1).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "x.jpg", quality=95)
    with Image.open(tmp_path / "x.jpg") as image:
        full = to_pixels(resize(image.convert("RGB"), (32, 32), "crop")).astype(int)
    with images.quiet():
        drafted = images.decode(tmp_path / "x.jpg", how((32, 32))).pixels
    assert np.abs(drafted - full).mean() < 3


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({(28, 28)}, (28, 28)),
        ({(64, 8)}, (64, 8)),
        ({(480, 640)}, (48, 64)),
        ({(65, 65)}, (64, 64)),
        ({(1000, 10)}, (64, 8)),
        ({(4, 4)}, (8, 8)),
        ({(28, 28), (29, 28)}, (64, 64)),
        (set(), (64, 64)),
    ],
)
def test_auto_size(sizes, expected):
    assert auto_size(sizes) == expected


def png(width, height):
    """A PNG whose header promises width x height grey pixels."""
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10**6))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("width", [50_000, 7_100, 12_000, 2**31 - 1])
def test_a_bomb_is_refused_at_once(tmp_path, width):
    (tmp_path / "x.png").write_bytes(png(width, width))
    start = time.perf_counter()
    with images.quiet(), pytest.raises(Unreadable, match="above the limit of 50"):
        images.decode(tmp_path / "x.png", how((64, 64)))
    assert time.perf_counter() - start < 1


def test_conversions_are_counted_in_words():
    assert images.describe(Counter({"GIF": 3, "alpha": 1})) == [
        "1 image with transparency: put on a white background.",
        "3 animated GIFs: first frame used.",
        'The others are read with page=NUMBER or page="all".',
    ]


@pytest.mark.parametrize(
    ("size", "channels", "fit"),
    [
        (0, 1, "crop"),
        ((8,), 1, "crop"),
        ("big", 1, "crop"),
        (True, 1, "crop"),
        (8, 2, "crop"),
        (8, 1, "cut"),
        ((8, 9.5), 1, "crop"),
    ],
)
def test_geometry_that_makes_no_sense(size, channels, fit):
    with pytest.raises(DataError, match="must be"):
        check_geometry(size, channels, fit)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", ["before", "behind", "xmp"])
def test_notes_of_a_png_are_found_wherever_they_stand(tmp_path, orientation, place):
    stored = np.full((32, 64), 255, np.uint8)
    stored[:16, :16] = 0
    path = tmp_path / "x.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    if place == "xmp":
        notes = f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", notes)
        Image.fromarray(stored).save(path, pnginfo=info)
    else:
        Image.fromarray(stored).save(path, exif=exif)
    if place == "behind":
        path.write_bytes(behind_pixels(path.read_bytes(), b"eXIf"))
    with Image.open(path) as image:
        image.load()
        upright = np.asarray(ImageOps.exif_transpose(image))  # the reference
    assert images.measure(path) == upright.shape
    with images.quiet():
        picture = images.decode(path, how(upright.shape))
    assert np.array_equal(picture.pixels[0], upright)
    assert picture.native == upright.shape


def behind_pixels(content, kind):
    """Move a chunk of a PNG to just before its end."""
    start = content.index(kind) - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    last = content.index(b"IEND") - 4
    return content[:start] + content[end:last] + content[start:end] + content[last:]


# Bands


@pytest.mark.parametrize("band", [1, 300, 4000])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_bands_give_the_bits_of_the_whole(monkeypatch, band, fit):
    lanczos = Image.Resampling.LANCZOS
    for height, width, down, across in ((211, 97, 5, 9), (60, 301, 30, 8), (64, 64, 64, 64), (33, 200, 40, 7)):
        image = Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))
        if fit == "stretch":  # the reference: Pillow's own, of all at once
            whole = image.resize((across, down), lanczos, reducing_gap=3.0)
        else:
            monkeypatch.setattr(sizes, "BAND_PIXELS", 1 << 30)
            whole = resize(image, (down, across), fit)
        monkeypatch.setattr(sizes, "BAND_PIXELS", band)
        assert np.array_equal(resize(image, (down, across), fit), whole)


MODES = {
    "RGBA": Image.fromarray(RNG.integers(0, 256, (150, 90, 4), dtype=np.uint8)),
    "LA": Image.fromarray(RNG.integers(0, 256, (150, 90, 2), dtype=np.uint8)),
    "P": Image.fromarray(RNG.integers(0, 256, (150, 90, 3), dtype=np.uint8)).quantize(60),
    "1": Image.fromarray(RNG.integers(0, 256, (150, 90), dtype=np.uint8)).convert("1"),
    "I;16": Image.fromarray(RNG.integers(0, 65536, (150, 90), dtype=np.uint16)),
    "RGB": Image.fromarray(RNG.integers(0, 256, (150, 90, 3), dtype=np.uint8)),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_pictures_of_every_kind_are_read_in_bands(tmp_path, monkeypatch, mode, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    MODES[mode].save(tmp_path / f"x.{ending}", exif=exif)
    whole = images.decode(tmp_path / f"x.{ending}", how((13, 17)))
    monkeypatch.setattr(sizes, "BAND_PIXELS", 900)
    banded = images.decode(tmp_path / f"x.{ending}", how((13, 17)))
    assert np.array_equal(banded.pixels, whole.pixels)
    assert (banded.native, banded.conversions) == (whole.native, whole.conversions)
    assert banded.native == ((90, 150) if orientation >= 5 else (150, 90))


MEMORY = """
import resource, sys
from pathlib import Path
from narrows.data import images
from narrows.data.reading import How, of_format
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)
small, large = (Path(sys.argv[1]) / name for name in ("small.png", "large.png"))
images.decode(small, How((64, 64), "crop", "auto", of_format))
before = peak()
images.decode(large, How((64, 64), "crop", "auto", of_format))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process's memory is not known there")
@pytest.mark.parametrize(("mode", "frame"), [("RGBA", 64), ("I;16", 32), ("P", 16)])
def test_a_large_picture_takes_little_more_than_its_frame(tmp_path, mode, frame):
    for name, side in (("small", 64), ("large", 4096)):
        Image.new(mode, (side, side)).save(tmp_path / f"{name}.png", compress_level=1)
    run = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < frame + 25  # MiB


# The cap


def test_a_jpeg_counts_with_the_size_it_is_decoded_at(tmp_path):
    Image.new("L", (4000, 3000), 100).save(tmp_path / "x.jpg")
    assert images.decode(tmp_path / "x.jpg", replace(how((64, 64)), max_pixels=500 * 375)).native == (3000, 4000)
    with pytest.raises(Unreadable, match=r"12\.0 megapixels, above the limit of 0\.187499"):
        images.decode(tmp_path / "x.jpg", replace(how((64, 64)), max_pixels=500 * 375 - 1))
    with pytest.raises(Unreadable, match="above the limit"):  # where more of it is wanted, more is decoded
        images.decode(tmp_path / "x.jpg", replace(how((1500, 2000)), max_pixels=2_000_000))


def test_a_jpeg_larger_than_pillow_opens(tmp_path):
    Image.new("L", (60_000, 3_200), 100).save(tmp_path / "x.jpg")  # 192 megapixels
    assert images.decode(tmp_path / "x.jpg", how((64, 64))).pixels[0].tolist() == [[100] * 64] * 64


@pytest.mark.parametrize(
    ("save", "copies"),
    [
        ({"format": "JPEG", "progressive": True, "subsampling": 0}, 1.5),
        ({"format": "JPEG", "progressive": True, "subsampling": 2}, 0.75),
        ({"format": "WEBP"}, 4),
        ({"format": "PNG"}, 1),
        ({"format": "GIF"}, 1),
    ],
)
def test_what_decoding_holds_counts(tmp_path, save, copies):
    Image.new("RGB", (800, 400)).save(tmp_path / "x", **save)
    drafted = 100 * 50 if save["format"] == "JPEG" else 0
    held = int(copies * 800 * 400) + drafted
    assert images.decode(tmp_path / "x", replace(how((16, 16)), max_pixels=held)).native == (400, 800)
    with pytest.raises(Unreadable, match="max_pixels=") as refused:
        images.decode(tmp_path / "x", replace(how((16, 16)), max_pixels=held - 1))
    assert ("needs memory for" in str(refused.value)) == (held > 800 * 400)


def test_notes_behind_the_pixels_are_looked_for_within_the_cap(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "x.png"
    Image.fromarray(GREY).save(path, exif=exif)
    path.write_bytes(behind_pixels(path.read_bytes(), b"eXIf"))
    with pytest.raises(Unreadable, match="above the limit"):
        images.measure(path, max_pixels=599)
    assert images.measure(path, max_pixels=600) == (30, 20)


def test_later_frames_are_drawn_within_the_cap(tmp_path):
    frames = [Image.new("L", (100, 100), grey) for grey in (0, 255)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert images.decode(tmp_path / "x.gif", replace(how((8, 8), page=1), max_pixels=35_000)).pixels.min() == 255
    with pytest.raises(Unreadable, match=r"memory for 0\.0"):
        images.decode(tmp_path / "x.gif", replace(how((8, 8), page=1), max_pixels=34_999))


def test_threads_share_the_memory_of_large_pictures():
    room = images.Room(10)
    inside = threading.Event()
    order = []

    def another():
        with room.take(4):
            order.append("second")

    with room.take(99):  # larger than all of it, and alone
        waiting = threading.Thread(target=another)
        waiting.start()
        inside.wait(0.05)
        order.append("first")
    waiting.join(5)
    with room.take(5), room.take(5):
        assert order == ["first", "second"]


# Cut off


def jpeg(image, **how):
    file = io.BytesIO()
    image.save(file, "JPEG", **how)
    return file.getvalue()


SCENE = Image.fromarray(np.add.outer(np.arange(480) // 3, np.arange(640) // 5).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_without_its_last_bytes_is_read(tmp_path, mode):
    whole = jpeg(SCENE.convert(mode))
    (tmp_path / "x.jpg").write_bytes(whole)
    expected = images.decode(tmp_path / "x.jpg", how((48, 64)))
    assert expected.damage == ""
    for missing in (1, 2):
        (tmp_path / "x.jpg").write_bytes(whole[:-missing])
        found = images.decode(tmp_path / "x.jpg", how((48, 64)))
        assert found.damage == "truncated, but with all of its lines"
        assert np.array_equal(found.pixels, expected.pixels)
    (tmp_path / "x.jpg").write_bytes(whole[: len(whole) * 3 // 4])
    found = images.decode(tmp_path / "x.jpg", how((48, 64)))
    share = int(re.fullmatch(r"truncated after (\d+) % of its lines; the rest is grey", found.damage)[1])
    assert 60 < share < 90
    assert np.abs(found.pixels[:, :20].astype(int) - expected.pixels[:, :20]).max() <= 2
    assert np.ptp(found.pixels[:, -5:]) <= 1
    (tmp_path / "x.jpg").write_bytes(whole[: len(whole) * 2 // 5])
    with pytest.raises(Unreadable, match=r"truncated after \d+ % of its lines, of which at least 50 % are needed"):
        images.decode(tmp_path / "x.jpg", how((48, 64)))


def test_a_progressive_jpeg_is_less_sharp_where_it_is_cut_off(tmp_path):
    whole = jpeg(SCENE, progressive=True)
    (tmp_path / "x.jpg").write_bytes(whole)
    expected = images.decode(tmp_path / "x.jpg", how((48, 64))).pixels.astype(int)
    (tmp_path / "x.jpg").write_bytes(whole[: len(whole) * 3 // 4])
    found = images.decode(tmp_path / "x.jpg", how((48, 64)))
    assert found.damage == "truncated, but with all of its lines"
    assert np.abs(found.pixels - expected).mean() < 8


def test_a_jpeg_cut_off_in_the_midst_of_its_tables_is_read(tmp_path):
    whole = jpeg(SCENE, progressive=True)
    for place in [mark.start() for mark in re.finditer(b"\xff[\xc4\xda]", whole)][-6:]:
        for more in (1, 2, 3, 5, 9):
            (tmp_path / "x.jpg").write_bytes(whole[: place + more])
            assert images.decode(tmp_path / "x.jpg", how((48, 64))).damage == "truncated, but with all of its lines"


def test_reading_what_is_cut_off_leaves_pillow_as_it_is(tmp_path):
    from PIL import ImageFile

    (tmp_path / "x.jpg").write_bytes(jpeg(SCENE)[:-2])
    assert images.decode(tmp_path / "x.jpg", how()).damage
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    with Image.open(tmp_path / "x.jpg") as image, pytest.raises(OSError, match="truncated"):
        image.load()


@pytest.mark.parametrize("ending", ["png", "gif", "webp", "bmp", "tif"])
def test_other_formats_are_not_read_where_they_are_cut_off(tmp_path, ending):
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(tmp_path / f"x.{ending}")
    whole = (tmp_path / f"x.{ending}").read_bytes()
    (tmp_path / f"x.{ending}").write_bytes(whole[: len(whole) - 200])
    with pytest.raises(Unreadable):
        images.decode(tmp_path / f"x.{ending}", how())
