"""One function checks the arguments of an entry, wherever they come from."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pytest

import narrows
from narrows.arguments import checked
from narrows.errors import RecipeError
from narrows.recipes.recipe import check
from narrows.studies import plan
from narrows.training.loop import Settings


def entry(
    whole: int,
    rate: float = 0.5,
    word: Literal["mean", "median"] = "mean",
    size: int | list[int] | Literal["auto"] = "auto",
    flag: bool = False,
    names: Sequence[str] = (),
    shape: tuple[int, ...] = (1, 2),
    more: Mapping[str, Any] | None = None,
) -> None:
    """An entry with an argument of each kind."""


def test_what_is_given_comes_back_plain_beside_the_defaults():
    found = checked(entry, {"whole": np.int64(3), "rate": np.float32(0.5), "flag": np.True_, "shape": np.array([4, 5])})
    defaults = {"word": "mean", "size": "auto", "names": (), "more": None}
    assert found == {"whole": 3, "rate": 0.5, "flag": True, "shape": (4, 5)} | defaults
    assert [type(found[name]) for name in ("whole", "rate", "flag")] == [int, float, bool]
    assert checked(entry, {"whole": 1, "rate": 2})["rate"] == 2.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "here.whole must be given."),
        ({"whole": True}, "here.whole must be a whole number; got True."),
        ({"whole": 2.5}, "here.whole must be a whole number; got 2.5."),
        ({"whole": "7"}, "here.whole must be a whole number; got '7'."),
        ({"rate": False}, "here.rate must be a number; got False."),
        ({"rate": float("nan")}, "here.rate must be a finite number; got nan."),
        ({"rate": "0.5"}, "here.rate must be a number; got '0.5'."),
        ({"flag": 1}, "here.flag must be true or false; got 1."),
        (
            {"word": "meen"},
            "here.word must be 'mean' or 'median'; got 'meen'. Did you mean 'mean'? Valid: mean, median.",
        ),
        ({"size": "atuo"}, "here.size must be a whole number or a list or 'auto'; got 'atuo'. Did you mean 'auto'?"),
        ({"size": [1, "2"]}, "here.size.1 must be a whole number; got '2'."),
        ({"more": 3}, "here.more must be a mapping; got 3."),
        ({"wohle": 3}, "here.wohle is not a setting; got 3. Did you mean 'whole'?"),
        (
            {"more": {"of": {3}}},
            "here.more.of must be a number, a string, a boolean, or a list or mapping of these; got",
        ),
        ({"more": {3: 4}}, "here.more must be a number, a string"),
        ({"more": {(1, 2): 4}}, "here.more must be a number, a string"),
    ],
)
def test_what_is_of_another_kind_is_refused_in_plain_words(given, message):
    with pytest.raises(RecipeError) as raised:
        checked(entry, ({} if not given else {"whole": 1}) | given, "here.")
    assert str(raised.value).startswith(message)


DOORS = {
    "recipe": lambda options: check({"train": options}),
    "settings": lambda options: Settings(**options),
    "autoencoder": lambda options: narrows.Autoencoder(train_options=options).fit(np.zeros((30, 4))),
    "classifier": lambda options: narrows.Classifier(train_options=options).fit(np.zeros((30, 4)), np.arange(30) % 2),
}


@pytest.mark.parametrize("door", sorted(DOORS))
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": True}, "patience must be a whole number; got True"),
        ({"clip": "1"}, "clip must be a number; got '1'"),
        ({"schedule": "cosin"}, "schedule must be .*got 'cosin'. Did you mean 'cosine'"),
        ({"weight_decay": [1]}, "weight_decay must be a number"),
        ({"shuffle": 1}, "shuffle must be true or false"),
    ],
)
def test_every_door_refuses_the_same_settings_of_training(door, options, message):
    with pytest.raises(RecipeError, match=message):
        DOORS[door](options)


@pytest.mark.parametrize("door", sorted(DOORS.keys() - {"settings"}))
def test_every_door_knows_which_settings_there_are(door):
    with pytest.raises(RecipeError, match=r"pateince is not a setting.*Did you mean 'patience'"):
        DOORS[door]({"pateince": 3})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"with": {"source": 3}}, "study s: a.with.source must be a string; got 3."),
        (
            {"with": {"sourec": "digits"}},
            "study s: a.with.sourec is not a setting; got 'digits'. Did you mean 'source'",
        ),
        ({"seeds": True}, "run.0.seeds must be a whole number"),
    ],
)
def test_a_study_refuses_what_its_jobs_do_not_take(tmp_path, entry, message):
    import tomlkit

    path = tmp_path / "s.toml"
    run = {"name": "a", "job": "lloyd"} | entry
    path.write_text(tomlkit.dumps({"name": "s", "title": "t", "description": "d", "minutes": 1.0, "run": [run]}))
    with pytest.raises(RecipeError) as raised:
        plan.load(path)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "wrong", [{"hiddn": [8]}, {"hidden": "8"}, {"hidden": [True]}, {"name": 3}, {"n_classes": 5}, {}]
)
def test_a_classifiers_network_is_asked_what_it_takes(wrong):
    with pytest.raises(RecipeError, match="net"):
        narrows.Classifier(net={"name": "mlp"} | wrong if wrong else {}).fit(np.zeros((30, 4)), np.arange(30) % 2)
