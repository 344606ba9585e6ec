import sys

import pytest

from narrows.arguments import arguments_of
from narrows.classifiers import classifiers
from narrows.clustering import methods as clusterings
from narrows.encoders import encoders
from narrows.errors import RecipeError
from narrows.nets import nets
from narrows.nets.dense import Dense
from narrows.objectives import objectives
from narrows.projection import methods as projections
from narrows.recipes import recipe as recipes
from narrows.registry import name_of


class Mine(Dense):
    """A user's network."""


def test_a_file_is_an_entry():
    assert {"conv", "dense", "denoising-digits"} <= set(nets.names())
    assert nets.get("dense") is Dense


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'conv'"):
        nets.get("convv")


def test_a_dotted_path_works_from_a_person_and_not_from_a_file():
    path = "narrows.nets.dense:Dense"
    assert nets.get(path) is Dense
    with pytest.raises(RecipeError, match="must not choose the code that runs"):
        nets.get(path, trusted=False)
    with pytest.raises(RecipeError, match="importable"):
        nets.get("narrows.nets.dense:Dens")


def test_a_class_is_its_own_name():
    assert nets.get(Dense) is Dense
    assert name_of(Dense) == "dense"
    assert name_of(clusterings.get("student-t")) == "student-t"
    assert name_of(Mine) == f"{__name__}:Mine"
    assert nets.get(Mine) is Mine

    class Hidden(Dense):
        pass

    with pytest.raises(RecipeError, match="must be defined at the top level of its module"):
        nets.get(Hidden)


def test_a_module_in_the_current_folder_is_found_when_a_person_names_it_and_no_other(tmp_path, monkeypatch):
    (tmp_path / "narrows_here.py").write_text("from narrows_beside import BASE\n\nclass Net(BASE):\n    pass\n")
    (tmp_path / "narrows_beside.py").write_text("from narrows.nets.dense import Dense as BASE\n")
    (tmp_path / "narrows_broken.py").write_text("import no_such_module_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", ".", str(tmp_path))])
    before = list(sys.path)
    with pytest.raises(RecipeError, match="must not choose the code that runs"):
        nets.get("narrows_here:Net", trusted=False)
    assert "narrows_here" not in sys.modules
    assert issubclass(nets.get("narrows_here:Net"), Dense)
    with pytest.raises(RecipeError, match="No module named 'no_such_module_at_all'"):
        nets.get("narrows_broken:Net")
    with pytest.raises(RecipeError, match="No module named 'narrows_nowhere'"):
        nets.get("narrows_nowhere:Net")
    assert sys.path == before
    monkeypatch.setattr(sys, "path", [str(tmp_path), *before])
    with pytest.raises(RecipeError, match="No module named 'narrows_nowhere'"):
        nets.get("narrows_nowhere:Net")
    assert sys.path == [str(tmp_path), *before]
    for name in ("narrows_here", "narrows_beside"):
        sys.modules.pop(name)


@pytest.mark.parametrize("registry", [clusterings, encoders, projections, nets, objectives, classifiers])
def test_what_is_no_such_thing_is_refused_by_the_contract_of_the_folder(registry):
    with pytest.raises(RecipeError, match=rf"must be a subclass of narrows[.\w]+\.{registry.contract.__name__}; got"):
        registry.get("narrows.wording:plural")
    for name in registry.names():
        assert issubclass(registry.get(name), registry.contract)


@pytest.mark.parametrize("section", ["clustering", "encoder", "projection", "net", "objective"])
def test_a_recipe_that_names_no_such_thing_is_refused(section):
    for path in ("narrows.wording:plural", "narrows.wording:nothing", "no.such:thing"):
        with pytest.raises(RecipeError, match="must be"):
            recipes.load("default", [f"{section}.name={path}"])


def test_arguments_are_those_a_recipe_may_set():
    arguments = arguments_of(Dense, given_by_us=("input_shape",))
    assert list(arguments) == ["code_size", "hidden"]
    assert arguments["code_size"].annotation is int
    assert arguments["code_size"].default == 32
