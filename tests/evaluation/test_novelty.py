"""Novelty: exact p-values, oddness against an independent computation, and the novelty of noise."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import narrows
from narrows.encoding.model import Model
from narrows.errors import InputError, RunFolderError
from narrows.evaluation import novelty as module
from narrows.evaluation.novelty import MEANING, Novelty, count_odd, evidence_of, most_odd, sentence
from reading import contradictions, faults


def rows_of(n, d=12, seed=0):
    """Vectors around five centres, near a plane of four dimensions."""
    rng = np.random.default_rng(seed)
    plane, middles = np.random.default_rng(99).normal(size=(4, d)), 4 * np.random.default_rng(98).normal(size=(5, 4))
    near = middles[rng.integers(0, 5, n)] + rng.normal(size=(n, 4))
    return (near @ plane + 0.2 * rng.normal(size=(n, d))).astype(np.float32)


def untrained(values, code_size=3):
    net = {"name": "dense", "code_size": code_size, "hidden": [16]}
    model = Model(values.shape[1:], net, {"name": "reconstruction"})
    model.fit_scaling(values)
    return model


def fitted(model, values, train, held_out, *, errors=True, seed=0):
    codes, known = evidence_of(model, values)
    return Novelty(seed).fit(model, values, lambda r: (codes[r], known[r] if errors else None), train, held_out)


def ask(known, model, values, *, errors=True, rows=None):
    codes, found = evidence_of(model, values)
    return known.oddness(model, values, codes, found if errors else None, rows)


def test_novelty_is_the_share_of_counted_rows_that_are_at_least_as_odd():
    known = Novelty()
    known.scores_ = np.array([1.0, 2.0, 3.0, 4.0])
    found = known.share_odder(np.array([0.0, 1.0, 2.0, 2.5, 4.0, 9.0]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([5, 5, 4, 3, 2, 1], np.float32) / np.float32(5))


def test_p_values_of_exchangeable_rows_are_uniform_exactly():
    scores = np.random.default_rng(0).normal(size=40)
    found = []
    for left_out in range(40):
        known = Novelty()
        known.scores_ = np.sort(np.delete(scores, left_out))
        found.append(known.share_odder(scores[[left_out]])[0])
    np.testing.assert_allclose(np.sort(found), np.arange(1, 41) / 40, rtol=1e-6)
    assert sum(p <= 0.05 for p in found) == 2


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("errors", [True, False])
def test_oddness_is_what_the_text_says(errors, copies):
    """Oddness from its definition, with tables of all distances and a decomposition of all values.

    A fitted row is compared with its copies, though not with itself; a new one with all fitted rows.
    """
    values = rows_of(300)
    if copies:
        values[1:200:2], values[200:220] = values[:200:2], values[:20]
    model, train, held_out = untrained(values), np.arange(200), np.arange(200, 300)
    known = fitted(model, values, train, held_out, errors=errors)
    codes, found = evidence_of(model, values)
    x = (values - values.mean(0, dtype=np.float64)) / values.std(0, dtype=np.float64)
    _, length, axes = np.linalg.svd(x[:200] - x[:200].mean(0))
    enough = axes[: 1 + (np.cumsum(length**2) < 0.95 * (length**2).sum()).sum()]
    away = x - x[:200].mean(0)
    away = away - away @ enough.T @ enough
    assert known.axes_.shape == enough.shape
    raw = {"residual": (away**2).mean(1), "spread": x.var(1)}
    raw["error"] = found.astype(np.float64) if errors else raw["residual"]
    table = cdist(codes, codes[:200])
    table[np.arange(200), np.arange(200)] = np.inf
    near = np.argsort(table, axis=1)[:, :10]
    raw["distance"] = np.take_along_axis(table, near, 1).mean(1)
    logs = {name: np.log(one / np.median(one[:200]) + 1e-3) for name, one in raw.items()}
    excess = logs["error"] - logs["error"][near].mean(1)
    five = np.stack([logs["distance"], excess, logs["residual"], logs["spread"], x.mean(1)], 1)
    spread = np.cov(five[:200].T, bias=True) + 1e-6 * np.eye(5)
    white = (five - five[:200].mean(0)) @ np.linalg.cholesky(np.linalg.inv(spread))
    table = cdist(white, white[:200])
    table[np.arange(200), np.arange(200)] = np.inf
    four = np.column_stack([np.log(np.sort(table, 1)[:, :10].mean(1) + 1e-3), five[:, :3]])
    scaled = (four - np.median(four[:200], 0)) / np.sqrt(four[:200].var(0) + 1e-6)
    expected = (np.maximum(scaled, 0) ** 2).sum(1)

    new = np.r_[np.arange(200), np.full(100, -1)]
    np.testing.assert_allclose(ask(known, model, values, errors=errors, rows=new), expected, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(known.scores_, np.sort(expected[200:]), rtol=2e-3, atol=2e-3)
    if copies:
        as_new = ask(known, model, values[:20], errors=errors)
        np.testing.assert_allclose(as_new, expected[200:220], rtol=2e-3, atol=2e-3)
        assert (as_new < expected[:20]).any()
    assert known.held_out_ == [1]
    assert known.notes == ()


@pytest.mark.parametrize("held_out", [True, False])
def test_one_in_twenty_rows_like_the_fitted_ones_is_odd_whatever_the_network(held_out):
    values = rows_of(9000)
    model = untrained(values)
    calibrating = np.arange(2000, 5000) if held_out else np.arange(0)
    known = fitted(model, values, np.arange(2000 if held_out else 5000), calibrating)
    share = (known.share_odder(ask(known, model, values[5000:])) <= 0.05).mean()
    assert 0.03 < share < 0.07
    assert bool(known.held_out_[0]) == held_out
    assert len(known.scores_) == (3000 if held_out else 1000)
    assert len(known.notes) == (0 if held_out else 1)


def test_what_is_unlike_the_fitted_rows_is_odd_in_each_way():
    values = rows_of(3000)
    model, rng = untrained(values), np.random.default_rng(1)
    known = fitted(model, values, np.arange(2000), np.arange(2000, 3000))
    new = rows_of(500, seed=5)
    for unlike, least in (
        (rng.permuted(new, axis=1), 0.8),  # the same values, in other columns
        (30 * new, 0.99),
        (new + rng.normal(size=new.shape), 0.9),  # beside the plane
        (np.zeros_like(new) + values.mean(0), 0.99),  # nothing in it
        (np.full((5, 12), 1e30), 1),
    ):
        assert (known.share_odder(ask(known, model, unlike.astype(np.float32))) <= 0.05).mean() >= least


@pytest.mark.parametrize("count", [2, 3, 12, 60, 99])
def test_few_rows_are_compared_with_each_other(count):
    values = rows_of(count)
    model = untrained(values)
    known = fitted(model, values, np.arange(count), np.arange(0))
    assert len(known.scores_) == len(known.rows_) == count
    found = known.share_odder(ask(known, model, values, rows=np.arange(count)))
    np.testing.assert_allclose(np.sort(found)[-1], 1, atol=1 / count + 1e-6)
    assert found.min() >= 1 / (count + 1) - 1e-6
    assert "learned from" in known.notes[0]
    assert (len(known.notes) == 2) == (count < 19)


@pytest.mark.parametrize("same", [np.zeros((40, 5)), np.ones((40, 1)), np.tile(np.arange(5.0), (40, 1))])
def test_rows_that_are_all_the_same_leave_numbers(same):
    values = same.astype(np.float32)
    model = untrained(values, 1)
    known = fitted(model, values, np.arange(20), np.arange(20, 40))
    assert np.isfinite(known.scores_).all()
    np.testing.assert_array_equal(known.share_odder(ask(known, model, values)), 1)
    assert known.share_odder(ask(known, model, values + 3))[0] == pytest.approx(1 / 21)


def test_it_depends_on_nothing_but_the_row(digits):
    values = digits[0]
    model = Model(values.shape[1:], {"name": "conv", "code_size": 8}, {"name": "reconstruction"})
    known = fitted(model, values, np.arange(600), np.arange(600, 900))
    together = known.novelty(model, values[900:], *evidence_of(model, values[900:]))
    alone = np.concatenate([known.novelty(model, v[None], *evidence_of(model, v[None])) for v in values[900:920]])
    np.testing.assert_array_equal(together[:20], alone)


def test_the_number_of_rows_that_are_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "REFERENCE", 80)
    monkeypatch.setattr(module, "COUNTED", 50)
    values = rows_of(400)
    known = fitted(untrained(values), values, np.arange(300), np.arange(300, 400))
    assert known.codes_.shape == (80, 3)
    assert known.scores_.shape == (50,)
    again = fitted(untrained(values), values, np.arange(300), np.arange(300, 400))
    assert all(np.array_equal(again.state()[name], array) for name, array in known.state().items())


def test_saved_arrays_are_believed_only_if_they_fit_together():
    values = rows_of(200)
    model = untrained(values)
    known = fitted(model, values, np.arange(150), np.arange(150, 200))
    state = known.state()
    again = Novelty.from_state(state)
    np.testing.assert_array_equal(ask(again, model, values), ask(known, model, values))
    for name, wrong in (
        ("codes", state["codes"][:-1]),
        ("evidence", state["evidence"][:, :4]),
        ("axes", np.full((2, 12), np.nan)),
        ("scores", state["scores"][::-1]),
        ("units", -state["units"]),
        ("scale", 0 * state["scale"]),
        ("rows", state["rows"].astype(np.int64)),
    ):
        with pytest.raises(InputError, match="novelty"):
            Novelty.from_state(state | {name: wrong})
    with pytest.raises(InputError, match="codes"):
        Novelty.from_state({name: array for name, array in state.items() if name != "codes"})


def test_rows_of_another_size_are_refused():
    values = rows_of(200)
    known = fitted(untrained(values), values, np.arange(150), np.arange(150, 200))
    other = rows_of(5, d=7)
    with pytest.raises(InputError, match="12 values with codes of 3"):
        ask(known, untrained(other), other)
    with pytest.raises(InputError, match="12 values with codes of 3"):
        ask(known, untrained(values, 4), values)


def test_the_sentence_says_how_many_are_odd_and_would_be():
    novelty = np.r_[np.full(37, 0.05), np.full(463, 0.06)].astype(np.float32)
    assert count_odd(novelty) == 37
    assert sentence(novelty) == (
        "37 of 500 rows are unlike what the run was fitted on (novelty 0.05 or less), more than chance explains: of as "
        "many rows like the fitted ones about 25 would be."
    )
    assert sentence(novelty[2:]).startswith(
        "35 of 498 rows are unlike what the run was fitted on (novelty 0.05 or less)"
    )
    assert "no more than chance explains" in sentence(novelty[2:])
    assert "near 0: unlike" in MEANING


def test_fewer_odd_rows_than_chance_makes_are_no_finding():
    novelty = np.r_[np.full(47, 0.01), np.full(1750, 0.5)].astype(np.float32)
    assert sentence(novelty) == (
        "47 of 1,797 rows are unlike what the run was fitted on (novelty 0.05 or less), no more than chance explains: "
        "of as many rows like the fitted ones about 90 would be."
    )


def test_of_a_single_row_its_own_novelty_is_said():
    end = "; of rows like the fitted ones, one in twenty has 0.05 or less)."
    assert sentence(np.array([0.012])) == f"The row is unlike what the run was fitted on (novelty 0.012{end}"
    assert sentence(np.array([0.4])) == f"The row is not unlike what the run was fitted on (novelty 0.4{end}"


@pytest.mark.parametrize("rows", [1, 10, 30, 1000])
def test_a_sceptic_finds_nothing_to_object_to_in_the_sentence(rows):
    for odd in {0, 1, most_odd(rows), min(rows, most_odd(rows) + 1), rows}:
        said = sentence(np.r_[np.full(odd, 0.004), np.full(rows - odd, 0.6)])
        assert faults(said) == [], said
        assert contradictions(said) == []
        assert rows == 1 or ("no more than chance" in said) == (odd <= most_odd(rows))


def test_so_many_odd_rows_as_chance_explains():
    """The first number whose distribution function reaches .975; it is larger if the rate was itself estimated."""
    for rows in (10, 30, 1000):
        below = sum(math.comb(rows, i) * 0.05**i * 0.95 ** (rows - i) for i in range(most_odd(rows)))
        most = below + math.comb(rows, most_odd(rows)) * 0.05 ** most_odd(rows) * 0.95 ** (rows - most_odd(rows))
        assert below < 0.975 <= most
    rng = np.random.default_rng(0)
    more = 0
    for _ in range(2000):  # rows of one kind, 45 of them counted on
        usual, new = np.sort(rng.random(45)), rng.random(1000)
        novelty = (46 - np.searchsorted(usual, new)) / 46
        more += count_odd(novelty) > most_odd(1000, 45)
    assert more / 2000 == pytest.approx(0.025, abs=0.01)
    assert most_odd(1000, 45) > most_odd(1000, 4500) > most_odd(1000)
    assert most_odd(1000, 18) == 0  # none of which can be odd


def noise(n, side=8):
    return np.random.default_rng(3).integers(0, 256, (n, side, side), dtype=np.uint8)


ESTIMATORS = {
    "autoencoder": lambda: narrows.Autoencoder(8, epochs=5, random_state=0),
    "contrastive": lambda: narrows.Autoencoder(8, epochs=5, objective="contrastive", random_state=0),
    "classifier": lambda: narrows.Classifier(epochs=2, random_state=0),
    "neural-kmeans": lambda: narrows.NeuralKMeans(10, epochs=5, random_state=0),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_noise_is_odd_to_every_estimator_that_was_fitted_to_digits(digits, name, tmp_path):
    images, labels = digits[0][:, 0], digits[1]
    estimator = ESTIMATORS[name]().fit(images[:1300], labels[:1300])
    found = estimator.novelty(images[1300:])
    assert found.dtype == np.float32
    assert (estimator.novelty(noise(300)) <= 0.05).mean() >= 0.99
    assert (found <= 0.05).mean() < 0.2  # the last digits were drawn by other people than the first
    estimator.save(tmp_path / "saved")
    np.testing.assert_array_equal(type(estimator).load(tmp_path / "saved").novelty(images[1300:]), found)
    for part in ("novelty.safetensors", "hashes.json"):  # as older versions saved it
        (tmp_path / "saved" / part).unlink()
    old = type(estimator).load(tmp_path / "saved")
    assert old.novelty_ is None
    with pytest.raises(RunFolderError, match="fit it again"):
        old.novelty(images)
    old.save(tmp_path / "again")
    assert not (tmp_path / "again" / "novelty.safetensors").exists()
    (tmp_path / "saved" / "novelty.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunFolderError, match=r"novelty\.safetensors"):
        type(estimator).load(tmp_path / "saved")
