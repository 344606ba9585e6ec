"""Layouts of a graph of neighbours."""

import os
import subprocess
import sys

import numpy as np
import pytest

from narrows.geometry import manifold

LAID_OUT = """
import sys
import numpy as np
from umap import umap_
from narrows.geometry.manifold import layout

codes = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
np.save(sys.argv[1], layout(codes, start="spectral", epochs=20))
print(sum(umap_.smooth_knn_dist.stats.cache_hits.values()))
"""


def laid_out(path, **environment):
    done = subprocess.run(
        [sys.executable, "-c", LAID_OUT, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return np.load(path), int(done.stdout)


@pytest.mark.slow
def test_code_that_was_kept_gives_the_same_bits_as_code_just_made(tmp_path):
    kept = str(tmp_path / "kept")
    first, found = laid_out(tmp_path / "first.npy", NUMBA_CACHE_DIR=kept)
    assert found == 0
    again, found = laid_out(tmp_path / "again.npy", NUMBA_CACHE_DIR=kept)
    assert found == 1
    assert np.array_equal(first, again)


@pytest.mark.filterwarnings("ignore:Tensorflow not installed")
def test_where_code_cannot_be_kept_it_is_made_again(monkeypatch):
    from umap import umap_

    asked = []

    def refused():
        asked.append(True)
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(umap_.smooth_knn_dist, "enable_caching", refused, raising=True)
    codes = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    points = manifold.layout(codes, start="spectral", epochs=5)
    assert asked == [True]
    assert np.isfinite(points).all()
