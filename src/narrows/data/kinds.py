"""What a file is that is no image of a kind that is read, by its content or its name, and what can be done about it."""

from __future__ import annotations

import stat
from pathlib import Path

HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})

# Cameras' raw files lie in TIFFs more often than not, so that the name alone tells them.
RAW = {
    ".3fr": "Hasselblad", ".arw": "Sony", ".cr2": "Canon", ".cr3": "Canon", ".crw": "Canon", ".dcr": "Kodak",
    ".dng": "DNG", ".erf": "Epson", ".fff": "Hasselblad", ".gpr": "GoPro", ".iiq": "Phase One", ".kdc": "Kodak",
    ".mef": "Mamiya", ".mos": "Leaf", ".mrw": "Minolta", ".nef": "Nikon", ".nrw": "Nikon", ".orf": "Olympus",
    ".pef": "Pentax", ".raf": "Fujifilm", ".raw": "camera", ".rw2": "Panasonic", ".rwl": "Leica", ".sr2": "Sony",
    ".srf": "Sony", ".srw": "Samsung", ".x3f": "Sigma",
}  # fmt: skip
HEIC = "a HEIC photo, which needs the package pillow-heif: pip install 'narrows[heic]'"
AVIF = "an AVIF image, which needs a newer Pillow: pip install -U pillow"
CONVERT = "which is not read: convert it to PNG or JPEG first"
VIDEO = "a video, which is not read: extract its frames as images first"
BY_NAME = {
    **{ending: f"a raw photo ({maker}), which is not read: develop it to JPEG or TIFF first" for ending, maker in RAW.items()},
    ".jxl": f"a JPEG XL image, {CONVERT}",
    **dict.fromkeys((".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".j2c"), f"a JPEG 2000 image, {CONVERT}"),
    **dict.fromkeys((".svg", ".svgz", ".eps", ".ai"), f"a vector drawing, {CONVERT}"),
    **dict.fromkeys((".psd", ".psb"), f"a Photoshop document, {CONVERT}"),
    **dict.fromkeys((".xcf", ".kra", ".clip"), f"a painting program's document, {CONVERT}"),
    ".pdf": "a PDF document, which is not read: extract its pages as images first",
    **dict.fromkeys((".ico", ".icns", ".cur"), f"an icon, {CONVERT}"),
    **dict.fromkeys((".tga", ".exr", ".hdr", ".pcx", ".dds", ".fits", ".fit", ".bpg"), f"an image of another format, {CONVERT}"),
    **dict.fromkeys((".dcm", ".dicom"), f"a DICOM image, {CONVERT}"),
    **dict.fromkeys((".czi", ".nd2", ".lif", ".svs", ".ndpi", ".vsi", ".oib", ".oif"), "a microscope's own format, which is not read: export it to TIFF first"),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".m4v", ".webm", ".mts", ".m2ts", ".3gp", ".mpg", ".mpeg", ".wmv"), VIDEO),
}  # fmt: skip
HEAD = 64


def is_heif(head: bytes) -> bool:
    """Whether a file that begins so is HEIC or its like."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


def of_file(path: Path) -> str | None:
    """Return what a file is and what can be done about it, in a sentence's words; None where nobody can tell."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return None
    return BY_NAME.get(path.suffix.lower()) or _of_content(head)


def _of_content(head: bytes) -> str | None:
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if is_heif(head):
            return HEIC
        if brand in (b"avif", b"avis"):
            return AVIF
        return BY_NAME[".cr3"] if brand == b"crx " else VIDEO
    for start, what in (
        (b"\xff\x0a", BY_NAME[".jxl"]), (b"\0\0\0\x0cJXL ", BY_NAME[".jxl"]), (b"\0\0\0\x0cjP  ", BY_NAME[".jp2"]),
        (b"\xff\x4f\xff\x51", BY_NAME[".jp2"]), (b"8BPS", BY_NAME[".psd"]), (b"%PDF", BY_NAME[".pdf"]),
        (b"%!PS", BY_NAME[".eps"]), (b"\0\0\x01\0", BY_NAME[".ico"]), (b"FUJIFILMCCD-RAW", BY_NAME[".raf"]),
        (b"IIU\0", BY_NAME[".rw2"]), (b"IIRO", BY_NAME[".orf"]), (b"IIRS", BY_NAME[".orf"]),
        (b"gimp xcf", BY_NAME[".xcf"]), (b"SIMPLE  =", BY_NAME[".fits"]), (b"\x1aE\xdf\xa3", VIDEO),
        (b"\x1f\x8b", "packed by gzip: unpack it first"), (b"PK\x03\x04", "a zip archive: unpack it first"),
    ):  # fmt: skip
        if head.startswith(start):
            return what
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return VIDEO
    if text.startswith((b"<svg", b"<?xml")):
        return BY_NAME[".svg"]
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page, as servers send in place of an image: download it again"
    return None
