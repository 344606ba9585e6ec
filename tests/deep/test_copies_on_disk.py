"""Copies among memory-mapped rows are left out by row number; the data stay on disk."""

import numpy as np
import pytest

from narrows.deep import _spaces, _views
from narrows.deep.agreement import Agreement
from narrows.geometry.distinct import count_distinct, first_rows


class Watched(np.memmap):
    """A memory-mapped array that records how many rows are read at once."""

    most = 0

    def __getitem__(self, key):
        found = super().__getitem__(key)
        if isinstance(key, np.ndarray | slice) and isinstance(found, np.ndarray):
            Watched.most = max(Watched.most, len(found))
        return found


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """1,200 images on disk, the last of which is a copy of the first, with too little memory to read them all."""
    images = np.random.default_rng(0).integers(0, 256, (1200, 3, 8, 8), np.uint8)
    images[-1] = images[0]
    kept = Watched(tmp_path / "images", np.uint8, "w+", shape=(1200, 8, 8, 3))
    kept[:] = images.transpose(0, 2, 3, 1)
    monkeypatch.setattr("narrows.training.batches.free_memory", lambda: 0)
    for module, name in ((_spaces, "SAMPLE"), (_spaces, "PATCHED"), (_views, "LOOKED_AT")):
        monkeypatch.setattr(module, name, 300)
    monkeypatch.setattr(Watched, "most", 0)
    return kept.transpose(0, 3, 1, 2), images  # as narrows.open shows what lies with its channels last


@pytest.mark.slow
def test_a_copy_does_not_read_the_set_into_memory(watched):
    kept, images = watched
    options = {"layouts": 1, "epochs": 1, "rounds": 1, "agree": 0.0, "spaces": ["pixels", "patches-coarse"]}
    clusterer = Agreement(3, 0, **options).fit(kept)
    assert Watched.most <= 1024  # rows in one block
    assert np.array_equal(clusterer.rows_, np.arange(1199))
    assert clusterer.labels_[0] == clusterer.labels_[-1]
    assert np.array_equal(clusterer.assign(images), Agreement(3, 0, **options).fit(images).assign(images))


def test_rows_are_told_apart_one_by_one(watched):
    kept, _ = watched
    import tracemalloc

    tracemalloc.start()
    assert count_distinct(kept, 2000) == 1199
    assert np.array_equal(first_rows(kept), np.arange(1199))
    assert tracemalloc.get_traced_memory()[1] < 3 * 192 * 1200 * 8 // 2  # far below the rows as float64, three times
    tracemalloc.stop()
    assert Watched.most == 0
