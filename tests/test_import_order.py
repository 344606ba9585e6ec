"""Imports point one way: a file imports only from files above it in this list."""

import ast
import re
from pathlib import Path

ORDER = [
    "errors", "wording", "registry", "arguments", "regular", "files", "sealed", "learned", "claims", "forecast",
    "progress", "interrupt", "stages", "environment", "data", "noise", "views", "nets", "classifiers", "objectives",
    "encoder", "model", "training", "codes", "neighbours", "principal", "placing", "distinct", "manifold",
    "encoders", "clustering", "projection", "evaluation", "novelty", "deep", "figures", "reference", "worked",
    "polygons", "runs", "making", "recipes", "report", "explorer", "steps", "pipeline", "estimators", "jobs",
    "studies", "cli",
]  # fmt: skip
SOURCE = Path(__file__).parents[1] / "src" / "narrows"


def imports_of(path: Path) -> set[str]:
    """The rooms of narrows that a file imports, anywhere in it, functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "narrows":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("narrows.")}
    return found - {"__version__"}


def test_every_room_is_in_the_list():
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__"} == set(ORDER)


def test_the_house_is_shown_in_the_same_order():
    table = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8").split("| room |")[1]
    rooms = [row.split("|")[1] for row in table.split("\n\n")[0].splitlines() if row.startswith("| `")]
    assert [name for row in rooms for name in re.findall(r"`(\w+)(?:\.py|/)`", row)] == ORDER


def test_imports_point_one_way():
    wrong = []
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        wrong += [
            f"{path.relative_to(SOURCE)} imports {other}"
            for other in imports_of(path)
            if ORDER.index(other) > ORDER.index(room)
        ]
    assert not wrong


def test_the_rule_sees_a_wrong_import(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    from narrows.cli import main\n    import narrows.pipeline\n")
    assert imports_of(path) == {"cli", "pipeline"}


def private_imports_of(path: Path, room: str) -> set[str]:
    """The private modules (``_name``) of other rooms that a file of ``room`` imports, or takes something out of."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for package, other, *within in (name.split(".") for name in names if name.count(".") > 1):
            private = [part for part in within if part.startswith("_") and not part.startswith("__")]
            if package == "narrows" and other != room and private:
                found.add(".".join([other, *within[: within.index(private[0]) + 1]]))
    return found


def test_private_modules_stay_inside_their_rooms():
    wrong = []
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        wrong += [f"{path.relative_to(SOURCE)} imports {name}" for name in private_imports_of(path, room)]
    assert not wrong


def test_the_rule_of_private_modules_sees_a_wrong_import(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(
        "from narrows.deep import _merging, dec\nfrom narrows.deep._views import x\nimport narrows.jobs._kmeans as k\n"
        "from narrows.data.formats._nist import y\nfrom narrows.cli import _output\nfrom narrows import __version__\n"
    )
    assert private_imports_of(path, "cli") == {"deep._merging", "deep._views", "jobs._kmeans", "data.formats._nist"}


def test_there_is_one_backward():
    calls = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "backward"
        and not (isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "engine")
    ]  # fmt: skip
    assert calls == ["training/engine.py"]
