"""Imports point one way: a file imports only from files above it in this list."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import narrows.studies

ORDER = [
    "errors",
    "wording",
    "registry",
    "arguments",
    "disk",
    "work",
    "data",
    "views",
    "nets",
    "classifiers",
    "objectives",
    "encoding",
    "training",
    "geometry",
    "encoders",
    "clustering",
    "projection",
    "evaluation",
    "deep",
    "figures",
    "runs",
    "recipes",
    "report",
    "explorer",
    "steps",
    "pipeline",
    "estimators",
    "studies",
    "cli",
]
WING = [
    "nets",
    "classifiers",
    "evaluation",
    "figures",
    "reference",
    "worked",
    "polygons",
    "jobs",
    "uncertainty",
    "plan",
    "summing",
    "report",
    "study",
    "page",
    "keeping",
]
#: Package -> its rooms. Of the house only ``cli``, which is below ``studies`` in the list, imports from the wing.
HOUSES = {
    "narrows": ORDER,
    "narrows.studies": WING,
    "narrows.disk": ["regular", "files", "sealed", "learned", "claims"],
    "narrows.work": ["forecast", "progress", "interrupt", "stages", "environment"],
    "narrows.encoding": ["encoder", "model", "codes"],
    "narrows.geometry": ["neighbours", "principal", "placing", "distinct", "manifold"],
}
SOURCE = Path(__file__).parents[1] / "src" / "narrows"


def folder_of(package: str) -> Path:
    return SOURCE.parent.joinpath(*package.split("."))


def imports_of(path: Path, package: str = "narrows") -> set[str]:
    """The rooms of a package that a file imports, anywhere in it, functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found |= {
                name.removeprefix(f"{package}.").split(".")[0] for name in named if name.startswith(f"{package}.")
            }
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("package", HOUSES)
def test_every_room_is_in_the_list(package):
    inside = folder_of(package).iterdir()
    rooms = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {room for room in rooms if not room.startswith("_")} == set(HOUSES[package])


def test_the_house_is_small_enough_to_know():
    assert len(ORDER) < 30


def test_the_house_is_shown_in_the_same_order():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    for table, order in zip(page.split("| room | what it holds |")[1:], (ORDER, WING), strict=True):
        rooms = [row.split("|")[1] for row in table.split("\n\n")[0].splitlines() if row.startswith("| `")]
        assert [name for row in rooms for name in re.findall(r"`(\w+)(?:\.py|/)`", row)] == order


def test_files_inside_rooms_are_shown_as_they_are():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown, room = [], ""
    for row in page.split("| file | what it does |")[1].split("\n\n")[0].splitlines()[2:]:
        for name in re.findall(r"`([\w./]+)`", row.split("|")[1]):
            room = name.partition("/")[0] if not name.endswith("/") and "/" in name else room
            shown.append(name if name.startswith(f"{room}/") else f"{room}/{name}")
    assert [name for name in shown if not (SOURCE / name).exists()] == []
    for package in ("disk", "work", "encoding", "geometry"):
        order = [f"{package}/{name}.py" for name in HOUSES[f"narrows.{package}"]]
        assert [name for name in shown if name.startswith(f"{package}/")] == order


def test_the_wing_shows_its_rooms_at_its_door():
    assert re.findall(r"^``(\w+)(?:\.py|/)``", narrows.studies.__doc__, re.MULTILINE) == WING


@pytest.mark.parametrize("package", HOUSES)
def test_imports_point_one_way(package):
    wrong = []
    folder, order = folder_of(package), HOUSES[package]
    for path in folder.rglob("*.py"):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        if room.startswith("_"):
            continue
        wrong += [
            f"{path.relative_to(SOURCE)} imports {other}"
            for other in imports_of(path, package)
            if order.index(other) > order.index(room)
        ]
    assert not wrong


def test_the_rule_sees_a_wrong_import(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    from narrows.cli import main\n    import narrows.pipeline\n")
    assert imports_of(path) == {"cli", "pipeline"}
    path.write_text(
        "from narrows.studies import page\nimport narrows.studies.jobs.probe\nfrom narrows import studies\n"
    )
    assert imports_of(path) == {"studies"}
    assert imports_of(path, "narrows.studies") == {"page", "jobs"}


def room_of(parts: Sequence[str]) -> str:
    """The room, of the house or of the wing, that the parts of a module's name belong to."""
    return ".".join(parts[:2]) if parts[0] == "studies" else parts[0]


def private_imports_of(path: Path, room: str) -> set[str]:
    """The private modules (``_name``) of other rooms that a file of ``room`` imports, in whole or in part."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for parts in (name.split(".")[1:] for name in names if name.startswith("narrows.")):
            private = [part for part in parts if part.startswith("_") and not part.startswith("__")]
            if private and parts[0] != private[0] and room_of(parts) != room:
                found.add(".".join(parts[: parts.index(private[0]) + 1]))
    return found


def test_private_modules_stay_inside_their_rooms():
    wrong = []
    for path in SOURCE.rglob("*.py"):
        room = room_of(path.relative_to(SOURCE).with_suffix("").parts)
        wrong += [f"{path.relative_to(SOURCE)} imports {name}" for name in private_imports_of(path, room)]
    assert not wrong


def test_the_rule_of_private_modules_sees_a_wrong_import(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(
        "from narrows.deep import _merging, dec\nfrom narrows.deep._views import x\n"
        "import narrows.studies.jobs._kmeans as k\nfrom narrows.data.formats._nist import y\n"
        "from narrows.cli import _output\nfrom narrows import __version__\n"
    )
    seen = {"deep._merging", "deep._views", "studies.jobs._kmeans", "data.formats._nist"}
    assert private_imports_of(path, "cli") == seen
    assert private_imports_of(path, "studies.plan") == seen | {"cli._output"}
    assert private_imports_of(path, "studies.jobs") == seen - {"studies.jobs._kmeans"} | {"cli._output"}


def test_there_is_one_backward():
    calls = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "backward"
        and not (isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "engine")
    ]
    assert calls == ["training/engine.py"]
