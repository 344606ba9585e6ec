"""Each signal has a case that triggers it and one that does not, with realistic values."""

import math

import numpy as np
import pytest
import torch

from narrows.encoding.model import Model
from narrows.errors import InputError
from narrows.evaluation.signals import (
    accuracy_gap,
    against_baseline,
    chance_margin,
    compared,
    constant_predictor,
    dead_centres,
    dead_dimensions,
    kl_per_dimension,
    mode_collapse,
    of_run,
    overfitting,
    posterior_collapse,
    rows_behind,
    sample_collapse,
    still_improving,
    stopped_improving,
)

OUTSIDE, INSIDE = 0, 1
POINTS = np.repeat([OUTSIDE, INSIDE], [6992, 3008])  # the polygons' test set: 69.92 % outside


def decay(epochs, start=0.12, end=0.02, speed=6.0):
    """A loss that falls like a typical one."""
    return [end + (start - end) * math.exp(-speed * epoch / epochs) for epoch in range(epochs)]


def noisy(labels, share_wrong, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels)) < share_wrong
    return np.where(wrong, (labels + rng.integers(1, classes, len(labels))) % classes, labels)


# Classes and groups


def test_one_answer_to_everything_is_a_constant_predictor():
    found = constant_predictor(np.full(10_000, OUTSIDE), POINTS, ["outside", "inside"])
    assert (found.name, found.severity) == ("constant predictor", "serious")
    assert found.numbers == {"answered": 1.0, "accuracy": 0.6992, "majority": 0.6992, "rows": 10_000}
    assert "the same answer, “outside”, to all 10,000 rows" in found.sentence
    assert found.sentence.count("69.9") == 2


def test_a_handful_of_other_answers_is_still_constant():
    predicted = np.full(10_000, OUTSIDE)
    predicted[:50] = INSIDE
    found = constant_predictor(predicted, POINTS)
    assert "“0”, to 9,950 of 10,000 rows" in found.sentence


@pytest.mark.parametrize("predicted", [noisy(POINTS, 0.001), noisy(POINTS, 0.2), POINTS])
def test_a_predictor_that_tells_apart_is_not_constant(predicted):
    assert constant_predictor(predicted, POINTS) is None


def test_a_rare_class_answered_as_often_as_it_occurs_is_not_constant():
    labels = np.repeat([0, 1], [9950, 50])
    assert constant_predictor(noisy(labels, 0.002), labels) is None


def test_where_all_rows_are_of_one_class_one_answer_is_right():
    assert constant_predictor(np.zeros(5, int), np.array([0, 0, 0, 0, -1])) is None
    assert constant_predictor(np.zeros(2, int), np.array([-1, -1])) is None
    with pytest.raises(InputError, match="predicted"):
        constant_predictor(np.zeros(2, int), np.zeros(3, int))


def test_dead_centres_are_counted():
    found = dead_centres(np.array([31_000, 20_000, 9_000, 0, 0]))
    assert found.numbers == {"dead": 2, "clusters": 5}
    assert found.severity == "warning"
    assert found.sentence.startswith("2 of 5 clusters have no members: the grouping really has 3 clusters.")
    assert dead_centres(np.array([60_000, *[0] * 9])).severity == "serious"
    assert dead_centres(np.array([5923, 1, 6742])) is None


def test_one_centre_that_takes_all_is_mode_collapse():
    labels = np.arange(60_000) % 10
    found = mode_collapse(np.array([60_000, *[0] * 9]), labels)
    assert (found.severity, found.numbers["largest"]) == ("serious", 1.0)
    assert "100.0" in found.sentence
    assert "the commonest label has only 10.0" in found.sentence
    assert mode_collapse(np.array([630, 200, 170])).severity == "warning"


@pytest.mark.parametrize("sizes", [[180, 175, 190, 160], [400, 300, 300], [55, 45], [100]])
def test_clusters_of_usual_sizes_are_no_collapse(sizes):
    assert mode_collapse(np.array(sizes)) is None


def test_a_large_cluster_of_data_that_are_lopsided_is_no_collapse():
    labels = np.repeat([0, 1, 2], [920, 50, 30])
    assert mode_collapse(np.array([930, 40, 30]), labels) is None
    assert mode_collapse(np.array([999, 1, 0]), labels) is not None


