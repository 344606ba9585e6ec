"""What every test shares: few threads, an empty cache, and a little data."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn leaves its array API check out
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes, which share the cores
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(threads, "1")

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def digits():
    """The digits (1797, 1, 8, 8) uint8, and their labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * 255 / 16).round().astype(np.uint8)[:, None], data.target
