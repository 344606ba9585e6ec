import gzip
import struct

import numpy as np
import pytest

from narrows import data
from narrows.errors import DataError

X = np.random.default_rng(0).integers(0, 256, (6, 9, 8), dtype=np.uint8)


def idx(array, code=0x08):
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_images_and_the_labels_beside_them(tmp_path, pack):
    ending = "" if pack is bytes else ".gz"
    (tmp_path / f"t-images-idx3-ubyte{ending}").write_bytes(pack(idx(X)))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(idx(np.arange(6, dtype=np.uint8)))
    opened = data.open(tmp_path / f"t-images-idx3-ubyte{ending}")
    assert np.array_equal(opened.values[:, 0], X)
    assert opened.labels.tolist() == list(range(6))
    assert opened.provenance["format"] == "idx"
    assert data.open(tmp_path / f"t-images-idx3-ubyte{ending}", labels="none").labels is None


def test_labels_from_an_idx_file_that_is_named(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "anything").write_bytes(idx(np.arange(6, dtype=np.uint8)))
    assert data.open(tmp_path / "x.npy", labels=str(tmp_path / "anything")).labels.tolist() == list(range(6))


def test_big_endian_numbers(tmp_path):
    values = np.array([[1.5, -2.0], [3.0, 4.0]])
    (tmp_path / "x.idx").write_bytes(idx(values.astype(">f4"), 0x0D))
    assert np.array_equal(data.open(tmp_path / "x.idx").values, values)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello there",
        idx(X)[:-1],
        idx(X) + b"x",
        idx(X)[:9],
        b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**31) + b"x",
        b"\0\0\x08\x03" + struct.pack(">3I", 0, 9, 8),
    ],
)
def test_what_is_damaged(tmp_path, content, pack):
    (tmp_path / "x-idx3-ubyte").write_bytes(pack(content))
    with pytest.raises(DataError, match="x-idx3-ubyte"):
        data.open(tmp_path / "x-idx3-ubyte")


def test_a_cut_gzip(tmp_path):
    (tmp_path / "x-idx3-ubyte.gz").write_bytes(gzip.compress(idx(X))[:-20])
    with pytest.raises(DataError, match="is damaged"):
        data.open(tmp_path / "x-idx3-ubyte.gz")
