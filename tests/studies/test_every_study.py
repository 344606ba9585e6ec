"""Every study that ships runs from end to end on a few rows, of small data made here."""

import hashlib
import struct

import numpy as np
import pytest
from scipy.io import savemat

from narrows.data.named import fashion_mnist, mnist
from narrows.studies import study as studies

# Their jobs have quick tests of their own.
LONG = set(studies.builtin()) - {"denoising-digits", "letters-autoencoder"}


@pytest.fixture(scope="session")
def small_data(tmp_path_factory, digits):
    """A data folder with small sets in the layouts of the real ones, and the hashes of those with hashes."""
    folder = tmp_path_factory.mktemp("data")
    images = np.pad(np.kron(digits[0][:400, 0], np.ones((3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)))
    hashes = {}
    for part, rows in (("train", slice(0, 300)), ("t10k", slice(300, 400))):
        for kind, array in (("images-idx3", images[rows]), ("labels-idx1", digits[1][:400][rows].astype(np.uint8))):
            content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
            name = f"{part}-{kind}-ubyte"
            hashes[name] = hashlib.sha256(content).hexdigest()
            for which in ("mnist", "fashion_mnist"):
                (folder / which).mkdir(exist_ok=True)
                (folder / which / name).write_bytes(content)
    rng = np.random.default_rng(0)
    kinds = np.kron(rng.uniform(size=(36, 8, 8)), np.ones((4, 4))).reshape(36, 1024)
    (folder / "letters36").mkdir()
    for part, each in (("train", 6), ("valid", 3), ("test", 3)):
        labels = np.arange(36 * each) % 36
        values = np.clip(kinds[labels] + 0.1 * rng.normal(size=(len(labels), 1024)), 0, 1)
        content = {f"{part}_data": values, f"{part}_labels": np.eye(36)[labels]}
        savemat(folder / "letters36" / f"letters36_{part}.mat", content)
    (folder / "nature8500").mkdir()
    for part, rows in (("train", 300), ("val", 100)):
        colours = np.kron(rng.integers(0, 256, (rows, 8, 8, 3)), np.ones((4, 4, 1))).astype(np.uint8)
        np.save(folder / "nature8500" / f"{part}X.npy", colours)
    np.save(folder / "nature8500" / "valY.npy", np.arange(100) % 2)
    return folder, hashes


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in studies.builtin()]
)
def test_a_quick_look_at_it_works(name, small_data, tmp_path, monkeypatch):
    folder, hashes = small_data
    monkeypatch.setenv("NARROWS_DATA", str(folder))
    monkeypatch.setattr(mnist, "HASHES", hashes)
    monkeypatch.setattr(fashion_mnist, "HASHES", hashes)
    chosen = studies.load(name)
    assert chosen.name == name
    found = studies.run(chosen, tmp_path / "out", quick=True)
    assert [entry["run"] for entry in found["runs"]] == [row.name for row in chosen.run]
    for line in found["figures"]:
        # A figure that is not found even here is a metric that the job does not return.
        assert line["metric"] in next(e for e in found["runs"] if e["run"] == line["run"])["metrics"], line["metric"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
