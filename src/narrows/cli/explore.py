"""``narrows explore``: the map of a run, to work on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from narrows.cli.apply import Trust

if TYPE_CHECKING:
    from narrows.data.dataset import Dataset
    from narrows.explorer.opened import Opened
    from narrows.runs import Run


def explore(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="OTHER", help="A second run of the same data, to compare side by side.")
    ] = None,
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1; 0 picks a free one.", min=0, max=65535)] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Rebuild explorer.html without starting a server.")
    ] = False,
    trust_code: Trust = False,
) -> None:
    """Open the map of a run in a browser: see, select, name, correct, export.

    Without this verb, RUN/explorer.html shows the same map. Served, it can also draw from the decoder, show images at
    full size, keep edits in the run's folder and export folders. Needs: pip install 'narrows[serve]'.
    """
    import tempfile

    from narrows.errors import InputError
    from narrows.evaluation.novelty import ABSENT
    from narrows.explorer.page import NAME, write
    from narrows.runs import Run

    if rebuild and (other is not None or port):
        raise InputError(
            "--rebuild",
            "serves nothing",
            value=str(other) if other is not None else f"--port {port}",
            remedy="Leave out the second run and --port.",
        )
    done = Run(run, trust_code=trust_code)
    if not done.tells_novelty:
        typer.echo(f"note: {ABSENT}", err=True)
    if rebuild:
        typer.echo(f"Explorer: {write(done, _data_of(done))}")
        return
    from narrows.explorer.server import serve

    with tempfile.TemporaryDirectory(prefix="narrows-") as folder:

        def ready(address: str) -> None:
            typer.echo(f"Explorer: {address}")
            typer.echo(
                f"The same map as a file: {run / NAME}. Ctrl-C stops the server; edits are saved as you make them."
            )
            if open_:
                _show(address, Path(folder))

        opened = [_open(done)]
        if other is not None:
            opened.append(_open(Run(other, trust_code=trust_code), beside=True))
        serve(opened, port=port, on_ready=ready)


def _show(address: str, folder: Path) -> None:
    """Open a browser by a page that only this user can read: a command line with the token in it, all could read."""
    import webbrowser

    page = folder / "open.html"
    page.touch(0o600)
    page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">', encoding="utf-8")
    webbrowser.open(page.as_uri())


def _open(run: Run, *, beside: bool = False) -> Opened:
    from narrows.explorer.opened import Opened
    from narrows.explorer.page import NAME, read, write

    data = None if beside else _data_of(run)
    if not (run.folder / NAME).is_file():
        write(run, data)
    return Opened(run, data, read(run.folder / NAME), read_only=beside)


def _data_of(run: Run) -> Dataset | None:
    """Return the run's data; None, after a line that says so, if they are gone or have changed."""
    from narrows.data.open import CODE_PATH
    from narrows.errors import DataError
    from narrows.recipes.recipe import data_of
    from narrows.steps import open_data
    from narrows.work.progress import for_this_terminal

    asked, seed = data_of(run.folder / "recipe.toml")
    if CODE_PATH.fullmatch(asked.source) and run.trust_code is not True:
        typer.echo(
            f"The run's data come from code ({asked.source}). To see images, let it run with --trust-code.", err=True
        )
        return None
    try:
        # The run keeps its own copy of the metadata, whose table may be gone.
        data = open_data(asked.model_copy(update={"metadata": "none"}), seed, for_this_terminal())
    except DataError as error:
        typer.echo(f"The run's data cannot be opened, so images are not shown at full size: {error}", err=True)
        return None
    if data.fingerprint() != run.parts.json("environment.json").get("data"):
        typer.echo("The run's data have changed, so the images shown are those saved with the run.", err=True)
        return None
    return data