def test_samples_of_one_kind_are_mode_collapse():
    even = np.full(10, 180)
    found = sample_collapse(np.array([97, 3, *[0] * 8]), even)
    assert (found.name, found.severity) == ("mode collapse of samples", "serious")
    assert found.sentence.startswith("97.0\N{NO-BREAK SPACE}% of 100 generated samples fall into one of 10 clusters")
    few = sample_collapse(np.array([40, 30, 20, 10, *[0] * 6]), even)
    assert (few.severity, few.numbers["covered"]) == ("warning", 4)


def test_samples_as_diverse_as_the_rows_are_none():
    even = np.full(10, 180)
    assert sample_collapse(np.array([14, 9, 12, 7, 11, 8, 13, 9, 10, 7]), even) is None
    assert sample_collapse(np.array([95, 5]), np.array([940, 60])) is None
    assert sample_collapse(np.array([3, 1, 0, 0, 0, 0, 0, 0, 0, 0]), even) is None  # too few to tell
    assert sample_collapse(np.zeros(10, int), even) is None


# Codes


def test_dimensions_that_hardly_vary_are_dead():
    codes = np.random.default_rng(0).normal(size=(500, 8)) * [1, 1, 1.3, 0.8, 1, 1, 0.01, 0.02] + 3
    found = dead_dimensions(codes)
    assert (found.name, found.severity, found.numbers) == ("dead code dimensions", "note", {"dead": 2, "size": 8})
    assert "(less than 1\N{NO-BREAK SPACE}% of the average variance)" in found.sentence
    assert dead_dimensions(codes[:, :6]) is None
    assert dead_dimensions(codes * [1, 0, 0, 0, 0, 0, 0, 0]).severity == "warning"


def test_codes_that_are_all_the_same_are_collapsed():
    rng = np.random.default_rng(0)
    found = dead_dimensions(2 + 1e-4 * rng.normal(size=(500, 8)))
    assert (found.name, found.severity) == ("collapsed codes", "serious")
    assert dead_dimensions(np.zeros((5, 3))).severity == "serious"
    assert dead_dimensions(2 + 0.05 * rng.normal(size=(500, 8))) is None


def test_dimensions_left_at_the_prior_are_posterior_collapse():
    found = posterior_collapse(np.array([2.1, 1.7, 0.002, 3.0, 0.0004, 1.1]))
    assert (found.severity, found.numbers) == ("note", {"ignored": 2, "size": 6})
    assert "only 4 of the code's numbers are in use" in found.sentence
    assert posterior_collapse(np.array([1.9, 0.001, 0.002])).severity == "warning"
    assert posterior_collapse(np.full(4, 1e-4)).severity == "serious"
    assert posterior_collapse(np.array([2.1, 0.05])) is None


def test_kl_per_dimension_is_that_of_torch():
    model = Model((6,), {"name": "dense", "code_size": 3, "hidden": [8]}, {"name": "variational"}, seed=1)
    values = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    model.fit_scaling(values)
    with torch.no_grad():
        features = model.net.features(model.prepare(torch.from_numpy(values)))
        spread = (0.5 * model.objective.to_log_variance(features)).exp()
        posterior = torch.distributions.Normal(model.net.to_code(features), spread)
        expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).mean(0)
    assert np.allclose(kl_per_dimension(model, values), expected.numpy(), rtol=1e-4, atol=1e-6)
    plain = Model((6,), {"name": "dense", "code_size": 3, "hidden": [8]}, {"name": "reconstruction"})
    assert kl_per_dimension(plain, values) is None


# Training


def test_validation_loss_far_above_training_loss_is_overfitting():
    found = overfitting(decay(30, end=0.008), decay(30, end=0.019))
    assert (found.name, found.severity) == ("overfitting", "warning")
    assert found.numbers["ratio"] == pytest.approx(2.2, abs=0.2)
    assert overfitting(decay(30, end=0.018), decay(30, end=0.020)) is None


def test_validation_loss_that_turns_is_overfitting_graver_where_the_last_weights_are_kept():
    train = decay(40, 1.2, 0.6)
    valid = [*decay(15, 1.2, 0.7), *np.linspace(0.71, 0.95, 25)]
    found = overfitting(train, valid)
    assert (found.severity, found.numbers["best_epoch"]) == ("note", 15)
    assert "the weights of epoch 15 were kept" in found.sentence
    assert overfitting(train, valid, keep="last").severity == "warning"
    wobbling = decay(40, 1.2, 0.7) + 0.01 * np.sin(np.arange(40))
    assert overfitting(train, wobbling) is None


