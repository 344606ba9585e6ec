"""Computed pages of arithmetic, to learn from and to check the rest of the package against.

One file per page, read from top to bottom: functions that compute, the page's text with gaps, and ``page()``, which
fills the gaps with what the functions return and draws the pictures. No number of a page is typed by hand.

The docstring of a page's module consists of the page's title and one paragraph on what the page shows; the list of
pages is made from them, so nothing needs to be computed for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from narrows.disk.files import write_text
from narrows.registry import Registry
from narrows.studies.worked._markdown import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

pages = Registry("narrows.studies.worked", "worked page")


@dataclass(frozen=True)
class Page:
    """A computed page.

    Parameters
    ----------
    name : the registered name; the page is written as NAME.md
    text : Markdown with mathematics between $ and $, or $$ and $$, starting with the line "# title"
    figures : file name without .png -> figure; the text shows each as ``![...](file name.png)``
    """

    name: str
    text: str
    figures: Mapping[str, Figure]

    @property
    def title(self) -> str:
        """The page's title."""
        return self.text.partition("\n")[0].removeprefix("# ")


def about(name: str) -> tuple[str, str]:
    """Return the title of the page called ``name`` and the paragraph about it, without computing the page."""
    module = inspect.getmodule(pages.get(name))
    title, _, rest = (inspect.getdoc(module) or name).partition("\n")
    paragraph = rest.strip().partition("\n\n")[0]
    return title.removesuffix("."), " ".join(paragraph.split())


def index() -> str:
    """Return the list of all pages as Markdown, with links."""
    rows = [(f"[{title}]({name}.md)", said) for name in pages.names() for title, said in (about(name),)]
    return (
        "# Worked pages\n\n"
        "Arithmetic that the rest of narrows stands on, worked through: what is asked, the formula with every symbol\n"
        "named, the steps on small numbers, what goes wrong in the obvious form, and how the result was checked.\n"
        "Every number and picture was computed by the module of the same name in `src/narrows/studies/worked/`,\n"
        "and tests hold each against an exact value.\n\n"
        f"{table(('page', 'what it shows'), rows, left=2)}\n\n"
        "`narrows worked show NAME` prints a page, `narrows worked write --out DIR` writes them all, and this list. A\n"
        "test holds the copies under `docs/worked/` to what the program computes.\n"
    )


def write(page: Page, folder: str | Path) -> list[Path]:
    """Write a page and its pictures atomically into ``folder``, created if necessary; return the paths, page first.

    The pictures are written before the page.
    """
    from narrows.figures import save

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {folder / f"{name}.png": figure for name, figure in page.figures.items()}
    for path, figure in pictures.items():
        save(figure, path)
    target = folder / f"{page.name}.md"
    write_text(target, page.text)
    return [target, *pictures]


def write_all(folder: str | Path) -> list[Path]:
    """Write every page, and the index as README.md; return the paths."""
    written = [path for name in pages.names() for path in write(pages.get(name)(), folder)]
    listed = Path(folder) / "README.md"
    write_text(listed, index())
    return [*written, listed]
