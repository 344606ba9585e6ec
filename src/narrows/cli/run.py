"""``narrows run``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    name: Annotated[
        str | None, typer.Argument(help="A recipe (see `narrows recipes list`), a recipe file, or a data set's name.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="A folder of images, a glob, or a .npy, .npz, IDX, .mat or .csv file."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as train.epochs=5.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that exists.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop when a file cannot be read.")] = False,
) -> None:
    """Open a source, train, encode, cluster, map, measure, and write a run folder with a report.

    Examples: narrows run digits | narrows run mnist --seed 1 | narrows run --data photos/ --set net.code_size=16
    """
    from narrows.data.named import named
    from narrows.errors import InputError, RecipeError, nearest
    from narrows.interrupt import Interrupt
    from narrows.progress import for_this_terminal
    from narrows.recipes import recipe as recipes

    if name is None and data is None:
        raise InputError(
            "narrows run", "needs something to work on",
            remedy="Name a recipe or data set (`narrows run digits`) or give a source (`narrows run --data photos/`).",
        )  # fmt: skip
    overrides = list(set_ or [])
    if name is None or name.endswith(".toml") or name in recipes.builtin():
        chosen, title = name or "default", Path(name or data or "").stem
    elif name in named.names():
        chosen, title = "default", name
        overrides.insert(0, f"data.source={name}")
    else:
        known = [*recipes.builtin(), *named.names()]
        raise RecipeError("narrows run", "must name a recipe or a data set", value=name, remedy=nearest(name, known))
    if data is not None:
        overrides.insert(0, f"data.source={_quoted(data)}")
    if name is None or name in named.names():
        overrides.append(f"name={_quoted(title)}")
    if seed is not None:
        overrides.append(f"seed={seed}")
    if strict:
        overrides.append("data.strict=true")
    recipe = recipes.load(chosen, overrides)

    progress = for_this_terminal()
    folder = out or Path("runs") / (title or "run")
    with Interrupt() as interrupt:
        from narrows import pipeline

        done = pipeline.run(
            recipe, folder, resume=resume, overwrite=overwrite, progress=progress, interrupt=interrupt
        )  # fmt: skip
    from narrows.report.verdict import verdict

    for sentence in verdict(done.results, done.tables):
        typer.echo(sentence)
    typer.echo(f"Report: {done.folder / 'report.html'}")


def _quoted(text: str) -> str:
    """Return ``text`` as a TOML string, so that a path that looks like a number stays text."""
    import json

    return json.dumps(text)