def test_losses_without_validation_or_below_zero():
    assert overfitting([0.1, 0.05], [math.nan, math.nan]) is None
    assert overfitting([-1.0, -2.0, -2.4], [-0.9, -1.8, -2.1]) is None
    assert overfitting([-1.0, -2.0, -3.0], [-0.9, -1.8, -1.2]) is not None
    with pytest.raises(InputError, match="valid"):
        overfitting([0.1], [0.1, 0.2])


def test_an_accuracy_gap_beyond_chance_is_overfitting():
    assert accuracy_gap(0.999, 0.84, 6000).name == "overfitting"
    assert accuracy_gap(0.93, 0.91, 6000) is None
    assert accuracy_gap(1.0, 0.85, 20) is None


def test_a_loss_that_never_fell():
    found = stopped_improving([0.1772, 0.1771, 0.1772, *[0.1771] * 97])
    assert (found.name, found.severity) == ("nothing learned", "warning")
    assert stopped_improving(decay(100)) is None


def test_a_loss_that_was_best_long_before_the_end():
    losses = [*decay(12), *np.linspace(0.0206, 0.0212, 48)]
    found = stopped_improving(losses)
    assert (found.name, found.numbers["best_epoch"], found.numbers["epochs"]) == ("stopped improving", 12, 60)
    assert "the 48 epochs after it brought nothing" in found.sentence


def test_a_loss_that_arrived_early_and_then_crept():
    found = stopped_improving([*decay(10, end=0.0201, speed=9), *np.linspace(0.0202, 0.02, 50)])
    assert found.name == "early plateau"
    assert found.numbers["arrived"] <= 20
    assert "within 2\N{NO-BREAK SPACE}%" in found.sentence


@pytest.mark.parametrize("losses", [decay(60), decay(10, speed=3), [0.5, 0.3, 0.3], []])
def test_losses_that_fall_to_the_end_or_are_few_did_not_stop(losses):
    assert stopped_improving(losses) is None


def test_a_loss_still_falling_at_the_end():
    found = still_improving(decay(10, speed=2))
    assert (found.name, found.severity) == ("still improving", "note")
    assert found.numbers["fall"] > 0.05
    assert "and in the last one it still fell by" in found.sentence
    assert still_improving([0.2, 0.1]) is not None


@pytest.mark.parametrize("losses", [decay(60, speed=12), [0.3, 0.2, 0.21], [0.2], [math.nan, math.nan]])
def test_a_loss_that_has_arrived_or_turned_is_not_still_falling(losses):
    assert still_improving(losses) is None


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([3.025, 1.0], "in the last one it still fell by 66.9 %, from 3.025 to 1:"),  # not by 202.5 % of where it ended
        ([14.096, 9.0, 1.0], "it still fell by 88.9 %, from 9 to 1:"),
        ([1.0, 1e-40], "fell by more than 99.9 %, from 1 to 1 × 10⁻⁴⁰:"),
        ([1.0, 0.0], "fell by 100.0 %, from 1 to 0:"),
        ([-1.0, -2.0], "it still fell from \u22121 to \u22122:"),  # a likelihood: a share of a loss below 0 is none
        ([0.5, -0.5], "it still fell from 0.5 to \u22120.5:"),
    ],
)
def test_a_fall_is_a_share_of_a_positive_loss_or_none(losses, said):
    assert said in still_improving(losses).sentence.replace("\N{NO-BREAK SPACE}", " ")


def test_a_rise_is_told_by_its_ends():
    found = overfitting([-1.0, -2.0, -3.0], [-0.9, -1.8, 40.0])
    assert "rose from \u22121.8 to 40 while" in found.sentence
    assert "%" not in found.sentence


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([0.1772, 0.1771, *[0.1771] * 8], "the loss fell only from 0.1772 to 0.1771:"),
        ([0.17720, 0.17719, *[0.17719] * 8], "the loss fell only from 0.1772 to 0.17719:"),
        ([0.2] * 10, "the loss never fell below the 0.2 it began with:"),
        ([-3.0] * 10, "the loss never fell below the \u22123 it began with:"),
        ([1e-40] * 10, "the loss never fell below the 1 × 10⁻⁴⁰ it began with:"),
    ],
)
def test_a_loss_that_did_not_fall_is_not_said_to_have_fallen(losses, said):
    assert said in stopped_improving(losses).sentence


def test_a_loss_of_nothing_from_the_start_had_nothing_to_learn():
    assert stopped_improving([0.0] * 10) is None


def test_a_loss_below_zero_arrives_within_its_range():
    found = stopped_improving([-1.0, *np.linspace(-1.995, -2.0, 30)])
    assert found.name == "early plateau"
    assert "within 2\N{NO-BREAK SPACE}% of its range from the lowest it ever reached" in found.sentence


