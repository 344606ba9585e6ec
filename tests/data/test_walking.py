import glob
import os
from pathlib import Path

import pytest

from narrows.data import walking


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("a/b/1.x", "a/2.x", "a/c.d/3.y", "4.x", ".h/5.x", "a/.6.x", "[e]/7.x"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


PATTERNS = (
    "**",
    "**/*",
    "**/*.x",
    "a/**",
    "a/**/*.x",
    "a/**/b/*",
    "*/**/*.x",
    "**/b/**",
    "**/*.d/*",
    "a/**/c.d",
    "*.x",
    "a/*",
    "a**/*.x",
    "[[]e]/**",
    "**/nothing",
    "nowhere/**/*.x",
    "./**/*.x",
    "a/../**/*.x",
    "**/**/*.x",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_as_in_the_standard_library(tree, pattern):
    def plain(found):
        return sorted({os.path.normpath(name) for name in found} - {"."})

    for form in (pattern, f"{tree}/{pattern}"):
        found = walking.matching(form)
        assert plain(found) == plain(glob.glob(form, recursive=True))
        assert found == sorted(set(found))


def test_loops_of_links_end(tree):
    for i in range(3):  # glob would go through them in 3 ** 40 ways
        (tree / f"loop{i}").symlink_to(tree)
        (tree / "a" / f"back{i}").symlink_to("..")
    (tree / "again").symlink_to("a")
    assert walking.matching(f"{tree}/**/*.x") == sorted(
        f"{tree}/{name}" for name in ("4.x", "[e]/7.x", "a/2.x", "a/b/1.x")
    )
    passed = {}
    places = [place for place, _, _ in walking.walk([str(tree)], passed=lambda link, why: passed.update({link: why}))]
    assert len(places) == len(set(map(os.path.realpath, places))) == 6
    assert {Path(link).name for link in passed} == {
        "again",
        *(f"{word}{i}" for word in ("loop", "back") for i in range(3)),
    }
