"""Run as a process of its own: read a .mat and write its arrays as .npy.

SciPy's reader is not hardened against damaged files and can crash the process it runs in. This one has nothing to lose:
it has limits on memory and time, and hands back plain arrays.

Usage: python _mat_child.py FILE FOLDER MEGABYTES SECONDS
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def main(path: str, folder: str, megabytes: int, seconds: int) -> None:
    """Write every array of numbers or text in ``path`` into ``folder``, and their names into names.json."""
    from scipy.io import loadmat

    _limit(megabytes, seconds)
    warnings.simplefilter("ignore")
    names: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for key, value in loadmat(path).items():
        if key.startswith("__"):
            continue
        array = _plain(value)
        if array is None:
            left_out[key] = type(value).__name__
            continue
        names[key] = f"{len(names)}.npy"
        np.save(Path(folder) / names[key], array, allow_pickle=False)
    content = json.dumps({"names": names, "left_out": left_out})
    (Path(folder) / "names.json").write_text(content, encoding="utf-8")


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
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
