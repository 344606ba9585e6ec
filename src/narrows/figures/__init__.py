"""Arrays become matplotlib figures.

Every function returns a ``matplotlib.figure.Figure`` and leaves pyplot's state alone, so figures can be drawn in any
thread and without a display. Functions that draw on a single axes take ``ax=`` to draw on an existing one.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from narrows.disk.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DPI", "as_bytes", "save"]

DPI = 192  # two device pixels to one CSS pixel (1/96 inch), so that text stays sharp on dense screens


def save(figure: Figure, path: str | Path, *, dpi: int = DPI) -> None:
    """Write ``figure`` as PNG or PDF in one step; the same figure gives the same bytes (no date, no version).

    Parameters
    ----------
    figure : the figure
    path : the file to write: a PDF if its name ends in .pdf, otherwise a PNG
    dpi : dots per inch; image grids keep whole-number pixel scales at ``DPI`` and its multiples
    """
    suffix: Literal["png", "pdf"] = "pdf" if Path(path).suffix.lower() == ".pdf" else "png"
    write_bytes(path, as_bytes(figure, suffix, dpi=dpi))


def as_bytes(figure: Figure, suffix: Literal["png", "pdf"] = "png", *, dpi: int = DPI) -> bytes:
    """Return ``figure`` as a PNG or PDF file; the same figure gives the same bytes."""
    from narrows.figures.style import style

    buffer = io.BytesIO()
    metadata = {"CreationDate": None, "Producer": None} if suffix == "pdf" else {"Software": None}
    with style(), warnings.catch_warnings():
        # A label in a script the font lacks becomes boxes in the picture; the report's text still shows it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(buffer, format=suffix, dpi=dpi, metadata=metadata)
    return buffer.getvalue()