def test_numbers_of_one_agree():
    texts = [
        dead_centres(np.array([5, 5, 0])).sentence,
        posterior_collapse(np.array([1.0, 0.0])).sentence,
        posterior_collapse(np.array([0.0])).sentence,
        dead_dimensions(np.ones((1, 1))).sentence,
    ]
    assert texts[0].startswith("1 of 3 clusters has no members: the grouping really has 2 clusters.")
    assert "only 1 of the code's numbers is in use" in texts[1]
    assert texts[2].startswith("1 of 1 number in a code tells nothing")
    assert texts[3].startswith("1 row has almost the same code")


def test_a_single_sample_is_no_collapse():
    assert sample_collapse(np.array([1, 0, 0]), np.array([5, 5, 5])) is None


# Baselines


def test_the_margin_of_chance_holds_what_it_promises():
    """Two methods of equal worth differ by more than the margin in at most 5 % of draws."""
    rng = np.random.default_rng(0)
    a, b = rng.binomial(300, 0.9, (2, 4000)) / 300
    beyond = np.mean([abs(x - y) > chance_margin(x, y, 300) for x, y in zip(a, b, strict=True)])
    assert 0.02 < beyond < 0.06


def test_an_accuracy_within_chance_of_its_baseline():
    same = against_baseline(0.922, 0.941, 270, "the probe", "PCA")
    assert (same.name, same.severity) == ("no better than the baseline", "warning")
    assert same.numbers["margin"] == pytest.approx(0.043, abs=0.001)
    assert same.sentence.startswith("The probe reaches 92.2")
    worse = against_baseline(0.85, 0.941, 10_000, "the probe", "PCA")
    assert worse.name == "worse than the baseline"
    assert against_baseline(0.962, 0.941, 10_000, "the probe", "PCA") is None


def test_what_differs_by_less_than_a_point_is_the_same_in_every_sentence():
    """For a million rows, chance explains a tenth of a point; a verdict of "no better" beside "worse" helps nobody."""
    assert compared(0.900, 0.905, 1_000_000) == ("same", 0.01)
    near = against_baseline(0.900, 0.905, 1_000_000, "the probe", "PCA")
    assert near.name == "no better than the baseline"
    assert "they are less than a point apart, so nothing shows" in near.sentence
    assert compared(0.90, 0.95, 1_000_000)[0] == "worse"
    assert compared(0.95, 0.90, 1_000_000)[0] == "better"
    assert compared(0.95, 0.90, 20)[0] == "same"


def test_shares_of_labelled_rows_are_judged_by_their_number():
    results = {"data/images": 60, "data/labelled": 6, "data/test": 9, "probe/rows": 2}
    assert rows_behind(results, "clustering/accuracy") == 6
    assert rows_behind(results, "probe/linear_accuracy") == 2
    assert rows_behind({"data/images": 60, "data/test": 9}, "probe/linear_accuracy") == 9
    shares = {"clustering/accuracy": 0.833, "clustering/pixels_accuracy": 0.5}
    assert [signal.name for signal in of_run(results | shares, [])] == ["no better than the baseline"]
    assert of_run({"data/images": 60} | shares, []) == []
    assert of_run(results | shares | {"clustering/accuracy": 8.33}, []) == []  # no share at all


def test_a_fixed_baseline_has_no_noise_of_its_own():
    assert against_baseline(0.73, 0.6992, 1000, "a", "b", fixed=True) is None
    assert against_baseline(0.73, 0.6992, 1000, "a", "b") is not None
    with pytest.raises(InputError, match="rows"):
        against_baseline(0.5, 0.5, 0, "a", "b")


# A run

GOOD = {
    "data/images": 70_000,
    "data/test": 10_000,
    "data/valid": 6000,
    "clustering/accuracy": 0.742,
    "clustering/pixels_accuracy": 0.534,
    "probe/linear_accuracy": 0.95,
    "probe/pca_linear_accuracy": 0.90,
    "probe/majority_accuracy": 0.11,
}


def history(train, valid=None):
    rows = [{"epoch": i + 1, "train/loss": loss} for i, loss in enumerate(train)]
    return rows if valid is None else [row | {"valid/loss": v} for row, v in zip(rows, valid, strict=True)]


def test_a_good_run_has_no_signals():
    rng = np.random.default_rng(0)
    found = of_run(
        GOOD,
        history(decay(60), decay(60, end=0.0206)),
        sizes=rng.integers(5000, 9000, 10),
        labels=np.arange(10),
        samples=rng.multinomial(100, np.full(10, 0.1)),
        codes=rng.normal(size=(500, 32)),
    )
    assert found == []


