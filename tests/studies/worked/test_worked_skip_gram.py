import numpy as np
import pytest

from narrows.studies.worked.skip_gram import (
    autograd,
    central_differences,
    counts,
    example,
    forward,
    gradients,
    short_denominator,
    skip_gram,
)


def random_game(words, hidden, context, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=words), rng.normal(size=(words, hidden)), rng.normal(size=(hidden, words)), context


GAMES = [example()[1:], random_game(9, 4, [2, 2, 2]), random_game(20, 3, [0, 19, 7, 7, 1]), random_game(2, 1, [1])]
EVERY = pytest.mark.parametrize("game", GAMES)


def test_without_weights_every_word_is_as_likely_as_any():
    x, w, w_out, context = random_game(10, 3, [4, 4, 9])
    assert skip_gram(x, 0 * w, w_out, context) == pytest.approx(3 * np.log(10))
    dw, dw_out = gradients(x, 0 * w, w_out, context)
    np.testing.assert_allclose(dw, np.outer(x, w_out @ (0.3 - counts(context, 10))))
    assert not dw_out.any()  # h is zero


@EVERY
def test_the_loss_is_minus_the_logarithm_of_the_context_s_probability(game):
    x, w, w_out, context = game
    y = forward(x, w, w_out).y
    assert skip_gram(*game) == pytest.approx(-np.log(np.prod(y[list(context)])))


@EVERY
def test_the_gradients_are_autograd_s(game):
    for ours, theirs in zip(gradients(*game), autograd(*game), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@EVERY
def test_the_gradients_are_those_of_central_differences(game):
    x, w, w_out, context = game
    dw, dw_out = gradients(*game)
    np.testing.assert_allclose(dw, central_differences(lambda m: skip_gram(x, m, w_out, context), w), atol=1e-8)
    np.testing.assert_allclose(dw_out, central_differences(lambda m: skip_gram(x, w, m, context), w_out), atol=1e-8)


@EVERY
def test_the_errors_add_up_to_zero_and_with_a_short_denominator_they_do_not(game):
    _, dw_out = gradients(*game)
    np.testing.assert_allclose(dw_out.sum(axis=1), 0, atol=1e-12)
    wrong = short_denominator(*game)
    assert np.abs(wrong.sum(axis=1)).max() > 0.03
    assert np.abs(wrong - autograd(*game)[1]).max() > 0.03


def test_the_denominator_over_all_words_is_right_when_the_context_holds_them_all():
    game = random_game(4, 3, [0, 1, 2, 3, 3])
    np.testing.assert_allclose(short_denominator(*game), gradients(*game)[1], atol=1e-12)


def test_only_the_row_of_the_word_moves():
    game = example()
    dw, _ = gradients(*game[1:])
    moved = np.flatnonzero(np.abs(dw).sum(axis=1))
    assert [game.words[row] for row in moved] == ["sat"]


def test_the_example_is_the_sentence():
    game = example()
    assert game.words == ["the", "cat", "sat", "on", "mat"]
    assert [game.words[c] for c in game.context] == ["the", "cat", "on", "the"]
    np.testing.assert_array_equal(counts(game.context, 5), [2, 1, 0, 1, 0])


def test_large_scores_leave_the_loss_finite():
    x, w, w_out, context = random_game(6, 2, [1, 5])
    assert np.isfinite(skip_gram(x, 1e4 * w, w_out, context))


def test_central_differences_of_a_square_are_exact():
    at = np.array([[1.0, -2.0], [0.5, 3.0]])
    np.testing.assert_allclose(central_differences(lambda m: float((m**2).sum()), at, h=0.25), 2 * at)
