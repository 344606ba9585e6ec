"""``narrows run``: the main job."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


def run(
    name: Annotated[
        str | None,
        typer.Argument(help="A recipe (see `narrows recipes list`), a recipe file, or the name of a data set."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="A folder of images, a glob, or a .npy, .npz, .mat, .csv, .parquet or IDX file."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Where labels come from, to score by: a .csv, .tsv or .parquet of ids and labels (FILE or "
            "FILE:COLUMN), a column, folders, or none."
        ),
    ] = None,
    metadata: Annotated[
        str | None,
        typer.Option(
            help="What else is known about the rows, to colour and filter by: a .csv, .tsv or .parquet, matched by id "
            "or in order; none leaves out even what the source itself says."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as train.epochs=5.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder. Default: runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing run.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be read.")] = False,
) -> None:
    """Open a source, train, encode, cluster, map, measure, and write a run folder with a report.

    Examples: narrows run digits | narrows run mnist --seed 1 | narrows run --data photos/ --set net.code_size=16
    """
    from narrows.data.named import named
    from narrows.errors import InputError, RecipeError, nearest
    from narrows.recipes import recipe as recipes
    from narrows.work.interrupt import Interrupt
    from narrows.work.progress import for_this_terminal

    if name is None and data is None:
        raise InputError(
            "narrows run",
            "needs a recipe or data",
            remedy="Name a recipe or data set (`narrows run digits`) or give a source (`narrows run --data photos/`).",
        )
    if data is not None and not data.strip():
        raise InputError("--data", "must name a folder, a file, a glob or a data set", value=data)
    overrides = list(set_ or [])
    if name is None or name.endswith(".toml") or name in recipes.builtin():
        chosen = name or "default"
        title = chosen if name in recipes.builtin() else folder_name(name or data or "")
    elif name in named.names():
        if data is not None:
            raise InputError(
                "--data",
                f"must be left out when a data set is named ({name})",
                value=data,
                remedy=f"`narrows run {name}`, or `narrows run --data {data}`.",
            )
        chosen, title = "default", name
        overrides.insert(0, f"data.source={name}")
    else:
        remedy = nearest(name, {*recipes.builtin(), *named.names()})
        if os.path.exists(os.path.expanduser(name)):
            remedy = f"Pass your own data with --data: `narrows run --data {name}`."
        elif elsewhere := _elsewhere(name):
            remedy = f"It is {' and '.join(elsewhere)}."
        raise RecipeError("narrows run", "must name a recipe or a data set", value=name, remedy=remedy)
    if data is not None:
        overrides.insert(0, f"data.source={_quoted(data)}")
    if labels is not None:
        overrides.insert(0, f"data.labels={_quoted(labels)}")
    if metadata is not None:
        overrides.insert(0, f"data.metadata={_quoted(metadata)}")
    is_named = any(override.partition("=")[0] == "name" for override in overrides)
    if not is_named and (chosen == "default" and title != "default"):
        overrides.append(f"name={_quoted(title)}")
    if seed is not None:
        overrides.append(f"seed={seed}")
    if strict:
        overrides.append("data.strict=true")
    recipe = recipes.load(chosen, overrides)

    progress = for_this_terminal()
    folder = out or Path("runs") / (folder_name(recipe.name) if is_named else title)
    with Interrupt() as interrupt:
        from narrows import pipeline

        done = pipeline.run(recipe, folder, resume=resume, overwrite=overwrite, progress=progress, interrupt=interrupt)
    from narrows.report.verdict import signal_lines, verdict

    for sentence in [*verdict(done.results, done.tables), *signal_lines(done.tables)]:
        typer.echo(sentence)
    if chosen == "default" and _is_worth_parting(done.tables):
        typer.echo(
            "Looking for kinds of images? Codes that reconstruct images rarely separate kinds well. This trains a "
            f"network to tell them apart: narrows run clusters --data {shlex.quote(recipe.data.source)}"
        )
    typer.echo(f"Report: {done.folder / 'report.html'}")


def _is_worth_parting(tables: Mapping[str, Any]) -> bool:
    """Whether a run is of images, and its codes were not made to tell clusters apart."""
    learned = tables.get("learned")  # which runs of earlier versions do not say
    return tables["data"].get("kind") == "images" and learned is not None and not learned["parts_clusters"]


def _elsewhere(name: str) -> list[str]:
    """Return what else has the name ``name``, and how to choose it."""
    from narrows.clustering import methods as clusterings
    from narrows.encoders import encoders
    from narrows.nets import nets
    from narrows.objectives import objectives
    from narrows.projection import methods as projections
    from narrows.studies import plan

    sections = {
        "net": nets,
        "objective": objectives,
        "encoder": encoders,
        "clustering": clusterings,
        "projection": projections,
    }
    found = [f"a study (`narrows study {name}`)"] if name in plan.builtin() else []
    return found + [
        f"{'an' if kind[0] in 'aeio' else 'a'} {kind} (`narrows run digits --set {section}.name={name}`)"
        for section, registry in sections.items()
        if name in registry.names() and (kind := registry.kind)
    ]


def folder_name(source: str) -> str:
    """Return a name for the run folder of ``source``: that of its file or folder, for a glob of the folder before it.

    Letters, digits, "-", "_" and "." are kept; other characters become "-".
    """
    import glob
    import re

    from narrows.disk.files import unreserved

    path = Path(os.path.expanduser(source))
    if not os.path.exists(path):
        magic = [i for i, part in enumerate(path.parts) if glob.has_magic(part)]
        path = Path(*path.parts[: magic[0]]) if magic else path
    path = Path(os.path.realpath(path))
    name = path.name if os.path.isdir(path) else path.stem
    return unreserved(re.sub(r"[^\w.-]+", "-", name)[:60].strip(".-") or "run")  # 60 letters are at most 240 bytes


def _quoted(text: str) -> str:
    """Return ``text`` as a TOML string, so that a path that looks like a number stays text."""
    import json

    return json.dumps(text)
