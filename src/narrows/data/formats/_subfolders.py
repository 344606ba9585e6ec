"""Labels, a split and metadata from the names of the folders that contain images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows.disk.files import Array

SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "test": "test",
    "testing": "test",
}


def from_subfolders(
    names: tuple[str, ...], all_names: list[str], asked: str
) -> tuple[list[str] | None, Array | None, list[str]]:
    """Return labels and split from the names of sub-folders, and a sentence about them.

    ``train/cat/1.png`` carries both. Unasked, sub-folders are labels only when every image lies in one of at least two,
    and exactly that deep: folders of folders may be years and months, or anything.
    """
    parents = [name.split("/")[:-1] for name in all_names]
    tops = {parent[0] if parent else "" for parent in parents}
    split, notes, depth = None, [], 0
    if len(tops) > 1 and all(top.lower() in SPLITS for top in tops) and "train" in {SPLITS[t.lower()] for t in tops}:
        split = np.array([SPLITS[name.split("/")[0].lower()] for name in names])
        notes.append(f"The folders {', '.join(sorted(tops))} were read as the source's own split.")
        depth = 1
    classes = {parent[depth] for parent in parents if len(parent) > depth}
    clear = len(classes) >= 2 and all(len(parent) == depth + 1 for parent in parents)
    if asked == "folders" or (asked == "auto" and clear):
        labels = [(name.split("/")[:-1][depth:] or [""])[0] for name in names]
        if asked == "auto":
            notes.append(f"The names of the {len(classes)} sub-folders were read as labels, used only for scoring.")
        return labels, split, notes
    return None, split, notes


def levels_of(names: Sequence[str], taken: int) -> dict[str, tuple[str, ...]]:
    """Return a column for each level of sub-folders in which rows differ: ``folder 1`` is the outermost.

    Parameters
    ----------
    names : of files, relative to the folder that holds them all, with "/" between
    taken : how many levels, from the outermost, are the split and the labels already
    """
    parents = [name.split("/")[:-1] for name in names]
    deepest = max(map(len, parents), default=0)
    columns = {
        f"folder {level + 1}": tuple(parts[level] if level < len(parts) else "" for parts in parents)
        for level in range(taken, deepest)
    }
    return {name: column for name, column in columns.items() if len(set(column)) > 1}
