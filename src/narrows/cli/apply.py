"""The verbs that put a finished run to work on new data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from narrows.data.dataset import Dataset
    from narrows.model import Model
    from narrows.runs import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="New data: a folder, a file, or a data set's name.")]
Out = Annotated[Path, typer.Option(help="Where to write.")]
Trust = Annotated[
    bool, typer.Option("--trust-code", help="Allow the saved model to name code outside narrows, and run it.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def encode(run: RunFolder, source: Source, out: Out, trust_code: Trust = False, overwrite: Overwrite = False) -> None:
    """Write the codes of new data: .npy, .npz (with ids) or .csv."""
    from narrows import codes
    from narrows.cli._output import write_table

    _, model, data = _open(run, source, trust_code)
    found = codes.encode(model, data.values)
    write_table(out, {f"code{i}": found[:, i] for i in range(model.code_size)}, data.ids, overwrite=overwrite)
    typer.echo(f"{len(found):,} codes of {model.code_size} values: {out}")


def reconstruct(
    run: RunFolder, source: Source, out: Out, trust_code: Trust = False, overwrite: Overwrite = False
) -> None:
    """Write what the model draws from the codes of new data: a folder of .png, one .png, .npy or .npz."""
    from narrows import codes
    from narrows.cli._output import write_rows

    _, model, data = _open(run, source, trust_code)
    write_rows(out, codes.reconstruct(model, data.values), data.ids, overwrite=overwrite)
    typer.echo(f"{len(data):,} reconstructions: {out}")


def denoise(run: RunFolder, source: Source, out: Out, trust_code: Trust = False, overwrite: Overwrite = False) -> None:
    """Write cleaned versions of new, noisy data; for a model trained to denoise."""
    from narrows import codes
    from narrows.cli._output import write_rows
    from narrows.errors import InputError

    _, model, data = _open(run, source, trust_code)
    if not model.objective.corrupts:
        raise InputError(
            "this run", "must have been trained to denoise", value=model.config["objective"]["name"],
            remedy="Train with --set objective.name=denoising, or use `narrows reconstruct`.",
        )  # fmt: skip
    write_rows(out, codes.reconstruct(model, data.values), data.ids, overwrite=overwrite)
    typer.echo(f"{len(data):,} cleaned: {out}")


def cluster(run: RunFolder, source: Source, out: Out, trust_code: Trust = False, overwrite: Overwrite = False) -> None:
    """Write the cluster and its confidence for new data: .csv, .npz or .npy (clusters alone)."""
    from narrows import codes
    from narrows.cli._output import write_table

    opened, model, data = _open(run, source, trust_code)
    found, clusterer = codes.encode(model, data.values), opened.clusterer()
    clusters = clusterer.predict(found)  # (N,)
    columns = {"cluster": clusters, "confidence": clusterer.confidence(found)}
    write_table(out, columns, data.ids, overwrite=overwrite, alone="cluster")
    typer.echo(f"{len(found):,} rows in {len(set(clusters.tolist()))} clusters: {out}")


def project(run: RunFolder, source: Source, out: Out, trust_code: Trust = False, overwrite: Overwrite = False) -> None:
    """Write where new data lie on the run's map: .csv, .npz or .npy."""
    from narrows import codes
    from narrows.cli._output import write_table

    opened, model, data = _open(run, source, trust_code)
    points = opened.projection().transform(codes.encode(model, data.values))
    write_table(out, {"x": points[:, 0], "y": points[:, 1]}, data.ids, overwrite=overwrite)
    typer.echo(f"{len(points):,} points: {out}")


def generate(
    run: RunFolder,
    n: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 20,
    out: Annotated[Path, typer.Option(help="A folder of .png, one .png, .npy or .npz.")] = Path("generated.png"),
    origin: Annotated[
        str, typer.Option(help="Where codes come from: codes (fitted to the training codes), normal (N(0, I)) or auto.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    trust_code: Trust = False,
    overwrite: Overwrite = False,
) -> None:
    """Draw new images or vectors from the model."""
    from narrows.cli._output import write_rows
    from narrows.estimators.autoencoder import Autoencoder

    outputs = Autoencoder.load(run, trust_code=trust_code).sample(n, origin=origin, random_state=seed)  # type: ignore[arg-type]
    write_rows(out, outputs, tuple(f"sample-{i}" for i in range(n)), overwrite=overwrite)
    typer.echo(f"{n:,} drawn: {out}")


def _open(folder: Path, source: str, trust_code: bool) -> tuple[Run, Model, Dataset]:
    """Open a run, its model, and new data in the model's shape; say what had to be left out."""
    from narrows.errors import DataError
    from narrows.progress import for_this_terminal
    from narrows.runs import Run

    run = Run(folder, trust_code=trust_code)
    model = run.model()
    options: dict[str, Any] = {"labels": "none", "progress": for_this_terminal()}
    data = run.open_source(source, **options)
    if data.shape != model.input_shape:
        raise DataError(
            "SOURCE", f"must have rows of shape {model.input_shape}, as the run was trained on", value=data.shape
        )
    for file in data.skipped:
        typer.echo(f"skipped {file.path}: {file.reason}", err=True)
    return run, model, data
