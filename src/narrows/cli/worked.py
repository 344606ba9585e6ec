"""``narrows worked``: pages of arithmetic, computed when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Pages of arithmetic, computed: list, show or write them.", no_args_is_help=True)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace pages of the same names.")]


@app.command("list")
def list_() -> None:
    """List the pages."""
    from narrows.cli._output import in_columns
    from narrows.studies.worked import about, pages

    for line in in_columns([(name, about(name)[0]) for name in pages.names()]):
        typer.echo(line)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A page's name; see `narrows worked list`.")],
    out: Annotated[Path | None, typer.Option(help="A folder for the page and its pictures.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Print a page as Markdown, or write it with its pictures to a folder."""
    from narrows.studies.worked import pages
    from narrows.studies.worked import write as write_page

    page = pages.get(name)()
    if out is None:
        typer.echo(page.text, nl=False)
        return
    _check_folder(out, [f"{page.name}.md"], overwrite)
    for path in write_page(page, out):
        typer.echo(path)


@app.command()
def write(
    out: Annotated[Path, typer.Option(help="A folder for the pages, their pictures and README.md, which lists them.")],
    overwrite: Overwrite = False,
) -> None:
    """Write all pages with their pictures, and a list of them, to a folder."""
    from narrows.studies.worked import pages, write_all

    _check_folder(out, ["README.md", *(f"{name}.md" for name in pages.names())], overwrite)
    for path in write_all(out):
        typer.echo(path)


def _check_folder(out: Path, names: Sequence[str], overwrite: bool) -> None:
    """Refuse a place that cannot be written to, or holds pages of these names already."""
    from narrows.errors import InputError

    if out.exists() and not out.is_dir():
        raise InputError("--out", "must be a folder, and a file has that name", value=str(out))
    if not out.parent.is_dir():
        remedy = f"Make {out.parent} first."
        raise InputError("--out", "must be in a folder that exists", value=str(out), remedy=remedy)
    taken = [name for name in names if (out / name).exists()]
    if taken and not overwrite:
        raise InputError(
            "--out",
            "must not hold these pages yet, so that nothing is lost",
            value=str(out / taken[0]),
            remedy="Or pass --overwrite.",
        )
