import io
import zipfile

import numpy as np
import pytest
from scipy import sparse

from narrows import data
from narrows.disk.regular import opened
from narrows.errors import DataError

HEADERS = [
    b"\x93NUMPY\x01\x00" + bytes([len(text), 0]) + text
    for text in (
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 8)}\n",
        b"{'descr': '|S0', 'fortran_order': False, 'shape': (9, 8)}\n",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (9, 8\n",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (True, 8)}\n",
    )
]
X = np.random.default_rng(0).integers(0, 256, (6, 9, 8), dtype=np.uint8)
RARE = sparse.csr_array(np.eye(6))


def test_npy_is_mapped_and_equal(tmp_path):
    np.save(tmp_path / "x.npy", X)
    opened = data.open(tmp_path / "x.npy")
    assert np.array_equal(opened.values[:, 0], X)
    assert isinstance(opened.values, np.memmap)
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    assert np.array_equal(data.open(tmp_path / "x.npy").values[:, 0], X)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_what_was_checked_is_what_is_read(name, tmp_path, monkeypatch):
    path = tmp_path / name
    other = {"x.npy": lambda file: np.save(file, 1 - X // 128), "x.npz": lambda file: sparse.save_npz(file, 2 * RARE)}
    np.save(path, X) if name == "x.npy" else sparse.save_npz(path, RARE)
    expected = data.open(path).values.copy()

    def opened_and_replaced(*given, **options):
        file = opened(*given, **options)
        path.unlink()
        other[name](path)
        return file

    monkeypatch.setattr("narrows.data.formats.npy.opened", opened_and_replaced)
    assert np.array_equal(data.open(path).values, expected)
    assert not np.array_equal(data.open(path).values, expected)  # by now it is the other


def test_a_npy_by_content_whatever_its_name(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "x.npy").rename(tmp_path / "x.bin")
    assert data.open(tmp_path / "x.bin").provenance["format"] == "npy"


def test_objects_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="Python objects from a file could run code"):
        data.open(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", x=np.array([{}, {}], dtype=object))
    with pytest.raises(DataError, match="could run code"):
        data.open(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", x=X, names=np.array([{}, {}], dtype=object))
    assert len(data.open(tmp_path / "x.npz")) == 6
    with pytest.raises(DataError, match=r"names in .*could run code"):
        data.open(tmp_path / "x.npz", labels="names")


def test_a_cut_file_is_refused_before_anything_is_allocated(tmp_path):
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)}
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(b"too little")
    with pytest.raises(DataError, match="truncated"):
        data.open(tmp_path / "x.npy")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x05\x00{'a'}", *HEADERS])
def test_what_is_no_npy(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match="undamaged"):
        data.open(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("arrays", "key", "label_key"),
    [
        ({"images": X, "labels": range(6)}, "images", "labels"),
        ({"x_train": X, "y_train": range(6), "x_test": X[:2], "y_test": range(2)}, "x_train", "y_train"),
        ({"arr_0": X, "arr_1": range(6)}, "arr_0", None),
        ({"X": X, "y": np.eye(6)}, "X", "y"),
        ({"data": X, "mean": X[:3]}, "data", None),
    ],
)
def test_npz_chooses(tmp_path, arrays, key, label_key):
    np.savez(tmp_path / "x.npz", **arrays)
    opened = data.open(tmp_path / "x.npz")
    assert np.array_equal(opened.values[:, 0], arrays[key])
    assert (opened.labels is None) == (label_key is None)
    if label_key:
        assert opened.labels.tolist() == list(range(6))
        assert any(label_key in note for note in opened.notes)
    assert data.open(tmp_path / "x.npz", labels="none").labels is None


def test_npz_asks_when_nothing_stands_out(tmp_path):
    np.savez(tmp_path / "x.npz", a=X, b=X)
    with pytest.raises(DataError, match=r"a \(6, 9, 8\), b \(6, 9, 8\)"):
        data.open(tmp_path / "x.npz")
    assert len(data.open(tmp_path / "x.npz", key="b")) == 6
    with pytest.raises(DataError, match="Valid: a, b"):
        data.open(tmp_path / "x.npz", key="zzz")
    with pytest.raises(DataError, match="Valid: a, auto, b, none"):
        data.open(tmp_path / "x.npz", key="b", labels="zzz")


def test_labels_by_key_of_the_wrong_length(tmp_path):
    np.savez(tmp_path / "x.npz", x=X, other=range(5))
    with pytest.raises(DataError, match="each of the 6 rows; got '5 labels'"):
        data.open(tmp_path / "x.npz", labels="other")


def test_a_damaged_npz(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=X)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[200:240] = bytes(40)
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match="undamaged"):
        data.open(tmp_path / "x.npz")


def test_a_npz_member_that_promises_more_than_it_has(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 8, 8)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"little")
    with pytest.raises(DataError, match="its header announces"):
        data.open(tmp_path / "x.npz")


def test_key_means_nothing_to_npy(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(DataError, match="key"):
        data.open(tmp_path / "x.npy", key="x")
