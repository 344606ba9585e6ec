import struct
import time
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from narrows.data import images
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
        "1 image with transparency: laid on white.",
        "3 animated GIFs: first frame used.",
        'The others are read with page=NUMBER or page="all".',
    ]


@pytest.mark.parametrize(
    ("size", "channels", "fit"),
    [
        (0, 1, "crop"), ((8,), 1, "crop"), ("big", 1, "crop"), (True, 1, "crop"), (8, 2, "crop"), (8, 1, "cut"),
        ((8, 9.5), 1, "crop"),
    ],
)  # fmt: skip
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
