"""Errors say what is wrong, and are unchanged when passed from one process to another."""

import copy

import pytest

from narrows.errors import DataError, InputError, Interrupted, RecipeError, RunFolderError, TrainingError

GIVEN = InputError("lr", "must be > 0", value=-1, remedy="Try 1e-3.")


@pytest.mark.parametrize(
    "error",
    [
        GIVEN,
        DataError("x.npy", "must be a file"),
        RecipeError("a", "must be b", value={"c": 1}),
        RunFolderError("out", "must be free", value=None),
        TrainingError("diverged"),
        Interrupted(15, "stopped"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_rebuilt_as_it_was_which_is_how_it_comes_back_from_another_process(error):
    again = copy.copy(error)
    assert again is not error
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_message_names_parameter_rule_value_and_remedy():
    assert str(GIVEN) == "lr must be > 0; got -1. Try 1e-3."
