import os
import subprocess
import sys

import numpy as np
import pytest

from narrows.errors import RecipeError
from narrows.geometry.neighbours import nearest
from narrows.projection.tsne import TSNE
from narrows.projection.umap import UMAP


@pytest.mark.parametrize("method", [TSNE, UMAP])
def test_at_most_max_points_are_laid_out_and_all_have_points(method):
    codes = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    projection = method(max_points=40).fit(codes, nearest(codes, 15))
    assert projection.codes_.shape == (40, 6)
    assert projection.map_.shape == (300, 2)
    assert "laid out for 40 codes" in projection.notes[0]


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
