"""Arrays become matplotlib figures.

Every function returns a ``matplotlib.figure.Figure`` and leaves pyplot's state alone, so figures can be drawn in any
thread and without a display. Functions that draw one axes take ``ax=`` and then draw there.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from narrows.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DPI", "save"]

DPI = 192  # two device pixels to one CSS pixel (1/96 inch), so that text stays sharp on dense screens


def save(figure: Figure, path: str | Path, *, dpi: int = DPI) -> None:
    """Write ``figure`` as PNG or PDF in one step; the same figure gives the same bytes (no date, no version).

    Parameters
    ----------
    figure : what to write
    path : the file; one that ends in .pdf is a PDF, anything else a PNG
    dpi : dots per inch; image grids keep whole-number pixel scales at ``DPI`` and its multiples
    """
    from narrows.figures.style import style

    buffer = io.BytesIO()
    with style(), warnings.catch_warnings():
        # A label in a script the font lacks becomes boxes in the picture; the report's text still shows it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        if Path(path).suffix.lower() == ".pdf":
            figure.savefig(buffer, format="pdf", dpi=dpi, metadata={"CreationDate": None, "Producer": None})
        else:
            figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())
