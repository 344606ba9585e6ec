"""Writing what a verb found, in the form the file's name asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from narrows.disk.files import Array, atomic_file, atomic_folder, safe_name, sweep_beside, write_csv, write_npy
from narrows.errors import InputError

TABLES = (".csv", ".npy", ".npz")
IMAGES = (".npy", ".npz", ".png", "")  # "" for a folder of .png
VECTORS = (".npy", ".npz", ".csv")


def in_columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a line for each of ``rows``, all of as many texts, in which those of one place begin at one column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows]


def check_out(out: Path, suffixes: Sequence[str], overwrite: bool, name: str = "--out") -> None:
    """Refuse a place that cannot be written to, before anything is computed.

    Parameters
    ----------
    out : the place
    suffixes : of files that can be written; "" for a folder of .png
    overwrite : whether what is there may be replaced; of a folder, only one that holds nothing but .png files
    name : of the place, in the words of a message
    """
    if out.suffix not in suffixes:
        named = ", ".join(suffix or "a folder" for suffix in suffixes)
        raise InputError(name, f"must end in one of: {named}", value=str(out))
    if not out.parent.is_dir():
        remedy = f"Make {out.parent} first."
        raise InputError(name, "must be in a folder that exists", value=str(out), remedy=remedy)
    sweep_beside(out)
    if not os.path.lexists(out):
        return
    if out.is_dir() != (out.suffix == ""):
        kind = "a file" if out.suffix else "a folder"
        raise InputError(name, f"must be {kind}, but something else has that name", value=str(out))
    if not overwrite:
        raise InputError(
            name, "must not exist yet, so that nothing is overwritten", value=str(out), remedy="Or pass --overwrite."
        )
    others = [path.name for path in out.iterdir() if path.suffix != ".png" or path.is_dir()] if out.is_dir() else []
    if others:
        raise InputError(
            name,
            "must contain only .png files to be replaced",
            value=sorted(others)[0],
            remedy="Choose another folder.",
        )


def write_table(
    out: Path, columns: Mapping[str, Array], ids: Sequence[str], *, alone: str | Sequence[str] | None = None
) -> None:
    """Write columns (N,) as .csv or .npz with ids, or as .npy.

    ``alone`` is what an .npy holds: the column of that name (N,), or those of these names (N, names); all by default.
    """
    if out.suffix == ".npy":
        if isinstance(alone, str):
            write_npy(out, columns[alone])
        else:
            write_npy(out, np.stack([columns[name] for name in alone or columns], axis=1))
    elif out.suffix == ".npz":
        _write_npz(out, {"id": np.array(ids), **columns})
    else:
        rows = ([name, *(_plain(column[row]) for column in columns.values())] for row, name in enumerate(ids))
        write_csv(out, [["id", *columns], *rows])


def write_rows(out: Path, rows: Array, ids: Sequence[str], columns: Sequence[str] | None = None) -> None:
    """Write images (N, C, H, W) in [0, 1] as .npy, .npz, one .png or a folder of them; vectors (N, D) also as .csv.

    ``columns`` are the names of a .csv's columns, value0, value1, ... by default.
    """
    images = rows.ndim == 4
    if out.suffix == ".npy":
        write_npy(out, rows)
    elif out.suffix == ".npz":
        _write_npz(out, {"id": np.array(ids), "images" if images else "vectors": rows})
    elif out.suffix == ".png":
        from narrows.figures import save
        from narrows.figures.images import gallery

        save(gallery(rows), out)
    elif out.suffix == ".csv":
        names = columns or [f"value{i}" for i in range(rows.shape[1])]
        write_table(out, {name: rows[:, i] for i, name in enumerate(names)}, ids)
    else:
        _write_folder(out, rows, ids)


def _write_folder(folder: Path, images: Array, ids: Sequence[str]) -> None:
    from narrows.data.pixels import to_image

    width = len(str(len(images)))
    with atomic_folder(folder.resolve()) as made:  # so that old pictures never stand among new ones
        for row, (image, name) in enumerate(zip(images, ids, strict=True)):
            # The row's number keeps names apart; of the id only what is safe in a file's name is kept.
            picture = to_image((image * 255).round().astype(np.uint8))
            with atomic_file(made / f"{row:0{width}}-{safe_name(Path(name).stem)}.png") as file:
                picture.save(file, "PNG")


def _write_npz(out: Path, arrays: Mapping[str, Array]) -> None:
    with atomic_file(out) as file:
        np.savez(file, allow_pickle=False, **dict(arrays))


def _plain(value: object) -> object:
    if not isinstance(value, float | np.floating):
        return value
    return f"{value:.15g}" if abs(float(value)) >= 1e6 else f"{value:.6g}"  # timestamps and the like are whole
