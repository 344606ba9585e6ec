import os
import subprocess
import sys

import numpy as np
import pytest

from narrows.errors import RecipeError
from narrows.evaluation.projection import trustworthiness
from narrows.geometry.neighbours import nearest
from narrows.projection import _descent, tsne, umap
from narrows.projection.tsne import TSNE
from narrows.projection.umap import UMAP


def spirals(n):
    """Three spirals in ten dimensions, and which of them each code is on."""
    rng = np.random.default_rng(0)
    kinds, along = np.arange(n) % 3, rng.uniform(1, 9, n)
    curves = np.stack([along * np.cos(along), along * np.sin(along)], axis=1)
    codes = np.zeros((n, 10))
    for kind in range(3):
        codes[kinds == kind, 3 * kind : 3 * kind + 2] = curves[kinds == kind]
    return (codes + 0.05 * rng.standard_normal(codes.shape)).astype(np.float32), kinds


@pytest.fixture
def many(monkeypatch):
    """Let 400 codes be so many that other ways are taken than for few, with as few steps as such codes need."""
    monkeypatch.setattr(tsne, "FEW", 300)
    monkeypatch.setattr(umap, "FEW", 300)
    monkeypatch.setattr(umap, "STEPS", ((40, 2.0),))
    monkeypatch.setattr(_descent, "EARLY", (50, 12.0))
    monkeypatch.setattr(_descent, "COARSE", (60, 2.0))
    monkeypatch.setattr(_descent, "FINE", (5, 1.0))


@pytest.mark.parametrize("method", [TSNE, UMAP])
def test_at_most_max_points_are_laid_out_and_all_have_points(method):
    codes = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    projection = method(max_points=40).fit(codes, nearest(codes, 15))
    assert projection.codes_.shape == (40, 6)
    assert projection.map_.shape == (300, 2)
    assert "laid out for 40 codes" in projection.notes[0]


@pytest.mark.parametrize("method", [TSNE, UMAP])
def test_of_many_codes_all_are_laid_out(method, many):
    codes, kinds = spirals(400)
    found = method().fit(codes, nearest(codes, 15))
    assert len(found.codes_) == 400
    assert trustworthiness(codes, found.map_) > 0.99
    nearest_on_map = nearest(found.map_, 1)[0][:, 0]
    assert (kinds[nearest_on_map] == kinds).mean() > 0.99
    np.testing.assert_array_equal(found.map_, method().fit(codes).map_)  # neighbours that are known, or searched
    np.testing.assert_array_equal(found.transform(codes), found.map_)


@pytest.mark.parametrize("method", [TSNE, UMAP])
def test_of_many_codes_too_few_neighbours_are_searched_again(method, many):
    codes, _ = spirals(400)
    np.testing.assert_array_equal(method().fit(codes, nearest(codes, 3)).map_, method().fit(codes).map_)


@pytest.mark.parametrize("method", [TSNE, UMAP])
def test_copies_among_many_codes_share_a_point(method, many):
    codes, _ = spirals(400)
    found = method().fit(np.concatenate([codes, codes[:50]]))
    np.testing.assert_array_equal(found.map_[400:], found.map_[:50])
    np.testing.assert_array_equal(found.map_[:400], method().fit(codes).map_)


@pytest.mark.parametrize("method", [TSNE, UMAP])
def test_codes_beyond_max_points_stand_where_they_are_placed(method):
    codes, _ = spirals(400)
    found = method(max_points=100).fit(codes)
    np.testing.assert_array_equal(found.map_, found.transform(codes))


def test_perplexity_is_obeyed_for_many_codes(many):
    """The more neighbours a code keeps, the farther from it are those that are drawn to it."""
    codes, _ = spirals(400)
    low, high = (TSNE(perplexity=perplexity).fit(codes).map_ for perplexity in (6, 60))
    shares = [
        (nearest(points, 3)[0][:, :, None] == nearest(codes, 3)[0][:, None]).any(2).mean() for points in (low, high)
    ]
    assert shares[0] > shares[1] + 0.1


def test_min_dist_is_obeyed_for_many_codes(many):
    codes, _ = spirals(400)
    apart = [np.median(nearest(UMAP(min_dist=least).fit(codes).map_, 1)[1]) for least in (0.0, 0.5)]
    assert apart[1] > 1.5 * apart[0]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_many_codes_have_the_same_bits_on_any_number_of_threads(method):
    code = (
        "import hashlib, numpy as np\n"
        "from narrows.projection import methods\n"
        "codes = np.random.default_rng(0).standard_normal((11_000, 12)).astype(np.float32)\n"
        f"print(hashlib.sha256(methods.get('{method}')().fit(codes).map_.tobytes()).hexdigest())\n"
    )
    found = set()
    for threads in ("1", "2", "4"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize("method", [TSNE, UMAP])
def test_codes_of_one_value_use_the_plane(method):
    """PCA lays them out on a line, which forces along that line would never leave."""
    codes = np.random.default_rng(0).standard_normal((60, 1)).astype(np.float32)
    spread = method().fit(codes).map_.std(axis=0)
    assert spread.min() > 0.01 * spread.max()


def test_perplexity_is_lowered_to_what_the_codes_allow():
    codes = np.random.default_rng(0).standard_normal((31, 4)).astype(np.float32)
    assert TSNE(perplexity=30).fit(codes).notes == ("Perplexity lowered to 10, a third of the number of codes.",)
    assert TSNE(perplexity=10).fit(codes).notes == ()


@pytest.mark.parametrize(
    ("method", "arguments"),
    [(TSNE, {"perplexity": 0.5}), (TSNE, {"max_points": 2}), (UMAP, {"n_neighbors": 1}), (UMAP, {"min_dist": -1.0})],
)
def test_refuses_arguments_without_meaning(method, arguments):
    with pytest.raises(RecipeError, match=next(iter(arguments))):
        method(**arguments)


def test_the_module_named_umap_imports_the_package_of_that_name():
    import umap

    assert umap.__name__ == "umap"
    assert not umap.__file__.endswith("projection/umap.py")


@pytest.mark.slow
def test_umap_leaves_the_number_of_threads_of_the_process_as_it_was():
    # In a process of its own: numba touches the number only once, when it starts its threads.
    code = (
        "import numpy as np, torch\n"
        "from narrows.projection.umap import UMAP\n"
        "UMAP(0).fit(np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32))\n"
        "print(torch.get_num_threads())\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
