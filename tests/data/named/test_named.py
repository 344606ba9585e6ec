import functools
import gzip
import hashlib
import http.server
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from narrows import data
from narrows.data import download
from narrows.data.named import fashion_mnist, mnist, named
from narrows.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = {
    "train": RNG.integers(0, 256, (30, 28, 28), dtype=np.uint8),
    "t10k": RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8),
}
LABELS = {part: np.arange(len(images), dtype=np.uint8) % 10 for part, images in IMAGES.items()}


def test_names_are_listed_without_importing_them():
    assert named.names() == ["digits", "fashion-mnist", "letters36", "mnist", "nature8500"]


def test_digits(digits):
    opened = data.open("digits")
    assert np.array_equal(opened.values, digits[0])
    assert np.array_equal(opened.labels, digits[1])
    assert opened.values.max() == 255
    like = opened.provenance["preprocessing"]
    assert like == {"size": [8, 8], "channels": 1, "fit": "crop", "white": 16, "dtype": "float64"}
    assert np.array_equal(data.open(load_digits().images, like=like).values, opened.values)  # counted to 16
    assert np.array_equal(data.open(opened.values, like=like).values, opened.values)
    for given in ({"white": 8}, {"range": [0, 100]}):
        with pytest.raises(DataError, match="only while values are read"):
            data.open("digits", **given)


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A data folder with four small files, and the hashes that belong to them."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    hashes = {}
    for part, images in IMAGES.items():
        for kind, array in (("images-idx3", images), ("labels-idx1", LABELS[part])):
            content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
            name = f"{part}-{kind}-ubyte"
            hashes[name] = hashlib.sha256(content).hexdigest()
            if part == "train":
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    monkeypatch.setattr(mnist, "HASHES", hashes)
    monkeypatch.setattr(mnist, "SOURCES", ("http://127.0.0.1:9/",))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("NARROWS_DATA", raising=False)
    return folder


def test_train_then_test_from_narrows_data(small_mnist, monkeypatch):
    monkeypatch.setenv("NARROWS_DATA", str(small_mnist.parent))
    opened = data.open("mnist")
    assert np.array_equal(opened.values[:, 0], np.concatenate([IMAGES["train"], IMAGES["t10k"]]))
    assert np.array_equal(opened.labels, np.concatenate([LABELS["train"], LABELS["t10k"]]))
    assert opened.split.tolist() == ["train"] * 30 + ["test"] * 5
    assert len(data.open("mnist", limit=10, labels="none")) == 10


def test_from_the_cache(small_mnist):
    target = Path(os.environ["NARROWS_CACHE"]) / "data" / "mnist"
    target.parent.mkdir(parents=True)
    small_mnist.rename(target)
    assert len(data.open("mnist")) == 35


def test_other_content_is_refused(small_mnist, monkeypatch):
    monkeypatch.setenv("NARROWS_DATA", str(small_mnist.parent))
    path = small_mnist / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x09")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte must contain the original"):
        data.open("mnist")


def test_offline_says_once_what_to_put_where(small_mnist):
    with pytest.raises(DataError) as raised:
        data.open("mnist")
    text = str(raised.value)
    assert str(Path(os.environ["NARROWS_CACHE"]) / "data" / "mnist") in text
    assert "NARROWS_DATA" in text
    assert all(f"{name}.gz" in text for name in mnist.HASHES)


def test_downloaded_into_the_cache(small_mnist, monkeypatch):
    for path in list(small_mnist.iterdir()):
        if path.suffix != ".gz":
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(small_mnist))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(mnist, "SOURCES", (f"http://127.0.0.1:{server.server_port}/",))
        assert len(data.open("mnist")) == 35
        server.shutdown()
    assert len(data.open("mnist")) == 35


@pytest.mark.slow
@pytest.mark.skipif("NARROWS_DATA" not in os.environ, reason="needs the real files")
@pytest.mark.parametrize(("name", "first"), [("mnist", [5, 0, 4, 1, 9]), ("fashion-mnist", [9, 0, 0, 3, 0])])
def test_the_real_ones(name, first):
    opened = data.open(name)
    assert opened.values.shape == (70_000, 1, 28, 28)
    assert opened.labels[:5].tolist() == first
    assert (opened.split == "test").sum() == 10_000
    assert len(opened.label_names) == 10


def test_clothing_has_its_real_names():
    assert fashion_mnist.LABEL_NAMES[9] == "Ankle boot"
