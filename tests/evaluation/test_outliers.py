import numpy as np
import pytest

from narrows.evaluation.neighbours import outlier_scores
from narrows.geometry.neighbours import nearest


def test_outlier_scores_by_hand():
    scores = outlier_scores(nearest(np.array([[0], [1], [3], [10]], dtype=np.float32), 2)[1])
    np.testing.assert_allclose(scores, [2, 1.5, 2.5, 8])
    assert scores.dtype == np.float32


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_each_of_few_rows_has_a_score(rows):
    codes = np.random.default_rng(0).standard_normal((rows, 3)).astype(np.float32)
    assert outlier_scores(nearest(codes, 15)[1]).shape == (rows,)
