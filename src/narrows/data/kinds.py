"""Files that are not readable images: what they are, by content or name, and what the user can do about it."""

from __future__ import annotations

import stat
from pathlib import Path

HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})

HEIC = "a HEIC photo, which needs the package pillow-heif: pip install 'narrows[heic]'"
AVIF = "an AVIF image, which needs a newer Pillow: pip install -U pillow"
TO_PNG = "which is not read: convert it to PNG or JPEG first"
RAW = "a camera's raw photo, which is not read: develop it to JPEG or TIFF first"
JXL, JP2 = f"a JPEG XL image, {TO_PNG}", f"a JPEG 2000 image, {TO_PNG}"
DRAWING, LAYERS, ICON = f"a vector drawing, {TO_PNG}", f"a document with layers, {TO_PNG}", f"an icon, {TO_PNG}"
OTHER = f"an image of another format, {TO_PNG}"
PAGES = "a PDF document, which is not read: extract its pages as images first"
SLIDE = "a microscope's own format, which is not read: export it to TIFF first"
VIDEO = "a video, which is not read: extract its frames as images first"
PACKED = "an archive, which is not read: unpack it first"
WEB = "a web page, as servers send in place of an image: download it again"

# Cameras' raw files and microscopes' lie in TIFFs more often than not, so that the name alone tells them.
BY_NAME = {
    ending: what
    for what, endings in {
        RAW: "3fr arw cr2 cr3 crw dcr dng erf fff gpr iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srw x3f",
        JXL: "jxl",
        JP2: "jp2 j2k jpf jpx jpc j2c",
        DRAWING: "svg svgz eps ai",
        LAYERS: "psd psb xcf kra",
        ICON: "ico icns cur",
        OTHER: "tga exr hdr pcx dds fits fit bpg dcm dicom",
        PAGES: "pdf",
        SLIDE: "czi nd2 lif svs ndpi vsi oib oif",
        VIDEO: "mp4 mov avi mkv m4v webm mts m2ts 3gp mpg mpeg wmv",
        PACKED: "zip 7z rar tar tgz",
    }.items()
    for ending in endings.split()
}
BY_START = {
    b"\xff\x0a": JXL,
    b"\0\0\0\x0cJXL ": JXL,
    b"\0\0\0\x0cjP  ": JP2,
    b"\xff\x4f\xff\x51": JP2,
    b"8BPS": LAYERS,
    b"gimp xcf": LAYERS,
    b"%PDF": PAGES,
    b"%!PS": DRAWING,
    b"\0\0\x01\0": ICON,
    b"FUJIFILMCCD-RAW": RAW,
    b"IIU\0": RAW,
    b"IIRO": RAW,
    b"IIRS": RAW,
    b"SIMPLE  =": OTHER,
    b"\x1aE\xdf\xa3": VIDEO,
    b"Rar!": PACKED,
    b"7z\xbc\xaf": PACKED,
}
BY_BRAND = {b"avif": AVIF, b"avis": AVIF, b"crx ": RAW} | dict.fromkeys(HEIF_BRANDS, HEIC)
BY_TEXT = {b"<svg": DRAWING, b"<?xml": DRAWING, b"<!doctype html": WEB, b"<html": WEB}
HEAD = 64


def is_heif(head: bytes) -> bool:
    """Whether a file that begins so is HEIC or its like."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


def of_file(path: Path) -> str | None:
    """Return what a file is and what can be done about it, as part of a sentence; None if unknown."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return None
    return BY_NAME.get(path.suffix.lower().removeprefix(".")) or _of_content(head)


def _of_content(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return BY_BRAND.get(head[8:12], VIDEO)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return VIDEO
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    return next(
        (
            what
            for table, start in ((BY_START, head), (BY_TEXT, text))
            for known, what in table.items()
            if start.startswith(known)
        ),
        None,
    )
