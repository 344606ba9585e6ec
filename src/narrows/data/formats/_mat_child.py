"""Run as a process of its own: read .mat files and write their arrays as .npy.

SciPy's reader is not hardened against damaged files and can crash the process it runs in. This one has nothing to lose:
it has limits on memory and time, and hands back plain arrays.

Usage: python _mat_child.py FOLDER MEGABYTES SECONDS FILE...
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def main(folder: Path, megabytes: int, seconds: int, paths: list[str]) -> None:
    """Write the arrays of each file into a folder 0, 1, ... of its own within ``folder``."""
    from scipy.io import loadmat

    _limit(megabytes, seconds)
    warnings.simplefilter("ignore")
    for number, path in enumerate(paths):
        (folder / str(number)).mkdir()
        _write(loadmat(path), folder / str(number))


def _write(content: dict[str, Any], folder: Path) -> None:
    """Write every array of numbers or text in ``content``, and then their names, into names.json."""
    names: dict[str, str] = {}
    for key, value in content.items():
        array = None if key.startswith("__") else _plain(value)
        if array is not None:
            names[key] = f"{len(names)}.npy"
            np.save(folder / names[key], array, allow_pickle=False)
    (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")


def _plain(value: Any) -> np.ndarray[Any, Any] | None:
    """Return an array of numbers or text as it is, a cell array of words as text, and nothing for all else."""
    if not isinstance(value, np.ndarray):
        return None
    if value.dtype.kind in "buifU":
        return value
    if value.dtype == object and value.size:
        cells = list(value.flat)
        if all(isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size <= 1 for cell in cells):
            return np.array(["".join(cell.flat) for cell in cells])
    return None


def _limit(megabytes: int, seconds: int) -> None:
    """Bound memory and processor time, where the system can."""
    try:
        import resource
    except ImportError:
        return
    limits = {resource.RLIMIT_AS: megabytes << 20, resource.RLIMIT_CPU: seconds, resource.RLIMIT_CORE: 0}
    for kind, most in limits.items():
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            continue


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
