"""Modules that moved: their old names work with a warning, and saved files name networks as before."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

from narrows._moved import MOVED
from narrows.classifiers import classifiers
from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.nets import nets
from narrows.registry import name_of


@pytest.fixture
def forgotten():
    """Old names as in a process that has not imported them."""
    kept = {name: module for name, module in sys.modules.items() if name in MOVED}
    for name in kept:
        del sys.modules[name]
    yield
    for name in MOVED:
        sys.modules.pop(name, None)
    sys.modules.update(kept)


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_name_is_the_module_of_the_new_one_and_says_where_it_is(old, new, forgotten):
    module = importlib.import_module(new)
    with pytest.warns(DeprecationWarning, match=f"{old} has moved to {new};"):
        found = importlib.import_module(old)
    assert found is module
    assert (found.__name__, found.__spec__.name) == (new, new)


def test_old_names_are_imported_in_every_way_and_the_warning_is_of_the_line_that_asks():
    code = (
        "from narrows import polygons\n"
        "from narrows.nets.colour_conv import ColourConv\n"
        "import narrows.jobs.polygons as job\n"
        "from narrows.studies.polygons import draw\n"
        "from narrows.studies.jobs.polygons import polygons as own\n"
        "assert polygons.draw is draw and job.polygons is own\n"
        "from narrows.nets import nets\n"
        "assert nets.get('colour-conv') is ColourConv\n"
    )
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if "has moved to" in line]
    assert [line.split()[:2] for line in warned] == [
        ["<string>:1:", "DeprecationWarning:"],
        ["<string>:2:", "DeprecationWarning:"],
        ["<string>:3:", "DeprecationWarning:"],
        ["<string>:3:", "DeprecationWarning:"],
    ], done.stderr


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"'narrows\.polygon'"):
        importlib.import_module("narrows.polygon")


NETWORKS = [
    ("colour-conv", (3, 16, 16), "reconstruction"),
    ("colour-dense", (3, 32, 32), "reconstruction"),
    ("fashion-autoencoder", (1, 28, 28), "reconstruction"),
    ("letters-autoencoder", (1, 32, 32), "reconstruction"),
    ("fashion-cnn", (1, 28, 28), "classification"),
    ("thresholds", (2,), "classification"),
]


@pytest.mark.parametrize(("name", "shape", "objective"), NETWORKS)
def test_a_saved_model_that_names_a_network_of_the_wing_opens(name, shape, objective, tmp_path):
    size = {"n_classes": 2} if objective == "classification" else {}
    model = Model(shape, {"name": name, **size}, {"name": objective}, seed=0)
    values = np.random.default_rng(0).uniform(size=(4, *shape)).astype(np.float32)
    model.fit_scaling(values)
    model.save(tmp_path)
    again = Model.load(tmp_path)
    assert name_of(type(again.net)) == name
    assert all((a == b).all() for a, b in zip(model.net.parameters(), again.net.parameters(), strict=True))


def test_the_wings_networks_are_listed_and_old_places_are_no_entries():
    moved = {name for name, _, objective in NETWORKS if objective == "reconstruction"}
    assert moved < set(nets.names())
    assert {"fashion-cnn", "thresholds"} < set(classifiers.names())
    assert len(nets.names()) == len(set(nets.names()))
    with pytest.raises(RecipeError, match="must not choose the code that runs"):
        nets.get("narrows.nets.colour_conv:ColourConv", trusted=False)
