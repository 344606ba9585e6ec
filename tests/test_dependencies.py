"""Dependencies have no known advisories, and their versions are not left to chance."""

import datetime
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LISTED = tomllib.loads((ROOT / "docs" / "advisories.toml").read_text())
LINES = (ROOT / "constraints.txt").read_text().splitlines()
PINNED = {
    canonicalize_name(name): Version(version)
    for name, version in (line.split(";")[0].strip().split("==") for line in LINES if "==" in line)
}


def asked():
    """Return name -> the requirement in pyproject.toml of each dependency, including the extras."""
    texts = [*PROJECT["dependencies"], *(text for extra in PROJECT["optional-dependencies"].values() for text in extra)]
    requirements = [Requirement(text) for text in texts]
    return {canonicalize_name(one.name): one for one in requirements if one.name != "narrows"}


def floor(requirement):
    (lowest,) = (part.version for part in requirement.specifier if part.operator == ">=")
    return Version(lowest)


@pytest.mark.parametrize("advisory", LISTED["advisory"], ids=lambda one: f"{one['package']} {one['id']}")
def test_no_version_with_a_known_advisory_is_allowed(advisory):
    assert advisory.keys() == {"package", "id", "fixed", "source"}
    name, fixed = canonicalize_name(advisory["package"]), Version(advisory["fixed"])
    assert floor(asked()[name]) >= fixed
    assert PINNED[name] >= fixed


def test_the_list_says_when_it_was_read_and_from_where():
    assert datetime.date(2026, 11, 27) <= LISTED["read"] <= datetime.datetime.now(datetime.UTC).date()
    assert all(re.match(r"https://\S+$", one["source"]) for one in LISTED["advisory"])


def test_the_constraints_name_everything_that_is_installed_and_what_pyproject_allows():
    waiting, seen = [Requirement(f"narrows[{','.join(PROJECT['optional-dependencies'])}]")], set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        key = (name, frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        if name != "narrows":
            assert name in PINNED, f"{wanted.name} has no version in constraints.txt"
            assert wanted.specifier.contains(PINNED[name], prereleases=True), f"{wanted} and {PINNED[name]}"
        try:
            further = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of an extra that is not installed here
            continue
        for one in map(Requirement, further):
            extras = wanted.extras or {""}
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(one)
