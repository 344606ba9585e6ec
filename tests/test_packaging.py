"""Builds from a checkout contain the whole package, although hatchling, git and ruff skip what .gitignore names."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
MADE = {"__pycache__", ".hypothesis"}


def ignored(paths, folder):
    """Return those of ``paths`` that the repository's .gitignore names, tracked or not."""
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    shutil.copy(ROOT / ".gitignore", folder)
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=folder,
        input="\n".join(paths),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr  # 1: none of them
    return done.stdout.splitlines()


def test_no_source_is_ignored(tmp_path):
    kept = [
        path.relative_to(ROOT).as_posix()
        for part in ("src/narrows", "tests", "docs")
        for path in (ROOT / part).rglob("*")
        if path.is_file() and not MADE & set(path.parts)
    ]
    assert "src/narrows/runs/making.py" in kept
    assert ignored([*kept, "runs/demo/report.html"], tmp_path) == ["runs/demo/report.html"]
