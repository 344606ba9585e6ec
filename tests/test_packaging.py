"""What `pip install .` installs: the build leaves out whatever .gitignore matches, tracked by git or not."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_gitignore_matches_no_file_of_the_package(tmp_path):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    files = [path.relative_to(ROOT) for path in (ROOT / "src" / "narrows").rglob("*") if path.is_file()]
    sources = [path for path in files if path.parts[-2] != "__pycache__"]
    planted = "src/narrows/__pycache__/x.pyc"
    asked = "\n".join([planted, *map(str, sources)])
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    answer = subprocess.run(command, check=True, cwd=tmp_path, input=asked, capture_output=True, text=True)
    assert answer.stdout.splitlines() == [planted]  # which shows that the check finds what is ignored
