"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath


def usable_cores() -> int:
    """Return how many cores this process may use: OMP_NUM_THREADS if it is set.

    Otherwise, those it is bound to, but no more than its cgroup's quota of processor time allows, rounded up.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, cgroup_quota())))


def cgroup_quota(root: Path = Path("/")) -> float:
    """Return how many cores' time this process's cgroups allow it; infinity without a limit, or outside Linux.

    A container sees its own cgroup as the topmost one. Elsewhere (a batch system, systemd), any cgroup above the
    process's own may have a quota, so that all of them are read, in either version of cgroups.
    """
    quota = math.inf
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, own = line.split(":", 2)
        if not controllers:
            mount, files = "sys/fs/cgroup", ["cpu.max"]
        elif "cpu" in controllers.split(","):
            mount, files = "sys/fs/cgroup/cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        path = PurePosixPath(own.lstrip("/"))
        for folder in {path, *path.parents}:
            words = [word for name in files for text in _lines(root / mount / folder / name) for word in text.split()]
            if len(words) == 2 and words[0].isdecimal() and int(words[1]) > 0:  # not "max", nor -1
                quota = min(quota, int(words[0]) / int(words[1]))
    return quota


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
