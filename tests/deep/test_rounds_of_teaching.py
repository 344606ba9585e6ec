import shutil
from itertools import pairwise

import numpy as np
import pytest

from narrows.deep import Stages
from narrows.deep import _teaching as module
from narrows.deep.agreement import Agreement
from narrows.wording import share


def make(**arguments):
    return Agreement(10, 0, **({"layouts": 1, "passes": 2, "epochs": 6, "spaces": ["pixels", "views"]} | arguments))


@pytest.fixture(scope="module")
def values(digits):
    return digits[0][:400]


@pytest.fixture
def _any_answer_will_do(monkeypatch):
    monkeypatch.setattr(module, "TOLERANCE", 1.0)


@pytest.fixture
def agreeing(values, tmp_path, _any_answer_will_do):
    clusterer = make(agree=0.3).fit(values, Stages(tmp_path / "all"))
    assert clusterer.taught_ == 3
    return clusterer, tmp_path


def test_every_round_begins_where_the_one_before_it_ended(agreeing):
    clusterer, folder = agreeing
    weights = [module.Model.load(folder / "all" / f"taught-{n}").net.state_dict() for n in (1, 2, 3)]
    for one, next_one in pairwise(weights):
        assert any(not np.array_equal(one[name], next_one[name]) for name in one)
    last = clusterer.model_.net.state_dict()
    assert all(np.array_equal(weights[-1][name], last[name]) for name in last)


@pytest.mark.parametrize("after", [1, 2])
def test_rounds_taken_up_from_a_folder_end_with_the_same_bits(agreeing, values, after):
    clusterer, folder = agreeing
    shutil.copytree(folder / "all", folder / "some")
    for number in range(after + 1, 4):
        shutil.rmtree(folder / "some" / f"taught-{number}")
        (folder / "some" / f"graph-of-codes-{number}.safetensors").unlink(missing_ok=True)
    again = make(agree=0.3).fit(values, Stages(folder / "some"))
    assert np.array_equal(again.assign(values), clusterer.assign(values))
    alone = make(agree=0.3).fit(values)
    assert np.array_equal(alone.assign(values), clusterer.assign(values))


def test_what_costs_too_much_information_is_not_kept(values, monkeypatch):
    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    clusterer = make(agree=0.3).fit(values)
    assert clusterer.taught_ == 0
    assert any("was discarded" in note for note in clusterer.notes)
    assert clusterer.training_ == f"imitating-{module.IMITATED}"  # not that of the answers that were refused
    assert np.array_equal(clusterer.predict(values), clusterer.labels_)


def test_without_rounds_nothing_is_taught_from_views(values):
    clusterer = make(rounds=0).fit(values)
    assert clusterer.taught_ == 0
    assert not any("not kept" in note for note in clusterer.notes)


def test_a_network_that_has_not_learned_the_clusters_is_trained_on_or_says_so():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 10)).astype(np.float32)  # nothing to find: 60 clusters are hard to learn
    stages = Stages()
    clusterer = Agreement(60, 0, layouts=1, epochs=1).fit(values, stages)
    assert list(stages.histories) == ["imitating", "imitating-2", "imitating-3"]
    before, after = clusterer.information_
    assert after < before
    [note] = [note for note in clusterer.notes if "another cluster than the one found" in note]
    order = np.argsort(clusterer.order_, kind="stable")
    moved = (order[clusterer.chosen_.clusters] != clusterer.labels_).mean()
    assert share(moved) in note
    easy = np.repeat(10 * rng.standard_normal((3, 10)), 100, axis=0) + rng.standard_normal((300, 10))
    clusterer = Agreement(3, 0, layouts=1).fit(easy.astype(np.float32), stages := Stages())
    assert list(stages.histories) == ["imitating"] == [clusterer.training_]
    assert clusterer.information_[0] == clusterer.information_[1]
    assert not clusterer.notes
