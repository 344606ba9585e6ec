"""The contact sheet of a cluster: an image of each of its parts, and its least typical images."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.images import GAP, LETTER, LINE, Sheet, enlarge
from narrows.figures.style import MUTED


def contact_sheet(examples: Array, shares: Sequence[float], atypical: Array, columns: int = 8) -> Figure:
    """Draw two labelled strips: an image of each part of a cluster, and the images that fit it least.

    Parameters
    ----------
    examples : uint8 (n, C, H, W) or float (n, C, H, W) in [0, 1], n >= 1
    shares : (n,), the share of the cluster that each example stands for; written below it
    atypical : (m, C, H, W), in the same form; if it is empty, the second strip is left out
    columns : images per line

    Raises
    ------
    InputError : values that are not images, or a different number of shares
    """
    if len(shares) != len(examples):
        raise InputError("shares", f"must have one entry for each of the {len(examples)} examples", value=len(shares))
    strips: list[tuple[str, Array, list[str] | None]] = [("parts and shares", examples, [percent(s) for s in shares])]
    if len(atypical):
        strips.append(("least typical", atypical, None))
    sheet = Sheet()
    y = GAP
    for title, images, captions in strips:
        sheet.write(title, GAP, y, size=7.5, colour=MUTED)
        y = sheet.grid(enlarge(images, title), GAP, y + LINE + GAP // 2, columns, captions) + 2 * GAP
        sheet.width = max(sheet.width, round(1.2 * LETTER * len(title)) + 2 * GAP)
    return sheet.draw()


def percent(share: float) -> str:
    """Return a share as whole per cent, in few letters; only nothing is 0 %, and only all is 100 %."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{int(100 * share + 0.5)} %"
