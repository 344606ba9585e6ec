import numpy as np
import pytest

from narrows.studies.worked.lstm import (
    INPUTS,
    WEIGHTS,
    decimal_trace,
    forget_means_forget,
    hard,
    lstm_trace,
    old_cell,
    story,
    torch_trace,
)


def test_the_exact_outputs():
    expected = [1.361936e-4, 0.9998638, 4, 3.999818, 2.723707e-4, 5.999455, 1, 2.999955]
    np.testing.assert_allclose(lstm_trace(INPUTS).y, expected, rtol=5e-7)


def test_the_rounded_cell_and_outputs():
    trace = lstm_trace(INPUTS)
    np.testing.assert_array_equal(trace.c.round(), [3, 1, 4, 4, 6, 6, 1, 3])
    np.testing.assert_array_equal(trace.y.round(), [0, 1, 4, 4, 0, 6, 1, 3])
    rounded = lstm_trace(INPUTS, gate=hard)
    np.testing.assert_array_equal(rounded.c, trace.c.round())
    np.testing.assert_array_equal(rounded.y, trace.y.round())


def test_fifty_decimal_digits_agree():
    cells, outputs = decimal_trace(INPUTS)
    trace = lstm_trace(INPUTS)
    np.testing.assert_allclose(trace.c, cells, rtol=1e-14)
    np.testing.assert_allclose(trace.y, outputs, rtol=1e-13)


def test_with_tanh_it_is_torch_s_cell():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(12, 4)).tolist()
    weights = WEIGHTS._replace(**{name: (rng.normal(size=4).tolist(), float(rng.normal())) for name in "zifo"})
    ours = lstm_trace(inputs, weights, g=np.tanh, h=np.tanh)
    cells, outputs = torch_trace(inputs, weights)
    np.testing.assert_allclose(ours.c, cells, atol=1e-12)
    np.testing.assert_allclose(ours.y, outputs, atol=1e-12)


def test_the_start_of_the_cell_is_kept_by_an_open_forget_gate():
    quiet = [(0, 0, 1, 0)]  # input gate shut, forget gate open, output gate open
    assert lstm_trace(quiet, start=7.0).y[0] == pytest.approx(7, rel=1e-4)


def test_the_misreadings_give_something_else():
    trace = lstm_trace(INPUTS)
    assert np.abs(forget_means_forget(INPUTS).y - trace.y).max() > 1
    before = [0, 3, 1, 4, 4, 6, 6, 1]  # the cells of the story, one step late
    np.testing.assert_allclose(old_cell(trace), trace.o * before, atol=1e-3)


def test_the_story_tells_each_step():
    told = story(lstm_trace(INPUTS, gate=hard))
    assert told[2] == "The cell forgets 1, takes in 4, holds 4 and shows 4."
    assert told[5] == "The cell keeps 6, does not let in -4, holds 6 and shows 6."
    assert len(told) == 8
