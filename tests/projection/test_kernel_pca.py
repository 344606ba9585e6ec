"""Kernel PCA against scikit-learn's and against a closed form."""

import numpy as np
import pytest

from narrows.errors import InputError, RecipeError
from narrows.projection import kernel_pca
from narrows.projection.kernel_pca import KernelPCA, kernel_components


def rings(n=120):
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, n), np.where(np.arange(n) % 2, 1.0, 4.0)
    return (radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32)


@pytest.mark.parametrize("exact_up_to", [1000, 10])
def test_components_are_those_of_scikit_learn(exact_up_to, monkeypatch):
    from sklearn.decomposition import KernelPCA as Reference

    monkeypatch.setattr(kernel_pca, "EXACT_UP_TO", exact_up_to)
    codes = rings()
    gamma = 1 / (2 * codes.var(axis=0).sum())
    reference = Reference(5, kernel="rbf", gamma=gamma, eigen_solver="dense").fit(codes)
    ours, theirs = kernel_components(codes, 5), reference.transform(codes)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=2e-4)
    fitted = KernelPCA().fit(codes)
    new = codes[:20] * 1.1
    np.testing.assert_allclose(np.abs(fitted.transform(new)), np.abs(reference.transform(new)[:, :2]), atol=2e-4)


def test_the_unit_and_the_place_of_codes_do_not_matter():
    codes = rings()
    np.testing.assert_allclose(kernel_components(codes, 3), kernel_components(1000 * codes + 500, 3), atol=1e-3)


def test_inner_products_of_all_components_are_the_centred_kernel():
    codes = rings(40).astype(np.float64)
    squares = ((codes[:, None] - codes) ** 2).sum(2)
    kernel = np.exp(-squares / (2 * codes.var(axis=0).sum()))
    centring = np.eye(40) - 1 / 40
    components = kernel_components(codes, 40)
    np.testing.assert_allclose(components @ components.T, centring @ kernel @ centring, atol=1e-5)


def test_more_codes_than_the_kernel_is_made_of_are_placed_by_it():
    codes = rings()
    part = KernelPCA(max_points=60).fit(codes)
    assert part.codes_.shape == (60, 2)
    assert "60 codes" in part.notes[0]
    full = KernelPCA().fit(codes)
    assert not full.notes
    # The same component up to its sign, from half of the codes.
    assert abs(np.corrcoef(part.map_[:, 0], full.map_[:, 0])[0, 1]) > 0.9


def test_what_cannot_be_is_named():
    with pytest.raises(InputError, match="from 1 to the 8 codes"):
        kernel_components(rings(8), 9)
    with pytest.raises(RecipeError, match="max_points"):
        KernelPCA(max_points=0)
