import numpy as np
from sklearn import decomposition

from narrows.geometry import principal
from narrows.geometry.principal import principal_axes
from narrows.projection.pca import PCA


def test_by_hand():
    codes = np.array([[-3, 0, 5], [3, 0, 5], [0, -1, 5], [0, 1, 5]], dtype=np.float32)
    np.testing.assert_allclose(PCA().fit(codes).map_, codes[:, :2], atol=1e-6)


def test_is_scikit_learns_up_to_signs():
    codes = (np.random.default_rng(0).standard_normal((500, 8)) * np.arange(1, 9) + 50).astype(np.float32)
    reference = decomposition.PCA(2, svd_solver="full").fit(codes.astype(np.float64))
    signs = np.sign(reference.components_[[0, 1], np.abs(reference.components_).argmax(axis=1)])
    np.testing.assert_allclose(PCA().fit(codes).map_, reference.transform(codes) * signs, atol=1e-4)


def test_lanczos_finds_the_axes_that_the_full_solver_finds(monkeypatch):
    x = np.random.default_rng(0).standard_normal((300, 40)) * np.linspace(1, 5, 40)
    full = principal_axes(lambda: iter([x]), 5)[1]
    monkeypatch.setattr(principal, "LANCZOS_FROM", 40)
    lanczos = principal_axes(lambda: iter([x[:100], x[100:]]), 5)[1]
    assert not np.array_equal(lanczos, full)  # another solver
    np.testing.assert_allclose(lanczos, full, atol=1e-9)


def test_values_that_do_not_vary_at_all_still_have_axes(monkeypatch):
    monkeypatch.setattr(principal, "LANCZOS_FROM", 40)
    mean, axes = principal_axes(lambda: iter([np.ones((3, 40))]), 4)
    np.testing.assert_array_equal(mean, 1)
    np.testing.assert_allclose(axes @ axes.T, np.eye(4), atol=1e-12)


def test_axes_of_a_table_of_few_directions_are_the_same_each_time():
    table = np.outer(np.arange(500.0), np.ones(600))  # of one direction: the solver has to begin anew
    first, *others = (principal_axes(lambda: iter([table]), 64)[1] for _ in range(4))
    assert all(np.array_equal(first, other) for other in others)
