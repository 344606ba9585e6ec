"""``narrows recipes``: list, show, copy and check recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="List, show, copy and check recipes.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A recipe's name, or a TOML file.")]


@app.command("list")
def list_() -> None:
    """List the recipes that ship with narrows."""
    from narrows.cli._output import in_columns
    from narrows.recipes.recipe import builtin, read

    for line in in_columns([(name, read(name).get("description", "")) for name in builtin()]):
        typer.echo(line)


@app.command()
def show(name: Name) -> None:
    """Print a recipe with every default written out."""
    from narrows.recipes.recipe import load

    typer.echo(load(name).as_toml(), nl=False)


@app.command()
def copy(
    name: Name,
    target: Annotated[Path, typer.Argument(help="The TOML file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a recipe to a file of your own, to change and run with `narrows run FILE`."""
    from narrows.cli._output import check_out
    from narrows.disk.files import write_text
    from narrows.recipes.recipe import load

    check_out(target, (".toml",), overwrite, "the target")
    write_text(target, load(name).as_toml())
    typer.echo(f"{target}: run it with `narrows run {target}`")


@app.command()
def check(name: Name) -> None:
    """Check a recipe without running it."""
    from narrows.recipes.recipe import load

    load(name)
    typer.echo(f"{name}: every setting is valid")
