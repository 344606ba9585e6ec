"""The public names of ``narrows``, and the comparison of dataclasses with arrays."""

import ast
import builtins
import dataclasses
import importlib
import inspect
import pkgutil
import subprocess
import sys
import typing
from collections.abc import Callable

import numpy as np
import pytest
import torch

import narrows
from narrows import clustering, deep, errors


def test_every_public_name_is_there_and_nothing_else_is_listed():
    assert set(narrows.__all__) == {
        "Autoencoder",
        "Classifier",
        "DataError",
        "Dataset",
        "ImageClusterer",
        "InputError",
        "Interrupted",
        "LinearProbe",
        "Model",
        "NarrowsError",
        "NeuralKMeans",
        "PatchCodes",
        "RecipeError",
        "Run",
        "RunFolderError",
        "TrainingError",
        "WriteError",
        "__version__",
        "clustering",
        "errors",
        "open",
    }
    assert dir(narrows) == narrows.__all__
    found = {name: getattr(narrows, name) for name in narrows.__all__}
    assert all(getattr(one, "__name__", name) in (name, f"narrows.{name}") for name, one in found.items())
    with pytest.raises(AttributeError, match="has no attribute 'Autoencodr'"):
        _ = narrows.Autoencodr


def test_every_error_is_exported():
    own = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, BaseException)}
    assert own <= set(narrows.__all__)


def test_type_checkers_see_the_names_that_are_there():
    body = ast.parse(inspect.getsource(narrows)).body
    (seen,) = [one.body for one in body if isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING"]
    homes = {alias.asname: (one.module, alias.name) for one in seen for alias in one.names}
    assert homes.keys() == set(narrows.__all__) - {"__version__"}
    for name, (module, own_name) in homes.items():
        assert own_name == name
        assert getattr(narrows, name) is getattr(importlib.import_module(module), name)


def test_nothing_is_imported_before_it_is_used():
    code = "import sys, narrows; narrows.errors, narrows.DataError; print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("room", [clustering, deep])
def test_every_clustering_is_an_attribute_of_its_room_by_its_own_name(room):
    for entry in room.methods.names():
        kind = room.methods.get(entry)
        assert getattr(room, kind.__name__) is kind
        assert kind.__name__ in dir(room)
    assert set(room.__all__) < set(dir(room))
    assert narrows.clustering.KMeans is clustering.methods.get("kmeans")
    for missing in ("kmeans_", "KMEANS", "Kmeans", "__wrapped__"):
        assert not hasattr(room, missing)


def dataclasses_of_narrows():
    found = {}
    for module in pkgutil.walk_packages(narrows.__path__, "narrows."):
        if not module.name.endswith("__main__"):
            for one in vars(importlib.import_module(module.name)).values():
                if isinstance(one, type) and dataclasses.is_dataclass(one) and one.__module__ == module.name:
                    found[one.__qualname__] = one
    return found


def holds_arrays(kind):
    """Whether a value of this type may be or contain an array or a tensor."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return any(holds_arrays(one) for one in hints_of(kind).values())
    if kind in (np.ndarray, torch.Tensor) or typing.get_origin(kind) is np.ndarray:
        return True
    if typing.get_origin(kind) is Callable:
        return False
    return any(holds_arrays(one) for one in typing.get_args(kind))


class Known(dict):
    """The names of a module; imports only for type checkers do not count as arrays."""

    def __missing__(self, name):
        return vars(builtins).get(name, str)


def hints_of(kind):
    return typing.get_type_hints(kind, localns=Known(vars(sys.modules[kind.__module__])))


def test_dataclasses_that_hold_arrays_compare_by_identity():
    known = dataclasses_of_narrows()
    holding = {name for name, one in known.items() if holds_arrays(one)}
    assert {"Dataset", "CodeDistribution", "Batch", "State", "ThresholdNetwork", "Raw"} <= holding
    assert "Settings" not in holding
    compared = {name for name in holding if known[name].__eq__ is not object.__eq__}
    assert not compared
    assert all(known[name].__hash__ is object.__hash__ for name in holding)


def test_data_are_equal_to_themselves_alone_and_can_be_kept_in_a_set():
    one, other = (narrows.Dataset(np.zeros((2, 3), np.float32), np.array([0, 1])) for _ in range(2))
    assert one == one  # noqa: PLR0124
    assert one != other
    assert len({one, other}) == 2
