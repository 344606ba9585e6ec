"""The text about the time left."""

import io

import pytest

from narrows.work import forecast
from narrows.work.forecast import Forecast, about
from narrows.work.progress import PlainProgress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(forecast.time, "monotonic", lambda: now[0])
    return now


def test_what_is_left_is_what_was_expected_of_all_that_is_not_done(clock):
    rest = Forecast({"open": 0.0, "train": 60.0, "draw": 30.0})
    assert rest.left() is None
    rest.begin("open")
    assert rest.place == "1 of 3"
    assert rest.left() == 90
    rest.begin("train")
    clock[0] += 20
    assert rest.left() == 70
    clock[0] += 100  # more than was expected, by nobody knows how much
    assert rest.left() is None
    assert rest.left(task=5.0) is None  # one of its tasks
    rest.begin("draw")
    assert rest.left() == 2 * 30


def test_how_quick_the_machine_is_shows_in_what_is_done(clock):
    rest = Forecast({"fit": 10.0, "train": 60.0, "draw": 30.0})
    rest.begin("fit")
    clock[0] += 20
    rest.begin("train")
    assert rest.left() == 2 * 90
    rest = Forecast({"fit": 0.1, "train": 60.0})  # too short to tell anything
    rest.begin("fit")
    clock[0] += 20
    rest.begin("train")
    assert rest.left() == 60


def test_a_task_knows_more_than_was_expected(clock):
    rest = Forecast({"train": 60.0, "measure": 20.0}, single={"train"})
    rest.begin("train")
    assert rest.left(task=200.0) == 220
    assert rest.left(task=2.0) == 22
    clock[0] += 300  # which says that the network is larger, not that the machine is slower
    rest.begin("measure")  # of which a task is but a part
    assert rest.left(task=2.0) == 20
    assert rest.left(task=50.0) == 50


def test_what_nobody_knows_is_not_said(clock):
    rest = Forecast({"train": None, "draw": 30.0})
    rest.begin("train")
    assert rest.left(task=5.0) is None
    rest.begin("draw")
    assert rest.left() == 30


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a minute"),
        (29, "less than a minute"),
        (31, "about 1 min"),
        (3569, "about 59 min"),
        (3600, "about 1 h"),
        (4700, "about 1 h 20 min"),
        (7190, "about 2 h"),
    ],
)
def test_times_are_said_as_people_do(seconds, said):
    assert about(seconds) == said


def test_progress_says_which_step_of_how_many_and_the_time_left_in_all():
    stream = io.StringIO()
    progress = PlainProgress(interval=0, stream=stream)
    progress.forecast = Forecast({"train": 100.0, "draw": 200.0})
    with progress.step("train"), progress.task("train", 4) as task:
        task.advance(1, "epoch 1")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "step 1 of 2: train (about 5 min left in all)"
    assert lines[1] == "train: 25 % (epoch 1; about 5 min left in all)"
    assert lines[2].startswith("train: done in 0.")


def test_the_time_left_is_not_repeated_at_every_step():
    stream = io.StringIO()
    progress = PlainProgress(stream=stream)
    progress.forecast = Forecast({"open": 0.5, "train": 60.0, "judge": 0.5, "draw": 0.5})
    for name in progress.forecast.expected:
        with progress.step(name):
            pass
    assert stream.getvalue().splitlines() == [
        "step 1 of 4: open (about 1 min left in all)",
        "step 2 of 4: train",
        "step 3 of 4: judge (less than a minute left in all)",
        "step 4 of 4: draw",
    ]
