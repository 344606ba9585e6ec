import pytest

from narrows.arguments import arguments_of
from narrows.errors import RecipeError
from narrows.nets import nets
from narrows.nets.dense import Dense


def test_a_file_is_an_entry():
    assert {"conv", "dense", "denoising-digits"} <= set(nets.names())
    assert nets.get("dense") is Dense


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'conv'"):
        nets.get("convv")


def test_a_dotted_path_works_from_a_person_and_not_from_a_file():
    path = "narrows.nets.dense:Dense"
    assert nets.get(path) is Dense
    with pytest.raises(RecipeError, match="must not choose which code runs"):
        nets.get(path, trusted=False)
    with pytest.raises(RecipeError, match="importable"):
        nets.get("narrows.nets.dense:Dens")


def test_arguments_are_those_a_recipe_may_set():
    arguments = arguments_of(Dense, given_by_us=("input_shape",))
    assert list(arguments) == ["code_size", "hidden"]
    assert arguments["code_size"].annotation is int
    assert arguments["code_size"].default == 32
