"""The verbs that put a finished run to work on new data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrows.cli import printable
from narrows.wording import plural

if TYPE_CHECKING:
    from narrows.data.dataset import Dataset
    from narrows.disk.files import Array
    from narrows.encoding.encoder import Encoder
    from narrows.runs import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="New data: a folder, a file, or a data set's name.")]
Out = Annotated[Path, typer.Option(help="Where to write the output.")]
Key = Annotated[str | None, typer.Option(help="Which array of a .npz or .mat file. Default: the run's own.")]
Labels = Annotated[
    str | None, typer.Option(help="Where the labels are, so that they are not read as data; see `narrows.open`.")
]
Resize = Annotated[
    bool,
    typer.Option("--resize", help="Convert arrays to the run's image size and colour. Files are always converted."),
]
White = Annotated[
    float | None,
    typer.Option(help="The pixel value of white, such as 1, 255 or 4095. Default: the run's."),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(help="The most pixels that decoding one image file may need; see `narrows.open`. Default: the run's."),
]
Trust = Annotated[
    bool, typer.Option("--trust-code", help="Let the saved model name code outside narrows, and run that code.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def encode(
    run: RunFolder,
    source: Source,
    out: Out,
    key: Key = None,
    labels: Labels = None,
    resize: Resize = False,
    white: White = None,
    max_pixels: MaxPixels = None,
    trust_code: Trust = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the codes of new data: .npy (codes alone), or .npz or .csv with ids and novelty.

    Novelty is the share of held-out rows that are odder than a row; near 0: unlike what was fitted.
    """
    from narrows.cli._output import TABLES, check_out, write_table

    check_out(out, TABLES, overwrite)
    opened, encoder = _open_run(run, trust_code)
    data = _open_data(
        opened, encoder, source, key=key, labels=labels, white=white, max_pixels=max_pixels, resize=resize
    )
    found = encoder.encode(data.values)
    novelty = opened.novelty_of_values(encoder, data.values, found)
    columns = {f"code{i}": found[:, i] for i in range(encoder.code_size)}
    write_table(out, columns | _column_of(novelty, opened), data.ids, alone=list(columns))
    typer.echo(f"{plural(len(found), 'code')} of {plural(encoder.code_size, 'value')}: {out}")


def reconstruct(
    run: RunFolder,
    source: Source,
    out: Out,
    key: Key = None,
    labels: Labels = None,
    resize: Resize = False,
    white: White = None,
    max_pixels: MaxPixels = None,
    trust_code: Trust = False,
    overwrite: Overwrite = False,
) -> None:
    """Write what the model draws from the codes of new data: a folder of .png, one .png, .npy or .npz."""
    from narrows.cli._output import IMAGES, VECTORS, check_out, write_rows
    from narrows.data.columns import with_offsets

    opened, encoder = _open_run(run, trust_code)
    check_out(out, IMAGES if encoder.is_images else VECTORS, overwrite)
    encoder.require_decoder()
    data = _open_data(
        opened, encoder, source, key=key, labels=labels, white=white, max_pixels=max_pixels, resize=resize
    )
    rows = with_offsets(encoder.reconstruct(data.values), encoder.preprocessing)
    write_rows(out, rows, data.ids, encoder.preprocessing.get("columns"))
    typer.echo(f"{plural(len(data), 'reconstruction')}: {out}")


def denoise(
    run: RunFolder,
    source: Source,
    out: Out,
    key: Key = None,
    labels: Labels = None,
    resize: Resize = False,
    white: White = None,
    max_pixels: MaxPixels = None,
    trust_code: Trust = False,
    overwrite: Overwrite = False,
) -> None:
    """Write cleaned versions of new, noisy data; for a model trained to denoise."""
    from narrows.cli._output import IMAGES, VECTORS, check_out, write_rows
    from narrows.data.columns import with_offsets

    opened, encoder = _open_run(run, trust_code)
    check_out(out, IMAGES if encoder.is_images else VECTORS, overwrite)
    encoder.require_denoiser()
    data = _open_data(
        opened, encoder, source, key=key, labels=labels, white=white, max_pixels=max_pixels, resize=resize
    )
    rows = with_offsets(encoder.reconstruct(data.values), encoder.preprocessing)
    write_rows(out, rows, data.ids, encoder.preprocessing.get("columns"))
    typer.echo(f"{len(data):,} cleaned: {out}")


def cluster(
    run: RunFolder,
    source: Source,
    out: Out,
    key: Key = None,
    labels: Labels = None,
    resize: Resize = False,
    white: White = None,
    max_pixels: MaxPixels = None,
    trust_code: Trust = False,
    overwrite: Overwrite = False,
) -> None:
    """Write cluster, confidence and novelty for new data: .csv, .npz or .npy (clusters alone).

    Confidence is how clearly a row belongs to its cluster rather than another. Novelty is the share of held-out rows
    that are odder than a row; near 0: unlike what was fitted, however high the confidence.
    """
    from narrows.cli._output import TABLES, check_out, write_table

    check_out(out, TABLES, overwrite)
    opened, encoder = _open_run(run, trust_code)
    opened.clusterer()  # a run that has none is refused before data are opened
    data = _open_data(
        opened, encoder, source, key=key, labels=labels, white=white, max_pixels=max_pixels, resize=resize
    )
    found = opened.assign_values(encoder, data.values)
    columns = {"cluster": found.clusters, "confidence": found.confidence}
    write_table(out, columns | _column_of(found.novelty, opened), data.ids, alone="cluster")
    counted = plural(len(set(found.clusters.tolist())), "cluster")
    typer.echo(f"{plural(len(data), 'row')} in {counted}: {out}")


