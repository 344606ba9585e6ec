"""Imports point one way: a file imports only from files above it in this list."""

import ast
import re
import textwrap
from collections.abc import Sequence
from contextlib import suppress
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
    "narrows.work": ["cores", "threads", "memory", "forecast", "progress", "interrupt", "stages", "environment"],
    "narrows.encoding": ["encoder", "model", "codes"],
    "narrows.geometry": ["distinct", "neighbours", "principal", "placing", "manifold"],
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


def private_imports_of(code: str, room: str) -> set[str]:
    """The private modules (``_name``) of other rooms that code of ``room`` imports, or takes something out of."""
    found = set()
    for node in ast.walk(ast.parse(code)):
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
        private = private_imports_of(path.read_text(encoding="utf-8"), room)
        wrong += [f"{path.relative_to(SOURCE)} imports {name}" for name in private]
    assert not wrong


def test_the_rule_of_private_modules_sees_a_wrong_import():
    bad = (
        "from narrows.deep import _merging, dec\nfrom narrows.deep._views import x\n"
        "import narrows.studies.jobs._kmeans as k\nfrom narrows.data.formats._nist import y\n"
        "from narrows.cli import _output\nfrom narrows import __version__\n"
    )
    seen = {"deep._merging", "deep._views", "studies.jobs._kmeans", "data.formats._nist"}
    assert private_imports_of(bad, "cli") == seen
    assert private_imports_of(bad, "studies.plan") == seen | {"cli._output"}
    assert private_imports_of(bad, "studies.jobs") == seen - {"studies.jobs._kmeans"} | {"cli._output"}


#: Names of other libraries that begin with one underscore and have no public equivalent.
LIBRARIES = {
    "_compiled_call_impl": "of torch: whether a module is compiled",
    "_forward_hooks": "of torch: the hooks that were left on a module",
    "_forward_pre_hooks": "of torch: the same",
    "_replace": "of named tuples, public in spite of its name",
    "_repr_mimebundle_": "what IPython asks of an object",
}
BY_NAME = {"delattr", "getattr", "hasattr", "setattr"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def is_module(name: str) -> bool:
    place = folder_of(name)
    return place.is_dir() or place.with_suffix(".py").exists()


def own_uses_of(tree: ast.AST) -> set[ast.AST]:
    """Where the classes that code defines use names of their own: those of their methods, or set on themselves."""
    found: set[ast.AST] = set()
    for one in ast.walk(tree):
        if isinstance(one, ast.ClassDef):
            of_self = [
                node
                for node in ast.walk(one)
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"self", "cls"}
            ]
            own = {node.attr for node in of_self if isinstance(node.ctx, ast.Store)}
            own |= {node.name for node in one.body if isinstance(node, ast.FunctionDef)}
            found |= {node for node in of_self if node.attr in own}
    return found


def private_uses_of(code: str, room: str) -> set[str]:
    """The private names that code of ``room`` uses, and private modules of other rooms; also in code that is a text."""
    tree, found = ast.parse(code), private_imports_of(code, room)
    own = own_uses_of(tree)
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "narrows":
                private = [f"{module}.{alias.name}" for alias in names if is_private(alias.name)]
                found |= {name for name in private if not is_module(name)}
            case ast.Attribute(attr=name) if is_private(name) and name not in LIBRARIES and node not in own:
                found.add(ast.unparse(node))
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[_, ast.Constant(value=str(name)), *_]
            ) if called in BY_NAME and is_private(name):
                found.add(name)
            case ast.Constant(value=str(text)) if "narrows" in text:  # run by another process, or looked up by its path
                with suppress(SyntaxError, ValueError):
                    found |= private_uses_of(textwrap.dedent(text), room)
    return found


def test_tests_use_public_names_and_no_private_modules_but_those_of_their_room():
    tests, wrong = Path(__file__).parent, []
    for path in tests.rglob("*.py"):
        place = path.relative_to(tests)
        if path != Path(__file__) and place.parts[0] != "former":  # wrong on purpose; and a script of earlier versions
            private = private_uses_of(path.read_text(encoding="utf-8"), room_of(place.with_suffix("").parts))
            wrong += [f"{place} uses {name}" for name in private]
    assert not wrong


def test_the_rule_of_private_names_sees_a_wrong_use():
    bad = (
        "from narrows.deep import _merging\nfrom narrows.deep._views import _axes, x\n"
        "from narrows.clustering.mixture import Mixture, _precisions\n"
        "narrows.deep._graphs.graphs_of()\nmodel.fit()._take(3)\nmodel._axes = 2\n"
        "monkeypatch.setattr(KMeans, '_fit', None)\ngetattr(model, '_seed', None)\n"
        "monkeypatch.setattr('narrows.deep._decoder.PASSES', 3)\nCODE = '  from narrows.work.stages import _parsed'\n"
        "class Mine(KMeans):\n    def _fit(self):\n        super()._fit()\n        return self._codes\n"
        "def patched(self):\n    return self._fit()\n"
    )
    names = {"narrows.deep._views._axes", "narrows.clustering.mixture._precisions", "narrows.deep._graphs"}
    names |= {"model.fit()._take", "model._axes", "_fit", "_seed", "super()._fit", "self._codes", "self._fit"}
    names |= {"narrows.deep._decoder", "narrows.work.stages._parsed", "work.stages._parsed"}
    assert private_uses_of(bad, "deep") == names | {"clustering.mixture._precisions"}
    assert private_uses_of(bad, "clustering") == names | {"deep._merging", "deep._views"}


def test_the_rule_of_private_names_lets_pass_what_is_somebody_elses_or_ones_own():
    good = (
        "from narrows.deep import _merging\nfrom narrows.deep._views import x\nfrom narrows._moved import MOVED\n"
        "module._forward_hooks\nobject.__init__\nx.suffix == '_data'\nsetattr(x, 'name', '_y')\n'narrows is _x'\n"
        "class Fake:\n    def __init__(self):\n        self._served = self._serve()\n"
        "    def _serve(self):\n        return self._served\n"
    )
    assert private_uses_of(good, "deep") == set()


def test_gradients_are_computed_in_one_place():
    calls = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "backward"
    ]
    assert set(calls) == {"training/lanes.py"}