def test_a_run_in_which_everything_goes_wrong_says_all_of_it_the_worst_first():
    results = GOOD | {"clustering/accuracy": 0.112, "probe/linear_accuracy": 0.112}
    found = of_run(
        results,
        history([0.2] * 20, [0.4] * 20),
        sizes=np.array([60_000, *[0] * 9]),
        kl=np.full(8, 1e-5),
        labels=np.arange(60_000) % 10,
        samples=np.array([100, *[0] * 9]),
        codes=np.ones((5, 8)),
    )
    names = [signal.name for signal in found]
    assert names[:3] == ["dead centres", "mode collapse", "posterior collapse"]
    assert set(names) == {
        "dead centres",
        "mode collapse",
        "posterior collapse",
        "overfitting",
        "no better than the baseline",
        "worse than the baseline",
    }
    assert [signal.severity for signal in found] == sorted(
        (signal.severity for signal in found), key=["serious", "warning", "note"].index
    )
    assert all(signal.sentence.endswith(".") and "nan" not in signal.sentence for signal in found)


@pytest.mark.parametrize(
    "least",
    [
        {"reconstruction/psnr": 30.0, "reconstruction/variance": 1e-6},
        {"reconstruction/explained": 0.0, "reconstruction/variance": 0.0},
    ],
)
def test_where_there_was_nothing_to_learn_no_course_of_the_loss_is_blamed(least):
    falling = [{"epoch": i + 1, "train/loss": 1 / (i + 1)} for i in range(8)]
    assert [signal.name for signal in of_run({}, falling)] == ["still improving"]
    assert of_run(least, falling) == []
    assert of_run(least | {"reconstruction/variance": 0.01}, falling) != []


def test_losses_from_targets_that_were_set_anew_are_not_compared():
    falling = [{"epoch": i + 1, "train/loss": 1 / (i + 1), "targets": 1} for i in range(8)]
    assert [signal.name for signal in of_run({}, falling)] == ["still improving"]
    assert of_run({}, [row | {"targets": row["epoch"]} for row in falling]) == []


def test_a_classifier_that_learned_only_how_common_the_classes_are():
    (found,) = of_run({}, [], predicted=np.full(10_000, OUTSIDE), labels=POINTS, class_names=["outside", "inside"])
    assert found.name == "constant predictor"
    (found,) = of_run({}, [], predicted=noisy(POINTS, 0.30), labels=POINTS)
    assert found.name == "no better than the baseline"
    assert of_run({}, [], predicted=noisy(POINTS, 0.05), labels=POINTS) == []


def test_accuracies_in_the_history_are_compared():
    rows = history(decay(20, 1.0, 0.5), decay(20, 1.0, 0.55))
    rows = [row | {"train/accuracy": 0.99, "valid/accuracy": 0.8} for row in rows]
    assert [signal.name for signal in of_run({"data/valid": 6000}, rows)] == ["overfitting"]
    assert of_run({"data/valid": 6000}, [row | {"valid/accuracy": 0.98} for row in rows]) == []


def test_accuracies_are_those_of_the_weights_kept():
    rows = [{"epoch": 1, "train/loss": 0.1, "valid/loss": 0.0, "train/accuracy": 0.99, "valid/accuracy": 0.7}]
    rows.append(rows[0] | {"epoch": 2, "valid/loss": 0.1, "valid/accuracy": 0.8})
    for keep, valid in (("best", 0.7), ("last", 0.8)):  # a loss of 0 is the lowest there is
        (found,) = (signal for signal in of_run({"data/valid": 600}, rows, keep=keep) if signal.name == "overfitting")
        assert found.numbers["valid"] == valid


@pytest.mark.parametrize("hole", [None, math.nan, "text"])
def test_holes_are_no_signals(hole):
    assert of_run(dict.fromkeys(GOOD, hole), [{"epoch": 1, "train/loss": hole, "valid/loss": hole}]) == []
    assert of_run({}, []) == []


def test_what_the_signals_hold_can_be_written_as_json():
    import json
    from dataclasses import asdict

    found = of_run(
        {},
        [],
        sizes=np.array([95, 5, 0]),
        codes=np.ones((4, 2), np.float32),
        predicted=np.zeros(9, int),
        labels=np.arange(9) % 3,
    )
    assert len(found) == 4
    assert "constant predictor" in json.dumps([asdict(signal) for signal in found])
