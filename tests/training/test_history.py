import math

import pytest

from narrows.training.history import kept, means


def rows(*losses):
    return [{"epoch": i + 1, "valid/loss": loss} for i, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([3, 1, 2], 2),
        ([1, 1, 2], 1),
        ([2, 0, 1], 2),
        ([-1, -3, -2], 2),
        ([None, 2, 3], 2),
        ([math.nan, 2, 3], 2),
        (["1", 2, 3], 2),
        ([None, None], 2),
    ],
)
def test_the_row_of_the_weights_kept(losses, best):
    assert kept(rows(*losses), "best")["epoch"] == best
    assert kept(rows(*losses), "last")["epoch"] == len(losses)


def test_without_validation_the_last_weights_are_kept():
    assert kept([{"epoch": 1, "train/loss": 1.0}, {"epoch": 2, "train/loss": 2.0}], "best")["epoch"] == 2


def test_the_loss_is_the_sum_of_its_terms_and_what_is_watched_is_none_of_them():
    found = means("train", {"a": 6.0, "b": 3.0, "right": 2.0}, 3, {"right"})
    assert found == {"train/loss": 3.0, "train/a": 2.0, "train/b": 1.0, "train/right": 2 / 3}
    assert means("valid", {"a": 6.0}, 3, ()) == {"valid/loss": 2.0}  # a single term is the loss
