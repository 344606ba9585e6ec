"""Two versions of narrows to compare: the one here, and that of a named commit, taken from git."""

from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Version:
    """A version.

    Parameters
    ----------
    commit : its commit; followed by "+" where files differ from it
    source : its ``src``
    contents : sha256 of all files of the package, by which measurements are known to be of this version
    """

    commit: str
    source: Path
    contents: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process runs this version as the command line does."""
        return {"PYTHONPATH": str(self.source), "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}

    @property
    def record(self) -> dict[str, str]:
        """What results keep of it."""
        return {"commit": self.commit, "contents": self.contents}


def here() -> Version:
    """Return the version of this checkout, with its changes; a copy of the files without git has no commit."""
    commit = "none"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        commit = _git("rev-parse", "HEAD").decode().strip() + ("+" if _git("status", "--porcelain", "src") else "")
    return Version(commit, ROOT / "src", _contents(ROOT / "src"))


@contextlib.contextmanager
def of(commit: str) -> Iterator[Version]:
    """Give the version of a commit, from a temporary folder."""
    try:
        full = _git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"There is no commit {commit} in this clone to compare with. Name another with --against.")
    with tempfile.TemporaryDirectory(prefix="narrows-") as name:
        with tarfile.open(fileobj=io.BytesIO(_git("archive", full, "src"))) as packed:
            packed.extractall(name, filter="data")
        source = Path(name) / "src"
        version = Version(full, source, _contents(source))
        if version.contents == here().contents:
            print(f"{full} has the same files as this checkout: ratios show the noise.", file=sys.stderr)
        yield version


def _contents(source: Path) -> str:
    """Return the sha256 of all names and files under ``source``, but for what Python compiled."""
    files = sorted(path for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc")
    lines = [f"{path.relative_to(source)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, stdout=subprocess.PIPE).stdout
