"""Training, validation and test images in MATLAB files of their own, as NIST36 comes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from narrows.data.dataset import Skipped
from narrows.data.formats import Options, Raw, Reader, _nist
from narrows.data.formats._system_files import known_as
from narrows.data.formats.mat import read_arrays
from narrows.data.images import EXTENSIONS
from narrows.errors import DataError

__all__ = ["DividedMat"]

WORDS = {"train": {"train", "training"}, "valid": {"valid", "validation", "val"}, "test": {"test", "testing"}}


class DividedMat(Reader):
    """Reads ``*train*.mat`` and, where there are, ``*valid*.mat`` and ``*test*.mat``: a folder, a glob or a list.

    Each holds ``train_data`` (N, side * side), square images with their columns one after the other, and one-hot
    ``train_labels`` (N, C); likewise for the other parts. With 36 columns the classes are A to Z, then 0 to 9.
    """

    reads = "folders of train, valid and test .mat files (NIST36)"
    goes_first = True  # a folder of such files is not a folder of pictures

    def accepts(self, path: Path, head: bytes) -> bool:
        """Whether it is a folder with a file of training images, and without pictures."""
        if not path.is_dir() or not _files(_own(path, "*.mat"))["train"]:
            return False
        below = (file for pattern in ("*", "*/*") for file in _own(path, pattern))
        return not any(file.suffix.lower() in EXTENSIONS for file in below)

    def accepts_several(self, paths: Sequence[Path]) -> bool:
        """Whether all are .mat files."""
        return all(path.suffix.lower() == ".mat" for path in paths)

    def read(self, paths: Sequence[Path], options: Options) -> Raw:
        """Put the parts together, in the order training, validation, test."""
        folder = paths[0] if paths[0].is_dir() else paths[0].parent
        listed = sorted(_own(folder, "*.mat")) if paths[0].is_dir() else paths
        files = _files(listed)
        for split, found in files.items():
            if len(found) > 1:
                start = re.split(f"(?i){split[:3]}", found[-1].name)[0]
                raise DataError(
                    str(folder),
                    f"must have one {split} file",
                    value=", ".join(path.name for path in found),
                    remedy=f'To choose one set, give a pattern: "{folder / start}*.mat".',
                )
        there = {split: found[0] for split, found in files.items() if found}
        if not there:
            raise DataError(
                str(folder),
                "must have train, valid or test in the names of its .mat files",
                value=", ".join(path.name for path in listed),
                remedy="Open one of them alone, or rename them.",
            )
        parts = [
            _nist.part(arrays, split, path.stem, str(path))
            for (split, path), arrays in zip(there.items(), read_arrays(*there.values()), strict=True)
        ]
        raw = _nist.join(parts, options, str(folder))
        used = set(there.values())
        others = tuple(
            Skipped(path.name, "its name contains none of train, valid and test") for path in listed if path not in used
        )
        return replace(raw, skipped=others)


def _own(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield what matches, but for what systems keep there."""
    return (path for path in folder.glob(pattern) if not any(map(known_as, path.relative_to(folder).parts)))


def _files(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Return the files of each part, by the words in their names."""
    files: dict[str, list[Path]] = {split: [] for split in _nist.PARTS}
    for path in sorted(paths):
        # Words end at digits, underscores and capitals: nist36_train, trainData.
        words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", path.stem)}
        for split, usual in WORDS.items():
            if words & usual:
                files[split].append(path)
    return files
