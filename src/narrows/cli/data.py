"""``narrows data``: look at a source without running anything."""

from __future__ import annotations

from typing import Annotated

import typer

from narrows.cli import printable
from narrows.wording import plural

app = typer.Typer(help="Look at a source of data.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Look at a source of data."""


@app.command()
def info(
    source: Annotated[str, typer.Argument(help="A folder, a glob, a file, or a data set's name.")],
    labels: Annotated[str | None, typer.Option(help="Where labels come from; see `narrows.open`.")] = None,
    key: Annotated[str | None, typer.Option(help="Which array of a .npz or .mat file.")] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Leave out this column of a table.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A setting of the data, such as data.channels=[2] or data.page=1."
        ),
    ] = None,
) -> None:
    """Say what a source holds: how many, of what shape, which labels, and which files cannot be read."""
    import numpy as np

    from narrows.data.open import open as open_source
    from narrows.errors import InputError
    from narrows.progress import for_this_terminal
    from narrows.recipes import recipe as recipes

    asked = {"labels": labels, "key": key, "ignore": ignore}
    given = {name: value for name, value in asked.items() if value is not None}
    for setting in set_ or []:
        if not setting.startswith("data."):
            raise InputError("--set", "must be a setting of the data (data.KEY=VALUE)", value=setting)
    options = recipes.load("default", list(set_ or [])).data.options() | given
    data = open_source(source, progress=for_this_terminal(), **options)
    origin = printable(str(data.provenance.get("source", source)))
    typer.echo(f"{'source':<9} {origin} ({data.provenance.get('format', 'unknown')})")
    typer.echo(f"{'rows':<9} {plural(len(data), 'image' if data.is_images else 'vector')}")
    typer.echo(f"{'shape':<9} {' x '.join(str(side) for side in data.shape)}")
    if data.labels is not None:
        found, sizes = np.unique(data.labels[data.labels >= 0], return_counts=True)
        counts = ", ".join(f"{data.class_names[label]} {size:,}" for label, size in zip(found, sizes, strict=True))
        typer.echo(f"{'labels':<9} {printable(counts)}")
    for note in data.notes:
        typer.echo(f"{'note':<9} {printable(note)}")
    for file in data.skipped:
        typer.echo(f"{'skipped':<9} {printable(f'{file.path}: {file.reason}')}")
