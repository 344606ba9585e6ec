"""``narrows data``: look at a source without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from narrows.cli import printable

SHOWN = 10  # groups in the terminal, and copies in each

app = typer.Typer(help="Look at a source of data.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(help="A folder, a glob, a file, or a data set's name.")]
Key = Annotated[str | None, typer.Option(help="Which array of a .npz or .mat file.")]
Ignore = Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Leave out this column of a table.")]


@app.callback()
def root() -> None:
    """Look at a source of data."""


@app.command()
def info(
    source: Source,
    labels: Annotated[str, typer.Option(help="Where labels come from; see `narrows.open`.")] = "auto",
    key: Key = None,
    ignore: Ignore = None,
) -> None:
    """Say what a source holds: how many, of what shape, which labels, and which files cannot be read."""
    import numpy as np

    from narrows.data.open import open as open_source
    from narrows.progress import for_this_terminal

    data = open_source(source, labels=labels, key=key, ignore=ignore, progress=for_this_terminal())
    origin = printable(str(data.provenance.get("source", source)))
    typer.echo(f"{'source':<9} {origin} ({data.provenance.get('format', 'unknown')})")
    typer.echo(f"{'rows':<9} {len(data):,} {'images' if data.is_images else 'vectors'}")
    typer.echo(f"{'shape':<9} {' x '.join(str(side) for side in data.shape)}")
    if data.labels is not None:
        found, sizes = np.unique(data.labels[data.labels >= 0], return_counts=True)
        counts = ", ".join(f"{data.class_names[label]} {size:,}" for label, size in zip(found, sizes, strict=True))
        typer.echo(f"{'labels':<9} {printable(counts)}")
    for note in data.notes:
        typer.echo(f"{'note':<9} {printable(note)}")
    for file in data.skipped:
        typer.echo(f"{'skipped':<9} {printable(f'{file.path}: {file.reason}')}")


@app.command()
def copies(
    source: Source,
    out: Annotated[Path | None, typer.Option(help="Where to write a .csv of all of them.")] = None,
    key: Key = None,
    ignore: Ignore = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Find what a source holds twice: equal rows; mirrored, cropped, resized and re-saved images; blank images."""
    from narrows.cli._output import check_out
    from narrows.data.open import open as open_source
    from narrows.evaluation import copies as duplicates
    from narrows.progress import for_this_terminal

    if out is not None:
        check_out(out, (".csv",), overwrite)
    progress = for_this_terminal()
    data = open_source(source, key=key, ignore=ignore, progress=progress)
    found = duplicates.find(data, progress)
    for group in found.groups[:SHOWN]:
        first, *others = group
        named = ", ".join(f"{data.ids[copy.row]} ({copy.kind})" for copy in others[:SHOWN])
        more = f", and {len(others) - SHOWN:,} more" if len(others) > SHOWN else ""
        typer.echo(printable(f"{data.ids[first.row]}: {named}{more}"))
    if len(found.groups) > SHOWN:
        typer.echo(f"... and {len(found.groups) - SHOWN:,} more groups")
    kind = "images" if data.is_images else "vectors"
    typer.echo(
        f"{len(found.groups):,} group{'' if len(found.groups) == 1 else 's'} of copies, with {found.rows:,} of "
        f"{len(data):,} {kind}; {found.exact:,} equal "
        f"to one before; {len(found.blank):,} blank"
    )
    if out is not None:
        duplicates.write_csv(found, data, out)
        typer.echo(f"all of them: {out}")
