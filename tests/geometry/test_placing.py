import numpy as np
import pytest

from narrows.geometry import placing
from narrows.geometry.placing import place


def test_weights_are_inverse_squared_distances():
    fitted = np.array([[0.0], [3.0]], dtype=np.float32)
    points = np.array([[0, 0], [10, 5]], dtype=np.float32)
    # At 1 the distances are 1 and 2, so the weights 4/5 and 1/5.
    np.testing.assert_allclose(
        place(np.array([[1.0], [1.5]], np.float32), fitted, points), [[2, 1], [5, 2.5]], rtol=1e-6
    )


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_a_fitted_code_lands_exactly_on_its_point(scale, monkeypatch):
    monkeypatch.setattr(placing, "BLOCK_ROWS", 7)
    rng = np.random.default_rng(0)
    fitted = (scale * rng.standard_normal((50, 20)) + scale).astype(np.float32)
    points = rng.standard_normal((50, 2)).astype(np.float32)
    np.testing.assert_array_equal(place(fitted, fitted, points), points)
    between = place(fitted + np.float32(scale / 10), fitted, points)
    assert (points.min() <= between).all()
    assert (between <= points.max()).all()