def project(
    run: RunFolder,
    source: Source,
    out: Out,
    key: Key = None,
    labels: Labels = None,
    resize: Resize = False,
    white: White = None,
    max_pixels: MaxPixels = None,
    trust_code: Trust = False,
    overwrite: Overwrite = False,
) -> None:
    """Write where new data lie on the run's map: .npy (places alone), or .csv or .npz with ids and novelty.

    Novelty is the share of held-out rows that are odder than a row; near 0: unlike what was fitted.
    """
    from narrows.cli._output import TABLES, check_out, write_table

    check_out(out, TABLES, overwrite)
    opened, encoder = _open_run(run, trust_code)
    projection = opened.projection()
    data = _open_data(
        opened, encoder, source, key=key, labels=labels, white=white, max_pixels=max_pixels, resize=resize
    )
    found = encoder.encode(data.values)
    novelty = opened.novelty_of_values(encoder, data.values, found)
    points = projection.transform(found)
    columns = {"x": points[:, 0], "y": points[:, 1]}
    write_table(out, columns | _column_of(novelty, opened), data.ids, alone=["x", "y"])
    typer.echo(f"{plural(len(points), 'point')}: {out}")


def generate(
    run: RunFolder,
    n: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 20,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder (for .png files), a .png, .npy or .npz; for vectors .csv, .npy or .npz. Default: generated.*"
        ),
    ] = None,
    origin: Annotated[
        str,
        typer.Option(
            help="Where codes come from: codes (fitted to those of training), normal (N(0, I)), doubled (2 N(0, I), as "
            "the literal Gaussian autoencoder draws) or auto."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.", min=0, max=2**32 - 1)] = 0,
    trust_code: Trust = False,
    overwrite: Overwrite = False,
) -> None:
    """Generate new images or vectors with the model."""
    import numpy as np

    from narrows.cli._output import IMAGES, VECTORS, check_out, write_rows
    from narrows.data.columns import with_offsets
    from narrows.encoding.codes import draw_codes

    opened, encoder = _open_run(run, trust_code)
    out = out or Path("generated.png" if encoder.is_images else "generated.csv")
    check_out(out, IMAGES if encoder.is_images else VECTORS, overwrite)
    encoder.require_decoder()
    drawn = int(np.random.RandomState(seed).randint(2**31 - 1))  # the seed that Autoencoder.sample draws by, too
    codes = draw_codes(encoder, opened.code_distribution(), n, origin, drawn)
    outputs = with_offsets(encoder.decode(codes), encoder.preprocessing)
    write_rows(out, outputs, tuple(f"sample-{i}" for i in range(n)), encoder.preprocessing.get("columns"))
    typer.echo(f"{n:,} generated: {out}")


def _column_of(novelty: Array | None, run: Run) -> dict[str, Array]:
    """Return the column of novelty, and say how many rows are odd; no column, and why, where the run has none."""
    from narrows.evaluation.novelty import ABSENT, sentence

    if novelty is None:
        typer.echo(f"note: {ABSENT}", err=True)
        return {}
    known = run.fitted_novelty()
    typer.echo(sentence(novelty, len(known.scores_)))
    for note in known.notes:
        typer.echo(f"note: {note}", err=True)
    return {"novelty": novelty}


def _open_run(folder: Path, trust_code: bool) -> tuple[Run, Encoder]:
    """Open a run and its encoder, on a GPU where there is one."""
    from narrows.runs import Run

    run = Run(folder, trust_code=trust_code)
    return run, run.encoder("auto")


def _open_data(
    run: Run,
    encoder: Encoder,
    source: str,
    *,
    key: str | None,
    labels: str | None,
    white: float | None,
    max_pixels: int | None,
    resize: bool,
) -> Dataset:
    """Open new data in the encoder's shape; say what had to be left out."""
    from narrows.errors import InputError
    from narrows.work.progress import for_this_terminal

    if resize and not encoder.is_images:
        raise InputError("--resize", "applies only to runs of images, and this run is of vectors")
    asked: dict[str, Any] = {"key": key, "labels": labels, "white": white, "max_pixels": max_pixels}
    given = {name: value for name, value in asked.items() if value is not None}
    data = run.open_source(source, resize=resize, progress=for_this_terminal(), **given)
    for file in data.damaged:
        typer.echo(f"damaged {printable(f'{file.path}: {file.reason}')}", err=True)
    for file in data.skipped:
        typer.echo(f"skipped {printable(f'{file.path}: {file.reason}')}", err=True)
    for note in data.notes:
        typer.echo(f"note: {printable(note)}", err=True)
    return data
