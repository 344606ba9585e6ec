"""The verbs, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from narrows import __version__
from narrows.cli import apply, data, explore, recipes, report, run, study, worked

app = typer.Typer(
    name="narrows",
    help="From a pile of unlabelled images or vectors to codes, clusters, a map, samples and an honest report.",
    epilog="--debug before or after any command shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # as prose: lines flow together, and brackets are brackets
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """From a pile of unlabelled images or vectors to codes, clusters, a map, samples and an honest report."""
    if version:
        typer.echo(f"narrows {__version__}")
        raise typer.Exit


app.command("run")(run.run)
for verb in (apply.encode, apply.reconstruct, apply.denoise, apply.cluster, apply.project, apply.generate):
    app.command(verb.__name__)(verb)
app.command("report")(report.report)
app.command("explore")(explore.explore)
app.command("study")(study.study)
app.add_typer(recipes.app, name="recipes")
app.add_typer(data.app, name="data")
app.add_typer(worked.app, name="worked")
