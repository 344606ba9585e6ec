"""``narrows data``: what a source holds, and what it holds twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrows.cli import printable
from narrows.wording import plural

if TYPE_CHECKING:
    from narrows.data.dataset import Dataset

SHOWN = 10  # groups in the terminal, and copies in each

app = typer.Typer(no_args_is_help=True)

Source = Annotated[str, typer.Argument(help="A folder, a glob, a file, or a data set's name.")]
Key = Annotated[str | None, typer.Option(help="Which array of a .npz or .mat file.")]
Ignore = Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Leave this column of a table out.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A data setting, such as data.channels=[2] or data.page=1."),
]


@app.callback()
def root() -> None:
    """Describe a source of data, or find its duplicates."""


@app.command()
def info(
    source: Source,
    labels: Annotated[str | None, typer.Option(help="Where the labels are; see `narrows.open`.")] = None,
    metadata: Annotated[
        str | None, typer.Option(help="A table of metadata: what else is known about the rows.")
    ] = None,
    key: Key = None,
    ignore: Ignore = None,
    set_: Set = None,
) -> None:
    """Say what a source holds: how many, of what shape, which labels, and which files cannot be read."""
    import numpy as np

    data = _opened(source, {"labels": labels, "metadata": metadata, "key": key, "ignore": ignore}, set_)
    origin = printable(str(data.provenance.get("source", source)))
    typer.echo(f"{'source':<9} {origin} ({data.provenance.get('format', 'unknown')})")
    typer.echo(f"{'rows':<9} {plural(len(data), 'image' if data.is_images else 'vector')}")
    typer.echo(f"{'shape':<9} {' x '.join(str(side) for side in data.shape)}")
    if data.labels is not None:
        found, sizes = np.unique(data.labels[data.labels >= 0], return_counts=True)
        counts = ", ".join(f"{data.class_names[label]} {size:,}" for label, size in zip(found, sizes, strict=True))
        typer.echo(f"{'labels':<9} {printable(counts)}")
    for name, column in data.metadata.items():
        what = "numbers" if not isinstance(column, tuple) else plural(len(set(column) - {""}), "different value")
        typer.echo(f"{'metadata':<9} {printable(name)}: {what}")
    for note in data.notes:
        typer.echo(f"{'note':<9} {printable(note)}")
    for file in data.damaged:
        typer.echo(f"{'damaged':<9} {printable(f'{file.path}: {file.reason}')}")
    for file in data.skipped:
        typer.echo(f"{'skipped':<9} {printable(f'{file.path}: {file.reason}')}")


@app.command()
def copies(
    source: Source,
    out: Annotated[Path | None, typer.Option(help="Write all groups to this .csv file.")] = None,
    key: Key = None,
    ignore: Ignore = None,
    set_: Set = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Find duplicates in a source: equal rows; mirrored, cropped, resized and re-saved images; blank images."""
    from narrows.cli._output import check_out
    from narrows.evaluation import copies as duplicates
    from narrows.work.progress import for_this_terminal

    if out is not None:
        check_out(out, (".csv",), overwrite)
    data = _opened(source, {"key": key, "ignore": ignore}, set_)
    found = duplicates.find(data, for_this_terminal())
    for group in found.groups[:SHOWN]:
        first, *others = group
        named = ", ".join(f"{data.ids[copy.row]} ({copy.kind})" for copy in others[:SHOWN])
        more = f", and {len(others) - SHOWN:,} more" if len(others) > SHOWN else ""
        typer.echo(printable(f"{data.ids[first.row]}: {named}{more}"))
    if len(found.groups) > SHOWN:
        typer.echo(f"... and {len(found.groups) - SHOWN:,} more groups")
    of_all = plural(len(data), "image" if data.is_images else "vector")
    typer.echo(
        f"{plural(len(found.groups), 'group')} of copies, with {found.rows:,} of {of_all}; {found.exact:,} equal to "
        f"an earlier row; {len(found.blank):,} blank"
    )
    if out is not None:
        duplicates.write_csv(found, data, out)
        typer.echo(f"All groups: {out}")


def _opened(source: str, asked: dict[str, Any], settings: list[str] | None) -> Dataset:
    """Open a source by settings of its data (``data.KEY=VALUE``) and what was asked besides."""
    from narrows.data.open import open as open_source
    from narrows.errors import InputError
    from narrows.recipes import recipe as recipes
    from narrows.work.progress import for_this_terminal

    given = {name: value for name, value in asked.items() if value is not None}
    of_runs = recipes.Data.model_fields.keys() - recipes.Data().options().keys()
    for setting in settings or []:
        section, _, name = setting.partition("=")[0].partition(".")
        if section != "data" or name in of_runs:
            raise InputError(
                "--set",
                "must be a setting for opening data (data.KEY=VALUE)",
                value=setting,
                remedy=f"These belong to a run: {', '.join(f'data.{name}' for name in sorted(of_runs))}.",
            )
        if name in given:
            raise InputError(f"data.{name}", "must be given once", value=f"--{name} and --set {setting}")
    options = recipes.load("default", list(settings or [])).data.options() | given
    return open_source(source, progress=for_this_terminal(), **options)
