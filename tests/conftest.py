"""What every test shares: few threads, an empty cache, and a little data."""

import io
import os
from collections import Counter

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn leaves its array API check out
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes, which share the cores
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(threads, "1")

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def digits():
    """The digits (1797, 1, 8, 8) uint8, and their labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * 255 / 16).round().astype(np.uint8)[:, None], data.target


@pytest.fixture(scope="module")
def undrawn(request):
    """Runs write a dot for each of their figures: drawing takes most of the time of a small run.

    With the slow tests they are drawn: figures of odd data, and of every clustering, are tested there.
    """
    if request.config.option.markexpr != "not slow":
        yield
        return
    from narrows.disk.files import write_bytes
    from narrows.report import pictures

    class Blank:
        def __getattr__(self, name):
            return lambda *given, **options: None

    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "png")
    with pytest.MonkeyPatch.context() as patch:
        for room in ("architecture", "curves", "features", "images", "maps", "sheets", "sweeps", "tables"):
            patch.setattr(pictures, room, Blank())
        patch.setattr(pictures, "save", lambda figure, path: write_bytes(path, file.getvalue()))
        yield


def pytest_collection_modifyitems(items):
    """Begin with the tests that take minutes, so that none of them is left alone at the end."""
    items.sort(key=lambda item: -max([mark.kwargs.get("minutes", 0) for mark in item.iter_markers("slow")], default=0))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Say last what this machine could not test, and why."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # one of several processes
        return
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in reporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    said = "; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
    reporter.write_line(f"Not tested: {said or 'nothing that was asked for'}.")
